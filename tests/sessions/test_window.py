"""The window loop: what is encoded when, what begins a draft, where windows end."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from earvoice.agent.glossary import Entry, Glossary
from earvoice.audio import Audio
from earvoice.audio.pauses import EnergyPauses
from earvoice.errors import UsageError
from earvoice.events import Commit, shown_text
from earvoice.nn.masks import PROMPT, Entries
from earvoice.policies import HoldN, LocalAgreement, WaitK
from earvoice.search.beam import BeamSettings, beam_search
from earvoice.session import Request
from earvoice.sessions.audio_window import AudioWindow
from earvoice.sessions.window_session import told_words
from tests.tiny import lst, tokenizer

RATE = 16000
SEGMENT = RATE // 2


def noise(duration_s, seed=0):
    generator = np.random.default_rng(seed)
    return (0.2 * generator.standard_normal(round(duration_s * RATE))).astype(np.float32)


def brief(system, policy=None, **changes):
    interpreter = system.interpreter(tokenizer(), policy=policy)
    settings = dataclasses.replace(interpreter.settings, max_tokens=4, **changes)
    interpreter.settings = settings
    return interpreter


def wordy(system):
    """Every token begins a word: one endless word is never finished, so never written early."""
    text = tokenizer()
    whole = [i for i in range(text.vocab_size) if text.is_word_start(i) and text.piece(i) != "▁"]
    inside = sorted(set(range(text.vocab_size)) - set(whole))
    with torch.no_grad():
        system.lm.embedding.weight[inside] *= 0.01
    return system


class Listener:
    """A model that notes what it is asked to encode, and with which prompt."""

    def __init__(self, inner):
        self.inner, self.lm, self.heard, self.asked = inner, inner.lm, [], []

    def encode(self, audio):
        self.heard += [samples.numpy().copy() for samples in audio]
        return self.inner.encode(audio)

    def embed(self, ids):
        self.asked.append(ids.tolist())
        return self.inner.embed(ids)


def listened(system, samples, policy=None, **changes):
    interpreter = brief(system, policy, **changes)
    interpreter.model = listener = Listener(system)
    session = interpreter.open(Request("en", "de"))
    events = session.push(Audio(samples[None], RATE)) + session.finish()
    return listener, events


def test_offline_hears_each_window_once_and_every_sample():
    samples = noise(7.3)  # windows of at most 3 s, cut somewhere in their last half second
    listener, events = listened(lst(), samples)
    assert len(listener.heard) == 3
    np.testing.assert_array_equal(np.concatenate(listener.heard), samples)
    for heard in listener.heard[:-1]:
        assert 4 * SEGMENT < len(heard) <= 6 * SEGMENT
    spans = [event.span for event in events if isinstance(event, Commit)]
    edges = np.cumsum([0] + [len(heard) for heard in listener.heard]) / RATE
    assert spans == [(round(a, 3), round(b, 3)) for a, b in itertools.pairwise(edges)]


def test_offline_is_the_beam_search_of_the_utterance():
    system = lst()
    samples = noise(2.2)
    _, events = listened(system, samples, WaitK(k=100))
    prompt = system.prompt(tokenizer())
    x = torch.cat(
        [
            system.embed(torch.tensor(prompt.before)),
            *system.encode([torch.from_numpy(samples)]),
            system.embed(torch.tensor(prompt.after)),
        ]
    )[None]
    place = torch.arange(x.shape[1])[None]
    entries = Entries(place, place, torch.full_like(place, PROMPT), torch.zeros_like(place))
    cache = system.lm.init_state(2, 200)
    hidden = system.lm(x, entries, cache, [0])[0, -1]
    text = tokenizer()
    banned = [i for i in range(text.vocab_size) if text.is_special(i) and i != text.eos_id]
    best = beam_search(
        system.lm,
        cache,
        [[0, 1]],
        [hidden],
        [(x.shape[1], 0)],
        [4 * 5],  # tokens a segment, segments
        text.eos_id,
        BeamSettings(beams=2),
        banned,
    )[0][0]
    assert shown_text(events) == text.decode(best.tokens).rstrip(" ")
    assert best.tokens


@pytest.mark.parametrize("policy", [HoldN(1), LocalAgreement(2), WaitK(1, 1)])
def test_a_draft_begins_with_what_is_written(policy):
    wrote = False
    for seed in range(6):  # some random weights change their mind with every segment
        listener, events = listened(wordy(lst(seed=seed)), noise(2.9), policy)
        after = [ids for ids in listener.asked if ids[0] == tokenizer().sp_end_id]
        written = [ids[len(after[0]) :] for ids in after]
        for earlier, later in itertools.pairwise(written):
            assert later[: len(earlier)] == earlier
        lengths = [len(heard) for heard in listener.heard]
        assert lengths == [min(i * SEGMENT, round(2.9 * RATE)) for i in range(1, 7)]
        assert tokenizer().decode(written[-1]) in shown_text(events)
        wrote = wrote or bool(written[-1])
        if wrote:
            return
    assert wrote, "nothing was written before the end"


def test_a_pause_ends_a_window():
    samples = noise(4.0)
    samples[round(1.6 * RATE) : round(1.9 * RATE)] = 0  # in the fourth segment; 3 are enough
    listener, _ = listened(lst(), samples)
    assert len(listener.heard[0]) == round(1.7 * RATE)  # 0.1 s into it
    np.testing.assert_array_equal(np.concatenate(listener.heard), samples)


def test_words_of_earlier_windows_are_told():
    changes = {"before_speech": "<s>{context}<sp_start>", "after_speech": "<sp_end>"}
    system = lst()
    system.config = system.config.model_copy(
        update={
            "prompt": system.config.prompt.model_copy(update=changes),
            "context_words": 3,
        }
    )
    listener, events = listened(system, noise(7.3))
    before = [ids for ids in listener.asked if ids[0] == tokenizer().bos_id]
    texts = [tokenizer().decode(ids) for ids in before]
    commits = [event.text for event in events if isinstance(event, Commit)]
    assert texts[0] == ""
    assert texts[1].split() == commits[0].split()[-3:]
    assert texts[2].split() == "".join(commits[:2]).split()[-3:]


def test_memory_does_not_grow():
    interpreter = brief(lst(), WaitK(k=1, n=1))
    session = interpreter.open(Request("en", "de"))
    sizes = []
    for number in range(40):
        session.push(Audio(noise(1.0, number)[None], RATE))
        sizes.append(len(session.tokens))
    assert max(sizes) <= 4 * 6
    assert session.window.size <= 6 * SEGMENT
    assert interpreter._cache.nbytes() == lst().interpreter(tokenizer())._cache.nbytes()


def test_many_streams_at_once():
    interpreter = brief(lst())
    sessions = [interpreter.open(Request("en", "de")) for _ in range(20)]
    for number, session in enumerate(sessions):
        session.feed(Audio(noise(3.0, number)[None], RATE))
    texts = [""] * 20
    for _ in range(6):
        for number, events in enumerate(interpreter.advance(sessions)):
            texts[number] += "".join(e.text for e in events if isinstance(e, Commit))
    alone = interpreter.open(Request("en", "de")).push(Audio(noise(3.0, 19)[None], RATE))
    assert texts[19] == "".join(e.text for e in alone if isinstance(e, Commit))
    assert all(texts)


def test_a_window_keeps_what_follows_its_cut():
    window = AudioWindow(100, 3, 3, EnergyPauses())
    window.add(np.arange(100, dtype=np.float32))
    assert window.cut() is None
    window.add(np.arange(100, 200, dtype=np.float32))
    window.add(np.arange(200, 300, dtype=np.float32))
    end = window.cut()
    assert end is not None
    assert 200 < end <= 300
    window.drop(end)
    assert (window.start, window.size) == (end, 300 - end)
    assert window.samples(window.size).tolist() == list(range(end, 300))
    assert torch.from_numpy(window.samples(window.size)).dtype == torch.float32


def test_an_endless_writer_leaves_room_for_the_speech_to_come():
    """A policy that writes all of every draft, a model that never ends: the cache holds it all."""
    system = lst(seed=1)
    with torch.no_grad():
        system.lm.embedding.weight[tokenizer().eos_id] *= 0.001
    interpreter = system.interpreter(tokenizer())
    session = interpreter.open(Request("en", "de", HoldN(0)))
    settings = interpreter.settings
    longest = 0
    for number in range(14):
        session.push(Audio(noise(0.5, number)[None], RATE))
        longest = max(longest, len(session.tokens))
    session.finish()
    assert settings.max_tokens < longest <= settings.text_tokens


def test_context_of_long_words_is_told_as_far_as_there_is_room():
    changes = {"before_speech": "<s>{context}<sp_start>", "after_speech": "<sp_end>"}
    system = lst()
    prompt = system.config.prompt.model_copy(update=changes)
    system.config = system.config.model_copy(update={"prompt": prompt, "context_words": 2})
    session = system.interpreter(tokenizer()).open(Request("en", "de"))
    session.tokens, session.end = tokenizer().encode("x" * 40 + " Haus"), 0
    session.begin_next_window()
    assert session.context == ("Haus",)
    session.tokens, session.end = tokenizer().encode("ein " + "☃" * 20), 0
    session.begin_next_window()
    assert session.context == ()
    session.push(Audio(noise(4.0)[None], RATE))


def test_terms_are_told_whole_and_only_those_of_the_languages():
    terms = Glossary([
        Entry("town hall", "Rathaus", "en", "de"), Entry("sea", "mer", "en", "fr"),
        Entry("very long thing", "Ding"), Entry("road", "Weg"),
    ])  # fmt: skip
    request = Request("en-GB", "de", glossary=terms, context="about <towns>")
    assert told_words(request, 8) == tuple("town hall = Rathaus; road = Weg; about".split())
    assert told_words(request, 9)[-5:] == ("very", "long", "thing", "=", "Ding;")
    assert told_words(request, 0) == ()
    with pytest.raises(UsageError, match="glossary is a dict, it must be a Glossary"):
        told_words(Request("en", "de", glossary={"sea": "mer"}), 4)
