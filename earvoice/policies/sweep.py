"""Several policies in one text: the points of a quality-latency curve.

wait-k                            k = 1 to 5, everything else as the model has it
align-att:frames=2/4/8,layer=1    three points
wait-k:k=1/3,hold-n               two kinds, a curve each
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from earvoice.errors import UsageError
from earvoice.policies import PolicySpec, options_of, parse_policy, policy_kinds

SWEPT = MappingProxyType(
    {
        "wait-k": ("k", (1, 2, 3, 4, 5)),
        "hold-n": ("n", (1, 2, 4, 6, 8)),
        "local-agreement": ("n", (2, 3, 4)),
        "align-att": ("frames", (2, 4, 8, 12, 16)),
        "fixed-chunks": ("n", (2, 4, 6, 8, 12)),
    }
)
"""Per kind, the option that trades quality for latency and its usual values."""


@dataclass(frozen=True)
class Sweep:
    """The policies of one curve, which differ in `option`."""

    kind: str
    option: str
    policies: tuple[PolicySpec, ...]

    def label(self, policy: PolicySpec) -> str:
        """What a point is called on its curve, e.g. `k=3`."""
        return f"{self.option}={options_of(policy)[self.option]}"


def parse_sweeps(text: str, base: PolicySpec | None = None) -> tuple[Sweep, ...]:
    """The curves of a text such as `wait-k:k=1/3,n=3,align-att`.

    base: a model's own policy, for what is not said. Errors: `UsageError` naming what is wrong.
    """
    items: list[str] = []
    for part in text.split(","):
        if "=" in part and ":" not in part and items:
            items[-1] += f"{',' if ':' in items[-1] else ':'}{part}"
        else:
            items.append(part.strip())
    kinds = [item.partition(":")[0] for item in items]
    for kind in kinds:
        if kind not in SWEPT:
            raise UsageError(f"policy is {kind!r}, it must be one of {', '.join(policy_kinds())}")
        if kinds.count(kind) > 1:
            raise UsageError(f"policies are {text!r}: {kind} is named twice; use {kind}:x=1/2")
    return tuple(_sweep(item, base) for item in items)


def _sweep(text: str, base: PolicySpec | None) -> Sweep:
    kind, _, tail = text.partition(":")
    option, usual = SWEPT[kind]
    items = [item.strip() for item in tail.split(",") if item.strip()]
    several = [item for item in items if "/" in item]
    if len(several) > 1:
        raise UsageError(f"policy {text!r}: only one option can have several values")
    if several:
        option, _, values = several[0].partition("=")
        points = [f"{option}={value}" for value in values.split("/")]
    elif any(item.startswith(f"{option}=") for item in items):
        points = [""]
    else:
        points = [f"{option}={value}" for value in usual]
    fixed = [item for item in items if item not in several]
    policies = tuple(parse_policy(f"{kind}:{','.join([*fixed, point])}", base) for point in points)
    if len(set(policies)) != len(policies):
        raise UsageError(f"policy {text!r} names a value twice")
    return Sweep(kind, option, policies)
