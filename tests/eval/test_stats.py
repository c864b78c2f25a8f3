"""Intervals and tests: parity with sacrebleu, hand-computed cases, what cannot be said."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

from earvoice.eval.scored import Item, Scored, Scores
from earvoice.eval.stats import (
    bootstrap_p,
    draw,
    group_numbers,
    holm,
    randomisation_p,
    warnings_of,
    with_interval,
)
from earvoice.eval.sums import NoSums, Sums, bleu, mean_sums, sums_of

WORDS = "the a cat dog sat on mat under tree house big small red and , .".split()


def corpus(lines=60, seed=5):
    """References and two systems: `ours` makes fewer errors than `theirs`."""
    chance = random.Random(seed)

    def spoilt(line, share):
        kept = [chance.choice(WORDS) if chance.random() < share else word for word in line]
        return " ".join(word for word in kept if chance.random() > share / 3)

    references = [
        [chance.choice(WORDS) for _ in range(chance.randint(4, 14))] for _ in range(lines)
    ]
    return (
        [" ".join(line) for line in references],
        [spoilt(line, 0.28) for line in references],
        [spoilt(line, 0.34) for line in references],
    )


def scored(texts, references):
    items = [
        Item(text, line, lambda clock: None, frozenset())
        for text, line in zip(texts, references, strict=True)
    ]
    return Scored(items, "short", "de")


def sums(name, texts, references):
    metric = {"bleu": BLEU, "chrf": CHRF, "ter": TER}[name]()
    value = metric.corpus_score(texts, [references]).score
    found = sums_of(name, scored(texts, references), Scores(metrics={name: value}))
    assert isinstance(found, Sums), found
    return found


def of_sacrebleu(kind, samples):
    references, ours, theirs = corpus()
    metrics = {"BLEU": BLEU(), "chrF2": CHRF(), "TER": TER()}
    named = [("theirs", theirs), ("ours", ours)]
    _, found = PairedTest(named, metrics, [references], test_type=kind, n_samples=samples)()
    return found


@pytest.fixture(scope="module")
def paired_bs():
    return of_sacrebleu("bs", 1000)


@pytest.fixture(scope="module")
def paired_ar():
    return of_sacrebleu("ar", 2000)


@pytest.mark.parametrize(("name", "theirs_name"), [("bleu", "BLEU"), ("chrf", "chrF2")])
def test_paired_bootstrap_is_sacrebleus(paired_bs, name, theirs_name):
    references, ours, theirs = corpus()
    a, b = sums(name, ours, references), sums(name, theirs, references)
    draws = draw(tuple(range(60)))
    p = bootstrap_p(draws.figures(a), draws.figures(b), a.value - b.value)
    wanted = paired_bs[theirs_name][1]
    assert p == pytest.approx(wanted.p_value, abs=0.002)
    assert 0.001 < p < 0.5, "a pair of systems that says nothing tests nothing"
    figure = with_interval(a.value, draws.figures(a), draws.n_groups)
    assert (figure.high - figure.low) / 2 == pytest.approx(wanted.ci, abs=1e-3)
    assert figure.value == pytest.approx(wanted.score, abs=1e-9)


@pytest.mark.parametrize(("name", "theirs_name"), [("bleu", "BLEU"), ("chrf", "chrF2")])
def test_approximate_randomisation_is_sacrebleus(paired_ar, name, theirs_name):
    references, ours, theirs = corpus()
    a, b = sums(name, ours, references), sums(name, theirs, references)
    p = randomisation_p(a, b, range(60), swaps=2000)
    assert p == pytest.approx(paired_ar[theirs_name][1].p_value, abs=0.002)
    assert 0.001 < p < 0.9


def test_ties_count(paired_ar):
    """TER is a whole number of edits over the same words, so many swaps reach the same."""
    references, ours, theirs = corpus()
    a, b = sums("ter", ours, references), sums("ter", theirs, references)
    p = randomisation_p(a, b, range(60), swaps=2000)
    assert paired_ar["TER"][1].p_value < p < paired_ar["TER"][1].p_value + 0.1


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(WORDS), max_size=7),
            st.lists(st.sampled_from(WORDS), max_size=7),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_sums_give_sacrebleus_figures(pairs):
    texts = [" ".join(ours) for ours, _ in pairs]
    references = [" ".join(line) for _, line in pairs]
    for name in ("bleu", "chrf", "ter"):
        assert math.isfinite(sums(name, texts, references).value)  # or there would be no sums


def test_bleu_of_a_stack_is_that_of_each():
    references, ours, _ = corpus()
    found = sums("bleu", ours, references)
    assert bleu(found.items)[3] == pytest.approx(
        BLEU().corpus_score([ours[3]], [[references[3]]]).score
    )


def test_a_mean_leaves_out_what_has_no_value():
    found = mean_sums([1.0, None, 3.0])
    assert found.value == 2.0
    assert math.isnan(mean_sums([None]).value)


def test_a_figure_that_is_no_mean_of_its_items_has_no_sums():
    values = Scores(metrics={"x": 5.0}, per_item={"x": [1.0, 2.0]})
    found = sums_of("x", scored(["a", "b"], ["a", "b"]), values)
    assert found == NoSums("the figure is not a mean of its items")


def test_talks_are_drawn_whole():
    draws = draw(group_numbers(["a", "a", "b", "b", "b"]), samples=200)
    assert draws.groups == (0, 0, 1, 1, 1)
    found = set(draws.figures(mean_sums([0.0, 0.0, 1.0, 1.0, 1.0])))
    assert found == {0.0, 0.6, 1.0}  # two of a, one of each, two of b


def test_draws_are_repeatable_and_keep_their_size():
    one, two = draw(range(7)), draw(range(7))
    assert np.array_equal(one.counts, two.counts)
    assert set(one.counts.sum(axis=1)) == {7.0}


def test_one_group_has_no_interval():
    draws = draw((0, 0, 0))
    figure = with_interval(1.0, draws.figures(mean_sums([1.0, 1.0, 1.0])), draws.n_groups)
    assert (figure.value, figure.low, figure.high) == (1.0, None, None)
    assert "one group" in figure.undefined


def test_a_figure_undefined_in_many_resamples_has_no_interval():
    values = mean_sums([1.0, None])
    draws = draw((0, 1))
    figure = with_interval(values.value, draws.figures(values), draws.n_groups)
    assert figure.low is None
    assert "of the resamples" in figure.undefined


def test_a_system_is_not_better_than_itself():
    values = mean_sums([1.0, 2.0, 4.0])
    draws = draw(range(3))
    assert bootstrap_p(draws.figures(values), draws.figures(values), 0.0) == 1.0
    assert randomisation_p(values, values, range(3)) == 1.0


def test_few_talks_are_swapped_in_every_way():
    # All four differences have one sign: only no swap and all swaps reach the one seen.
    a, b = mean_sums([1.0, 2.0, 3.0, 4.0]), mean_sums([2.0, 4.0, 6.0, 8.0])
    assert randomisation_p(a, b, range(4)) == 2 / 16
    assert "0.125" in " ".join(warnings_of(4, "talk"))


def test_few_talks_are_said_to_be_few():
    assert warnings_of(500, "sentence") == []
    assert "wide" in warnings_of(5, "talk")[0]
    assert warnings_of(1, "talk") == ["one talk: there are no intervals and no tests"]


def test_holm():
    # Ordered 0.01, 0.02, 0.04: times 3, 2, 1, and never less than the one before.
    assert holm([0.02, 0.01, 0.04]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.03, None, 0.04]) == [0.06, None, 0.06]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_only_raises_and_keeps_the_order(p_values):
    found = holm(p_values)
    assert all(1.0 >= q >= p for p, q in zip(p_values, found, strict=True))
    ranked = [q for _, q in sorted(zip(p_values, found, strict=True))]
    assert ranked == sorted(ranked)
