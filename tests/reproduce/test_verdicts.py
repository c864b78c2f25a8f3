"""Means, intervals and verdicts, by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.reproduce.spec import StatementConfig
from earvoice.reproduce.verdicts import (
    NOT,
    OPPOSITE,
    SHOWS,
    Answer,
    Observation,
    answer,
    claim_verdict,
    mean_of,
)

FINITE = st.floats(-1e3, 1e3)


def statement(**changes):
    values = {"says": "a beats b", "better": "a", "worse": "b", "on": "talks"}
    return StatementConfig(**values | changes)


def seen(arm, *by_seed, on="talks"):
    """One list of points (BLEU, lag in ms) a seed."""
    return [
        Observation(arm, seed, on, f"k={k}", {"bleu": bleu, "laal_ms": lag})
        for seed, points in enumerate(by_seed, 1)
        for k, (bleu, lag) in enumerate(points, 1)
    ]


def test_three_seeds_by_hand():
    found = mean_of([1.0, 2.0, 6.0])
    # The standard deviation is the root of (4 + 1 + 9) / 2 = 7.
    assert found.value == 3.0
    assert found.half == pytest.approx(4.303 * math.sqrt(7 / 3))
    assert mean_of([4.0]).half is None


@given(st.lists(FINITE, min_size=2, max_size=14), FINITE)
def test_an_interval_moves_with_its_values(values, shift):
    first, second = mean_of(values), mean_of([value + shift for value in values])
    assert second.value == pytest.approx(first.value + shift, abs=1e-6)
    assert second.half == pytest.approx(first.half, abs=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ((30.0, 31.0, 32.0), (20.0, 21.5, 22.0), SHOWS),
        ((20.0, 21.5, 22.0), (30.0, 31.0, 32.0), OPPOSITE),
        ((30.0, 20.0, 25.0), (24.0, 25.0, 24.0), NOT),
        ((30.0,), (20.0,), "not known: one seed has no interval"),
    ],
)
def test_verdicts(a, b, verdict):
    observed = seen("a", *([(x, 1000.0)] for x in a)) + seen("b", *([(x, 1000.0)] for x in b))
    assert answer(statement(), observed).verdict == verdict


def test_a_seed_without_a_partner_does_not_count():
    observed = seen("a", [(30.0, 1.0)], [(31.0, 1.0)], [(99.0, 1.0)])
    observed += seen("b", [(20.0, 1.0)], [(20.0, 1.0)])
    assert answer(statement(), observed).by_seed == (10.0, 11.0)


def test_other_test_sets_do_not_count():
    observed = seen("a", [(30.0, 1.0)], on="sentences") + seen("b", [(20.0, 1.0)])
    assert answer(statement(), observed).verdict == "not known: no seed has both arms"


def test_equal_lag_by_hand():
    # Lines y = 10 x and y = 10 x - 4, in common from 2 s to 3 s: 4 apart everywhere.
    ours = [(10.0, 1000.0), (30.0, 3000.0)]
    theirs = [(16.0, 2000.0), (36.0, 4000.0)]
    observed = seen("a", ours, ours) + seen("b", theirs, theirs)
    found = answer(statement(by="bleu_at_equal_lag"), observed)
    assert found.by_seed == pytest.approx((4.0, 4.0))
    assert found.verdict == SHOWS


def test_no_common_lag_is_a_reason():
    observed = seen("a", [(10.0, 1000.0), (30.0, 2000.0)]) + seen(
        "b", [(10.0, 3000.0), (30.0, 4000.0)]
    )
    found = answer(statement(by="bleu_at_equal_lag"), observed)
    assert found.verdict.startswith("not known: no common latencies")


def test_cost_compares_the_greatest_age_and_less_is_better():
    def costs(arm, *values):
        return [
            Observation(arm, seed, "compute", f"{age} s", {"cost_ms": value})
            for seed in (1, 2)
            for age, value in zip((10, 60), values, strict=True)
        ]

    found = answer(
        statement(on="compute", by="cost"), costs("a", 30.0, 40.0) + costs("b", 20.0, 90.0)
    )
    assert found.by_seed == (50.0, 50.0)


def test_a_claim_is_what_its_statements_are():
    def claim(*verdicts):
        return claim_verdict([Answer("s", verdict) for verdict in verdicts])

    assert claim(SHOWS, SHOWS) == SHOWS
    assert claim(SHOWS, NOT, OPPOSITE) == "shows in part: 1 of 3 statements"
    assert claim(NOT, OPPOSITE) == OPPOSITE
    assert claim(NOT, "not known: why") == NOT
    assert claim("not known: why") == "not known: why"
