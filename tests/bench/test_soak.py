"""What a soak makes of what it saw."""

import pytest

from earvoice.bench.machine import children, resident_mib
from earvoice.bench.serve import Listener
from earvoice.bench.soak import _drift, _half, _slope_mib_per_hour
from earvoice.cli import main

HOUR_S = 3600.0


def test_memory_that_grows_after_the_settling_is_a_slope_and_before_it_is_not():
    settling = [(float(at_s), 100.0 + min(at_s, 1000)) for at_s in range(0, 3600, 20)]
    assert _slope_mib_per_hour(settling, HOUR_S) == pytest.approx(0.0, abs=1e-6)
    leak = [(at_s, mib + 5 * at_s / HOUR_S) for at_s, mib in settling]
    assert _slope_mib_per_hour(leak, HOUR_S) == pytest.approx(5.0)
    assert _slope_mib_per_hour(settling[:2], HOUR_S) is None


def test_the_settling_counts_for_no_half_and_lag_that_grows_is_a_drift():
    listener = Listener()
    for at_s in range(300):
        listener.heard_s.append(float(at_s))
        listener.lags_s.append(9.0 if at_s < 100 else 0.1 if at_s < 200 else 0.15)
    earlier, later = (_half([listener], 300.0, later=later) for later in (False, True))
    assert earlier == {"lag_p50_s": 0.1, "lag_p95_s": 0.1, "lag_p99_s": 0.1}
    assert later["lag_p99_s"] == 0.15
    assert _drift(earlier["lag_p99_s"], later["lag_p99_s"]) == pytest.approx(0.5)
    assert _drift(None, 0.15) is None


def test_memory_of_other_processes_is_known_where_the_system_says_it():
    assert resident_mib() > 1
    assert resident_mib(1 << 30) is None
    assert children(1 << 30) == ()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--soak", "0"], "--soak is 0"),
        (["--soak", "2", "--viewers", "3"], "--viewers and --soak"),
        (["--bound", "0"], "--bound is 0.0"),
        (["--bound", "nan"], "--bound is nan"),
        (["--soak", "2", "--seconds", "5"], "--seconds is 5.0"),
        (["--soak", "2", "--talk", "nowhere.wav"], "nowhere.wav"),
    ],
)
def test_what_cannot_be_measured_is_said(options, named, capsys):
    assert main(["bench", "serve", *options]) == 2
    assert named in capsys.readouterr().err
