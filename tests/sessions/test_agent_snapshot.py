"""An agent's session that is saved anywhere and goes on elsewhere says what it would have said."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import frombuffer, uint8

from earvoice.agent.glossary import Entry, Glossary
from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.policies import WaitK
from earvoice.session import Request, Resumable
from tests.systems.clasi_tiny import tiny_clasi

TERMS = Glossary([Entry("house", "Haus"), Entry("garden", "Garten")])
REQUEST = Request("en", "de", transcript=True, glossary=TERMS, context="About gardens")
RATE = 16000
few = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def pair():
    return tiny_clasi(least_score=0.0), tiny_clasi(least_score=0.0)


@pytest.fixture(scope="module")
def samples():
    return (0.3 * np.random.default_rng(3).uniform(-1, 1, RATE * 7)).astype("f4")


def heard(session, samples, size=4801):
    events = []
    for at in range(0, samples.size, size):
        events += session.push(Audio(samples[None, at : at + size], RATE))
    return events


@few
@given(cut=st.integers(0, RATE * 7), wait=st.booleans())
def test_it_goes_on_in_another_interpreter(pair, samples, cut, wait):
    one, other = pair
    assert isinstance(one, Resumable)
    request = Request("en", "de", WaitK(2, 1), True, TERMS, "gardens") if wait else REQUEST
    session = one.open(request)
    want = heard(session, samples) + session.finish()
    session = one.open(request)
    events = heard(session, samples[:cut])
    again = other.restore(request, one.save(session))
    session.finish()
    events += heard(again, samples[cut:])
    assert events + again.finish() == want
    assert any(type(event).__name__ == "Commit" for event in want)


def test_an_edited_glossary_goes_with_it(pair, samples):
    one, other = pair
    session = one.open(REQUEST)
    edited = TERMS.edit(add=[Entry("go", "gehen"), Entry("house", "Hütte")], remove=["garden"])
    session.update(glossary=edited)
    again = other.restore(REQUEST, one.save(session))
    assert sorted(again.glossary, key=str) == sorted(edited, key=str)
    assert heard(again, samples) == heard(session, samples)
    session.update(glossary=Glossary([Entry("new", "neu")]))
    again = other.restore(REQUEST, one.save(session))
    assert list(again.glossary) == [Entry("new", "neu")]


def test_a_glossary_of_the_request_is_not_saved_again(pair):
    one, _ = pair
    many = Glossary(Entry(f"term {number}", f"Wort {number}") for number in range(5000))
    session = one.open(Request("en", "de", glossary=many))
    assert len(one.save(session)) < 200_000


def test_a_saved_session_is_bounded(pair, samples):
    one, _ = pair
    session, sizes = one.open(REQUEST), []
    for _ in range(8):
        heard(session, samples)
        sizes.append(len(one.save(session)))
    assert max(sizes[4:]) < 1.2 * max(sizes[:4])  # window and memory are full by then


def test_what_is_no_snapshot_is_refused(pair, samples):
    one, _ = pair
    session = one.open(REQUEST)
    heard(session, samples[:RATE])
    data = one.save(session)
    tensors = load(data)
    head = json.loads(tensors["head"].numpy().tobytes())
    for broken in (
        b"nothing",
        data[: len(data) // 2],
        save({name: leaf for name, leaf in tensors.items() if name != "audio"}),
        save({**tensors, "head": frombuffer(bytearray(b"[1]"), dtype=uint8)}),
    ):
        with pytest.raises(UsageError, match="snapshot"):
            one.restore(REQUEST, broken)
    head["form"] = "append-1"
    other = frombuffer(bytearray(json.dumps(head).encode()), dtype=uint8)
    with pytest.raises(UsageError, match="must be 'agent-1'"):
        one.restore(REQUEST, save({**tensors, "head": other}))
    session.finish()
    with pytest.raises(UsageError, match="unfinished"):
        one.save(session)
    session = one.open(REQUEST)
    session.push(Audio(samples[None, :2000], 8000))
    with pytest.raises(UsageError, match="16 kHz"):
        one.save(session)
