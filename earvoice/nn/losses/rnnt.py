"""The transducer loss without the tensor of all its scores.

A transducer scores every token after every frame t and every prefix of u target tokens:
[B, T, U, V] numbers, of which the loss needs two a cell, blank and the next token. `lattice`
computes the cells in slices of frames and keeps those two; going back it computes each slice
again. What is held at a time is one slice, whatever T, U and V are.

    t   0      1      2          blank: one frame on;  y: one token on
    u0  o -----o -----o          -log p(y | x) is the sum over all ways from the top left
        |y1    |y1    |y1        through the last blank at the bottom right
    u1  o -----o -----o
        |y2    |y2    |y2
    u2  o -----o -----o ---> end

Sources: RNN-T (1211.3711); alignment restriction (2011.03072), which allows a token only near the
time it is spoken; pruned RNN-T (2206.13236), which computes only the cells that a cheap additive
joiner finds likely; FastEmit (2010.11148), which scales the gradients of token arcs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SLICE_NUMBERS = 4_000_000
"""Scores held at a time: [B, slice of T, U, V] has at most so many, or one frame."""

CELL_SLICE_NUMBERS = 500_000
"""The same where single cells are computed: [n, V]."""

NEVER = 1e-14
"""An arc expected to be passed less often than this has no gradient."""


@dataclass(frozen=True)
class Lattice:
    """Log probabilities of the arcs. blank, label [B, T, U + 1]; label[:, :, U] means nothing."""

    blank: Tensor
    label: Tensor


@dataclass(frozen=True)
class Band:
    """Which cells are computed: at frame t the `width` prefixes from `first[b, t]` on. [B, T]."""

    first: Tensor
    width: int

    def cells(self, prefixes: int) -> Tensor:
        """The same, a truth value a cell of [B, T, U + 1]. prefixes: U + 1."""
        prefix = torch.arange(prefixes, device=self.first.device)
        first = self.first[..., None]
        return (prefix >= first) & (prefix < first + self.width)


def rnnt_loss(lattice: Lattice, frames: Tensor, tokens: Tensor, *, fastemit: float = 0.0) -> Tensor:
    """-log p(targets | speech) of each item, in float64.

    Args: frames [B], tokens [B]: how many are real; fastemit: lambda of the paper; the value of the
    loss does not change, its gradients do.
    Returns [B]; infinite, without gradient, where no path is left.
    """
    loss: Tensor = _PathSum.apply(lattice.blank, lattice.label, frames, tokens, fastemit)
    return loss


def lattice(
    enc: Tensor,
    pred: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    *,
    blank: int = 0,
    cells: Tensor | None = None,
    slice_numbers: int | None = None,
) -> Lattice:
    """The arcs that the joiner softmax(weight tanh(enc + pred) + bias) gives.

    Shapes: enc [B, T, J]; pred [B, U + 1, J]; weight [V, J]; bias [V]; targets [B, U], padding is
    any token; cells [B, T, U + 1]: which are computed, None for all; the others are impossible.
    Scores are computed in the dtype of `enc` and normalised in float32 at least.
    """
    following = F.pad(targets, (0, 1), value=blank)
    if cells is None:
        most = slice_numbers or SLICE_NUMBERS
        scores = _JoinerScores.apply(enc, pred, weight, bias, following, blank, most)
        return Lattice(scores[0], scores[1])
    most = slice_numbers or CELL_SLICE_NUMBERS
    item, frame, prefix = cells.nonzero(as_tuple=True)
    ways = _Cells(
        item * enc.shape[1] + frame,
        item * pred.shape[1] + prefix,
        following[item, prefix],
        blank,
    )
    scores = _CellScores.apply(enc.flatten(0, 1), pred.flatten(0, 1), weight, bias, ways, most)
    spread = scores.new_full((2, *cells.shape), -math.inf)
    spread[:, item, frame, prefix] = scores
    return Lattice(spread[0], spread[1])


def plain_lattice(
    enc: Tensor, pred: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, *, blank: int = 0
) -> Lattice:
    """The same with all scores at once: what `lattice` is measured against."""
    logits = F.linear(torch.tanh(enc[:, :, None] + pred[:, None]), weight, bias)
    scores = logits.log_softmax(-1)
    wanted = F.pad(targets, (0, 1))[:, None, :, None].expand(-1, enc.shape[1], -1, -1)
    return Lattice(scores[..., blank], scores.gather(-1, wanted)[..., 0])


def additive_lattice(
    enc_scores: Tensor, pred_scores: Tensor, targets: Tensor, *, blank: int = 0
) -> Lattice:
    """The arcs of a joiner that only adds: softmax(enc_scores + pred_scores), without [B, T, U, V].

    The sum over the vocabulary is a product of two matrices. Shapes: [B, T, V], [B, U + 1, V].
    """
    enc_scores, pred_scores = enc_scores.float(), pred_scores.float()
    enc_top = enc_scores.amax(-1, keepdim=True).detach()
    pred_top = pred_scores.amax(-1, keepdim=True).detach()
    product = (enc_scores - enc_top).exp() @ (pred_scores - pred_top).exp().transpose(1, 2)
    tiny = torch.finfo(product.dtype).tiny
    total = product.clamp(min=tiny).log() + enc_top + pred_top.transpose(1, 2)
    wanted = F.pad(targets, (0, 1))
    index = wanted[:, None].expand(-1, enc_scores.shape[1], -1)
    label = enc_scores.gather(2, index) + pred_scores.gather(2, wanted[..., None])[..., 0][:, None]
    blanks = enc_scores[..., blank][:, :, None] + pred_scores[..., blank][:, None]
    return Lattice(blanks - total, label - total)


@dataclass(frozen=True)
class Windows:
    """The frames in which each token may be written: `low` to `high`, both [B, U].

    Neither decreases along a target, so that some path is always left.
    """

    low: Tensor
    high: Tensor

    @classmethod
    def around(
        cls, starts: Tensor, ends: Tensor, before: int, behind: int, frames: Tensor
    ) -> Windows:
        """From `starts - before` to `ends + behind`, within the real frames of each item.

        Shapes: starts, ends [B, U]: the frames in which a token can be known and in which it should
        be; for a transcript both are where the word ends. frames [B].
        """
        last = (frames - 1)[:, None]
        low = (starts - before).clamp(min=0).minimum(last)
        high = (ends + behind).clamp(min=0).minimum(last)
        if ends.shape[1]:
            low, high = low.cummax(1).values, high.cummax(1).values
        return cls(low, high.maximum(low))

    def cells(self, frames: Tensor, tokens: Tensor, count: int) -> Tensor:
        """The cells [B, T, U + 1] that paths through the windows can reach, and no other.

        At frame t all tokens that must have come have come, and none that may not yet. count: T;
        frames and tokens [B]: how many are real.
        """
        time = torch.arange(count, device=frames.device)[None, :, None]
        place = torch.arange(self.low.shape[1] + 1, device=frames.device)[None, None]
        real = place[..., :-1] < tokens[:, None, None]
        least = ((self.high[:, None] < time) & real).sum(-1, keepdim=True)
        most = ((self.low[:, None] <= time) & real).sum(-1, keepdim=True)
        return (place >= least) & (place <= most) & (time < frames[:, None, None])


def restrict(arcs: Lattice, windows: Windows) -> Lattice:
    """Allows each token only in its window (2011.03072)."""
    time = torch.arange(arcs.label.shape[1], device=windows.low.device)[None, :, None]
    allowed = (time >= windows.low[:, None]) & (time <= windows.high[:, None])
    return Lattice(arcs.blank, arcs.label.masked_fill(~F.pad(allowed, (0, 1)), -math.inf))


@torch.no_grad()
def pruning_band(arcs: Lattice, frames: Tensor, tokens: Tensor, width: int) -> Band:
    """At each frame the `width` prefixes that the paths of a cheap lattice most pass through.

    They begin with the empty prefix, end with the whole target, never go back, and neighbouring
    frames share one at least, so that there always is a path.
    """
    blank, label, _ = _occupation(arcs.blank, arcs.label, frames, tokens)
    passing = blank + label
    count, prefixes = passing.shape[1], passing.shape[2]
    width = min(width, prefixes)
    sums = F.pad(passing, (1, 0)).cumsum(-1)
    first = (sums[..., width:] - sums[..., :-width]).argmax(-1)
    top = (tokens + 1 - width).clamp(min=0)
    time = torch.arange(count, device=first.device)
    left = (frames[:, None] - 1 - time).clamp(min=0)
    step = max(1, width - 1)
    first = torch.where(
        time[None] >= frames[:, None] - 1, top[:, None], first.minimum(top[:, None])
    )
    first = torch.maximum(first, top[:, None] - left * step)  # the end must still be reached
    first[:, 0] = 0
    first = first.cummax(1).values
    # f(t + 1) <= f(t) + step: the least of f(s) + (t - s) step over all s before t.
    slack = first - time * step
    return Band((slack.cummin(1).values + time * step).clamp(min=0), width)


@dataclass(frozen=True)
class _Cells:
    """Cells as a list: rows of enc and of pred, and the token that comes next, all [N]."""

    enc: Tensor
    pred: Tensor
    token: Tensor
    blank: int

    def part(self, start: int, count: int) -> _Cells:
        """`count` of them from `start` on."""
        span = slice(start, start + count)
        return _Cells(self.enc[span], self.pred[span], self.token[span], self.blank)


class _CellScores(torch.autograd.Function):
    """Blank and token log probabilities [2, N] of a list of cells, a slice of it at a time.

    What is held is a slice's [n, V] scores, small enough for a processor's cache.
    """

    @staticmethod
    def forward(
        ctx: Any, enc: Tensor, pred: Tensor, weight: Tensor, bias: Tensor, cells: _Cells, most: int
    ) -> Tensor:
        work = weight.to(enc.dtype)
        ctx.cells, ctx.count = cells, max(1, most // len(weight))
        ctx.save_for_backward(enc, pred, weight, bias)
        parts = [bias.new_zeros(2, 0, dtype=torch.promote_types(bias.dtype, torch.float32))]
        with torch.autocast(enc.device.type, enabled=False):
            for start in range(0, len(cells.token), ctx.count):
                piece = cells.part(start, ctx.count)
                hidden = torch.tanh(enc[piece.enc] + pred[piece.pred])
                parts.append(_picked(_logits(hidden, work, bias), piece.token, piece.blank))
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        enc, pred, weight, bias = ctx.saved_tensors
        cells: _Cells = ctx.cells
        work = weight.to(enc.dtype)
        wide = torch.promote_types(enc.dtype, torch.float32)
        grad_enc, grad_pred = torch.zeros_like(enc, dtype=wide), torch.zeros_like(pred, dtype=wide)
        grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        with torch.autocast(enc.device.type, enabled=False):
            for start in range(0, len(cells.token), ctx.count):
                piece = cells.part(start, ctx.count)
                hidden = torch.tanh(enc[piece.enc] + pred[piece.pred])
                grad = grads[0][:, start : start + ctx.count]
                scores = _score_grads(_logits(hidden, work, bias), grad, piece.token, piece.blank)
                grad_bias += scores.sum(0)
                scores = scores.to(enc.dtype)
                grad_weight += scores.T @ hidden
                back = ((scores @ work) * (1 - hidden.square())).to(wide)
                grad_enc.index_add_(0, piece.enc, back)
                grad_pred.index_add_(0, piece.pred, back)
        return grad_enc.to(enc.dtype), grad_pred.to(pred.dtype), grad_weight, grad_bias, None, None


class _JoinerScores(torch.autograd.Function):
    """Blank and token log probabilities [2, B, T, U + 1] of all cells, a slice of frames a time."""

    @staticmethod
    def forward(
        ctx: Any,
        enc: Tensor,
        pred: Tensor,
        weight: Tensor,
        bias: Tensor,
        following: Tensor,
        blank: int,
        most: int,
    ) -> Tensor:
        work = weight.to(enc.dtype)
        ctx.frames = max(1, most // (enc.shape[0] * pred.shape[1] * len(weight)))
        ctx.blank = blank
        ctx.save_for_backward(enc, pred, weight, bias, following)
        parts = []
        with torch.autocast(enc.device.type, enabled=False):
            for start in range(0, enc.shape[1], ctx.frames):
                hidden = _hidden(enc[:, start : start + ctx.frames], pred)
                token = following[:, None].expand(-1, hidden.shape[1], -1)
                parts.append(_picked(_logits(hidden, work, bias), token, blank))
        return torch.cat(parts, dim=2)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        enc, pred, weight, bias, following = ctx.saved_tensors
        (grad,) = grads
        work = weight.to(enc.dtype)
        grad_enc, grad_pred = torch.zeros_like(enc), torch.zeros_like(pred)
        grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        with torch.autocast(enc.device.type, enabled=False):
            for start in range(0, enc.shape[1], ctx.frames):
                span = slice(start, start + ctx.frames)
                hidden = _hidden(enc[:, span], pred)
                token = following[:, None].expand(-1, hidden.shape[1], -1)
                scores = _score_grads(
                    _logits(hidden, work, bias), grad[:, :, span], token, ctx.blank
                )
                grad_bias += scores.flatten(0, -2).sum(0)
                scores = scores.to(enc.dtype)
                grad_weight += scores.flatten(0, -2).T @ hidden.flatten(0, -2)
                back = (scores @ work) * (1 - hidden.square())
                grad_enc[:, span] = back.sum(2)
                grad_pred += back.sum(1)
        return grad_enc, grad_pred, grad_weight, grad_bias, None, None, None


def _hidden(enc: Tensor, pred: Tensor) -> Tensor:
    """[B, slice, U + 1, J]."""
    return torch.tanh(enc[:, :, None] + pred[:, None])


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[..., V] in float32, or what is finer."""
    logits = F.linear(hidden, weight)
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return wide.add_(bias)


def _picked(logits: Tensor, token: Tensor, blank: int) -> Tensor:
    """Log probabilities [2, ...] of blank and of each cell's next token; spends the scores."""
    blanks = logits[..., blank].clone()
    labels = logits.gather(-1, token[..., None])[..., 0]
    top = logits.amax(-1, keepdim=True)
    total = logits.sub_(top).exp_().sum(-1).log_() + top[..., 0]
    return torch.stack([blanks - total, labels - total])


def _score_grads(logits: Tensor, grad: Tensor, token: Tensor, blank: int) -> Tensor:
    """Gradients of the scores [..., V], in place of them. grad [2, ...]."""
    grad = grad.to(logits.dtype)
    top = logits.amax(-1, keepdim=True)
    scores = logits.sub_(top).exp_()
    scores.mul_(-(grad[0] + grad[1])[..., None] / scores.sum(-1, keepdim=True))
    scores[..., blank] += grad[0]
    return scores.scatter_add_(-1, token[..., None], grad[1][..., None])


class _PathSum(torch.autograd.Function):
    """-log of the sum over all paths; its gradient is how often each arc is passed."""

    @staticmethod
    def forward(
        ctx: Any, blank: Tensor, label: Tensor, frames: Tensor, tokens: Tensor, fastemit: float
    ) -> Tensor:
        passed_blank, passed_label, total = _occupation(blank, label, frames, tokens)
        # What is passed next to never would give denormal numbers, many times slower to multiply.
        passed = (
            part.masked_fill(part < NEVER, 0.0).to(blank.dtype)
            for part in (passed_blank, passed_label)
        )
        ctx.save_for_backward(*passed)
        ctx.fastemit = fastemit
        return -total

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        passed_blank, passed_label = ctx.saved_tensors
        scale = -grads[0][:, None, None].to(passed_blank.dtype)
        more = 1.0 + ctx.fastemit
        return scale * passed_blank, scale * passed_label * more, None, None, None


@torch.no_grad()
def _occupation(
    blank: Tensor, label: Tensor, frames: Tensor, tokens: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Expected passes of blank and token arcs [B, T, U + 1], and log p [B]; float64.

    Forward and backward go along the diagonals t + u, in all of which cells depend only on the
    diagonal before. Row n of a skewed lattice is that diagonal, by u.
    """
    count, prefixes = blank.shape[1:]
    u = torch.arange(prefixes, device=blank.device)
    t = torch.arange(count, device=blank.device)
    real_t = t[None, :, None] < frames[:, None, None]
    real_u = u[None, None] < tokens[:, None, None]
    inside = real_t & (u[None, None] <= tokens[:, None, None])
    last = (t[None, :, None] == (frames - 1)[:, None, None]) & (
        u[None, None] == tokens[:, None, None]
    )
    on = real_t & (t[None, :, None] < (frames - 1)[:, None, None])
    blanks = _skewed(blank.double().masked_fill(~(on & inside), -math.inf))
    labels = _skewed(label.double().masked_fill(~(real_u & inside), -math.inf))
    ends = _skewed(blank.double().masked_fill(~last, -math.inf))
    alpha = torch.full_like(blanks, -math.inf)
    alpha[:, 0, 0] = 0.0
    for n in range(1, alpha.shape[1]):
        come = alpha[:, n - 1] + labels[:, n - 1]
        stay = alpha[:, n - 1] + blanks[:, n - 1]
        alpha[:, n] = torch.logaddexp(stay, F.pad(come[:, :-1], (1, 0), value=-math.inf))
    total = (alpha + ends).flatten(1).logsumexp(1)
    beta = ends.clone()
    for n in range(alpha.shape[1] - 2, -1, -1):
        ahead = beta[:, n + 1]
        go = labels[:, n] + F.pad(ahead[:, 1:], (0, 1), value=-math.inf)
        beta[:, n] = beta[:, n].logaddexp(torch.logaddexp(blanks[:, n] + ahead, go))
    base = alpha - torch.where(total.isfinite(), total, math.inf)[:, None, None]
    ahead = F.pad(beta[:, 1:], (0, 0, 0, 1), value=-math.inf)
    by_blank = torch.logaddexp(base + blanks + ahead, base + ends).exp()
    further = F.pad(ahead[..., 1:], (0, 1), value=-math.inf)
    by_label = (base + labels + further).exp()
    return _straight(by_blank, count), _straight(by_label, count), total


def _skewed(values: Tensor) -> Tensor:
    """[B, T, U + 1] -> [B, T + U, U + 1]: row n holds the cells with t + u = n."""
    batch, count, prefixes = values.shape
    rows = count + prefixes - 1
    # Column u shifted down by u: with one row more than fits, rows slide by one per column.
    padded = F.pad(values.transpose(1, 2), (0, prefixes), value=-math.inf)
    flat = padded.flatten(1)[:, : prefixes * rows]
    return flat.view(batch, prefixes, rows).transpose(1, 2).contiguous()


def _straight(values: Tensor, count: int) -> Tensor:
    """The inverse of `_skewed`, for a lattice of `count` frames."""
    batch, rows, prefixes = values.shape
    flat = F.pad(values.transpose(1, 2).flatten(1), (0, prefixes))
    return flat.view(batch, prefixes, rows + 1)[..., :count].transpose(1, 2)
