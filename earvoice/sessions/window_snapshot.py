"""A window session as bytes, exact to the sample, and back: for another process, or later.

All that such a session is: the audio of its window and what waits, and the tokens written in the
window; the cache is filled anew in every step. Counters are in the header, as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from earvoice.policies import parse_policy
from earvoice.sessions.snapshot import packed, told_policy, unpacked

if TYPE_CHECKING:
    from earvoice.sessions.window_session import WindowSession

_FORM = "window-1"


def save_session(session: WindowSession) -> bytes:
    """The bytes of a session.

    Raises: UsageError for a policy that is not one of the package, pauses with a memory of their
    own, and audio that is resampled.
    """
    window, place = session.window.save()
    head = {
        "session": session.progress(),
        "heard": session.audio.heard,
        "window": place,
        "text": session.text.save(),
        "policy": told_policy(session.policy),
    }
    tensors = {
        "audio": torch.from_numpy(session.audio.save()),
        "window": torch.from_numpy(window),
    }
    return packed(_FORM, head, tensors)


def restore_session(session: WindowSession, data: bytes) -> None:
    """Makes a new session what the saved one was. Raises: UsageError for other bytes."""
    with unpacked(_FORM, data) as (head, tensors):
        session.window.restore(tensors["window"].numpy(), head["window"])
        session.audio.restore(int(head["heard"]), tensors["audio"].numpy())
        session.text.restore(head["text"])
        session.policy = session.accepted(parse_policy(head["policy"]))
        session.set_progress(head["session"])
