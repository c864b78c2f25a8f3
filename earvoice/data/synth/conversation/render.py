"""Renders a conversation: speech of two people, then the room and the microphones.

    utterances -> spoken -> on a timeline, one track a person -> room responses -> [C, W]
                                                   + bystander + diffuse noise, then the level

Both people speak equally loud; the wearer's mouth is 10 cm from the microphones and the partner a
metre or two away, so the wearer arrives 10 to 20 dB louder, as on a head. The SNR is the
partner's, at the reference microphone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.audio.arrays import MicrophoneArray, array_named
from earvoice.audio.signal import Float32
from earvoice.data.conversations import Conversation, Turn
from earvoice.data.manifest import Target, TimedWord
from earvoice.data.synth import acoustics, rooms
from earvoice.data.synth.conversation.dialogue import SPEAKERS, Utterance, dialogue
from earvoice.data.synth.conversation.plan import CLEAN, SPLITS, ConversationPlan
from earvoice.data.synth.conversation.timeline import Timeline, pause_after_s
from earvoice.data.synth.grammar import sample_talk
from earvoice.data.synth.speech import Prosody, Speech, Synthesizer, drift
from earvoice.units import SAMPLE_RATE, Seconds

_NOISES = ("pink", "speech-shaped", "brown", "white")
_SPEECH_DB = -26.0


def render_conversation(
    plan: ConversationPlan, synthesizer: Synthesizer, cache: Path
) -> tuple[Conversation, NDArray[np.int16]]:
    """The conversation (with `path` None) and its samples, int16 [C, W] at 16 kHz."""
    tracks, turns = _spoken(plan, synthesizer)
    array = array_named(plan.array)
    samples, condition = _heard(plan, tracks, synthesizer, array, cache)
    pcm = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype(np.int16)
    conversation = Conversation(
        id=plan.id,
        path=None,
        channels=array.channels,
        sample_rate=SAMPLE_RATE,
        samples=pcm.shape[1],
        turns=tuple(turns),
        voices=dict(zip(SPEAKERS, plan.voices, strict=True)),
        condition=condition,
    )
    return conversation, pcm


def _spoken(plan: ConversationPlan, synthesizer: Synthesizer) -> tuple[Float32, list[Turn]]:
    """Each person's own speech [2, W], equally loud, and the turns in order of their start."""
    rng = plan.generator(0)
    talk = _utterances(plan, rng)
    manners = [_manner(plan, rng) for _ in SPEAKERS]
    timeline = Timeline(plan.overlap, rng)
    placed: list[tuple[int, int, Speech]] = []
    turns = []
    for utterance in talk:
        person = SPEAKERS.index(utterance.speaker)
        prosody = drift(manners[person], rng)
        words = utterance.sentence.source
        (speech,) = synthesizer.speak([words], plan.voices[person], [prosody])
        start_s = timeline.place(utterance, len(speech.samples) / SAMPLE_RATE)
        first = round(start_s * SAMPLE_RATE)
        placed.append((person, first, speech))
        turns.append(_turn(utterance, speech, first / SAMPLE_RATE))
        if timeline.end_s >= plan.duration_s:
            break
    length = round((timeline.end_s + pause_after_s(rng)) * SAMPLE_RATE)
    tracks = np.zeros((2, length), dtype=np.float32)
    for person, first, speech in placed:
        tracks[person, first : first + len(speech.samples)] += speech.samples
    for person in range(2):
        tracks[person] = acoustics.set_level(tracks[person], _SPEECH_DB)
    return tracks, sorted(turns, key=lambda turn: turn.start_s)


def _utterances(plan: ConversationPlan, rng: np.random.Generator) -> Iterator[Utterance]:
    languages = {speaker: plan.language_of(speaker) for speaker in SPEAKERS}
    source = random.Random(int(rng.integers(2**62)))
    return dialogue(source, languages, SPLITS[plan.split][0])


def _turn(utterance: Utterance, speech: Speech, offset_s: Seconds) -> Turn:
    sentence = utterance.sentence
    ((into, target),) = sentence.targets.items()
    words = tuple(
        TimedWord(text, offset_s + start_s, offset_s + end_s)
        for text, (start_s, end_s) in zip(sentence.source, speech.words, strict=True)
    )
    return Turn(
        speaker=utterance.speaker,
        language=sentence.language,
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        words=words,
        into=into,
        target=Target(" ".join(target), sentence.needs[into]),
        kind=utterance.kind,
        phones=tuple(
            replace(phone, start_s=offset_s + phone.start_s, end_s=offset_s + phone.end_s)
            for phone in speech.phones
        ),
    )


def _manner(plan: ConversationPlan, rng: np.random.Generator) -> Prosody:
    """A person's own speed and pitch; in training half of them get another size."""
    wide = plan.split == "train"
    low, high = (0.82, 1.25) if wide else (0.87, 1.18)
    resized = wide and rng.random() < 0.5
    return Prosody(
        tempo=float(np.exp(rng.uniform(np.log(low), np.log(high)))),
        pitch=float(rng.uniform(-3.0, 3.0)) * (1.0 if wide else 0.5),
        liveliness=float(rng.uniform(0.6, 1.5)),
        size=float(rng.uniform(0.9, 1.12)) if resized else 1.0,
    )


def _heard(
    plan: ConversationPlan, tracks: Float32, synthesizer: Synthesizer,
    array: MicrophoneArray, cache: Path,
) -> tuple[Float32, dict[str, Any]]:  # fmt: skip
    """What the microphones hear [C, W], and what was done, for the manifest."""
    rng = plan.generator(1)
    seed = int(np.random.default_rng([plan.seed, list(SPLITS).index(plan.split)]).integers(2**31))
    scene = rooms.cached_scene(cache, seed, plan.room, array)
    place = int(rng.integers(len(scene.partners)))
    condition: dict[str, Any] = {
        "array": array.name,
        "room_m": list(scene.size_m),
        "rt60_s": scene.rt60_s,
        "partner_degrees": scene.azimuths[place],
    }
    own = rooms.through(tracks[0], scene.mouth)
    partner = rooms.through(tracks[1], scene.partners[place])
    level = acoustics.active_rms(partner[array.reference]) or acoustics.active_rms(
        own[array.reference]
    )
    total = own + partner
    if plan.bystander:
        third = _bystander(plan, synthesizer, total.shape[1], rng)
        behind = int(rng.integers(len(scene.bystanders)))
        total += rooms.through(third, scene.bystanders[behind])
        condition["bystander"] = plan.bystander
    if plan.snr != CLEAN:
        kind = str(rng.choice(_NOISES))
        noise = rooms.diffuse_noise(kind, total.shape[1], array, rng)
        total += noise * np.float32(level * 10 ** (-float(plan.snr) / 20))
        condition |= {"noise": kind, "snr_db": float(plan.snr)}
    reference = acoustics.active_rms(total[array.reference])
    gain = 10 ** (float(rng.uniform(-24.0, -16.0)) / 20) / max(reference, 1e-9)
    return total * np.float32(min(gain, 0.97 / max(float(np.abs(total).max()), 1e-9))), condition


def _bystander(
    plan: ConversationPlan, synthesizer: Synthesizer, length: int, rng: np.random.Generator
) -> Float32:
    """A third person [W], softer, who says a few sentences now and then."""
    track = np.zeros(length, dtype=np.float32)
    language = "es" if plan.bystander.startswith("es") else "en"
    source = random.Random(int(rng.integers(2**62)))
    count = max(1, length // (20 * SAMPLE_RATE))
    talk = sample_talk(source, count, split=SPLITS[plan.split][0], language=language)
    lines = [sentence.source for sentence in talk]
    for speech in synthesizer.speak(lines, plan.bystander, [Prosody()] * len(lines)):
        first = int(rng.integers(max(1, length - len(speech.samples))))
        piece = speech.samples[: length - first]
        track[first : first + len(piece)] += piece
    return acoustics.set_level(track, _SPEECH_DB - 3.0)
