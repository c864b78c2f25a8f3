"""A window session as bytes, exact to the sample, and back: for another process, or later.

All that such a session is: the audio of its window and what waits, and the tokens written in the
window; the cache is filled anew in every step. Safetensors, with the counters as JSON in the
header. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from earvoice.errors import UsageError
from earvoice.policies import PolicySpec, format_policy, parse_policy

if TYPE_CHECKING:
    from earvoice.sessions.window_session import WindowSession

_FORM = "window-1"


def save_session(session: WindowSession) -> bytes:
    """The bytes of a session.

    Raises: UsageError for a policy that is not one of the package, pauses with a memory of their
    own, and audio that is resampled.
    """
    policy = session.policy
    if not isinstance(policy, PolicySpec):
        raise UsageError(f"policy is {policy!r}; a session with a policy of your own stays here")
    window, place = session.window.save()
    head = {
        "form": _FORM,
        "session": session.progress(),
        "heard": session.audio.heard,
        "window": place,
        "text": session.text.save(),
        "policy": format_policy(policy),
    }
    return save(
        {
            "audio": torch.from_numpy(session.audio.save()),
            "window": torch.from_numpy(window),
            "head": torch.frombuffer(bytearray(json.dumps(head).encode()), dtype=torch.uint8),
        }
    )


def restore_session(session: WindowSession, data: bytes) -> None:
    """Makes a new session what the saved one was. Raises: UsageError for other bytes."""
    try:
        tensors = load(data)
        head: dict[str, Any] = json.loads(tensors["head"].numpy().tobytes())
        if head["form"] != _FORM:
            raise UsageError(f"the snapshot has form {head['form']!r}, it must be {_FORM!r}")
        session.window.restore(tensors["window"].numpy(), head["window"])
        session.audio.restore(int(head["heard"]), tensors["audio"].numpy())
        session.text.restore(head["text"])
        session.policy = session.accepted(parse_policy(head["policy"]))
        session.set_progress(head["session"])
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UsageError(f"the snapshot does not fit this model: {error}") from error
