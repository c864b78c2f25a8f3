"""Several frames as one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from earvoice.nn.conv import TailState, init_tail, keep_tail, prepend_tail
from earvoice.nn.state import row_list
from earvoice.units import Frames, Rate


class Stack(nn.Module):
    """`frames` neighbours side by side. Shapes: [B, T, D] -> [B, T // frames, frames * D].

    State: at most frames - 1 inputs a row.
    """

    def __init__(self, frames: Frames, dim: int) -> None:
        super().__init__()
        self.frames, self.dim = frames, dim
        self.rate = Rate(stride=frames, window=frames, lookahead=0)

    def init_state(self, rows: int, like: Tensor) -> TailState:
        """Empty streams."""
        return init_tail(rows, max(1, self.frames - 1), 0, self.dim, like)

    def forward(
        self, x: Tensor, state: TailState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, T, D] -> [B, T', frames * D]."""
        if state is not None:
            x = prepend_tail(x, state, row_list(rows, x.shape[0], state))
        whole = x.shape[1] // self.frames
        if state is not None:
            keep_tail(x, whole * self.frames, state, row_list(rows, x.shape[0], state))
        return x[:, : whole * self.frames].reshape(len(x), whole, self.frames * self.dim)

    def flush(self, state: TailState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, frames * D]."""
        batch = state.rows if rows is None else len(rows)
        return state.tail.new_zeros(batch, 0, self.frames * self.dim)
