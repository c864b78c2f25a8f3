"""An append session as bytes, exact to the sample, and back: for another process, or later.

Safetensors: the row of the speech model, with what it gave that the session has not taken, the
used part of the row of the cache, and the audio that waits; in the header, as JSON, the counters.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from earvoice.policies import parse_policy
from earvoice.sessions.progress import Progress
from earvoice.sessions.snapshot import packed, told_policy, under, unpacked
from earvoice.text.prompt import Prompt

if TYPE_CHECKING:
    from earvoice.sessions.append import AppendInterpreter
    from earvoice.sessions.append_session import AppendSession

_FORM = "append-1"


def save_session(owner: AppendInterpreter, session: AppendSession) -> bytes:
    """The bytes of a session. Raises: UsageError where its policy is not one of the package."""
    head: dict[str, Any] = {
        "progress": dataclasses.asdict(session.progress),
        "heard": session.audio.heard,
        "span_start_s": session.span_start_s,
        "text": session.text.save(),
        "policy": told_policy(session.policy),
    }
    waiting = session.listener.waiting
    head["waiting"] = [mark for mark, _ in waiting]
    heard = owner.speech_state.save_row(session.listener.hearing.row)
    tensors = {f"speech.{k}": leaf for k, leaf in heard.items()}
    tensors |= {f"waiting.{at}": speech for at, (_, (speech,)) in enumerate(waiting)}
    tensors |= {f"past.{k}": v for k, v in session.listener.save_past().items()}
    used = int(owner.cache.length[session.row])
    for name, leaf in owner.cache.save_row(session.row).items():
        tensors[f"cache.{name}"] = _used(name, leaf, used)
    tensors["audio"] = torch.from_numpy(session.audio.save())
    return packed(_FORM, head, tensors)


def restore_session(owner: AppendInterpreter, session: AppendSession, data: bytes) -> None:
    """Makes a new session what the saved one was.

    Raises: UsageError for bytes of something else, or of a model of other sizes.
    """
    with unpacked(_FORM, data) as (head, tensors):
        cache = under("cache.", tensors)
        own = owner.cache.save_row(session.row)
        for name, leaf in cache.items():
            cache[name] = _filled(name, own[name], leaf)
        owner.speech_state.load_row(session.listener.hearing.row, under("speech.", tensors))
        owner.cache.load_row(session.row, cache)
        session.progress = _progress(head["progress"])
        waiting = enumerate(head.get("waiting", ()))
        session.listener.restore(
            session.progress.dropped + session.progress.segments,
            [(int(mark), (tensors[f"waiting.{at}"],)) for at, mark in waiting],
            under("past.", tensors),
        )
        session.audio.restore(head["heard"], tensors["audio"].numpy())
        session.span_start_s = head["span_start_s"]
        session.text.restore(head["text"])
        session.policy = parse_policy(head["policy"])


def _used(name: str, leaf: Tensor, used: int) -> Tensor:
    """The part of a cache leaf that holds entries: [layers, capacity, ...] or [capacity]."""
    if name == "length":
        return leaf
    return leaf[:, :used] if name in ("k", "v") else leaf[:used]


def _filled(name: str, whole: Tensor, part: Tensor) -> Tensor:
    """A leaf of full size with the saved entries in front. Shapes as in `_used`."""
    if name == "length":
        return part
    if name in ("k", "v"):
        whole[:, : part.shape[1]] = part
    else:
        whole[: part.shape[0]] = part
    return whole


def _progress(saved: dict[str, Any]) -> Progress:
    prompt = saved.pop("prompt")
    previous = tuple(tuple(draft) for draft in saved.pop("previous"))
    return Progress(
        **saved,
        previous=previous,
        prompt=Prompt(tuple(prompt["before"]), tuple(prompt["after"])),
    )
