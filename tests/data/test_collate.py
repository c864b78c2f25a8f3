"""From windows to tensors, on a grid of 40 ms frames and 80 ms embeddings.

seconds     0    0.08   0.16   0.24   0.32   0.40   0.48   0.56
slots       |  0   |  1   |  2   |  3   |  4   |  5   |  6   |
"ab"                 0.10 ........ 0.30
"cd"                                0.31 ........... 0.50
oracle         .      ab     ab     cd     cd     cd     cd        0 is silence
frames      | 0 | 1| 2 | 3| 4 | 5| 6 | 7| ...                      a label holds at the centre
"a"                  0.11 .. 0.19                                  centres 0.14 and 0.18
"""

import itertools
import random

import numpy as np
import pytest
import torch

from earvoice.data.augment import Augment, AugmentConfig
from earvoice.data.collate import Collator, Grid
from earvoice.data.manifest import TimedPhone, TimedWord
from earvoice.data.windows import Cut, Window, cut_slid, cut_utterances
from tests.talks import FixedRandom, talk_of, three_sentences
from tests.tiny import tokenizer

GRID = Grid(segment_samples=16000, frame_samples=640, embedding_samples=1280)
PHONE_IDS = {"a": 1, "e": 2, "s": 3, "t": 4}


def collator(augment=None):
    return Collator(tokenizer(), GRID, PHONE_IDS, augment)


def window(words=(), phones=(), target=(), steps=(), *, segments=1, talk=None, audio_s=None):
    return Window(
        talk=talk or talk_of((), 9.0),
        start_s=0.0,
        audio_s=float(segments) if audio_s is None else audio_s,
        segments=segments,
        words=tuple(TimedWord(*word) for word in words),
        phones=tuple(TimedPhone(*phone) for phone in phones),
        target=tuple(target),
        steps=tuple(steps),
        supported=tuple(True for _ in target),
        first_step=1,
        ended=True,
        k=1,
        n=3,
    )


def silent_batch(*windows):
    return collator()(windows, random.Random(0), audio=False)


def test_spans_and_oracle_of_the_drawing():
    batch = silent_batch(window([("ab", 0.10, 0.30), ("cd", 0.31, 0.50)]))
    assert batch.word_spans.tolist() == [[0, 1, 3], [0, 3, 6]]
    assert batch.oracle.tolist() == [[0, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("slots", range(1, 12))
def test_a_word_that_ends_with_a_slot_does_not_reach_into_the_next(slots):
    batch = silent_batch(window([("ab", 0.0, slots * 0.08)]))
    assert batch.word_spans.tolist() == [[0, 0, slots - 1]]
    batch = silent_batch(window([("ab", slots * 0.08, 1.0)]))
    assert batch.word_spans[0, 1] == slots


def test_spans_name_their_window_and_the_oracle_counts_through_the_batch():
    batch = silent_batch(
        window([("ab", 0.10, 0.15)]), window(), window([("cd", 0.0, 0.05), ("ef", 0.9, 1.0)])
    )
    assert batch.word_spans.tolist() == [[0, 1, 1], [2, 0, 0], [2, 11, 11]]
    assert batch.oracle[:, [0, 1, 11]].tolist() == [[0, 1, 0], [0, 0, 0], [2, 0, 3]]


def test_a_word_without_a_token_or_a_slot_is_left_out():
    # An empty word would have a mean of nothing. One second has twelve whole slots of 80 ms.
    batch = silent_batch(window([("", 0.1, 0.2), ("ab", 0.3, 0.39), ("cd", 0.97, 1.0)]))
    assert batch.word_spans.tolist() == [[0, 3, 4]]
    assert len(batch.word_ids) == 1


def test_token_ids_are_padded_and_masked():
    batch = silent_batch(window([("und", 0.0, 0.2), ("xyz", 0.3, 0.5)]))
    und, xyz = tokenizer().encode("und"), tokenizer().encode("xyz")
    assert len(und) < len(xyz), "the test needs words of different lengths"
    assert batch.word_ids.tolist() == [und + [0] * (len(xyz) - len(und)), xyz]
    assert batch.word_ids_mask.sum(1).tolist() == [len(und), len(xyz)]
    assert batch.word_ids_mask[0].tolist() == [1] * len(und) + [0] * (len(xyz) - len(und))


def spoken(form, *windows):
    forms = {"row": (1.0, 0.0, 0.0), "time": (0.0, 1.0, 0.0), "slots": (0.0, 0.0, 1.0)}
    collate = Collator(tokenizer(), GRID, PHONE_IDS, None, forms[form])
    return collate(windows, random.Random(0), audio=False).spoken


def test_text_as_tokens_in_a_row_or_in_time():
    #  slots     0   1   2   3   4   5   6   ...   12  13  14      12 to a segment
    #  "ab xyz"      a~~~~~~~b   x~~~~~~~~~~            (one piece at a time: in equal parts)
    #  "und"                                       und~~~~~~~
    ab, xyz, und = (tokenizer().encode(word) for word in ("ab", "xyz", "und"))
    assert (len(ab), len(xyz), len(und)) == (3, 4, 1), "the drawing needs these lengths"
    one = window([("ab", 0.10, 0.30), ("xyz", 0.33, 0.55), ("und", 0.97, 1.15)], segments=2)
    two = window([("und", 0.0, 0.1)], segments=2)
    row = spoken("row", one, two)
    assert row.ids.tolist() == [ab + xyz + und, und + [0] * 7]
    assert row.position.tolist() == [list(range(8)), [0] * 8]
    assert row.segment.tolist() == [[1] * 7 + [2], [1] + [0] * 7]
    time = spoken("time", one, two)
    assert time.ids.equal(row.ids)
    assert time.segment.equal(row.segment)
    #  slots 1 to 3 in three parts, slots 4 to 6 in four
    assert time.position[0].tolist() == [1, 2, 3, 4, 4, 5, 6, 12]
    assert spoken("slots", one, two) is None


def test_a_batch_without_any_word_keeps_its_types():
    batch = silent_batch(window(), window())
    assert (batch.word_spans.shape, batch.word_spans.dtype) == ((0, 3), torch.long)
    assert (batch.word_ids.shape[0], batch.word_ids.dtype) == (0, torch.long)
    assert batch.word_ids_mask.dtype == torch.long
    assert not batch.oracle.any()


def test_phones_at_exact_frames():
    batch = silent_batch(window(phones=[("a", 0.11, 0.19), ("e", 0.19, 0.31), ("?", 0.31, 0.35)]))
    assert batch.phones.shape == (1, 25)
    assert batch.phones[0, :10].tolist() == [0, 0, 0, 1, 1, 2, 2, 2, -100, 0]
    centres_s = (np.arange(25) + 0.5) * 0.04
    spoken = (centres_s >= 0.11) & (centres_s < 0.35)
    assert ((batch.phones[0] != 0).numpy() == spoken).all()


def test_touching_phones_leave_no_gap_and_do_not_overlap():
    rng = random.Random(3)
    times = sorted(rng.uniform(0.0, 1.0) for _ in range(20))
    phones = [("aest"[i % 4], a, b) for i, (a, b) in enumerate(itertools.pairwise(times))]
    labels = silent_batch(window(phones=phones)).phones[0]
    centres_s = (np.arange(25) + 0.5) * 0.04
    for centre_s, label in zip(centres_s, labels.tolist(), strict=True):
        there = [symbol for symbol, start_s, end_s in phones if start_s <= centre_s < end_s]
        assert label == (PHONE_IDS[there[0]] if there else 0)


def test_phones_are_clipped_at_the_end_and_unknown_where_there_are_none():
    batch = silent_batch(window(phones=[("t", 0.9, 1.7)]), window())
    assert batch.phones[0, 20:].tolist() == [0, 0, 4, 4, 4]
    assert (batch.phones[1] == -100).all()


def test_targets_are_words_in_tokens():
    one = window(target=("Haus", "und"), steps=(1, 2), segments=2)
    (target,) = silent_batch(one).targets
    assert target.words == [tokenizer().encode("Haus"), tokenizer().encode("und")]
    assert (target.steps, target.last_step, target.k, target.n) == ((1, 2), 2, 1, 3)
    assert silent_batch(one, one).tokens == 2 * sum(len(word) for word in target.words)
    assert silent_batch(one, one).audio_s == 4.0


def test_samples_are_the_talks_and_silence(tmp_path):
    talk = three_sentences(tmp_path / "talk.wav")
    cut = Cut(4, 1.0, 2, 3, True)
    one = cut_utterances(talk, "de", cut, FixedRandom(0.0), 0)
    two = cut_slid(talk, "de", cut, FixedRandom(0.3))
    batch = collator()([one, two], random.Random(0), audio=True)
    assert batch.samples.shape == (2, 64000)
    assert batch.samples.dtype == torch.float32
    count = round(one.audio_s * 16000)
    assert np.array_equal(batch.samples[0, :count], talk.read_samples(8000, count))
    assert not batch.samples[0, count:].any()
    start = round(two.start_s * 16000)
    assert np.array_equal(batch.samples[1], talk.read_samples(start, 64000))
    assert collator()([one, two], random.Random(0), audio=False).samples.shape == (2, 0)


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_a_window_at_another_speed_is_the_same_words_as_another_voice(tmp_path, speed):
    tone = np.sin(2 * np.pi * 500 * np.arange(9 * 16000) / 16000)
    talk = three_sentences(tmp_path / "talk.wav")
    talk = talk_of(talk.sentences, 9.0, tmp_path / "tone.wav", 0.3 * tone)
    plain = cut_slid(talk, "de", Cut(4, speed, 2, 3, True), FixedRandom(0.3))
    window = plain.at_speed(speed)
    assert window.steps == plain.steps
    assert window.audio_s == pytest.approx(4.0)
    for old, new in zip(plain.words, window.words, strict=True):
        assert new.start_s == pytest.approx(old.start_s / speed)
    batch = collator()([window], random.Random(0), audio=True)
    spectrum = np.abs(np.fft.rfft(batch.samples[0].numpy()))
    assert np.argmax(spectrum) / 4.0 == pytest.approx(500 * speed, abs=1.0)
    assert batch.samples[0, -160:].abs().max() > 0.2, "the sound ends before the window does"


def test_the_shapes_of_one_batch_agree_with_the_rates_of_a_system(tmp_path):
    from tests.tiny import fasst

    system = fasst(phones=8)
    grid = Grid(system.segment_samples, system.encoder.frontend.rate.stride, system.rate.stride)
    talk = three_sentences(tmp_path / "talk.wav")
    one = cut_slid(talk, "de", Cut(4, system.segment_samples / 16000, 2, 3, True), FixedRandom(0.3))
    batch = Collator(tokenizer(), grid, PHONE_IDS, None)([one], random.Random(0), audio=True)
    with torch.no_grad():
        frames = system.encoder(batch.samples)
        speech = system.adapter(frames)
    assert frames.shape[1] == batch.phones.shape[1]
    assert speech.shape[1] == batch.oracle.shape[1]


def same(a, b, names):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in names)


LABELS = ("phones", "word_spans", "word_ids", "word_ids_mask", "oracle")


@pytest.fixture
def windows(tmp_path):
    talk = three_sentences(tmp_path / "talk.wav")
    rng = random.Random(0)
    return [cut_slid(talk, "de", Cut(3, 1.0, 2, 3, True), rng) for _ in range(3)]


def test_a_batch_is_a_function_of_its_windows_and_the_generator(windows):
    augment = Augment(AugmentConfig(noise=1.0, babble=1.0, filter=1.0, room=1.0, noises=3))
    first, again, other = (
        collator(augment)(windows, random.Random(seed), audio=True) for seed in (1, 1, 2)
    )
    assert same(first, again, ("samples", *LABELS))
    assert not torch.equal(first.samples, other.samples)


def test_augmentation_leaves_the_labels_alone(windows):
    augment = Augment(AugmentConfig(noise=1.0, babble=1.0, filter=1.0, room=1.0, noises=3))
    plain = collator()(windows, random.Random(1), audio=True)
    changed = collator(augment)(windows, random.Random(1), audio=True)
    assert not torch.equal(plain.samples, changed.samples)
    assert same(plain, changed, LABELS)
    assert plain.targets == changed.targets
