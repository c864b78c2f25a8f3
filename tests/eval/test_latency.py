"""Latency metrics: the field's public worked example, corner cases, and exactness."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.eval.latency import (
    LONG_FORM,
    SHORT_FORM,
    Timed,
    Undefined,
    average_lagging,
    average_proportion,
    average_token_delay,
    differentiable_average_lagging,
    end_offset,
    length_adaptive_average_lagging,
    long_yaal,
    mean,
    over_items,
    start_offset,
    yet_another_average_lagging,
)


def ms(delays, source, reference, end=None):
    end_us = None if end is None else round(end * 1000)
    return Timed([round(d * 1000) for d in delays], round(source * 1000), reference, end_us)


# Two recordings of 3.7 and 4.0 s, chunks of 500 ms; two words at 1 s, one at 2 s, two at the end;
# references of six and two words. Values as SimulEval 1.1.4 prints them.
LONG_REFERENCE = ms([1000, 1000, 2000, 3700, 3700], 3700, 6)
SHORT_REFERENCE = ms([1000, 1000, 2000, 4000, 4000], 4000, 2)


@pytest.mark.parametrize(
    ("metric", "values", "average"),
    [
        (average_lagging, (1000, -1000), 0),
        (length_adaptive_average_lagging, (1000, 800), 900),
        (average_proportion, (0.514, 1.5), 1.007),
        (differentiable_average_lagging, (1192, 1240), 1216),
        (end_offset, (0, 0), 0),
        (start_offset, (1000, 1000), 1000),
    ],
)
def test_the_public_example(metric, values, average):
    found, reasons = over_items(metric, [LONG_REFERENCE, SHORT_REFERENCE])
    assert reasons == []
    assert found == pytest.approx(values, abs=5e-4)
    assert mean(found) == pytest.approx(average, abs=5e-4)


def test_the_public_example_of_atd():
    found, _ = over_items(average_token_delay, [LONG_REFERENCE, SHORT_REFERENCE])
    assert mean(found) == pytest.approx(1520, abs=1e-9)


def test_a_first_word_after_the_end_is_its_own_lag():
    assert average_lagging(ms([2001, 2100], 2000, 3)) == 2001
    assert average_lagging(ms([2000, 2100], 2000, 3)) == 2000  # exactly at the end: one word
    assert length_adaptive_average_lagging(ms([2500], 2000, 1)) == 2500


def test_a_tenth_of_a_second_is_not_lost_to_floats():
    # 10.1 - 7.9 is 2.1999999999999993 in seconds; the second word is at the end, exactly.
    item = Timed([1_000_000, 10_100_000 - 7_900_000, 3_000_000], 2_200_000, 3)
    by_hand = Fraction(1_000_000 + 2_200_000, 2) - Fraction(2_200_000, 3) / 2
    assert average_lagging(item) == float(by_hand / 1000)


def test_what_comes_after_the_end_does_not_count_in_yaal():
    assert yet_another_average_lagging(ms([500, 1000, 1500], 1500, 3)) == pytest.approx(
        (500 + 1000 - 500) / 2
    )
    with pytest.raises(Undefined, match="before the source ended"):
        yet_another_average_lagging(ms([1500], 1500, 1))


def test_long_yaal_goes_to_the_end_of_the_recording():
    item = ms([-200, 1600, 4000], 1500, 2, end=4000)
    assert long_yaal(item) == pytest.approx((-200 + 1600 - 500) / 2)
    with pytest.raises(Undefined, match="not known"):
        long_yaal(ms([100], 1500, 2))


@pytest.mark.parametrize("metric", [*SHORT_FORM.values(), *LONG_FORM.values()])
def test_no_words_or_no_source_is_undefined_and_never_a_crash(metric):
    for item in (ms([], 1000, 3, end=1000), ms([10], 0, 3, end=0)):
        with pytest.raises(Undefined):
            metric(item)


def test_an_empty_reference_is_undefined_where_it_divides():
    for metric in (average_lagging, average_proportion):
        with pytest.raises(Undefined, match="reference"):
            metric(ms([10], 1000, 0))
    assert length_adaptive_average_lagging(ms([10], 1000, 0)) == 10


def test_means_leave_out_what_is_undefined():
    values, reasons = over_items(yet_another_average_lagging, [ms([1], 2, 1), ms([], 2, 1)])
    assert values == [1.0, None]
    assert reasons == ["nothing was written"]
    assert mean(values) == 1.0
    assert mean([None]) is None


def test_atd_counts_computation_once():
    plain = Timed([1_000_000, 1_000_000], 2_000_000, 2)
    slow = Timed([1_000_000, 1_000_000], 2_000_000, 2, compute_us=[200_000, 200_000])
    assert average_token_delay(slow) - average_token_delay(plain) == pytest.approx(200)


TIMED = st.builds(
    Timed,
    st.lists(st.integers(0, 10**8), min_size=1, max_size=40).map(sorted),
    st.integers(1, 10**8),
    st.integers(1, 60),
)


@given(TIMED)
def test_lagging_is_its_definition_in_fractions(item):
    delays, source = item.delays_us, item.source_us
    for metric, units in (
        (average_lagging, item.reference_units),
        (length_adaptive_average_lagging, max(item.reference_units, len(delays))),
    ):
        if delays[0] > source:
            expected = Fraction(delays[0])
        else:
            tau = next((i for i, d in enumerate(delays, 1) if d >= source), len(delays))
            lags = [delays[i] - Fraction(i * source, units) for i in range(tau)]
            expected = sum(lags) / tau
        assert metric(item) == float(expected / 1000)


@given(TIMED)
def test_dal_is_its_definition_in_fractions(item):
    count, pace = len(item.delays_us), Fraction(item.source_us, len(item.delays_us))
    spaced = []
    for delay in item.delays_us:
        spaced.append(Fraction(delay) if not spaced else max(Fraction(delay), spaced[-1] + pace))
    expected = sum(g - i * pace for i, g in enumerate(spaced)) / count
    assert differentiable_average_lagging(item) == float(expected / 1000)


@given(TIMED, st.integers(1, 1000))
def test_later_words_never_lower_dal(item, more):
    later = Timed([d + more for d in item.delays_us], item.source_us, item.reference_units)
    gap = differentiable_average_lagging(later) - differentiable_average_lagging(item)
    assert math.isclose(gap, more / 1000, rel_tol=1e-6, abs_tol=1e-6)
