"""Predictor and joiner: what makes an encoder a transducer (RNN-T, 1211.3711).

encoder frame  --enc_in-->  +  --tanh-->  out  -->  a score for every token and for blank
tokens so far  --predictor, pred_in-->
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from earvoice.config import Config, Count, Positive, Share
from earvoice.nn.losses.rnnt import (
    Windows,
    additive_lattice,
    lattice,
    pruning_band,
    restrict,
    rnnt_loss,
)

BLANK = 0
"""The token that means nothing: the vocabulary's padding."""


class LstmConfig(Config):
    """One layer of LSTM over all tokens so far, with layer norm (AGADIR's predictor)."""

    kind: Literal["lstm"] = "lstm"
    dim: Count = 256


class StatelessConfig(Config):
    """Only the last `context` tokens: smaller, and hypotheses that agree in them are one."""

    kind: Literal["stateless"] = "stateless"
    dim: Count = 256
    context: Count = 2


class TransducerConfig(Config):
    """A transducer on some encoder; what its loss leaves out of the full sum over paths."""

    predictor: Annotated[LstmConfig | StatelessConfig, Field(discriminator="kind")] = LstmConfig()
    joint: Count = 768
    dropout: Share = 0.0
    fastemit: Share = 0.0
    align_before: Annotated[int, Field(ge=0)] | None = None
    """Frames before a token can be known from which on it may be written; None: any time."""
    align_behind: Annotated[int, Field(ge=0)] = 10
    prune: Annotated[int, Field(ge=2)] | None = None
    """Prefixes a frame that are computed; None: all of them."""
    simple_weight: Positive = 0.5
    """Weight of the additive joiner's own loss, where it prunes."""


class LstmPredictor(nn.Module):
    """Memory of a hypothesis: the LSTM's output and cell, side by side."""

    def __init__(self, vocab_size: int, config: LstmConfig) -> None:
        super().__init__()
        self.dim, self.memory_dim = config.dim, 2 * config.dim
        self.embedding = nn.Embedding(vocab_size, config.dim)
        self.lstm = nn.LSTM(config.dim, config.dim, batch_first=True)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """After each token: [B, U] -> [B, U, D]."""
        y: Tensor = self.norm(self.lstm(self.embedding(tokens))[0])
        return y

    def step(self, memory: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """One more token each: memory [N, M], tokens [N] -> [N, D] and the new memory."""
        h, c = memory.unsqueeze(0).chunk(2, dim=-1)
        x = self.embedding(tokens)[:, None]
        y, (h, c) = self.lstm(x, (h.contiguous(), c.contiguous()))
        return self.norm(y[:, 0]), torch.cat([h[0], c[0]], dim=-1)


class StatelessPredictor(nn.Module):
    """Memory of a hypothesis: the embeddings of its last `context` tokens, side by side."""

    def __init__(self, vocab_size: int, config: StatelessConfig) -> None:
        super().__init__()
        self.dim, self.context = config.dim, config.context
        self.memory_dim = config.dim * config.context
        self.embedding = nn.Embedding(vocab_size, config.dim)
        self.weight = nn.Parameter(torch.full((config.context, config.dim), config.context**-0.5))
        self.mix = nn.Linear(config.dim, config.dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """After each token: [B, U] -> [B, U, D]."""
        x = F.pad(self.embedding(tokens), (0, 0, self.context - 1, 0))
        return self._mixed(x.unfold(1, self.context, 1).transpose(2, 3))

    def step(self, memory: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """One more token each: memory [N, M], tokens [N] -> [N, D] and the new memory."""
        memory = torch.cat([memory[:, self.dim :], self.embedding(tokens)], dim=-1)
        return self._mixed(memory.view(-1, self.context, self.dim)), memory

    def _mixed(self, window: Tensor) -> Tensor:
        """[..., context, D] -> [..., D]."""
        return F.relu(self.mix((window * self.weight).sum(-2)))


class Transducer(nn.Module):
    """Predictor and joiner over encoder frames of `enc_dim`."""

    def __init__(self, enc_dim: int, vocab_size: int, config: TransducerConfig) -> None:
        super().__init__()
        self.config = config
        self.predictor: LstmPredictor | StatelessPredictor
        if isinstance(config.predictor, LstmConfig):
            self.predictor = LstmPredictor(vocab_size, config.predictor)
        else:
            self.predictor = StatelessPredictor(vocab_size, config.predictor)
        self.enc_in = nn.Linear(enc_dim, config.joint)
        self.pred_in = nn.Linear(self.predictor.dim, config.joint)
        self.out = nn.Linear(config.joint, vocab_size)
        self.enc_simple: nn.Linear | None = None
        self.pred_simple: nn.Linear | None = None
        if config.prune is not None:
            self.enc_simple = nn.Linear(enc_dim, vocab_size)
            self.pred_simple = nn.Linear(self.predictor.dim, vocab_size)

    # ------------------------------------------------------------ searching

    def project(self, frames: Tensor) -> Tensor:
        """Encoder frames to the joiner's side: [..., D] -> [..., J]."""
        y: Tensor = self.enc_in(frames)
        return y

    def begin(self, count: int) -> tuple[Tensor, Tensor]:
        """The empty hypothesis `count` times: memory [N, M], its side of the joiner [N, J]."""
        like = self.out.weight
        memory = like.new_zeros(count, self.predictor.memory_dim)
        blanks = torch.full((count,), BLANK, dtype=torch.long, device=like.device)
        return self.step(memory, blanks)

    def step(self, memory: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Hypotheses with one more token each: memory [N, M], their side of the joiner [N, J]."""
        y, memory = self.predictor.step(memory, tokens)
        return memory, self.pred_in(y)

    def scores(self, frames: Tensor, predicted: Tensor) -> Tensor:
        """Log probabilities [N, V] for projected frames and hypotheses [N, J]."""
        logits: Tensor = self.out(torch.tanh(frames + predicted))
        return logits.float().log_softmax(-1)

    # ------------------------------------------------------------ learning

    def loss(
        self,
        frames: Tensor,
        counts: Tensor,
        targets: Sequence[Sequence[int]],
        ends: Sequence[Sequence[int]] | None = None,
        starts: Sequence[Sequence[int]] | None = None,
    ) -> Tensor:
        """-log p(target) of each item, a number per item [B].

        Args: frames [B, T, D], counts [B] of them real; for the restricted alignment, ends: the
            frame in which each target token should have been written, the end of its word or turn;
            starts: the frame from which on it can be known, by default the same.
        """
        device = frames.device
        tokens = torch.tensor([len(target) for target in targets], device=device)
        padded = _padded(targets, device)
        predicted = self.predictor(F.pad(padded, (1, 0), value=BLANK))
        if self.config.dropout and self.training:
            predicted = F.dropout(predicted, self.config.dropout)
        cells, simple, windows = None, None, None
        before, behind = self.config.align_before, self.config.align_behind
        if before is not None and ends is not None:
            at = _padded(ends, device)
            known = at if starts is None else _padded(starts, device)
            windows = Windows.around(known, at, before, behind, counts)
            cells = windows.cells(counts, tokens, frames.shape[1])
        elif self.enc_simple is not None and self.pred_simple is not None:
            cheap = additive_lattice(self.enc_simple(frames), self.pred_simple(predicted), padded)
            simple = rnnt_loss(cheap, counts, tokens, fastemit=self.config.fastemit)
            band = pruning_band(cheap, counts, tokens, self.config.prune or 2)
            cells = band.cells(padded.shape[1] + 1)
        arcs = lattice(
            self.enc_in(frames),
            self.pred_in(predicted),
            self.out.weight,
            self.out.bias,
            padded,
            blank=BLANK,
            cells=cells,
        )
        if windows is not None:
            arcs = restrict(arcs, windows)
        loss = rnnt_loss(arcs, counts, tokens, fastemit=self.config.fastemit)
        return loss if simple is None else loss + self.config.simple_weight * simple


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """[B, U], zeros behind the end."""
    tensors = [torch.tensor(row, dtype=torch.long, device=device) for row in rows]
    return pad_sequence(tensors, batch_first=True, padding_value=BLANK)
