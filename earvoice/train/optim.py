"""Optimiser and schedule of a stage."""

from __future__ import annotations

import math

import torch
from torch import nn

from earvoice.train.freeze import check_patterns, lr_scale_of
from earvoice.train.stage import StageConfig


def optimiser(module: nn.Module, stage: StageConfig) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; vectors (norms, biases) do not decay.

    Each group carries `scale`, its share of the scheduled learning rate.
    Raises: ConfigError for an `lr_scale` pattern that matches nothing.
    """
    check_patterns(stage.lr_scale, [name for name, _ in module.named_parameters()], "lr_scale")
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decay = stage.weight_decay if parameter.dim() > 1 else 0.0
            groups.setdefault((lr_scale_of(name, stage.lr_scale), decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "scale": scale, "lr": stage.lr * scale}
            for (scale, decay), parameters in groups.items()
        ],
        betas=stage.betas,
        eps=1e-8,
        fused=True,
    )


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
