"""What a policy may be, and what a model is told of one that changes while a stream runs."""

import dataclasses

import numpy as np
import pytest
import torch

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Boundary, Commit, Draft, shown_text
from earvoice.policies import HoldN, LocalAgreement, Read, WaitK, Write
from earvoice.session import Request
from earvoice.sessions.append_session import AppendSession
from earvoice.text.sentences import ends_sentence
from tests.tiny import fasst, lst, tokenizer

SHORT_WINDOW = {"window_segments": 6, "keep_segments": 3}


def interpreter(seed=0, **changes):
    made = fasst(seed=seed, **changes).interpreter(tokenizer())
    made.settings = dataclasses.replace(made.settings, max_tokens=10)
    return made


def noise(samples, seed=0):
    generator = np.random.default_rng(seed)
    return Audio.of((0.1 * generator.standard_normal(samples)).astype(np.float32))


def ask(policy):
    return Request("en", "de", policy)


@pytest.mark.parametrize("heard", [0, 1, 2])
def test_a_change_before_anything_was_asked_is_as_if_it_had_been_opened_so(heard):
    made = interpreter(seed=3)
    audio = [noise(made.segment_samples, number) for number in range(6)]
    changed, opened = made.open(ask(WaitK(3, 1))), made.open(ask(WaitK(2, 1)))
    said = []
    for session in (changed, opened):
        events = [event for packet in audio[:heard] for event in session.push(packet)]
        said.append(events)
        if session is changed and heard < 2:
            session.update(policy=WaitK(2, 1))
        said[-1] += [event for packet in audio[heard:] for event in session.push(packet)]
        said[-1] += session.finish()
    if heard < 2:
        assert changed.progress.prompt == opened.progress.prompt == made.settings.prompt(2)
        assert said[0] == said[1]
    else:
        assert said[0] != said[1], "the wait does not show: the test would prove nothing"


class Early(WaitK):
    """Tells the model its k, and writes from the first segment on."""

    def decide(self, view):
        return Write(self.n) if view.segments_read else Read()


def test_the_model_is_told_the_new_k_in_the_place_of_the_old_one():
    made = interpreter(seed=5)
    audio = noise(made.segment_samples, 7)
    changed, other, opened = (
        made.open(ask(policy)) for policy in (WaitK(1, 1), WaitK(1, 1), Early(2, 1))
    )
    for session in (changed, other, opened):
        assert session.push(audio)  # something was written: the tag is in the cache
    before = int(made.cache.length[changed.row])
    changed.update(policy=WaitK(2, 1))
    assert int(made.cache.length[changed.row]) == before
    (*_, slot) = made.cache.pinned_text(changed.row)

    def told(session):
        pools = (made.cache.k, made.cache.v)
        return torch.stack([pool[session.row, :, int(slot)] for pool in pools])

    torch.testing.assert_close(told(changed), told(opened), atol=1e-5, rtol=0)
    assert (told(changed) - told(other)).abs().max() > 1e-3
    # Only this entry has changed.
    rest = [index for index in range(before) if index != slot]
    for pool in (made.cache.k, made.cache.v):
        assert torch.equal(pool[changed.row][:, rest], pool[other.row][:, rest])
    assert changed.progress.prompt == made.settings.prompt(2)


class Silent(WaitK):
    """Writes after the first segment, then no more."""

    def decide(self, view):
        return Write(self.n) if view.segments_read == 1 else Read()


def test_the_new_k_is_fed_where_the_old_one_would_have_been_fed_again():
    made = interpreter(seed=5, **SHORT_WINDOW)
    session = made.open(ask(Silent(1, 1)))
    said = [e for n in range(9) for e in session.push(noise(made.segment_samples, n))]
    assert said
    assert (
        session.progress.last == made.settings.prompt(1).after[-1]
    )  # all text has left the window
    session.update(policy=WaitK(2, 1))
    assert session.progress.last == made.settings.prompt(2).after[-1]
    assert session.push(noise(2 * made.segment_samples, 9))
    assert len(made.cache.pinned_text(session.row)) == len(made.settings.prompt(2).after)


def test_a_change_after_a_slide_goes_on():
    made = interpreter(seed=4, **SHORT_WINDOW)
    session = made.open(ask(WaitK(1, 1)))
    events = []
    for number in range(30):
        if number in (5, 9, 17):
            session.update(policy=WaitK(1 + number % 3, 1))
        events += session.push(noise(made.segment_samples, number))
    events += session.finish()
    assert shown_text(events) == "".join(e.text for e in events if isinstance(e, Commit))
    assert len([event for event in events if isinstance(event, Commit)]) > 15


def test_a_wait_that_the_window_does_not_hold_is_refused():
    made = interpreter(**SHORT_WINDOW)
    for wait in (4, 6):
        with pytest.raises(UsageError, match=f"k is {wait}.*1 to 3, or above 6"):
            made.open(ask(WaitK(wait)))
    session = made.open(ask(WaitK(3)))
    with pytest.raises(UsageError, match="k is 5"):
        session.update(policy=WaitK(5))
    assert session.policy == WaitK(3)


def test_a_wait_beyond_the_window_is_told_as_waiting_for_everything():
    made = interpreter(seed=2, **SHORT_WINDOW)
    assert made.settings.prompt(7) == made.settings.prompt(100) != made.settings.prompt(3)
    audio = noise(10 * made.segment_samples)
    said = []
    for wait in (7, 100):
        session = made.open(ask(WaitK(wait)))
        events = session.push(audio) + session.finish()
        said.append("".join(event.text for event in events if isinstance(event, Commit)))
    assert said[0] == said[1] != ""


@pytest.mark.parametrize("size", [100, 700, 1600])
def test_whoever_fills_an_array_again_changes_nothing_that_was_given_before(size):
    made = interpreter(seed=1)
    samples = noise(5 * made.segment_samples + 50).samples[0]
    fresh, reused = made.open(ask(WaitK(1, 2))), made.open(ask(WaitK(1, 2)))
    buffer = np.zeros(size, np.float32)
    said = [[], []]
    for at in range(0, samples.size - size, size):
        said[0] += fresh.push(Audio.of(samples[at : at + size].copy()))
        buffer[:] = samples[at : at + size]
        said[1] += reused.push(Audio.of(buffer))
        buffer[:] = 0.5
    assert said[0] + fresh.finish() == said[1] + reused.finish()


class NoDraftTold:
    """A policy that does not say whether it wants drafts."""

    def decide(self, view):
        return Read()


def test_a_policy_that_lacks_something_is_refused_before_it_is_asked():
    with pytest.raises(UsageError, match="needs_draft"):
        ask(NoDraftTold())
    session = interpreter().open(ask(WaitK(1)))
    with pytest.raises(UsageError, match="needs_draft"):
        session.update(policy=NoDraftTold())
    assert session.policy == WaitK(1)


def test_a_windows_draft_goes_with_the_policy_that_showed_it():
    made = lst(seed=3).interpreter(tokenizer())
    made.settings = dataclasses.replace(made.settings, max_tokens=8)
    session = made.open(ask(LocalAgreement(9)))
    drafts = []
    for number in range(4):
        drafts += session.push(noise(made.settings.segment_samples, number))
    assert drafts[-1].text
    assert session.update(policy=WaitK(100)) == [Draft(session.stream, "")]
    assert session.update(policy=HoldN(1)) == []


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Ja.", True),
        ("你好。", True),
        ("本当？ ", True),
        ("“Wirklich?”", True),
        ("（好！）", True),
        ("Nun…", True),
        ("Ja,", False),
        ("", False),
    ],
)
def test_sentences_end_in_every_script(text, ends):
    assert ends_sentence(text) is ends
    made = interpreter()
    session = made.open(ask(WaitK(1)))
    session.text = Said()
    events = AppendSession.write(session, text, 1)
    assert any(isinstance(event, Boundary) for event in events) is ends


class Said:
    """Text in place of tokens."""

    def push(self, text):
        return text
