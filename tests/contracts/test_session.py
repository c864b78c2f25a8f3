"""What holds for every interpreter and its sessions (see conftest.py for the list)."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earvoice.audio import Audio
from earvoice.errors import AudioError, UsageError
from earvoice.events import Commit, Draft, Finished, Note, shown_text
from earvoice.session import Interpreter, Request, Session

RATE_HZ = 16000
few = settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))


def speech(duration_s, seed=0, rate_hz=RATE_HZ, channels=1):
    """Noise in bursts of syllable length: loud enough to be something, different everywhere."""
    generator = np.random.default_rng(seed)
    n_samples = round(duration_s * rate_hz)
    syllables = generator.uniform(0, 0.3, n_samples // 2000 + 1).repeat(2000)[:n_samples]
    noise = generator.uniform(-1, 1, (channels, n_samples)) * syllables
    return Audio(noise.astype(np.float32), rate_hz)


def silence(n_samples):
    return Audio(np.zeros((1, n_samples), np.float32), RATE_HZ)


def cut(audio, places):
    edges = [0, *sorted(round(place * audio.n_samples) for place in places), audio.n_samples]
    return [Audio(audio.samples[:, a:b], audio.rate_hz) for a, b in itertools.pairwise(edges)]


def run(case, packets):
    session = case.open()
    return [event for packet in packets for event in session.push(packet)] + session.finish()


def text_events(events):
    return [event for event in events if not isinstance(event, Note)]


def test_it_is_an_interpreter(case):
    assert isinstance(case.interpreter, Interpreter)
    assert isinstance(case.open(), Session)


@few
@given(places=st.lists(st.floats(0, 1), max_size=12))
def test_packet_sizes_do_not_matter(case, places):
    audio = speech(3.3)
    assert text_events(run(case, cut(audio, places))) == text_events(run(case, [audio]))


def test_packet_sizes_do_not_matter_at_another_rate(case):
    audio = speech(2.2, rate_hz=44100, channels=2)
    packets = cut(audio, np.linspace(0, 1, 57))
    assert text_events(run(case, packets)) == text_events(run(case, [audio]))


def test_tiny_packets(case):
    audio = speech(0.3)
    packets = cut(audio, np.arange(1, audio.n_samples, 7) / audio.n_samples)
    assert text_events(run(case, packets)) == text_events(run(case, [audio]))


def test_feed_and_advance_is_push(case):
    audio = speech(3.3)
    session = case.open()
    session.feed(audio)
    events = []
    while True:
        before_s = session.lag_s
        events += case.interpreter.advance([session])[0]
        if session.lag_s == before_s:
            break
    events += session.finish()
    assert text_events(events) == text_events(run(case, [audio]))


def test_batched_streams_are_the_streams_alone(case):
    audios = [speech(duration_s, seed) for seed, duration_s in enumerate([3.1, 1.2, 2.0])]
    sessions = [case.open() for _ in audios]
    events = [[] for _ in audios]
    for packets in itertools.zip_longest(*(cut(audio, np.linspace(0, 1, 9)) for audio in audios)):
        for session, packet in zip(sessions, packets, strict=True):
            session.feed(packet)
        for _ in range(8):
            for said, more in zip(events, case.interpreter.advance(sessions), strict=True):
                said += more
    for session, said, audio in zip(sessions, events, audios, strict=True):
        said += session.finish()
        assert text_events(said) == text_events(run(case, [audio]))


def test_interleaved_streams_are_independent(case):
    audios = [speech(2.0, 1), speech(2.0, 2)]
    sessions = [case.open(), case.open()]
    events = [[], []]
    for packets in zip(*(cut(audio, np.linspace(0, 1, 12)) for audio in audios), strict=True):
        for session, said, packet in zip(sessions, events, packets, strict=True):
            said += session.push(packet)
    sessions[0].finish()  # ending one must not end or change the other
    events[1] += sessions[1].finish()
    assert text_events(events[1]) == text_events(run(case, [audios[1]]))


def test_the_same_stream_twice_says_the_same(case):
    audio = speech(2.0)
    assert run(case, [audio]) == run(case, [audio])


def test_what_was_committed_stays(case):
    """In each stream that a session has."""
    session = case.open()
    heard_s = 0.0
    committed: dict = {}
    last_start_s: dict = {}
    events = []
    for packet in [*cut(speech(4.0), np.linspace(0, 1, 21)), None]:
        new = session.finish() if packet is None else session.push(packet)
        heard_s += packet.duration_s if packet is not None else 0.0
        for event in new:
            events.append(event)
            if not isinstance(event, Commit | Draft):
                continue
            stream = event.stream
            assert shown_text(events, stream).startswith(committed.get(stream, ""))
            if isinstance(event, Commit):
                committed[stream] = committed.get(stream, "") + event.text
                assert event.text
                if event.span is not None:
                    start_s, end_s = event.span
                    assert start_s >= last_start_s.get(stream, 0.0)
                    assert end_s <= heard_s + 1e-6, "a span cannot end in the future"
                    last_start_s[stream] = start_s
    for stream in {event.stream for event in events if isinstance(event, Commit | Draft)}:
        text = committed.get(stream, "")
        assert shown_text(events, stream) == text, "no draft may be left at the end"
        assert not text.startswith(" ")


def test_exactly_one_finished_and_it_is_last(case):
    events = run(case, [speech(1.5)])
    assert [isinstance(event, Finished) for event in events].index(True) == len(events) - 1


def test_finish_is_idempotent_and_ends_the_session(case):
    session = case.open()
    session.push(speech(0.5))
    assert session.finish()
    assert session.finish() == []
    assert session.lag_s == 0
    for call in (session.feed, session.push):
        with pytest.raises(UsageError):
            call(speech(0.1))
    with pytest.raises(UsageError):
        session.update(**case.change)


@pytest.mark.parametrize(
    "packets",
    [
        [],
        [silence(0)],
        [silence(1)],
        [silence(0), silence(1), silence(0)],
        [silence(48000)],
        [speech(0.099)],
        [speech(0.32)],
        [Audio(np.full((1, 40000), 0.9, np.float32))],
        [Audio(np.zeros((3, 1), np.float32), 48000)],
    ],
    ids=["none", "empty", "one-sample", "empties", "silence", "99ms", "320ms", "dc", "one-48k"],
)
def test_odd_inputs_end_well(case, packets):
    events = run(case, packets)
    assert events[-1] == Finished()
    assert len(shown_text(events)) < 1000


def test_lag_is_audio_received_and_not_processed(case):
    session = case.open()
    assert session.lag_s == 0
    session.feed(speech(0.05))
    assert session.lag_s == pytest.approx(0.05)
    session.feed(speech(2.0))
    assert session.lag_s == pytest.approx(2.05)
    session.push(silence(0))
    assert 0 <= session.lag_s < 2.05
    for _ in range(20):
        before_s = session.lag_s
        session.push(speech(0.25))
        assert 0 <= session.lag_s <= before_s + 0.25 + 1e-6
    assert session.lag_s < 3


def test_feed_computes_nothing(case):
    fed, pushed = case.open(), case.open()
    assert fed.feed(speech(1.0)) is None
    assert fed.lag_s == pytest.approx(1.0)
    events = pushed.push(speech(1.0))
    computed = fed.push(silence(0))
    assert text_events(computed) == text_events(events)
    assert fed.lag_s == pytest.approx(pushed.lag_s)


@pytest.mark.parametrize(("rate_hz", "channels"), [(48000, 1), (16000, 2)])
def test_a_changed_format_is_refused_and_changes_nothing(case, rate_hz, channels):
    parts = cut(speech(2.0), [0.4])
    session = case.open()
    events = session.push(parts[0])
    with pytest.raises(AudioError):
        session.push(speech(0.5, rate_hz=rate_hz, channels=channels))
    events += session.push(parts[1]) + session.finish()
    assert text_events(events) == text_events(run(case, parts))


def test_an_update_goes_on_from_here(case):
    session = case.open()
    events = session.push(speech(1.0))
    events += session.update(**case.change)
    events += session.push(speech(1.0)) + session.finish()
    assert events[-1] == Finished()
    assert [event for event in events if isinstance(event, Commit)]


def test_unknown_updates_are_refused_and_change_nothing(case):
    session = case.open()
    with pytest.raises(UsageError, match="colour"):
        session.update(colour="red")
    with pytest.raises(UsageError):
        session.update(tgt_lang="tlh")
    audio = speech(1.0)
    assert text_events(session.push(audio) + session.finish()) == text_events(run(case, [audio]))


@pytest.mark.parametrize("languages", [("tlh", "de"), ("en", "tlh")])
def test_unknown_languages_are_refused(case, languages):
    with pytest.raises(UsageError, match="tlh"):
        case.interpreter.open(Request(*languages))


def test_sessions_of_others_are_refused(case):
    class Stranger:
        pass

    with pytest.raises((UsageError, TypeError)):
        case.interpreter.advance([Stranger()])


def test_drafts_follow_commits(case):
    """A draft carries its own leading space too, so that the shown text is well spaced."""
    events = run(case, cut(speech(3.0), np.linspace(0, 1, 15)))
    for index, event in enumerate(events):
        if isinstance(event, Commit | Draft):
            assert "  " not in shown_text(events[: index + 1])
