"""Optimiser and schedule of a stage."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import nn

from earvoice.errors import ConfigError
from earvoice.train.freeze import check_patterns, lr_scale_of, matches
from earvoice.train.stage import StageConfig

_Groups: TypeAlias = dict[tuple[float, float], list[nn.Parameter]]
"""Parameters by factor on the learning rate and weight decay."""


def optimiser(module: nn.Module, stage: StageConfig) -> torch.optim.Optimizer:
    """AdamW over the trainable parameters; vectors (norms, biases) do not decay.

    The weights of linear layers whose names match `stage.muon` learn by Muon instead.
    Each group carries `scale`, its share of the scheduled learning rate.
    Raises: ConfigError for a pattern of `lr_scale` that matches nothing, and of `muon` that
        matches no linear layer's weight that learns.
    """
    names = [name for name, _ in module.named_parameters()]
    check_patterns(stage.lr_scale, names, "lr_scale")
    learning = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    for pattern in stage.muon:
        if not _linear_weights(module, [pattern]) & learning:
            raise ConfigError(
                f"muon: {pattern!r} matches no linear layer's weight that learns; LoRA, "
                "embeddings, convolutions and vectors learn by AdamW"
            )
    linear = _linear_weights(module, stage.muon)
    matrices: _Groups = {}
    others: _Groups = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decay = stage.weight_decay if parameter.dim() > 1 else 0.0
            key = (lr_scale_of(name, stage.lr_scale), decay)
            (matrices if name in linear else others).setdefault(key, []).append(parameter)
    adamw = functools.partial(torch.optim.AdamW, betas=stage.betas, eps=1e-8, fused=True)
    if not matrices:
        return adamw(_options(others, stage.lr))
    muon = functools.partial(torch.optim.Muon, adjust_lr_fn="match_rms_adamw")
    parts = [muon(_options(matrices, stage.lr, stage.muon_lr / stage.lr))]
    return Several([*parts, adamw(_options(others, stage.lr))] if others else parts)


class Several(torch.optim.Optimizer):
    """Optimisers that each have some of the parameters, as one: theirs are its groups and state."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        groups = [group for part in parts for group in part.param_groups]
        super().__init__([p for group in groups for p in group["params"]], {})
        self.parts = tuple(parts)
        self.param_groups = groups
        for part in parts:
            part.state = self.state

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of each."""
        for part in self.parts:
            part.step()


def _linear_weights(module: nn.Module, patterns: Sequence[str]) -> set[str]:
    """Names of linear layers' weights that match."""
    layers = {id(p.weight) for p in module.modules() if isinstance(p, nn.Linear)}
    named = module.named_parameters()
    return {name for name, p in named if id(p) in layers and matches(name, patterns)}


def _options(groups: _Groups, lr: float, factor: float = 1.0) -> list[dict[str, Any]]:
    """An optimiser's groups; `factor` is on the learning rate of all of them."""
    return [
        {
            "params": parameters,
            "weight_decay": decay,
            "scale": scale * factor,
            "lr": lr * scale * factor,
        }
        for (scale, decay), parameters in groups.items()
    ]


def learning_rate(stage: StageConfig, step: int) -> float:
    """The learning rate of a step (from 0): linear warm-up, then the schedule."""
    if step < stage.warmup_steps:
        return stage.lr * (step + 1) / stage.warmup_steps
    if stage.schedule == "constant":
        return stage.lr
    if stage.schedule == "inverse_sqrt":
        return stage.lr * math.sqrt(max(1, stage.warmup_steps) / (step + 1))
    steps = stage.schedule_steps or stage.steps
    done = (step - stage.warmup_steps) / max(1, steps - stage.warmup_steps)
    left = 1 - done if stage.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return stage.lr * (stage.final_lr + (1 - stage.final_lr) * left)


def set_learning_rate(optim: torch.optim.Optimizer, rate: float) -> None:
    """Applies a learning rate to all groups, each by its share."""
    for group in optim.param_groups:
        group["lr"] = rate * group["scale"]
