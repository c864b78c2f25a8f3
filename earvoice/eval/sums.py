"""Figures from sums over items, so that a resampled test set costs one matrix product.

A figure of a test set is a function of sums of a few numbers per item: BLEU of n-gram counts, a
mean of values and how many there are. To resample, sums are taken with other weights; no text is
looked at again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earvoice.eval.history import histories_of, settle
from earvoice.eval.quality import sacrebleu_metric
from earvoice.eval.scored import Scored, Scores

Array = NDArray[np.float64]

MOST_RECORDINGS = 500
"""Percentiles of more recordings have no interval: their sums are as wide as there are of these."""


@dataclass(frozen=True)
class Sums:
    """What a figure needs of every item.

    Shapes: items [N, K]; figure maps sums [..., K] to figures [...], NaN where undefined.
    """

    items: Array
    figure: Callable[[Array], Array]

    @property
    def value(self) -> float:
        """The figure of all items, each once; NaN where undefined."""
        return float(self.figure(self.items.sum(axis=0)))

    def grouped(self, groups: Sequence[int]) -> Array:
        """Sums per group. Shapes: groups [N], each 0 .. G - 1; result [G, K]."""
        found = np.zeros((max(groups, default=-1) + 1, self.items.shape[1]))
        np.add.at(found, np.asarray(groups, dtype=np.intp), self.items)
        return found


@dataclass(frozen=True)
class NoSums:
    """Why a figure cannot be resampled."""

    reason: str


def sums_of(name: str, scored: Scored, scores: Scores) -> Sums | NoSums:
    """The sums behind the metric `name` of `scores`, or why there are none.

    They must give the figure that was scored, to 1e-6; if not, an interval around another
    figure would be printed beside it.
    """
    value = scores.metrics[name]
    if value is None:
        return NoSums(scores.undefined.get(name, "undefined"))
    found = _sums(name, scored, scores)
    if found is None:
        return NoSums("the metric has no figures per item")
    if not math.isclose(found.value, value, rel_tol=1e-6, abs_tol=1e-6):
        return NoSums("the figure is not a mean of its items")
    return found


def _sums(name: str, scored: Scored, scores: Scores) -> Sums | None:
    if name in ("bleu", "chrf", "ter"):
        return _of_texts(name, scored)
    if name in scores.parts:
        return Sums(np.array(scores.parts[name], dtype=np.float64).reshape(-1, 2), _ratio)
    if name in ("erasure", "rtf"):
        return _of_recordings(name, scored)
    if name.startswith("first_output"):
        return _of_firsts(name, scored)
    if name == "units":
        return _total([float(len(item.timed(None).delays_us)) for item in scored.items])
    if name == "empty_segments":
        return _total([float(not item.text) for item in scored.items])
    values = scores.per_item.get(name)
    if values is None or len(values) != len(scored.items):
        return None
    return mean_sums(values)


def mean_sums(values: Sequence[float | None]) -> Sums:
    """A mean over the items that have a value."""
    rows = [(0.0, 0.0) if value is None else (value, 1.0) for value in values]
    return Sums(np.array(rows, dtype=np.float64).reshape(-1, 2), _ratio)


def _of_recordings(name: str, scored: Scored) -> Sums | None:
    """Units withdrawn and left, or computing and audio, at the first item of each recording."""
    first = _first_items(scored)
    rows = np.zeros((len(scored.items), 2))
    for history in histories_of(scored):
        if history.name not in first:
            return None
        if name == "erasure":
            settled = settle(history, scored.hypotheses[0].unit)
            rows[first[history.name]] += (settled.withdrawn, len(settled.units))
        elif history.compute_us is not None and history.source_us:
            rows[first[history.name]] += (history.compute_us, history.source_us)
    return Sums(rows, _ratio)


def _of_firsts(name: str, scored: Scored) -> Sums | None:
    """A percentile of the recordings: how often each is in, at its first item."""
    firsts: dict[str, float] = {}
    for history in histories_of(scored):
        first_us = settle(history, scored.hypotheses[0].unit).first_us
        if first_us is not None:
            earlier = firsts.get(history.name, np.inf)
            firsts[history.name] = min(earlier, first_us / 1000)
    places = _first_items(scored)
    if len(firsts) > MOST_RECORDINGS or not firsts.keys() <= places.keys():
        return None
    values = np.unique(np.array(list(firsts.values()), dtype=np.float64))
    rows = np.zeros((len(scored.items), len(values)))
    for recording, first_ms in firsts.items():
        rows[places[recording], np.searchsorted(values, first_ms)] += 1.0
    return Sums(rows, _Percentile(values, int(name.partition("_p")[2] or 50)))


@dataclass(frozen=True)
class _Percentile:
    """Of `values` [K], ascending, that are in so many times each: counts [..., K] -> [...].

    Linear interpolation between neighbours.
    """

    values: Array
    percent: int

    def __call__(self, counts: Array) -> Array:
        if not len(self.values):
            return np.full(counts.shape[:-1], np.nan)
        ends = counts.cumsum(axis=-1)
        there, most = ends[..., -1], len(self.values) - 1
        place = self.percent / 100.0 * (there - 1.0)
        below = np.floor(place + 1e-9)
        low = (ends <= below[..., None]).sum(axis=-1)
        high = (ends <= np.minimum(below + 1.0, there - 1.0)[..., None]).sum(axis=-1)
        rest = place - below
        low, high = np.minimum(low, most), np.minimum(high, most)
        found = self.values[low] * (1.0 - rest) + self.values[high] * rest
        return np.asarray(np.where(there > 0, found, np.nan))


def exchangeable(ours: Sums, theirs: Sums) -> tuple[Sums, Sums]:
    """The same figures of two runs, from sums that mean the same in both.

    What is counted per value has the values of both as columns, so that rows can change sides.
    """
    mine, other = ours.figure, theirs.figure
    if not isinstance(mine, _Percentile) or not isinstance(other, _Percentile):
        return ours, theirs
    values = np.union1d(mine.values, other.values)
    figure = _Percentile(values, mine.percent)
    return _over(ours, mine.values, figure), _over(theirs, other.values, figure)


def _over(sums: Sums, values: Array, figure: _Percentile) -> Sums:
    items = np.zeros((len(sums.items), len(figure.values)))
    items[:, np.searchsorted(figure.values, values)] = sums.items
    return Sums(items, figure)


def _first_items(scored: Scored) -> dict[str, int]:
    """Every recording's first item."""
    found: dict[str, int] = {}
    for index, item in enumerate(scored.items):
        found.setdefault(item.recording, index)
    return found


def _total(values: Sequence[float]) -> Sums:
    return Sums(np.array(values, dtype=np.float64).reshape(-1, 1), lambda sums: sums[..., 0])


def _ratio(sums: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan))


def _of_texts(name: str, scored: Scored) -> Sums:
    texts = [item.text for item in scored.items]
    references = [item.reference for item in scored.items]
    return text_sums(name, scored.language, texts, references)


def text_sums(name: str, language: str, texts: Sequence[str], references: Sequence[str]) -> Sums:
    """The counts that sacrebleu takes from every pair of texts.

    name: bleu, chrf or ter; language: of the target, which chooses BLEU's tokenizer.
    """
    metric = sacrebleu_metric(name, language)
    counts = metric._extract_corpus_statistics(list(texts), [list(references)]) if texts else []
    figure = {"bleu": bleu, "chrf": chrf, "ter": ter}[name]
    return Sums(np.array(counts, dtype=np.float64).reshape(len(texts), -1), figure)


def bleu(sums: Array) -> Array:
    """Corpus BLEU-4 with sacrebleu's `exp`: 1/2, 1/4, ... of a match for orders without any.

    Shapes: sums [..., 10]: length, reference length, 4 x matches, 4 x n-grams; result [...].
    """
    length, wanted = sums[..., 0], sums[..., 1]
    matches, ngrams = sums[..., 2:6], sums[..., 6:10]
    missed = matches == 0
    smooth = 2.0 ** np.cumsum(missed & (ngrams > 0), axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(missed, 1.0 / smooth, matches) / ngrams
        brevity = np.where(length < wanted, np.exp(1.0 - wanted / length), 1.0)
        score = 100.0 * brevity * np.exp(np.log(precision).mean(axis=-1))
    none = (matches.sum(axis=-1) == 0) | (ngrams == 0).any(axis=-1) | (length == 0)
    return np.asarray(np.where(none, 0.0, score))


def chrf(sums: Array) -> Array:
    """Corpus chrF2 over the character orders that both sides have (Popović 2016).

    Shapes: sums [..., 18]: n-grams, reference n-grams, matches for each order; result [...].
    """
    orders = sums.reshape(*sums.shape[:-1], -1, 3)
    ours, theirs, matches = orders[..., 0], orders[..., 1], orders[..., 2]
    both = (ours > 0) & (theirs > 0)
    count = np.maximum(both.sum(axis=-1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(both, matches / ours, 0.0).sum(axis=-1) / count
        recall = np.where(both, matches / theirs, 0.0).sum(axis=-1) / count
        score = 100.0 * 5.0 * precision * recall / (4.0 * precision + recall)
    return np.asarray(np.where(precision + recall > 0, score, 0.0))


def ter(sums: Array) -> Array:
    """Corpus TER: edits per reference word, in percent. Shapes: sums [..., 2]; result [...]."""
    edits, words = sums[..., 0], sums[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = 100.0 * edits / words
    return np.asarray(np.where(words > 0, rate, np.where(edits > 0, 100.0, 0.0)))
