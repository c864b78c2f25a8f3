"""A session as bytes: tensors, and a head of JSON with its form. All snapshots have this shape.

Safetensors; nothing in it is executed when it is read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from earvoice.errors import UsageError
from earvoice.policies import Policy, PolicySpec, format_policy

_HEAD = "head"


def packed(form: str, head: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes. form: which kind of session, and in which version."""
    text = json.dumps({"form": form, **head}).encode()
    whole = {**tensors, _HEAD: torch.frombuffer(bytearray(text), dtype=torch.uint8)}
    return save({name: leaf.contiguous() for name, leaf in whole.items()})


@contextlib.contextmanager
def unpacked(form: str, data: bytes) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """Head and tensors; what goes wrong inside the `with` counts as bytes that do not fit.

    Raises: UsageError for bytes of something else, or of a model of other sizes.
    """
    try:
        tensors = load(data)
        head = json.loads(tensors.pop(_HEAD).numpy().tobytes())
        if head["form"] != form:
            raise UsageError(f"the snapshot has form {head['form']!r}, it must be {form!r}")
        yield head, tensors
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UsageError(f"the snapshot does not fit this model: {error}") from error


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin so, without that."""
    return {k.removeprefix(prefix): leaf for k, leaf in tensors.items() if k.startswith(prefix)}


def told_policy(policy: Policy) -> str:
    """A policy as text. Raises: UsageError where it is not one of the package."""
    if not isinstance(policy, PolicySpec):
        raise UsageError(f"policy is {policy!r}; a session with a policy of your own stays here")
    return format_policy(policy)
