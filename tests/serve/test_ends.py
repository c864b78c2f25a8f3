"""The end of a stream is computed alone: it takes turns with the others, and marks say how far."""

import numpy as np

from earvoice.audio import Audio
from earvoice.events import Commit, Finished
from earvoice.serve.scheduler import Item, Scheduler
from earvoice.serve.settings import EngineSettings
from earvoice.session import Request
from earvoice.testing import FakeInterpreter

CHUNK = 1600
REQUEST = {"src_lang": "en", "tgt_lang": "de"}


def scheduler(order):
    def words(chunk):
        order.append(chunk.samples.size)
        return [str(chunk.samples.size)]

    model = FakeInterpreter(words, chunk_samples=CHUNK)
    return Scheduler({"plain": model}, EngineSettings(), lambda: 0.0)


def audio(samples):
    return Item("audio", np.zeros(samples, np.float32))


def test_one_end_a_step_and_the_others_are_not_held_up():
    turns = scheduler([])
    for number in range(1, 6):
        turns.open(number, "plain", REQUEST)
    for number in range(1, 5):
        turns.add(number, audio(100))
        turns.add(number, Item("finish"))
    turns.add(5, audio(CHUNK * 3))
    steps = []
    while turns.busy:
        outputs = [o for o in turns.step() if o.events]
        steps.append(
            [(o.session, isinstance(o.events[-1], Finished)) for o in outputs],
        )
    ended = [[number for number, end in step if end] for step in steps]
    assert max(map(len, ended)) == 1
    assert sorted(number for step in ended for number in step) == [1, 2, 3, 4]
    talking = [index for index, step in enumerate(steps) if (5, False) in step]
    assert talking == [0, 1, 2]


def test_a_mark_comes_back_after_all_before_it():
    turns = scheduler([])
    turns.open(1, "plain", REQUEST)
    for item in (audio(CHUNK * 2 + 7), Item("mark", mark=1), audio(CHUNK), Item("mark", mark=2)):
        turns.add(1, item)
    said, marks = [], []
    for _ in range(30):
        if not turns.busy:
            break
        for output in turns.step():
            said += [event for event in output.events if isinstance(event, Commit)]
            if output.mark is not None:
                marks.append((output.mark, len(said)))
    assert marks == [(1, 2), (2, 3)]


def test_an_end_that_fails_is_its_own_session_s_fault():
    def words(chunk):
        if chunk.samples.size < CHUNK:
            raise RuntimeError("SECRET")
        return ["a"]

    model = FakeInterpreter(words, chunk_samples=CHUNK)
    turns = Scheduler({"plain": model}, EngineSettings(), lambda: 0.0)
    for number in (1, 2):
        turns.open(number, "plain", REQUEST)
    turns.add(1, audio(100))
    turns.add(1, Item("finish"))
    turns.add(2, audio(CHUNK))
    outputs = []
    while turns.busy:
        outputs += turns.step()
    assert [(o.session, o.error) for o in outputs if o.error] == [(1, "RuntimeError")]
    want = model.open(Request("en", "de"))
    events = tuple(want.push(Audio.of(np.zeros(CHUNK, np.float32))))
    assert [o.events for o in outputs if o.session == 2 and o.events] == [events]
