"""Policies: when to read and when to write. Pure functions of a view, no torch, no memory.

A policy is its own specification: a frozen value such as `WaitK(k=3, n=3)`.
"""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

from earvoice.errors import UsageError
from earvoice.policies.align_att import AlignAtt
from earvoice.policies.fixed_chunks import FixedChunks
from earvoice.policies.hold_n import HoldN
from earvoice.policies.local_agreement import LocalAgreement
from earvoice.policies.view import Action, Policy, Read, View, Write, drafts_after
from earvoice.policies.wait_k import WaitK

PolicySpec: TypeAlias = WaitK | HoldN | LocalAgreement | AlignAtt | FixedChunks

_KINDS: dict[str, type[PolicySpec]] = {
    WaitK.kind: WaitK,
    HoldN.kind: HoldN,
    LocalAgreement.kind: LocalAgreement,
    AlignAtt.kind: AlignAtt,
    FixedChunks.kind: FixedChunks,
}

OWN_DECISION = "own"
"""How a model that decides by itself when to write is described: it needs no policy."""


def policy_kinds() -> tuple[str, ...]:
    """The names a policy can be asked for by."""
    return tuple(_KINDS)


def parse_policy(text: str, base: PolicySpec | None = None, **options: int | None) -> PolicySpec:
    """The policy of `wait-k:k=3,n=3`, `hold-n:n=4`, `local-agreement`; `options` not None win.

    What is not said is as in `base`, a model's own policy, if that is of the same kind.
    Errors: `UsageError` naming the part that is wrong and what would be legal.
    """
    kind, _, tail = text.partition(":")
    if kind not in _KINDS:
        raise UsageError(f"policy is {kind!r}, it must be one of {', '.join(_KINDS)}")
    policy = _KINDS[kind]
    values: dict[str, int] = {}
    if base is not None and base.kind == kind:
        values |= options_of(base)
    said: dict[str, int] = {}
    for item in filter(None, tail.split(",")):
        name, _, number = item.partition("=")
        digits = number.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 6):
            raise UsageError(f"policy {kind}: {item!r} must be name=number, e.g. n=3")
        if name.strip() in said:
            raise UsageError(f"policy {kind}: {name.strip()!r} is there twice")
        said[name.strip()] = int(digits)
    values |= said
    values.update({name: value for name, value in options.items() if value is not None})
    legal = [field.name for field in dataclasses.fields(policy)]
    for name in values:
        if name not in legal:
            raise UsageError(f"policy {kind}: no option {name!r}, it has {', '.join(legal)}")
    return policy(**values)


def options_of(policy: PolicySpec) -> dict[str, int]:
    """A policy's options, but those that it leaves to the model."""
    return {name: value for name, value in dataclasses.asdict(policy).items() if value is not None}


def format_policy(policy: PolicySpec | None) -> str:
    """The text that `parse_policy` reads back as an equal policy; `own` for none."""
    if policy is None:
        return OWN_DECISION
    options = ",".join(f"{name}={value}" for name, value in options_of(policy).items())
    return f"{policy.kind}:{options}" if options else policy.kind


__all__ = [
    "Action",
    "AlignAtt",
    "FixedChunks",
    "HoldN",
    "LocalAgreement",
    "Policy",
    "PolicySpec",
    "Read",
    "View",
    "WaitK",
    "Write",
    "drafts_after",
    "format_policy",
    "options_of",
    "parse_policy",
    "policy_kinds",
]
