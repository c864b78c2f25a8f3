import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.audio import Audio
from earvoice.driver import IdealClock, WallClock, drive
from earvoice.events import Commit, Finished
from earvoice.session import Request
from earvoice.testing import FakeClock, FakeInterpreter, scripted

WORDS = [(0.05, "eins"), (0.35, "zwei"), (0.7, "drei"), (0.95, "vier")]


def packets(total_s, packet_s=0.1, rate_hz=16000):
    n_samples = round(total_s * rate_hz)
    size = round(packet_s * rate_hz)
    zeros = np.zeros((1, n_samples), np.float32)
    return [Audio(zeros[:, start : start + size], rate_hz) for start in range(0, n_samples, size)]


def open_session(**options):
    return FakeInterpreter(scripted(WORDS), chunk_samples=5120, **options).open(Request("en", "de"))


def test_timeline():
    #  audio    0    .1   .2   .3   .4   .5   .6   .7   .8   .9   1.0
    #  chunks   |------0.32------|------0.64------|------0.96------|-end
    #  heard                 eins at 0.4    zwei at 0.7   drei, vier at 1.0
    stamped = list(drive(open_session(), packets(1.0), IdealClock()))
    commits = [item for item in stamped if isinstance(item.event, Commit)]
    assert [item.event.text for item in commits] == ["eins", " zwei", " drei", " vier"]
    assert [item.heard_s for item in commits] == pytest.approx([0.4, 0.7, 1.0, 1.0])
    assert [item.wall_s for item in commits] == [item.heard_s for item in commits]
    assert [item.seq for item in stamped] == list(range(len(stamped)))
    assert stamped[-1].event == Finished()


def test_a_packet_is_pushed_at_its_end():
    clock = FakeClock()
    list(drive(open_session(), packets(0.3), clock))
    assert clock.waits == pytest.approx([0.1, 0.2, 0.3])


def test_computing_shows_on_the_wall_and_not_in_what_was_heard():
    clock = FakeClock()
    session = open_session(on_step=lambda: clock.spend(0.5))
    commits = [
        item for item in drive(session, packets(1.0), clock) if isinstance(item.event, Commit)
    ]
    assert [item.heard_s for item in commits] == pytest.approx([0.4, 0.7, 1.0, 1.0])
    # 0.4 + 0.5; then packets wait for the machine: 0.9 + 0.5, 1.4 + 0.5.
    assert [item.wall_s for item in commits] == pytest.approx([0.9, 1.4, 1.9, 1.9])


@given(st.floats(0.01, 2.0), st.floats(0.01, 0.5), st.sampled_from([8000, 16000, 44100]))
def test_stamps_never_go_back(total_s, packet_s, rate_hz):
    stamped = list(drive(open_session(), packets(total_s, packet_s, rate_hz), IdealClock()))
    for earlier, later in itertools.pairwise(stamped):
        assert later.seq == earlier.seq + 1
        assert later.heard_s >= earlier.heard_s
        assert later.wall_s >= earlier.wall_s
    assert stamped[-1].heard_s == pytest.approx(round(total_s * rate_hz) / rate_hz)


def test_no_audio_still_finishes():
    stamped = list(drive(open_session(), [], IdealClock()))
    assert [item.event for item in stamped] == [Finished()]


def test_the_wall_clock_keeps_the_pace_of_speech():
    start_s = time.monotonic()
    stamped = list(drive(open_session(), packets(0.5), WallClock()))
    assert 0.45 <= time.monotonic() - start_s < 2
    assert stamped[-1].wall_s >= 0.45


def test_the_driver_pulls_no_packet_ahead():
    """Live audio: a packet may be asked for only after the one before was dealt with."""
    pulled = []

    def live():
        for index, packet in enumerate(packets(1.0)):
            pulled.append(index)
            yield packet

    stamps = drive(open_session(), live(), IdealClock())
    first = next(stamps)
    assert first.event.text == "eins"
    assert len(pulled) == 4
