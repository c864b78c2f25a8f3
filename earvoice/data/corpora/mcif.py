"""MCIF: scientific talks in English with translations into German, Italian and Chinese.

    DIR/MCIF*.long.de.ref.xml[.gz]         testset > task@track,@text_lang > sample@iid
    DIR/MCIF_DATA/LONG_AUDIO*/*.wav        names of ten letters

A translation is a sample with iid TRANS_n: audio_path, reference, metadata/transcript. It has no
times; they come from a segmentation (`--segments`, or the only YAML file in DIR). Reference and
transcript hold a segment per line, in some versions with blank lines between; lines are counted
so that reference, transcript and segmentation agree, or it is an error.
"""

from __future__ import annotations

import re
from pathlib import Path

from earvoice.data.corpora.aligned import Said, read_times, segmentation, timed
from earvoice.data.corpora.markup import Element, read_xml
from earvoice.data.corpora.reading import clean, inside, only_file
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.takes import Take, Wanted, primary_subtag
from earvoice.errors import DataError, UsageError

LAYOUT = "DIR/{MCIF*.long.de.ref.xml[.gz], MCIF_DATA/LONG_AUDIO*/*.wav, and times in a YAML file}"
_TRANSLATION = re.compile(r"TRANS_\d+")


def read_mcif(root: Path, wanted: Wanted, skipped: Tally) -> list[Take]:
    """The talks of the long track that are translated."""
    language = primary_subtag(wanted.tgt)
    name = f"MCIF*.long.{language}.ref.xml"
    path = only_file(root, [name, f"{name}.gz"], "references")
    listed = segmentation(wanted.segments, root, "name one with --segments")
    if listed is None:
        raise UsageError(
            f"MCIF has no times: name a segmentation with --segments; expected layout: {LAYOUT}"
        )
    times = read_times(listed)
    folders = [root / "MCIF_DATA", root]
    audio = next((f for top in folders for f in sorted(top.glob("LONG_AUDIO*"))), None)
    if audio is None:
        raise UsageError(f"{root} has no folder MCIF_DATA/LONG_AUDIO*; expected layout: {LAYOUT}")
    takes: list[Take] = []
    for sample in _translations(path, language):
        wav = _audio_path(sample)
        talk = Path(wav).stem
        said = _segments(sample, talk, len(times.get(talk, [])), listed)
        passages = timed(talk, said, times, listed)
        takes.append(Take(talk, inside(audio, wav, sample.where), passages, sample.where))
    return takes


def _translations(path: Path, language: str) -> list[Element]:
    there = []
    for task in read_xml(path).all("task"):
        kind = (task.attribute("track"), task.attribute("text_lang"))
        if kind == ("long", language):
            found = [
                sample
                for sample in task.all("sample")
                if _TRANSLATION.fullmatch(sample.attributes.get("iid", ""))
            ]
            if not found:
                raise DataError(f"{task.where}: has no sample with iid TRANS_n")
            return found
        there.append(" ".join(kind))
    raise DataError(f"{path}: no task 'long {language}'; there are {', '.join(there) or 'none'}")


def _audio_path(sample: Element) -> str:
    """The one recording. A sample's id may be a list with commas; here it must be one talk."""
    element = sample.child("audio_path")
    wav = "" if element is None else element.text.strip()
    if not wav:
        raise DataError(f"{sample.where}: has no audio_path")
    if "," in wav:
        raise DataError(
            f"{sample.where}: {wav.count(',') + 1} recordings share one reference, as in the short "
            "track, and cannot be told apart; use the long track's file"
        )
    return wav


def _segments(sample: Element, talk: str, count: int, listed: Path) -> list[Said]:
    """The pairs of lines, cut in that way in which all three have as many."""
    reference, metadata = sample.child("reference"), sample.child("metadata")
    transcript = None if metadata is None else metadata.child("transcript")
    if reference is None or transcript is None:
        raise DataError(f"{sample.where}: has no reference or no metadata/transcript")
    cuts = (_lines, _filled_lines, _paragraphs)
    for cut in cuts:
        targets, sources = cut(reference.text), cut(transcript.text)
        if len(targets) == len(sources) == count:
            return [
                Said(clean(source), clean(target), f"{sample.path} line {reference.line + below}")
                for (_, source), (below, target) in zip(sources, targets, strict=True)
            ]
    has = [len(_filled_lines(element.text)) for element in (reference, transcript)]
    raise DataError(
        f"{reference.where}: the reference of {talk} has {has[0]} lines that are not blank, its "
        f"transcript {has[1]}, {listed} has {count} segments"
    )


def _lines(text: str) -> list[tuple[int, str]]:
    """Every line between the first and the last with text, and how far it stands below."""
    numbered = list(enumerate(text.split("\n")))
    filled = [number for number, line in numbered if line.strip()]
    return numbered[filled[0] : filled[-1] + 1] if filled else []


def _filled_lines(text: str) -> list[tuple[int, str]]:
    return [(number, line) for number, line in _lines(text) if line.strip()]


def _paragraphs(text: str) -> list[tuple[int, str]]:
    """Lines without a blank one between them, joined."""
    paragraphs: list[tuple[int, str]] = []
    blank = True
    for number, line in _lines(text):
        if line.strip() and not blank:
            first, before = paragraphs[-1]
            paragraphs[-1] = (first, f"{before} {line}")
        elif line.strip():
            paragraphs.append((number, line))
        blank = not line.strip()
    return paragraphs
