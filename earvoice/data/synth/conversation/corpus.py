"""Makes a corpus of conversations on disk: parallel, resumable, reproducible (`synth.folder`).

<folder>/audio/<conversation>.wav   16 kHz, C channels, int16
<folder>/cuts.jsonl                 a line per conversation, in order (`data.conversations`)
<folder>/rooms/                     the cache of room responses; may be deleted
<folder>/corpus.json                arguments, versions; counts and hash when complete
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earvoice.data.conversations import conversation_from_cut, cut_from_conversation
from earvoice.data.manifest import cut_line
from earvoice.data.synth.conversation.plan import (
    ConversationPlan,
    ConversationSpec,
    plan_conversations,
)
from earvoice.data.synth.conversation.render import render_conversation
from earvoice.data.synth.engines import open_synthesizer
from earvoice.data.synth.folder import (
    Job,
    Making,
    Report,
    close_record,
    make_folder,
    mine,
    write_wav,
)
from earvoice.units import Samples

_FORMAT = 1
_KIND = "conversations"


def make_conversations(
    spec: ConversationSpec,
    folder: Path,
    jobs: int | None = None,
    report: Report = lambda done, all_of_them, hours: None,
) -> dict[str, Any]:
    """Makes the corpus (or the rest of it) and returns its record.

    `report(done, all, hours done)` is called at the start and after each conversation. Raises:
    UsageError if `folder` holds something made with other arguments.
    """
    folder = Path(folder)
    record = {
        "format": _FORMAT,
        "kind": _KIND,
        "arguments": spec.as_dict(),
        "synthesizers": {"espeak": open_synthesizer("espeak").version},
        "complete": False,
    }
    with mine(folder):
        make_folder(_MAKING, plan_conversations(spec), folder, record, jobs, report)
        return close_record(_MAKING, folder, record)


def render_to_file(job: Job[ConversationPlan]) -> str:
    """In a process of its own: renders one conversation, writes its audio, returns its line."""
    plan = job.plan
    seed = int(plan.generator(2).integers(1, 2**31))
    conversation, pcm = render_conversation(
        plan, open_synthesizer("espeak", seed), job.folder / "rooms"
    )
    source = f"audio/{plan.id}.wav"
    write_wav(job.folder / source, pcm)
    return cut_line(cut_from_conversation(conversation, source))


def _audio_of(cut: Mapping[str, Any], folder: Path) -> tuple[str, Path | None, Samples]:
    found = conversation_from_cut(cut, folder)
    return found.id, found.path, found.channels * found.samples


_MAKING: Making[ConversationPlan] = Making(
    render=render_to_file,
    audio_of=_audio_of,
    id_of=lambda plan: plan.id,
    name=lambda plan: plan.id,
    preload=("earvoice.data.synth.conversation.corpus", "pyroomacoustics"),
    recordings="conversations",
    parts="turns",
)
