"""A model without its memory says what the live one says, where the mathematics is the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import earvoice
from earvoice.audio import Audio, read
from earvoice.bench.live import TimedInterpreter
from earvoice.events import shown_text
from earvoice.loading import load
from earvoice.nn.masks import SPEECH, TEXT, Entries, consistency
from earvoice.policies import HoldN, WaitK
from earvoice.reproduce.recomputed import ForgetfulLm, without_memory
from earvoice.session import Request
from earvoice.sessions.append import AppendInterpreter
from tests import tiny

SEGMENTS = 5
TALK = Path(earvoice.__file__).parent / "assets" / "talk-en.wav"


def live(window=SEGMENTS + 8, **changes):
    system = tiny.fasst(window_segments=window, keep_segments=4, **changes)
    return system.interpreter(tiny.tokenizer(), rows=2)


def say(interpreter, samples, policy=None):
    session = interpreter.open(Request("en", "de", policy))
    events = session.push(Audio.of(samples)) + session.finish()
    return shown_text(events)


def noise(interpreter, segments):
    size = segments * interpreter.segment_samples + 100
    return (0.3 * np.random.default_rng(1).standard_normal(size)).astype(np.float32)


@pytest.fixture(scope="module")
def shipped():
    return load("fasst-mini-en-de", rows=2)


@pytest.fixture(scope="module")
def spoken():
    return read(TALK).samples[0][: 16000 * SEGMENTS]


@pytest.mark.parametrize("policy", [WaitK(2, 4), HoldN(2)])
def test_the_text_is_identical(shipped, spoken, policy):
    said = say(shipped, spoken, policy)
    assert len(said.split()) > 5
    for speech, text in ((True, "no"), (False, "then"), (True, "then")):
        assert say(without_memory(shipped, speech=speech, text=text), spoken, policy) == said


def test_also_where_text_is_counted():
    inner = live(text_position="count")
    samples = noise(inner, 3)
    assert say(without_memory(inner, speech=True, text="then"), samples) == say(inner, samples)


def read_in_pieces(lm):
    """Hidden states of two segments, each with speech, two rows of text, one token more."""
    torch.manual_seed(0)
    state = lm.init_state(1, 64)
    hidden = []
    with torch.inference_mode():
        for segment in (1, 2, 3):
            kind = torch.tensor([[SPEECH] * 4 + [TEXT] * 2])
            position = torch.tensor([[*range(4 * segment, 4 * segment + 4), segment, segment + 1]])
            entries = Entries(position, position, kind, torch.full_like(kind, segment))
            hidden.append(lm(torch.randn(1, 6, 32), entries, state, [0], consistency)[0])
            one = Entries(*(part[:, -1:] for part in vars(entries).values()))
            hidden.append(lm(torch.randn(1, 1, 32), one, state, [0], None)[0])
            state.pop(0)
            state.pin(0, int(state.length[0]) - 1)  # pinned text must not see more for that
    return torch.cat(hidden)


def test_text_that_sees_what_it_saw_is_the_same_and_else_it_is_not():
    lm = tiny.fasst().lm
    kept = read_in_pieces(lm)
    torch.testing.assert_close(read_in_pieces(ForgetfulLm(lm, "then")), kept, rtol=0, atol=2e-5)
    now = read_in_pieces(ForgetfulLm(lm, "now"))
    first = slice(0, 7)
    torch.testing.assert_close(now[first], kept[first], rtol=0, atol=2e-5)
    assert (now - kept).abs().max() > 1e-2


def test_streams_side_by_side_do_not_mix(shipped, spoken):
    arm = without_memory(shipped, speech=True, text="then", rows=2)
    pieces = [spoken, spoken[::-1].copy()]
    alone = [say(arm, piece) for piece in pieces]
    sessions = [arm.open(Request("en", "de")) for _ in pieces]
    events = [[], []]
    for session, piece in zip(sessions, pieces, strict=True):
        session.feed(Audio.of(piece))
    for _ in range(SEGMENTS):
        for found, new in zip(events, arm.advance(sessions), strict=True):
            found += new
    ended = [found + session.finish() for found, session in zip(events, sessions, strict=True)]
    assert [shown_text(found) for found in ended] == alone


def test_a_window_that_slides_goes_on():
    inner = live(window=6)
    arm = without_memory(inner, speech=True, text="then")
    assert say(arm, noise(arm, 9))


def test_a_stream_longer_than_its_room_is_refused():
    arm = without_memory(live(), speech=True, text="no", most_s=2.0)
    with pytest.raises(ValueError, match="room for less"):
        say(arm, noise(arm, 4))


def test_reading_again_costs_more_the_longer_the_stream():
    inner = live(window=80)
    settings = replace(inner.settings, cache_entries=4000)
    inner = AppendInterpreter(inner.speech, inner.lm, inner.tokenizer, settings)
    timed = TimedInterpreter(without_memory(inner, speech=True, text="now"), rows=1)
    session = timed.open()
    silence = np.zeros(timed.inner.segment_samples, dtype=np.float32)
    costs = [timed.push(session, silence)[0] for _ in range(40)]
    early, late = costs[2:8], costs[-6:]
    assert sum(c.encoder_s for c in late) > 1.5 * sum(c.encoder_s for c in early)
