"""Streaming search in a transducer: frame by frame, any number of tokens a frame up to a cap.

    frame        1        2           3
    hypotheses   -        Gu          Gu ten
                 -        -           Gu t         all begin with "Gu": it is final

Greedy takes the better of blank and best token, again and again. Beam search is time-synchronous:
within a frame every hypothesis may end with blank or grow by a token; the best that have ended go
on to the next frame, equal ones merged. A token is final when all that survive share it.

The blank penalty is given to every token as a bonus. Between blank and token that is the same, but
all hypotheses of a frame have taken equally many blanks, so that a penalty on those would change
nothing between them.

Sources: time-synchronous decoding (Saon et al. 2020); blank penalty and several symbols a frame for
translation as in HENT-SRT (2506.02157).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from earvoice.models.transducer import BLANK, Transducer


@dataclass(frozen=True)
class TransducerSettings:
    """beams 1 is greedy. max_symbols: tokens a frame; max_pending: tokens that may stay open.

    With more open than that, hypotheses that differ from the best in the first are dropped; and so
    they are where the first was written more than `max_open_frames` frames ago (None: never).
    max_last: tokens in the last frame of a stream, in which all must come that has not come yet.
    """

    beams: int = 4
    max_symbols: int = 10
    blank_penalty: float = 0.0
    max_pending: int = 100
    max_last: int = 100
    max_open_frames: int | None = None

    def __post_init__(self) -> None:
        for name in ("beams", "max_symbols", "max_pending", "max_last", "max_open_frames"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be 1 or more")


class Token(NamedTuple):
    """A token and the frame of its stream in which it was written."""

    id: int
    frame: int


@dataclass(frozen=True)
class Hypothesis:
    """A way to go on: open tokens, log probability, and the predictor's side of it.

    memory [M] and predicted [J] are those of `models.transducer`.
    """

    tokens: tuple[Token, ...]
    score: float
    memory: Tensor
    predicted: Tensor

    @property
    def key(self) -> tuple[int, ...]:
        """What makes two hypotheses one."""
        return tuple(token.id for token in self.tokens)


@dataclass
class SearchState:
    """Everything a search remembers of one stream: at most `beams` hypotheses, best first.

    frames: how many have been searched or skipped: the place in the stream.
    """

    hypotheses: list[Hypothesis]
    frames: int = 0

    @property
    def open(self) -> tuple[Token, ...]:
        """The best hypothesis beyond what is final."""
        return self.hypotheses[0].tokens

    def skip(self, frames: int) -> None:
        """Passes over frames of the stream that nobody asked to have searched."""
        self.frames += frames

    def settle(self, *, most_open: int, most_frames: int | None = None) -> list[Token]:
        """Takes out the tokens that all hypotheses share, or that are open too long: final ones."""
        final: list[Token] = []
        while self.open:
            first = self.open[0].id
            agreed = [h for h in self.hypotheses if h.tokens and h.tokens[0].id == first]
            late = most_frames is not None and self.frames - self.open[0].frame > most_frames
            if len(agreed) < len(self.hypotheses) and len(self.open) <= most_open and not late:
                break
            final.append(self.open[0])
            self.hypotheses = [
                Hypothesis(h.tokens[1:], h.score, h.memory, h.predicted) for h in agreed
            ]
        return final

    def close(self) -> list[Token]:
        """The stream has ended: the best hypothesis is final."""
        best = self.hypotheses[0]
        self.hypotheses = [Hypothesis((), 0.0, best.memory, best.predicted)]
        return list(best.tokens)


def begin(model: Transducer) -> SearchState:
    """A stream of which nothing has been searched."""
    memory, predicted = model.begin(1)
    return SearchState([Hypothesis((), 0.0, memory[0], predicted[0])])


def search(
    model: Transducer,
    states: Sequence[SearchState],
    frames: Sequence[Tensor],
    settings: TransducerSettings,
    *,
    last: bool = False,
) -> list[list[Token]]:
    """Goes on by the given frames of each stream, all streams as one batch.

    Args: frames: encoder frames [T, D] each, T may be 0 and differ; last: the streams end there.
    Returns: the tokens of each stream that have become final.
    """
    projected = [model.project(part) for part in frames]
    final: list[list[Token]] = [[] for _ in states]
    longest = max((len(part) for part in projected), default=0)
    for place in range(longest):
        active = [i for i, part in enumerate(projected) if place < len(part)]
        ending = [i for i in active if last and place == len(projected[i]) - 1]
        within = [i for i in active if i not in ending]
        for some, most in ((within, settings.max_symbols), (ending, settings.max_last)):
            if some:
                now = [projected[i][place] for i in some]
                one_frame = _greedy_frame if settings.beams == 1 else _beam_frame
                capped = replace(settings, max_symbols=max(most, settings.max_symbols))
                one_frame(model, [states[i] for i in some], now, capped)
        for i in active:
            states[i].frames += 1
            # After every frame, so that it does not matter how many come in a call.
            final[i] += states[i].settle(
                most_open=settings.max_pending, most_frames=settings.max_open_frames
            )
    return final


def _greedy_frame(
    model: Transducer,
    states: Sequence[SearchState],
    frames: Sequence[Tensor],
    settings: TransducerSettings,
) -> None:
    going = list(range(len(states)))
    for _ in range(settings.max_symbols):
        best = [states[i].hypotheses[0] for i in going]
        scores = model.scores(
            torch.stack([frames[i] for i in going]),
            torch.stack([h.predicted for h in best]),
        )
        scores = _with_bonus(scores, settings.blank_penalty)
        top, tokens = scores.max(-1)
        wrote = [row for row, token in enumerate(tokens.tolist()) if token != BLANK]
        if not wrote:
            return
        memory, predicted = model.step(
            torch.stack([best[row].memory for row in wrote]), tokens[wrote]
        )
        for place, row in enumerate(wrote):
            state = states[going[row]]
            token = Token(int(tokens[row]), state.frames)
            score = best[row].score + float(top[row])
            grown = Hypothesis((*best[row].tokens, token), score, memory[place], predicted[place])
            state.hypotheses = [grown]
        going = [going[row] for row in wrote]


@dataclass
class _Frame:
    """One stream within a frame: hypotheses that may still grow, and those that have ended."""

    frame: Tensor
    growing: list[Hypothesis]
    ended: dict[tuple[int, ...], Hypothesis] = field(default_factory=dict)

    def end(self, hypothesis: Hypothesis, score: float) -> None:
        """A hypothesis goes on to the next frame; equal ones are merged, probabilities added."""
        other = self.ended.get(hypothesis.key)
        keep = hypothesis
        if other is not None:
            keep = other if other.score >= score else hypothesis
            score = _log_sum(score, other.score)
        self.ended[hypothesis.key] = Hypothesis(keep.tokens, score, keep.memory, keep.predicted)

    def best(self, count: int) -> list[Hypothesis]:
        """The best that have ended; ties go to the first tokens, whatever the order was."""
        return sorted(self.ended.values(), key=lambda h: (-h.score, h.key))[:count]


def _beam_frame(
    model: Transducer,
    states: Sequence[SearchState],
    frames: Sequence[Tensor],
    settings: TransducerSettings,
) -> None:
    streams = [_Frame(frame, state.hypotheses) for state, frame in zip(states, frames, strict=True)]
    for symbol in range(settings.max_symbols + 1):
        rows = [(stream, h) for stream in streams for h in stream.growing]
        if not rows:
            break
        scores = model.scores(
            torch.stack([stream.frame for stream, _ in rows]),
            torch.stack([h.predicted for _, h in rows]),
        )
        scores = _with_bonus(scores, settings.blank_penalty)
        blanks = scores[:, BLANK].tolist()
        for (stream, h), blank in zip(rows, blanks, strict=True):
            stream.end(h, h.score + blank)
        if symbol == settings.max_symbols:
            break
        _grow(model, states, streams, scores, settings.beams)
    for state, stream in zip(states, streams, strict=True):
        state.hypotheses = stream.best(settings.beams)


def _grow(
    model: Transducer,
    states: Sequence[SearchState],
    streams: Sequence[_Frame],
    scores: Tensor,
    beams: int,
) -> None:
    """Replaces what grows by its best extensions, if they can still become one of the best."""
    scores = scores.clone()
    scores[:, BLANK] = -math.inf
    values, tokens = (part.tolist() for part in scores.topk(min(beams, scores.shape[1] - 1)))
    parents: list[Hypothesis] = []
    grown: list[tuple[int, int, float]] = []  # stream, token, score
    row = 0
    for index, stream in enumerate(streams):
        found = []
        for h in stream.growing:
            found += [(h.score + v, h, t) for v, t in zip(values[row], tokens[row], strict=True)]
            row += 1
        found.sort(key=lambda item: (-item[0], item[1].key, item[2]))
        best = stream.best(beams)
        least = best[-1].score if len(best) == beams else -math.inf
        kept = [item for item in found[:beams] if item[0] > least]
        parents += [h for _, h, _ in kept]
        grown += [(index, token, score) for score, _, token in kept]
        stream.growing = []
    if not grown:
        return
    memory, predicted = model.step(
        torch.stack([h.memory for h in parents]), torch.tensor([token for _, token, _ in grown])
    )
    for place, (index, token, score) in enumerate(grown):
        written = (*parents[place].tokens, Token(token, states[index].frames))
        streams[index].growing.append(Hypothesis(written, score, memory[place], predicted[place]))


def _with_bonus(scores: Tensor, bonus: float) -> Tensor:
    """Scores [N, V] with something added to all tokens but blank."""
    if not bonus:
        return scores
    blanks = scores[:, BLANK].clone()
    scores = scores + bonus
    scores[:, BLANK] = blanks
    return scores


def _log_sum(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
