"""The frame loop: four streams, several microphones, and what goes wrong with them."""

import numpy as np
import pytest

from earvoice.audio import Audio
from earvoice.audio.arrays import GLASSES
from earvoice.errors import AudioError, UsageError
from earvoice.events import Boundary, Commit, Draft, Finished, Note, Stream, shown_text
from earvoice.models.frontend import FrontendConfig
from earvoice.policies import WaitK
from earvoice.search.transducer import Token
from earvoice.session import Request
from earvoice.sessions.channels import MicrophoneWatch
from earvoice.sessions.speakers import SpeakerStreams
from earvoice.systems.jstar import OTHER, SELF
from tests.array_sounds import heard
from tests.tiny import conversation_tokenizer, jstar

TOKENS = conversation_tokenizer()
WEARER = Stream("transcript", "en", "SELF")
PARTNER = Stream("transcript", "es", "OTHER")
RATE_HZ = 16000


def noise(duration_s, channels, seed=0, rate_hz=RATE_HZ):
    samples = np.random.default_rng(seed).standard_normal((channels, round(duration_s * rate_hz)))
    return Audio((0.1 * samples).astype(np.float32), rate_hz)


@pytest.fixture(scope="module")
def glasses():
    beams = FrontendConfig(directions=2, taps=33, mels=17, stack=6)
    return jstar(frontend=beams).interpreter(TOKENS)


@pytest.fixture(scope="module")
def mono():
    return jstar(both_ways=True).interpreter(TOKENS)


def text_of(line):
    """Tokens of a line of words and tags; each has its place as its frame."""
    ids = []
    for word in line.split():
        ids += [TOKENS.special_id(word)] if word in (SELF, OTHER) else TOKENS.encode(word)
    return [Token(token, frame) for frame, token in enumerate(ids)]


def speakers(frame_s=0.06):
    tags = {TOKENS.special_id(SELF): WEARER, TOKENS.special_id(OTHER): PARTNER}
    return SpeakerStreams(TOKENS, tags, frame_s)


def test_tags_become_labels():
    streams = speakers()
    events = streams.commit(text_of(f"{SELF} good morning {OTHER} buenos días {SELF} how"), 9.0)
    events += streams.close(9.0)
    assert shown_text(events, WEARER) == "good morning how"
    assert shown_text(events, PARTNER) == "buenos días"
    turns = [event.stream for event in events if isinstance(event, Boundary)]
    assert turns == [WEARER, PARTNER]


def test_a_word_split_by_steps_stays_one():
    streams, tokens = speakers(), text_of(f"{OTHER} buenos días usted")
    events = [event for token in tokens for event in streams.commit([token], 9.0)]
    assert shown_text(events, PARTNER) == "buenos días usted"
    assert all(isinstance(event, Commit) for event in events)


def test_words_before_any_tag_are_the_wearers_and_other_control_tokens_are_silent():
    streams = speakers()
    tokens = [Token(TOKENS.eos_id, 0), *text_of("good"), Token(TOKENS.bos_id, 1)]
    assert shown_text(streams.commit(tokens, 1.0), WEARER) == "good"


def test_drafts_follow_the_best_hypothesis_and_vanish_with_it():
    streams = speakers()
    events = streams.commit(text_of(f"{SELF} good"), 1.0)
    events += streams.draft(text_of(f"morning {OTHER} buenos"))
    assert shown_text(events, WEARER) == "good morning"
    assert shown_text(events, PARTNER) == "buenos"
    assert streams.draft(text_of(f"morning {OTHER} buenos")) == [], "nothing new"
    events += streams.draft(text_of("morning"))
    assert shown_text(events, PARTNER) == ""
    assert events[-1] == Draft(PARTNER, "")


def test_spans_are_frames_and_never_later_than_what_was_heard():
    tokens = [*text_of(f"{SELF} good")][1:]
    (event,) = [e for e in speakers().commit([Token(tokens[0].id, 10)], 0.63) if
                isinstance(e, Commit)]  # fmt: skip
    assert event.span == (0.6, 0.63)
    (event,) = speakers(None).commit([Token(tokens[0].id, 10)], 0.63)
    assert event.span is None


def test_a_translation_is_in_the_listeners_language(mono):
    session = mono.open(Request("es", "en", transcript=True))
    events = session.push(noise(6.0, 1)) + session.finish()
    labels = {event.stream for event in events if isinstance(event, Commit)}
    assert {(s.role, s.speaker, s.language) for s in labels} <= {
        ("transcript", "SELF", "es"),
        ("transcript", "OTHER", "en"),
        ("translation", "SELF", "en"),
        ("translation", "OTHER", "es"),
    }
    assert {s.role for s in labels} == {"transcript", "translation"}


def test_without_a_transcript_the_translation_is_the_same(mono):
    said = {}
    for wanted in (True, False):
        session = mono.open(Request("en", "es", transcript=wanted))
        events = session.push(noise(4.0, 1)) + session.finish()
        said[wanted] = [
            e for e in events if isinstance(e, Commit) and e.stream.role == "translation"
        ]
    assert said[True] == said[False] != []


def test_a_cascade_translates_what_is_final_of_the_transcript():
    interpreter = jstar(relay=True).interpreter(TOKENS)
    runs = []
    for packets in (1, 7):
        session = interpreter.open(Request("en", "es", transcript=True))
        audio, events = noise(3.0, 1), []
        for samples in np.array_split(audio.samples, packets, axis=1):
            events += session.push(Audio(samples))
        runs.append(events + session.finish())
    assert runs[0] == runs[1]
    roles = {event.stream.role for event in runs[0] if isinstance(event, Commit)}
    assert roles == {"transcript", "translation"}
    alone = interpreter.open(Request("en", "es"))
    events = alone.push(noise(3.0, 1)) + alone.finish()
    spoken = [e for e in runs[0] if isinstance(e, Commit) and e.stream.role == "translation"]
    assert [e for e in events if isinstance(e, Commit)] == spoken


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_another_number_of_channels_is_refused_by_name(glasses, channels):
    session = glasses.open(Request("en", "es"))
    with pytest.raises(AudioError, match=f"{channels} channel.*needs 5.*nose bridge"):
        session.feed(noise(0.1, channels))
    assert session.lag_s == 0
    assert session.push(noise(0.1, 5)) == []
    assert session.finish()[-1] == Finished()


def test_five_microphones_in_any_packets(glasses):
    audio, runs = noise(4.0, 5, rate_hz=48000), []
    for packets in (1, 13):
        session = glasses.open(Request("en", "es", transcript=True))
        events = []
        for samples in np.array_split(audio.samples, packets, axis=1):
            events += session.push(Audio(samples, 48000))
        runs.append(events + session.finish())
    assert runs[0] == runs[1]
    assert any(isinstance(event, Commit) for event in runs[0])


def test_a_dead_microphone_is_noted_once(glasses):
    audio = noise(7.0, 5)
    audio.samples[3] = 0.0
    session = glasses.open(Request("en", "es"))
    events = session.push(audio) + session.finish()
    notes = [event for event in events if isinstance(event, Note)]
    assert notes == [Note("microphone", {"problem": "silent", "channels": [3]})]
    assert events[-1] == Finished()


def test_silence_on_all_microphones_is_no_fault():
    watch = MicrophoneWatch(GLASSES)
    assert watch.hear(np.zeros((5, 80000), np.float32)) == []


def test_exchanged_microphones_are_noted_once_and_not_at_first_sight():
    order = [3, 1, 2, 0, 4]
    watch, notes = MicrophoneWatch(GLASSES), []
    for seed in range(6):
        notes.append(watch.hear(heard(seed, duration_s=4.0)[order]))
    assert notes[0] == []
    assert notes[1] == [Note("microphone", {"problem": "swapped", "channels": [0, 3]})]
    assert not any(notes[2:])
    right = MicrophoneWatch(GLASSES)
    assert not any(right.hear(heard(seed, duration_s=4.0)) for seed in range(6))


def test_what_the_watch_keeps_is_bounded():
    watch, segment = MicrophoneWatch(GLASSES), noise(0.24, 5).samples
    kept = []
    for _ in range(200):
        watch.hear(segment)
        kept.append(watch._held_samples)
    assert max(kept) <= 4.0 * RATE_HZ
    assert kept[-1] < RATE_HZ or kept.count(0) > 100


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request("de", "es"), "src_lang is 'de'"),
        (Request("en", "fr"), "tgt_lang is 'fr'"),
        (Request("en", "es", policy=WaitK(2)), "takes no policy"),
    ],
)
def test_what_the_model_cannot_do(glasses, request_, message):
    with pytest.raises(UsageError, match=message):
        glasses.open(request_)


def test_what_can_change(mono):
    session = mono.open(Request("en", "es", transcript=True))
    session.push(noise(1.0, 1))
    with pytest.raises(UsageError, match="'tgt_lang' cannot change"):
        session.update(tgt_lang="de")
    with pytest.raises(UsageError, match="must be true or false"):
        session.update(transcript=1)
    session.update(transcript=False)
    events = session.push(noise(3.0, 1)) + session.finish()
    assert {e.stream.role for e in events if isinstance(e, Commit)} == {"translation"}


@pytest.mark.parametrize("at_first", [True, False])
def test_a_transcript_that_comes_later_knows_the_time(mono, at_first):
    session = mono.open(Request("en", "es", transcript=at_first))
    if at_first:
        session.push(noise(1.92, 1))
        session.update(transcript=False)
    session.push(noise(4.8, 1, seed=1))
    begun_s = session.audio.heard / RATE_HZ - session.lag_s
    session.update(transcript=True)
    events = session.push(noise(2.88, 1, seed=2))
    spans = [
        e.span for e in events if isinstance(e, Commit) and e.stream.role == "transcript" and e.span
    ]
    assert spans, "something is written"
    assert spans[0][0] >= begun_s - 0.5, "not before the transcript was asked for"
