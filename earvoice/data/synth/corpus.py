"""Makes a synthetic corpus on disk, in parallel, resumably and reproducibly (`folder`).

<folder>/audio/<talk>.wav    16 kHz mono int16
<folder>/cuts.jsonl          a line per talk (`manifest`)
<folder>/corpus.json         arguments, versions; counts and the manifest's hash when complete
<folder>/glossary.csv ...    of interpreted talks (`interpreted.knowledge`)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earvoice.data.manifest import cut_from_talk, cut_line, talk_from_cut
from earvoice.data.synth.engines import is_installed, open_synthesizer
from earvoice.data.synth.folder import (
    Job,
    Making,
    Report,
    close_record,
    make_folder,
    mine,
    write_wav,
)
from earvoice.data.synth.interpreted.knowledge import write_knowledge
from earvoice.data.synth.plan import CorpusSpec, plan_talks
from earvoice.data.synth.render import RULES, TalkSpec, render_talk
from earvoice.units import Samples

_FORMAT = 1


def synthesise(
    spec: CorpusSpec,
    folder: Path,
    jobs: int | None = None,
    report: Report = lambda done, talks, hours: None,
) -> dict[str, Any]:
    """Makes the corpus (or the rest of it) and returns its record.

    `jobs` processes work at a time (default: one per core). `report(talks done, talks, hours done)`
    is called at the start and after each talk. Raises `UsageError` if `folder` holds a corpus made
    with other arguments or other versions of the synthesizers.
    """
    spec = CorpusSpec(**{**_fields(spec), "engines": spec.resolved_engines()})
    folder = Path(folder)
    record = {
        "format": _FORMAT,
        "arguments": spec.as_dict(),
        "synthesizers": {engine: open_version(engine) for engine in spec.engines},
        "complete": False,
    }
    with mine(folder):
        make_folder(_MAKING, plan_talks(spec), folder, record, jobs, report)
        if spec.style == "interpreted":
            write_knowledge(folder)
        return close_record(_MAKING, folder, record)


def _fields(spec: CorpusSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in CorpusSpec.__dataclass_fields__}


def open_version(engine: str) -> str:
    """The name and version of an engine, as its synthesizer tells it."""
    return open_synthesizer(engine).version


def render_to_file(job: Job[TalkSpec]) -> str:
    """Renders one talk into the folder's audio and returns its manifest line."""
    spec = job.plan
    seed = int(spec.generator(2).integers(1, 2**31))
    synthesizer = open_synthesizer(spec.voice.engine, seed)
    talkers = None
    if RULES[spec.split].sound != "clean":
        if spec.voice.engine == "espeak":
            talkers = synthesizer
        elif is_installed("espeak"):
            talkers = open_synthesizer("espeak", seed)
    talk, pcm = render_talk(spec, synthesizer, talkers)
    source = f"audio/{spec.id}.wav"
    write_wav(job.folder / source, pcm[None])
    return cut_line(cut_from_talk(talk, source))


def _audio_of(cut: Mapping[str, Any], folder: Path) -> tuple[str, Path | None, Samples]:
    talk = talk_from_cut(cut, folder)
    return talk.id, talk.path, talk.samples


_MAKING: Making[TalkSpec] = Making(
    render=render_to_file,
    audio_of=_audio_of,
    id_of=lambda spec: spec.id,
    name=lambda spec: f"{spec.id} ({spec.voice.engine} {spec.voice.name})",
    preload=("earvoice.data.synth.corpus",),
    recordings="talks",
    parts="sentences",
)
