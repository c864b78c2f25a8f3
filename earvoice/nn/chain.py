"""A list of streaming modules run one after the other; its state is the list of their states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from earvoice.nn.state import State
from earvoice.units import Rate


@dataclass
class ChainState(State):
    """The states of a chain's members, in order."""

    members: list[Any]


class Chain(nn.Module):
    """Streaming modules in sequence. Shapes: [B, T, D] -> [B, T', D'] of the last member."""

    def __init__(self, *members: nn.Module) -> None:
        super().__init__()
        if not members:
            raise ValueError("a chain needs at least one member")
        self.members = nn.ModuleList(members)

    @property
    def rate(self) -> Rate:
        """The members' rates composed."""
        rate: Rate = self.members[0].rate  # type: ignore[assignment]
        for member in self.members[1:]:
            rate = rate.then(member.rate)  # type: ignore[arg-type]
        return rate

    def init_state(self, rows: int, like: Tensor) -> ChainState:
        """Empty states for all members."""
        return ChainState([member.init_state(rows, like) for member in self.members])  # type: ignore[operator]

    def forward(
        self, x: Tensor, state: ChainState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """Runs all members."""
        for index, member in enumerate(self.members):
            x = member(x, None if state is None else state.members[index], rows)
        return x

    def flush(self, state: ChainState, rows: Sequence[int] | None = None) -> Tensor:
        """What is owed at the end: each member's remainder goes through the members after it."""
        owed: Tensor | None = None
        for member, member_state in zip(self.members, state.members, strict=True):
            parts = []
            if owed is not None:
                parts.append(member(owed, member_state, rows))
            parts.append(member.flush(member_state, rows))  # type: ignore[operator]
            owed = torch.cat(parts, dim=1)
        assert owed is not None
        return owed
