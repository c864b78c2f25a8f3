"""Turns, batches and replays: with scripted models, without a process."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.audio import Audio
from earvoice.events import Commit, Finished, Note
from earvoice.policies import WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.serve.scheduler import Item, Scheduler, Snapshot
from earvoice.serve.settings import EngineSettings
from earvoice.session import Request
from earvoice.testing import FakeInterpreter
from tests.serve.fake_engine import CHUNK, models, words
from tests.serve.running import expected, sound, text_of

REQUEST = {"src_lang": "en", "tgt_lang": "de"}


class Now:
    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s


def scheduler(clock=None, **options):
    return Scheduler(models(), EngineSettings(**options), clock or Now())


def drain(turns):
    outputs = []
    while turns.busy:
        outputs += turns.step()
    return outputs


def events_of(outputs, number):
    said = [output for output in outputs if output.session == number and output.events]
    flat = [event for output in said for event in output.events]
    indexes = [output.index for output in said]
    assert indexes == sorted(indexes)
    return flat


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_order_of_arrival_gives_each_session_its_own_words(data):
    count = data.draw(st.integers(1, 5))
    turns = scheduler(max_batch=data.draw(st.integers(1, 4)), snapshot_s=0.2)
    sounds = {n: sound(data.draw(st.floats(0, 1.2)), seed=n) for n in range(1, count + 1)}
    left = dict.fromkeys(sounds, 0)
    outputs = []
    for n in sounds:
        outputs.append(turns.open(n, data.draw(st.sampled_from(["plain", "drafts"])), REQUEST))
    while left:
        n = data.draw(st.sampled_from(sorted(left)))
        size = data.draw(st.integers(1, 4000))
        piece = sounds[n][left[n] : left[n] + size]
        left[n] += size
        if piece.size:
            turns.add(n, Item("audio", piece))
        else:
            turns.add(n, Item("finish"))
            del left[n]
        for _ in range(data.draw(st.integers(0, 3))):
            outputs += turns.step()
    outputs += drain(turns)
    for n, samples in sounds.items():
        said = events_of(outputs, n)
        assert text_of(said) == text_of(expected(samples))
        assert said[-1] == Finished()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.lists(st.integers(100, 3000), min_size=3, max_size=20))
def test_a_snapshot_and_the_items_after_it_say_the_rest_exactly(stop, sizes):
    samples = sound(sum(sizes) / 16_000, seed=3)
    cuts = np.cumsum([0, *sizes])
    items = [Item("audio", samples[a:b]) for a, b in itertools.pairwise(cuts)]
    items.insert(len(items) // 2, Item("update", changes={"tgt_lang": "es"}))
    items.append(Item("finish"))

    def run(turns, these):
        outputs = []
        for item in these:
            turns.add(1, item)
            outputs += turns.step()
        return outputs + drain(turns)

    whole = scheduler(snapshot_s=0.1)
    whole.open(1, "drafts", REQUEST)
    want = run(whole, items)
    all_events = events_of(want, 1)
    taken = [output.snapshot for output in want if output.snapshot]
    for snapshot in taken[:stop]:
        again = scheduler(snapshot_s=0.1)
        again.open(1, "drafts", REQUEST, snapshot)
        rest = events_of(run(again, items[snapshot.items :]), 1)
        assert all_events[: snapshot.index] + rest == all_events


def test_an_update_takes_effect_at_its_place_in_the_audio():
    turns = scheduler(max_batch=1)
    turns.open(1, "plain", REQUEST)
    for item in (
        Item("audio", sound(1.0)),
        Item("update", changes={"tgt_lang": "es"}),
        Item("audio", sound(1.0)),
    ):
        turns.add(1, item)
    said = events_of(drain(turns), 1)
    note = next(i for i, event in enumerate(said) if isinstance(event, Note))
    assert note == 10
    assert {event.stream.language for event in said[:note]} == {"de"}
    assert {event.stream.language for event in said[note + 1 :]} == {"es"}


def test_who_is_behind_real_time_goes_before_who_is_ahead():
    clock = Now()
    turns = scheduler(clock, max_batch=1)
    for n in (1, 2):
        turns.open(n, "plain", REQUEST)
    turns.add(1, Item("audio", sound(60)))  # a recording, far ahead of real time
    for _ in range(50):
        turns.step()
    clock.s = 1.0
    turns.add(2, Item("audio", sound(1)))  # someone who speaks
    order = [output.session for _ in range(12) for output in turns.step() if output.events]
    assert order[:10] == [2] * 10


def test_a_batch_holds_sessions_of_one_model_and_at_most_max_batch():
    turns = scheduler(max_batch=3)
    for n in range(1, 9):
        turns.open(n, "plain" if n % 2 else "drafts", REQUEST)
        turns.add(n, Item("audio", sound(0.1, seed=n)))
    sizes = []
    while turns.busy:
        turns.step()
        sizes.append(turns.last_batch)
    assert max(sizes) == 3


def test_a_session_that_fails_takes_no_other_with_it():
    turns = scheduler(max_batch=4)
    loud = np.full(CHUNK, 0.95, np.float32)
    sounds = {n: loud if n == 2 else sound(0.3, seed=n) for n in range(1, 5)}

    def feed(n, **options):
        turns.open(n, "failing", REQUEST, **options)
        turns.add(n, Item("audio", sounds[n]))
        turns.add(n, Item("finish"))

    for n in sounds:
        feed(n)
    outputs = []
    while turns.busy:
        for output in turns.step():
            if output.rebuild:
                feed(output.session, alone=True)
            else:
                outputs.append(output)
    failed = [output for output in outputs if output.error]
    assert [output.session for output in failed] == [2]
    assert "SECRET" not in failed[0].error
    for n in (1, 3, 4):
        assert text_of(events_of(outputs, n)) == text_of(expected(sounds[n]))


@pytest.mark.parametrize(
    ("model", "request_", "part"),
    [
        ("nothing", REQUEST, "must be one of plain"),
        ("plain", {"src_lang": "en", "tgt_lang": "xx"}, "tgt_lang"),
        ("plain", {**REQUEST, "policy": "wait-k:k=0"}, "k"),
        ("plain", {**REQUEST, "policy": "nonsense"}, "policy"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_a_reason(model, request_, part):
    output = scheduler().open(1, model, request_)
    assert output.refused
    assert part in output.error


def test_a_bad_snapshot_is_refused():
    turns = scheduler()
    output = turns.open(1, "plain", REQUEST, Snapshot(0, 0, 0, b"rubbish"))
    assert output.refused
    output = turns.open(2, "forgetful", REQUEST, Snapshot(0, 0, 0, b"rubbish"))
    assert "no snapshots" in output.error


def test_a_refused_update_leaves_the_session_as_it_was():
    turns = scheduler()
    turns.open(1, "plain", REQUEST)
    turns.add(1, Item("update", changes={"tgt_lang": "xx"}))
    turns.add(1, Item("audio", sound(0.2)))
    turns.add(1, Item("finish"))
    outputs = drain(turns)
    assert [output.update_error for output in outputs if output.update_error]
    assert text_of(events_of(outputs, 1)) == text_of(expected(sound(0.2)))


def test_scripted_sessions_are_saved_and_restored_whole():
    fake = FakeInterpreter(words, chunk_samples=CHUNK)
    session = fake.open(Request("en", "de"))
    session.push(Audio.of(sound(0.75)))
    other = fake.restore(Request("en", "de"), fake.save(session))
    more = Audio.of(sound(0.5, seed=9))
    assert [*other.push(more), *other.finish()] == [*session.push(more), *session.finish()]
    assert any(isinstance(event, Commit) for event in fake.open(Request("en", "de")).push(more))


def test_what_a_client_s_policy_leaves_out_is_the_model_s_own():
    asked = []

    class Asked(FakeInterpreter):
        def open(self, request):
            asked.append(request.policy)
            return super().open(request)

    own = {"plain": WaitK(3, 4)}
    turns = Scheduler({"plain": Asked(words), "free": Asked(words)}, EngineSettings(), Now(), own)
    for number, (model, policy) in enumerate(
        [("plain", "wait-k:k=5"), ("plain", "offline"), ("plain", None), ("free", "wait-k:k=5")]
    ):
        request = {"src_lang": "en", "tgt_lang": "de", "policy": policy}
        assert turns.open(number, model, request).error is None
    assert asked == [WaitK(5, 4), WaitK(OFFLINE_K, 4), None, WaitK(5)]
