"""How many replicas there are to be."""

from dataclasses import dataclass, field

import pytest

from earvoice.serve.cluster.scaling import LagPolicy, wanted_replicas
from earvoice.serve.scheduler import Item
from tests.serve.running import sound
from tests.serve.test_scheduler import REQUEST, Now, scheduler


@pytest.mark.parametrize(
    ("lags_s", "busy", "wanted"),
    [
        ((0.1, 0.2, 2.5), (0.9, 0.9, 1.0), 4),  # one is behind
        ((0.1, 0.2, 0.3), (0.9, 0.9, 0.9), 3),  # none is, and all are needed
        ((0.1, 0.2, 0.3), (0.4, 0.4, 0.3), 2),  # two could do it
        ((0.1, 0.2, 1.5), (0.4, 0.4, 0.3), 3),  # not while one is catching up
        ((0.0, 0.0), (0.0, 0.0), 3),  # one has not said anything yet
        ((), (), 3),
    ],
)
def test_more_by_lag_and_fewer_by_time_in_steps(lags_s, busy, wanted):
    assert wanted_replicas(3, lags_s, busy, scale_lag_s=2.0) == wanted


def test_the_last_one_stays():
    assert wanted_replicas(1, (0.0,), (0.0,), scale_lag_s=2.0) == 1


@dataclass
class Told:
    current_num_replicas: int
    target_num_replicas: int
    aggregated_metrics: dict = field(default_factory=dict)


def test_the_policy_waits_for_what_it_asked_for():
    metrics = {"lag_s": {"a": 9.0, "b": 0.0}, "busy": {"a": 1.0, "b": 0.2}}
    policy = LagPolicy(scale_lag_s=2.0)
    assert policy(Told(2, 2, metrics)) == (3, {})
    assert policy(Told(2, 3, metrics)) == (3, {})
    assert policy(Told(2, 2)) == (2, {})


def test_lag_counts_as_far_as_real_time_would_have_had_it_heard():
    now = Now()
    turns = scheduler(now)
    assert turns.lag_s == 0.0
    turns.open(1, "plain", REQUEST)
    turns.add(1, Item("audio", sound(30.0)))  # a recording, fed at once
    turns.step()
    assert turns.lag_s == 0.0
    now.s = 4.0  # one chunk of 0.1 s was processed in 4 s
    assert turns.lag_s == pytest.approx(3.9)
    while turns.busy:
        turns.step()
    now.s = 60.0  # nothing more was said
    assert turns.lag_s == 0.0
