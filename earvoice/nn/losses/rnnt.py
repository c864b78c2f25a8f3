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
    band: Band | None = None,
    slice_numbers: int = SLICE_NUMBERS,
) -> Lattice:
    """The arcs that the joiner softmax(weight tanh(enc + pred) + bias) gives.

    Shapes: enc [B, T, J]; pred [B, U + 1, J]; weight [V, J]; bias [V]; targets [B, U], padding is
    any token. Cells outside the band are impossible. Scores are computed in the dtype of `enc` and
    normalised in float32 at least.
    """
    arcs = _arcs(pred, targets, blank, band, enc.shape[1])
    scores = _JoinerScores.apply(enc, pred, weight, bias, arcs, slice_numbers)
    if band is None:
        return Lattice(scores[0], scores[1])
    return Lattice(*(_spread(part, band, pred.shape[1]) for part in scores))


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


def restrict(arcs: Lattice, ends: Tensor, before: int, behind: int, frames: Tensor) -> Lattice:
    """Allows token u only from frame `ends[b, u] - before` to `ends[b, u] + behind`.

    Shapes: ends [B, U], the frame in which each token has been spoken, not decreasing; frames [B].
    """
    time = torch.arange(arcs.label.shape[1], device=ends.device)[None, :, None]
    last = (frames - 1)[:, None]
    low = (ends - before).clamp(min=0).minimum(last)[:, None]
    high = (ends + behind).clamp(min=0).minimum(last)[:, None]
    allowed = F.pad((time >= low) & (time <= high), (0, 1))
    return Lattice(arcs.blank, arcs.label.masked_fill(~allowed, -math.inf))


def alignment_band(
    ends: Tensor, before: int, behind: int, frames: Tensor, tokens: Tensor, count: int
) -> Band:
    """The cells that a restricted alignment can reach, so that no other is computed.

    At frame t all tokens that must have come have come, and none that may not yet. count: T.
    """
    time = torch.arange(count, device=ends.device)[None, :, None]
    real = torch.arange(ends.shape[1], device=ends.device)[None, None] < tokens[:, None, None]
    last = (frames - 1)[:, None]
    low = (ends - before).clamp(min=0).minimum(last)[:, None]
    high = (ends + behind).clamp(min=0).minimum(last)[:, None]
    first = ((high < time) & real).sum(-1)
    furthest = ((low <= time) & real).sum(-1)
    width = int((furthest - first).max()) + 1
    return Band(first.clamp(max=max(0, ends.shape[1] + 1 - width)), width)


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
class _Arcs:
    """The cells that are computed: prefixes [B, T, S], each with the token that comes next.

    Without a band all frames have the same prefixes: [B, 1, S].
    """

    prefix: Tensor
    token: Tensor
    blank: int
    banded: bool


def _arcs(pred: Tensor, targets: Tensor, blank: int, band: Band | None, frames: int) -> _Arcs:
    following = F.pad(targets, (0, 1), value=blank)
    if band is None:
        prefix = torch.arange(pred.shape[1], device=pred.device)[None, None]
        return _Arcs(prefix.expand(len(pred), 1, -1), following[:, None], blank, banded=False)
    prefix = band.first[..., None] + torch.arange(band.width, device=pred.device)
    prefix = prefix.clamp(max=pred.shape[1] - 1)
    token = following[:, None].expand(-1, frames, -1).gather(2, prefix)
    return _Arcs(prefix, token, blank, banded=True)


def _spread(values: Tensor, band: Band, prefixes: int) -> Tensor:
    """Values of a band [B, T, S] in their places of [B, T, U + 1]; impossible elsewhere."""
    index = band.first[..., None] + torch.arange(band.width, device=values.device)
    inside = index < prefixes
    full = values.new_full((*values.shape[:2], prefixes + 1), -math.inf)
    full = full.scatter(2, index.clamp(max=prefixes), values.masked_fill(~inside, -math.inf))
    return full[..., :prefixes]


class _JoinerScores(torch.autograd.Function):
    """Blank and token log probabilities [2, B, T, S], a slice of frames at a time."""

    @staticmethod
    def forward(
        ctx: Any, enc: Tensor, pred: Tensor, weight: Tensor, bias: Tensor, arcs: _Arcs, most: int
    ) -> Tensor:
        work = weight.to(enc.dtype)
        per_frame = enc.shape[0] * arcs.prefix.shape[2] * len(weight)
        ctx.frames = max(1, most // per_frame)
        ctx.arcs = arcs
        ctx.save_for_backward(enc, pred, weight, bias)
        parts = []
        with torch.autocast(enc.device.type, enabled=False):
            for start in range(0, enc.shape[1], ctx.frames):
                piece = _slice(arcs, start, ctx.frames)
                hidden = _hidden(enc[:, start : start + ctx.frames], pred, piece)
                logits = _logits(hidden, work, bias)
                blank, label = logits[..., piece.blank].clone(), _picked(logits, piece)
                top = logits.amax(-1, keepdim=True)
                total = logits.sub_(top).exp_().sum(-1).log_() + top[..., 0]
                parts.append(torch.stack([blank - total, label - total]))
        return torch.cat(parts, dim=2)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        enc, pred, weight, bias = ctx.saved_tensors
        (grad,) = grads
        arcs: _Arcs = ctx.arcs
        work = weight.to(enc.dtype)
        grad_enc = torch.zeros_like(enc)
        grad_pred = torch.zeros_like(pred)
        grad_weight = torch.zeros_like(weight)
        grad_bias = torch.zeros_like(bias)
        with torch.autocast(enc.device.type, enabled=False):
            for start in range(0, enc.shape[1], ctx.frames):
                span = slice(start, start + ctx.frames)
                piece = _slice(arcs, start, ctx.frames)
                hidden = _hidden(enc[:, span], pred, piece)
                scores = _score_grads(_logits(hidden, work, bias), grad[:, :, span], piece)
                grad_bias += scores.flatten(0, -2).sum(0)
                scores = scores.to(enc.dtype)
                grad_weight += scores.flatten(0, -2).T @ hidden.flatten(0, -2)
                back = (scores @ work) * (1 - hidden.square())
                grad_enc[:, span] = back.sum(2)
                _add_to_prefixes(grad_pred, back, piece)
        return grad_enc, grad_pred, grad_weight, grad_bias, None, None


def _slice(arcs: _Arcs, start: int, frames: int) -> _Arcs:
    if not arcs.banded:
        return arcs
    span = slice(start, start + frames)
    return _Arcs(arcs.prefix[:, span], arcs.token[:, span], arcs.blank, banded=True)


def _hidden(enc: Tensor, pred: Tensor, arcs: _Arcs) -> Tensor:
    """[B, slice, S, J]."""
    if not arcs.banded:
        return torch.tanh(enc[:, :, None] + pred[:, None])
    batch, frames, cells = arcs.prefix.shape
    index = arcs.prefix.flatten(1)[..., None].expand(-1, -1, pred.shape[2])
    return torch.tanh(enc[:, :, None] + pred.gather(1, index).view(batch, frames, cells, -1))


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[B, slice, S, V] in float32, or what is finer."""
    logits = F.linear(hidden, weight)
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return wide.add_(bias)


def _picked(logits: Tensor, arcs: _Arcs) -> Tensor:
    """The score of each cell's next token. [B, slice, S]."""
    token = arcs.token.expand(-1, logits.shape[1], -1)
    return logits.gather(-1, token[..., None])[..., 0]


def _score_grads(logits: Tensor, grad: Tensor, arcs: _Arcs) -> Tensor:
    """Gradients of the scores, in place of them. grad [2, B, slice, S]."""
    grad = grad.to(logits.dtype)
    top = logits.amax(-1, keepdim=True)
    scores = logits.sub_(top).exp_()
    scores.mul_(-(grad[0] + grad[1])[..., None] / scores.sum(-1, keepdim=True))
    scores[..., arcs.blank] += grad[0]
    token = arcs.token.expand(-1, scores.shape[1], -1)[..., None]
    return scores.scatter_add_(-1, token, grad[1][..., None])


def _add_to_prefixes(grad_pred: Tensor, back: Tensor, arcs: _Arcs) -> None:
    if not arcs.banded:
        grad_pred += back.sum(1)
        return
    index = arcs.prefix.flatten(1)[..., None].expand(-1, -1, back.shape[-1])
    grad_pred.scatter_add_(1, index, back.flatten(1, 2))


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
