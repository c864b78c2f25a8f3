import math
from dataclasses import replace

import pytest
import torch

from earvoice.bench.growth import GrowthSettings, Lane, run
from earvoice.bench.live import TimedInterpreter, noise_segment
from earvoice.bench.model import pinned
from earvoice.bench.recompute import Recompute
from earvoice.bench.reference import ReferenceGemm

SMALL = GrowthSettings(elapsed_s=(3.0, 12.0, 30.0), recompute_s=(3.0, 12.0), periods=2)


@pytest.fixture(scope="module")
def result(subject):
    said = []
    found = run(subject, SMALL, said.append)
    assert any("recomputing 12 s" in text for text in said)
    return found


def test_every_age_has_its_row(result):
    assert [row["elapsed_s"] for row in result["elapsed"]] == [3.0, 12.0, 30.0]
    for row in result["elapsed"]:
        assert row["total_ms"] == pytest.approx(row["encoder_ms"] + row["lm_ms"], abs=0.01)
        for key in ("encoder_ms", "lm_ms", "total_ms", "gemm_ms", "total_gemms"):
            assert math.isfinite(row[key])
            assert row[key] > 0


def test_recomputing_is_measured_where_it_was_asked_for(result):
    young, middle, old = result["elapsed"]
    for row in (young, middle):
        assert row["recompute_ms"] > 0
        assert row["recompute_ratio"] == pytest.approx(
            row["recompute_ms"] / row["total_ms"], rel=0.01
        )
    assert "recompute_ms" not in old
    assert result["window_recompute_ratio"] > 0


def test_headline_ratios_need_their_ages(result, subject):
    for key in ("next_second_ratio_1800_60", "recompute_ratio_60", "recompute_ratio_300"):
        assert result[key] is None
    one = run(subject, replace(SMALL, elapsed_s=(60.0,), recompute_s=(60.0,), periods=1))
    assert one["recompute_ratio_60"] == one["elapsed"][0]["recompute_ratio"]


def test_memory_is_the_state_and_nothing_else(result, subject):
    settings = subject.interpreter.settings
    encoder, llm = subject.interpreter.speech.config.encoder, subject.interpreter.lm.config
    rings = 2 * encoder.layers * (encoder.left_blocks + 1) * encoder.block_frames * encoder.dim * 4
    entries = settings.cache_entries * (2 * llm.layers * llm.kv_heads * (32 // llm.heads) * 4 + 24)
    bound = (rings + entries) / (1 << 20)
    assert bound < result["memory"]["state_mib_per_stream"] < 1.5 * bound
    assert math.isfinite(result["memory_growth_mib"])
    assert result["memory"]["from_s"] <= result["memory"]["to_s"]


def test_a_stream_of_any_age_holds_the_same_bytes(subject):
    timed = TimedInterpreter(pinned(subject.interpreter, 4, rows=1), rows=1)
    lane = Lane(timed, 60.0, SMALL)
    lane.drive_to(10)
    early = timed.state_bytes()
    lane.drive_to(60)
    assert timed.state_bytes() == early


def test_what_was_measured_on_is_said(result, subject):
    assert result["benchmark"] == "growth"
    assert result["trained"] is False
    assert result["parameters"] == subject.parameters
    assert result["seed"] == SMALL.seed
    assert result["tokens_per_s"] == pytest.approx(4 / 0.96, rel=0.001)
    assert result["versions"]["torch"] == torch.__version__
    assert result["machine"]["cores"] >= 1
    assert result["date"][:2] == "20"


def test_a_young_stream_is_measured_at_its_age_each_time(subject):
    timed = TimedInterpreter(pinned(subject.interpreter, 4, rows=1), rows=1)
    lane = Lane(timed, 3.0, SMALL)
    gemm = ReferenceGemm()
    lane.drive_to(lane.first)
    for period in range(2):
        lane.restart()
        assert lane.segments == lane.first == 3
        for place in range(lane.places):
            lane.measure(period, place, gemm)
    assert (lane.costs > 0).all()


def test_one_disturbed_segment_does_not_count(subject):
    lane = Lane(
        TimedInterpreter(pinned(subject.interpreter, 4, rows=1), rows=1),
        60.0,
        replace(SMALL, periods=3),
    )
    lane.costs[:] = 1.0
    lane.costs[1, 2] = 1000.0
    assert lane.seconds().tolist() == [1.0, 1.0]


class Recorder:
    """A speech model that remembers what it gave."""

    def __init__(self, inner):
        self.inner, self.segment_samples, self.said = inner, inner.segment_samples, []

    def init_state(self, rows, like):
        return self.inner.init_state(rows, like)

    def __call__(self, x, state=None, rows=None):
        self.said.append(self.inner(x, state, rows))
        return self.said[-1]


def test_both_arms_compute_the_same_speech(subject):
    """Else the comparison would be of two models."""
    live = pinned(subject.interpreter, 4, rows=1)
    live.speech = Recorder(live.speech)
    timed = TimedInterpreter(live, rows=1)
    session = timed.open()
    for index in range(8):
        timed.push(session, noise_segment(1, index, live.segment_samples))
    apart = torch.cat(live.speech.said, dim=1)
    Recompute(live, seed=1).next_segment(8)
    again = live.speech.said[-1]
    torch.testing.assert_close(again, apart, atol=1e-5 * float(apart.abs().max()), rtol=0)
