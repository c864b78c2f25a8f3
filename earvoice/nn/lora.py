"""Low-rank adaptation of linear layers (LoRA, 2106.09685), also of fused ones.

    y = W x + b + (alpha / rank) B A dropout(x)         W and b stay as they are

A fused layer (queries, keys and values in one) has an A and a B for each of its parts, as if the
parts were layers of their own: the same maths, and as many parameters, as LoRA on each of them.
The base keeps its names, so that a checkpoint of the plain network loads into the adapted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NAMES = ("lora_a", "lora_b")
"""Leaf names of what is learnt."""
PEFT_NAMES = ("lora_A", "lora_B")
"""peft's, which stand further up: `lora_A.default.weight`."""


class LoraLinear(nn.Linear):
    """A linear layer with a low-rank change beside it. Shapes: [..., in] -> [..., out].

    lora_a [parts, rank, in], lora_b [out, rank]: the rows of `lora_b` belong to the parts in
    order. It starts as the plain layer, because `lora_b` is zero.
    """

    def __init__(
        self,
        base: nn.Linear,
        rank: int,
        alpha: float,
        dropout: float = 0.0,
        parts: Sequence[int] | None = None,
    ) -> None:
        """Takes the weights of `base` over.

        parts: output widths of the layers fused in `base`; None means it is one layer.
        Raises: ValueError when the parts do not add up to the output width.
        """
        nn.Module.__init__(self)
        self.training = base.training
        self.in_features, self.out_features = base.in_features, base.out_features
        self.weight, self.bias = base.weight, base.bias
        self.parts = tuple(parts or (base.out_features,))
        if sum(self.parts) != base.out_features:
            raise ValueError(f"parts {self.parts} do not add up to {base.out_features}")
        self.scale, self.dropout = alpha / rank, dropout
        device = base.weight.device
        a = torch.empty(len(self.parts), rank, base.in_features, device=device)
        b = torch.empty(base.out_features, rank, device=device)
        self.lora_a, self.lora_b = nn.Parameter(a), nn.Parameter(b)
        self.reset_lora()

    def reset_lora(self) -> None:
        """No change at all: A as a linear layer's weights, B zero."""
        for part in self.lora_a:
            nn.init.kaiming_uniform_(part, a=math.sqrt(5))
        nn.init.zeros_(self.lora_b)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        y = F.linear(x, self.weight, self.bias)
        low = F.linear(F.dropout(x, self.dropout, self.training), self.lora_a.flatten(0, 1))
        if len(self.parts) == 1:
            return y + self.scale * F.linear(low, self.lora_b)
        pairs = zip(low.chunk(len(self.parts), -1), self.lora_b.split(self.parts), strict=True)
        return y + self.scale * torch.cat([F.linear(part, b) for part, b in pairs], dim=-1)

    def change(self) -> Tensor:
        """What the adaptation adds to the weight, in float32. [out, in]."""
        pairs = zip(self.lora_a.float(), self.lora_b.float().split(self.parts), strict=True)
        return self.scale * torch.cat([b @ a for a, b in pairs])

    def merged(self) -> Tensor:
        """The weight of the plain layer that does the same, in the base's dtype. [out, in]."""
        return (self.weight.float() + self.change()).to(self.weight.dtype)


def add_lora(
    module: nn.Module,
    rank: int,
    alpha: float,
    dropout: float,
    *,
    parts: Mapping[str, Sequence[int]] | None = None,
    chosen: Callable[[str], bool] = lambda name: True,
) -> list[str]:
    """Puts LoRA beside the linear layers of a module, in place.

    Args: parts: widths within fused layers, by the last part of the name; chosen: which layers,
        by full name.
    Returns: the names of the adapted layers.
    """
    found = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and not isinstance(layer, LoraLinear) and chosen(name)
    ]
    for name in found:
        owner, _, leaf = name.rpartition(".")
        base = module.get_submodule(name)
        assert isinstance(base, nn.Linear)
        adapted = LoraLinear(base, rank, alpha, dropout, (parts or {}).get(leaf))
        setattr(module.get_submodule(owner), leaf, adapted)
    return found


def lora_layers(module: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """The adapted layers of a module, by name."""
    for name, layer in module.named_modules():
        if isinstance(layer, LoraLinear):
            yield name, layer


def is_lora(name: str) -> bool:
    """Whether a tensor of that name belongs to an adaptation and not to the base."""
    return not {*NAMES, *PEFT_NAMES}.isdisjoint(name.split("."))


def lora_state(module: nn.Module) -> dict[str, Tensor]:
    """The adaptation alone, by name."""
    return {name: value for name, value in module.state_dict().items() if is_lora(name)}


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of the plain network that does the same; the module stays as it is."""
    state = {name: value for name, value in module.state_dict().items() if not is_lora(name)}
    with torch.no_grad():
        for name, layer in lora_layers(module):
            state[f"{name}.weight"] = layer.merged()
    return state
