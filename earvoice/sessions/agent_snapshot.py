"""An agent's session as bytes, exact to the sample, and back: for another process, or later.

Safetensors: the encoder's row, with what it gave that the session has not taken, the window,
what the spotter last heard, and the audio that waits; in the header, as JSON, memory, hits and
counters. Of the glossary only what differs from the one in the request; all of it where a session
was given another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from earvoice.agent.glossary import Entry, Glossary
from earvoice.sessions.snapshot import packed, under, unpacked

if TYPE_CHECKING:
    from earvoice.sessions.agent import AgentInterpreter
    from earvoice.sessions.agent_session import AgentSession

_FORM = "agent-1"


def save_session(owner: AgentInterpreter, session: AgentSession) -> bytes:
    """The bytes of a session. Raises: UsageError for audio that is resampled."""
    told = session.request.glossary
    head: dict[str, Any] = {
        "heard": session.audio.heard,
        "glossary": _difference(session.glossary, Glossary() if told is None else told),
        "memory": session.memory.save(),
        "session": session.progress(),
    }
    tensors: dict[str, Tensor] = {"audio": torch.from_numpy(session.audio.save())}
    row = session.listener.hearing.row
    tensors |= {f"encoder.{k}": leaf for k, leaf in owner.hearings.state.save_row(row).items()}
    waiting = session.listener.waiting
    head["waiting"] = [mark for mark, _ in waiting]
    for at, (_, (frames, speech)) in enumerate(waiting):
        tensors |= {f"waiting.{at}.frames": frames, f"waiting.{at}.speech": speech}
    tensors |= {f"past.{name}": leaf for name, leaf in session.listener.save_past().items()}
    window, head["window"] = session.window.save()
    tensors |= {f"window.{name}": leaf for name, leaf in window.items()}
    if session.spotter is not None:
        tail, head["spotter"] = session.spotter.save()
        tensors |= {} if tail is None else {"spotter.tail": tail}
    return packed(_FORM, head, tensors)


def restore_session(owner: AgentInterpreter, session: AgentSession, data: bytes) -> None:
    """Makes a new session what the saved one was.

    Raises: UsageError for bytes of something else, or of a model of other sizes.
    """
    with unpacked(_FORM, data) as (head, tensors):
        if head["glossary"] is not None:
            session.take_glossary(_glossary(head["glossary"], session.glossary))
        owner.load_row(session, under("encoder.", tensors))
        session.window.restore(under("window.", tensors), head["window"])
        waiting = enumerate(head["waiting"])
        session.listener.restore(
            session.steps,
            [(int(mark), _heard(under(f"waiting.{at}.", tensors))) for at, mark in waiting],
            under("past.", tensors),
        )
        session.memory.restore(head["memory"])
        if session.spotter is not None and "spotter" in head:
            session.spotter.restore(tensors.get("spotter.tail"), head["spotter"], session.glossary)
        session.audio.restore(int(head["heard"]), tensors["audio"].numpy())
        session.set_progress(head["session"])


def _heard(step: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    return step["frames"], step["speech"]


def _difference(now: Glossary, told: Glossary) -> dict[str, Any] | None:
    """What makes the one out of the other, as JSON; None where they are the same."""
    if now is told:
        return None
    if now.base is told.base and not told.added and not told.removed:
        return {"whole": False, "added": _rows(now.added.values()), "removed": sorted(now.removed)}
    return {"whole": True, "added": _rows(now)}


def _rows(entries: Any) -> list[list[str | None]]:
    return [[one.source, one.target, one.src_lang, one.tgt_lang] for one in entries]


def _glossary(saved: dict[str, Any], told: Glossary) -> Glossary:
    added = [Entry(*row) for row in saved["added"]]
    if saved["whole"]:
        return Glossary(added)
    kept = {entry.key for entry in added}
    gone = [told.base[key].source for key in saved["removed"] if key not in kept]
    return told.edit(remove=gone, add=added)
