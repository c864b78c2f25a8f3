"""The real synthesizers, where they are installed."""

import random
import shutil
import subprocess
import sys

import numpy as np
import pytest

from earvoice.data.manifest import PAUSE
from earvoice.data.synth.engines import is_installed, open_synthesizer, usable_voices
from earvoice.data.synth.grammar import sample_talk
from earvoice.data.synth.phones import PHONES
from earvoice.data.synth.speech import Prosody
from earvoice.data.synth.voices import ACCENTS, espeak_variants, voices
from earvoice.errors import AudioError, UsageError

CLITICS = "In the end , one of the cats isn't at the o'clock house of an old twenty-seven man ."

needs_espeak = pytest.mark.skipif(not is_installed("espeak"), reason="espeak-ng is not installed")
needs_flite = pytest.mark.skipif(not is_installed("flite"), reason="flite is not installed")
needs_festival = pytest.mark.skipif(
    not is_installed("festival"), reason="festival is not installed"
)
ENGINES = [
    pytest.param("espeak", "train", marks=needs_espeak),
    pytest.param("flite", "train", marks=needs_flite),
    pytest.param("flite", "other", marks=needs_flite),
    pytest.param("festival", "other", marks=needs_festival),
]


def check(words, speech):
    """Every token has its time, in order and inside the audio; phones tile the sentence."""
    length_s = len(speech.samples) / 16000
    assert speech.samples.dtype == np.float32
    assert len(speech.words) == len(words)
    before_s = 0.0
    for word, (start_s, end_s) in zip(words, speech.words, strict=True):
        assert before_s - 1e-9 <= start_s <= end_s <= length_s
        if any(character.isalnum() for character in word):
            assert end_s - start_s >= 0.01, word
        before_s = end_s
    starts = [phone.start_s for phone in speech.phones]
    assert starts == sorted(starts)
    assert {phone.symbol for phone in speech.phones} <= set(PHONES)
    assert speech.phones[0].symbol != PAUSE
    assert speech.phones[-1].symbol != PAUSE
    assert speech.phones[-1].end_s <= length_s
    assert length_s - speech.phones[-1].end_s < 0.08


@pytest.mark.parametrize(("engine", "split"), ENGINES)
def test_every_word_has_its_time(engine, split):
    present = usable_voices(engine, [split])
    if not present:
        pytest.skip(f"no {split} voice of {engine} is installed")
    synthesizer = open_synthesizer(engine)
    sentences = [s.source for s in sample_talk(random.Random(3), 5, split="dev")]
    sentences.append(tuple(CLITICS.split()))
    manner = [Prosody(tempo=1.1, pitch=1.0, size=1.06)] * len(sentences)
    for voice in present[:1] + present[-1:]:
        for words, speech in zip(
            sentences, synthesizer.speak(sentences, voice.name, manner), strict=True
        ):
            check(words, speech)


@needs_espeak
@pytest.mark.parametrize("count", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_espeak_covers_every_word_of_many_sentences(count):
    synthesizer = open_synthesizer("espeak", 1)
    rng = random.Random(11)
    pool = [voice.name for split in ("train", "dev", "unseen") for voice in voices("espeak", split)]
    for sentence in sample_talk(rng, count, split="train"):
        manner = Prosody(tempo=rng.uniform(0.79, 1.27), size=rng.choice((1.0, 0.9, 1.1)))
        (speech,) = synthesizer.speak([sentence.source], rng.choice(pool), [manner])
        check(sentence.source, speech)


@needs_espeak
def test_espeak_puts_words_where_their_sound_is():
    # "sss" is a hiss: the energy above 4 kHz of "six" must lie inside the word.
    words = "the moon and six warm animals".split()
    (speech,) = open_synthesizer("espeak", 1).speak([words], "en-us+m2", [Prosody()])
    frames = len(speech.samples) // 160
    spectrum = np.abs(np.fft.rfft(speech.samples[: frames * 160].reshape(frames, 160)))
    loudest_s = np.argsort(spectrum[:, 50:].sum(axis=1))[-8:] * 0.01
    start_s, end_s = speech.words[3]
    assert (loudest_s > start_s - 0.02).all()
    assert (loudest_s < end_s + 0.02).all()


@needs_espeak
def test_fused_words_are_divided_like_separate_ones():
    words = "we sat in the sun".split()
    (speech,) = open_synthesizer("espeak", 1).speak([words], "en-us+m2", [Prosody()])
    phones = {
        word: [p.symbol for p in speech.phones if start <= p.start_s + 1e-6 < end]
        for word, (start, end) in zip(words, speech.words, strict=True)
    }
    assert phones["in"] == ["ih", "n"]
    assert phones["the"] == ["dh", "ax"]
    assert phones["sun"] == ["s", "ah", "n"]


@needs_espeak
def test_espeak_has_every_voice_of_the_table():
    synthesizer = open_synthesizer("espeak", 1)
    for split in ("train", "dev", "unseen"):
        for variant in espeak_variants(split):
            (speech,) = synthesizer.speak([["Yes."]], f"en-us+{variant.name}", [Prosody()])
            assert np.abs(speech.samples).max() > 0.01, variant
    for accent in ACCENTS:
        (speech,) = synthesizer.speak([["Hello", "there."]], f"{accent}+m2", [Prosody()])
        assert len(speech.samples) > 4000


@needs_espeak
@pytest.mark.parametrize("name", ["en+nobody", "en-nowhere+f2", "xx"])
def test_an_unknown_espeak_voice_is_refused(name):
    with pytest.raises(UsageError, match="has no voice"):
        open_synthesizer("espeak", 1).speak([["Yes."]], name, [Prosody()])


@pytest.mark.parametrize(("engine", "split"), ENGINES[:2])
def test_prosody_does_what_it_says(engine, split):
    synthesizer = open_synthesizer(engine, 1)
    words = "this sentence is said in several ways".split()
    voice = {"espeak": "en-us+m2", "flite": "kal16"}[engine]
    manners = [Prosody(), Prosody(tempo=1.25), Prosody(tempo=0.8), Prosody(size=1.12)]
    usual, fast, slow, small = synthesizer.speak([words] * 4, voice, manners)
    assert 1.15 < len(usual.samples) / len(fast.samples) < 1.35
    assert 1.15 < len(slow.samples) / len(usual.samples) < 1.35
    assert len(small.samples) / len(usual.samples) == pytest.approx(1.0, abs=0.06)


def test_impossible_prosody_is_refused():
    with pytest.raises(AudioError, match="prosody tempo is 0"):
        Prosody(tempo=0.0)


@needs_espeak
def test_a_fresh_process_repeats_itself():
    code = (
        "import hashlib\n"
        "from earvoice.data.synth.engines import open_synthesizer\n"
        "from earvoice.data.synth.speech import Prosody\n"
        "s = open_synthesizer('espeak', {seed})\n"
        "said = s.speak([['Hello', 'there.']] * 2, 'en+f3', [Prosody()] * 2)\n"
        "print([hashlib.sha256(x.samples.tobytes()).hexdigest() for x in said])\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code.format(seed=seed)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 1, 2)
    ]
    assert said[0] == said[1]
    assert said[0] != said[2]


@pytest.mark.parametrize("engine", ["flite", "festival"])
def test_a_missing_program_is_named(engine, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match=f"install the system package {engine}"):
        open_synthesizer(engine)
    assert not is_installed(engine)


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError, match="no synthesizer 'siri'"):
        open_synthesizer("siri")
