"""Which parameters train: by name pattern."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from torch import nn

from earvoice.errors import ConfigError


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a parameter name fits one of the shell-like patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def check_patterns(patterns: Collection[str], names: Collection[str], key: str) -> None:
    """Raises: ConfigError for a pattern that matches nothing, which is always a misspelling."""
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in names):
            parts = ", ".join(sorted({name.split(".")[0] for name in names}))
            raise ConfigError(f"{key}: {pattern!r} matches no parameter; the parts are {parts}")


def freeze(module: nn.Module, trainable: Sequence[str]) -> list[str]:
    """Leaves gradients on for matching parameters only; returns their names.

    Raises: ConfigError for a pattern that matches nothing.
    """
    names = [name for name, _ in module.named_parameters()]
    check_patterns(trainable, names, "trainable")
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(matches(name, trainable))
    return [name for name in names if matches(name, trainable)]


def lr_scale_of(name: str, scales: Mapping[str, float]) -> float:
    """The learning-rate factor of a parameter: the last matching pattern wins."""
    factor = 1.0
    for pattern, scale in scales.items():
        if matches(name, [pattern]):
            factor = scale
    return factor
