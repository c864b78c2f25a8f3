"""Batches are a pure function of (seed, stage, step), and are what the mixture says."""

import collections
import dataclasses
import itertools
import random

import pytest
import torch
from pydantic import ValidationError

from earvoice.data.augment import Augment, AugmentConfig
from earvoice.data.collate import Collator, Grid
from earvoice.errors import ConfigError
from earvoice.train.examples import Examples, check_times
from earvoice.train.stage import MixtureConfig
from tests.talks import sentence, talk_of
from tests.tiny import tokenizer

GRID = Grid(segment_samples=15360, frame_samples=640, embedding_samples=1280)


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    """Three talks of about 25 s: a sentence of three words every three seconds."""
    folder = tmp_path_factory.mktemp("talks")
    found = []
    for number in range(3):
        rng = random.Random(number)
        sentences = []
        for begin in range(0, 24, 3):
            times = sorted(begin + rng.uniform(0.1, 2.8) for _ in range(6))
            words = [("ab", *times[:2]), ("cd", *times[2:4]), ("ef", *times[4:])]
            sentences.append(sentence(words, "das ist Haus", (0, 2, 1)))
        found.append(talk_of(sentences, 25.0, folder / f"{number}.wav"))
    return found


def examples(talks=(), *, seed=1, stage="s", augment=None, hold=True, **mixture):
    collator = Collator(tokenizer(), GRID, {"a": 1}, augment)
    config = MixtureConfig(**({"batch_s": 12.0, "segments": (3, 6)} | mixture))
    return Examples(config, collator, talks, "de", 0.96, hold=hold, seed=seed, stage=stage)


def fingerprint(batch):
    tensors = (batch.samples, batch.phones, batch.word_spans, batch.word_ids, batch.oracle)
    return [tensor.numpy().tobytes() for tensor in tensors], batch.targets, batch.tokens


@pytest.fixture(params=["audio", "text"])
def make(request, talks):
    """Makes examples of either source."""

    def make_examples(**changes):
        augment = Augment(AugmentConfig(noise=0.5, babble=0.5, room=0.5, noises=2))
        return examples(talks, source=request.param, augment=augment, **changes)

    return make_examples


def test_a_batch_depends_on_the_step_and_on_nothing_before(make):
    straight = make()
    seen = [fingerprint(straight.batch(step)) for step in range(4)]
    other = make()
    assert [fingerprint(other.batch(step)) for step in (3, 0, 2, 1)] == [
        seen[step] for step in (3, 0, 2, 1)
    ]
    assert fingerprint(other.batch(3)) == seen[3]
    assert all(a != b for a, b in itertools.combinations(seen, 2))


def test_global_random_state_plays_no_part(make):
    one = make()
    torch.manual_seed(1)
    random.seed(1)
    first = fingerprint(one.batch(0))
    torch.manual_seed(2)
    random.seed(2)
    assert fingerprint(one.batch(0)) == first
    assert random.random() == random.Random(2).random(), "and it is not drawn from"


def test_seed_and_stage_count(make):
    first = fingerprint(make().batch(0))
    assert fingerprint(make(seed=2).batch(0)) != first
    assert fingerprint(make(stage="t").batch(0)) != first
    assert fingerprint(make().batch(0)) == first


def test_batches_have_the_size_and_the_segments_asked_for(talks):
    drawn = examples(talks)
    for step in range(6):
        batch = drawn.batch(step)
        rows, samples = batch.samples.shape
        segments = samples // 15360
        assert samples % 15360 == 0
        assert 3 <= segments <= 6
        assert rows == max(1, round(12.0 / (segments * 0.96)))
        assert {target.last_step for target in batch.targets} == {segments}


def test_a_batch_smaller_than_a_window_is_one_window(talks):
    assert examples(talks, batch_s=0.5).batch(0).samples.shape[0] == 1


@pytest.mark.parametrize("kind", ["utterance", "fresh", "slid"])
def test_weights_choose_the_kind_of_window(talks, kind):
    weights = {"utterance": 0.0, "fresh": 0.0, "slid": 0.0} | {kind: 1.0}
    drawn = examples(talks, ks=(3,), segments=(6, 6), **weights)
    targets = [target for step in range(4) for target in drawn.batch(step).targets]
    assert {target.ended for target in targets} == {kind == "utterance"}
    assert {target.first_step for target in targets} == {1 if kind == "slid" else 3}


def test_offline_means_whole_utterances(talks):
    drawn = examples(talks, ks=(100,), utterance=0.0, fresh=0.5, slid=0.5)
    for target in drawn.batch(0).targets:
        assert target.ended
        assert set(target.steps) == {target.last_step}


def test_every_k_and_every_n_is_drawn(talks):
    drawn = examples(talks, ks=(1, 2, 5), ns=(2, 4))
    targets = [target for step in range(8) for target in drawn.batch(step).targets]
    assert {target.k for target in targets} == {1, 2, 5}
    assert {target.n for target in targets} == {2, 4}


def test_clean_leaves_out_noisy_talks(talks):
    noisy = [dataclasses.replace(talk, condition={"noise": "rain"}) for talk in talks[1:]]
    assert examples([talks[0], *noisy], clean=True).talks == [talks[0]]
    assert len(examples([talks[0], *noisy]).talks) == 3
    with pytest.raises(ConfigError, match="stage 's' trains on audio: name a corpus"):
        examples(noisy, clean=True)


def test_audio_needs_a_corpus_and_text_does_not():
    with pytest.raises(ConfigError, match=r"corpus=\[corpora/train\]"):
        examples([])
    batch = examples([], source="text").batch(0)
    assert batch.samples.shape[1] == 0
    assert batch.tokens > 0


def test_talks_that_are_too_short_are_an_error_and_not_a_hang(talks):
    drawn = examples(talks, segments=(40, 40), ks=(3,), utterance=0.0, fresh=1.0, slid=0.0)
    with pytest.raises(ConfigError, match="no window of 40 segments found in 200 tries"):
        drawn.batch(0)


def test_a_synthesizer_may_be_drawn_more_often(talks):
    mixed = [dataclasses.replace(talks[0], engine="flite"), *talks[1:]]
    made = examples(mixed, engines={"flite": 8.0}, batch_s=120.0)
    rng = random.Random(0)
    drawn = [made._draw(rng, made.talks).engine for _ in range(400)]
    assert 0.72 < drawn.count("flite") / 400 < 0.88  # 8 of 10


def test_speeds_stay_in_their_range_and_labels_follow(talks):
    made = examples(talks, speed=(0.8, 1.2))
    rng = random.Random(0)
    windows = [made._window(rng, made.talks, 5) for _ in range(60)]
    speeds = [window.speed for window in windows]
    assert 0.8 <= min(speeds) < 0.9
    assert 1.1 < max(speeds) <= 1.2
    for window in windows:
        assert all(word.end_s <= 5 * 0.96 + 0.02 for word in window.words)


def test_a_corpus_without_the_target_language_is_refused_by_name(talks):
    untranslated = dataclasses.replace(talks[0].sentences[0], targets={})
    with pytest.raises(ConfigError, match=f"{talks[0].id}.*no 'de' side"):
        examples([dataclasses.replace(talks[0], sentences=(untranslated,))])


def test_words_and_phonemes_are_learnt_from_talks_into_any_language(talks):
    def into(language, talk):
        sentences = [
            dataclasses.replace(one, targets={language: one.targets["de"]})
            for one in talk.sentences
        ]
        return dataclasses.replace(talk, id=f"{talk.id}-{language}", sentences=tuple(sentences))

    both = [into("de", talks[0]), into("en", talks[1]), into("en", talks[2])]
    collator = Collator(tokenizer(), GRID, {"a": 1}, None)
    config = MixtureConfig(batch_s=24.0, segments=(3, 6))
    found = Examples(
        config, collator, both, "de", 0.96, hold=True, seed=1, stage="waco", any_side=True
    )
    for step in range(6):  # more windows than the one talk in German has
        batch = found.batch(step)
        assert len(batch.word_ids) == len(batch.word_spans) > 10
        assert bool(batch.word_ids_mask.any(1).all())
    with pytest.raises(ConfigError, match="no 'de' side"):
        Examples(config, collator, both, "de", 0.96, hold=True, seed=1, stage="wait-k")


@pytest.mark.parametrize(("objective", "has"), [("waco", "word"), ("phones", "phoneme")])
def test_objectives_that_need_times_name_the_sentence_without(talks, objective, has):
    bare = dataclasses.replace(talks[0].sentences[0], words=(), phones=())
    talk = dataclasses.replace(talks[0], sentences=(bare,))
    with pytest.raises(ConfigError, match=f"{talk.id}.*no {has} times"):
        check_times([talk], "s", objective)


def test_without_word_times_a_target_waits_for_its_sentence(talks):
    """What a corpus of sentences with translations, and nothing else, allows to know."""
    bare = [
        dataclasses.replace(
            talk,
            sentences=tuple(
                dataclasses.replace(
                    sentence,
                    words=(),
                    targets={"de": dataclasses.replace(sentence.targets["de"], needs=())},
                )
                for sentence in talk.sentences
            ),
        )
        for talk in talks
    ]
    mixture = {"ks": (1,), "utterance": 0.0, "fresh": 1.0, "slid": 0.0, "segments": (5, 5)}
    aligned = examples(talks, **mixture).batch(0).targets
    waiting = examples(bare, **mixture).batch(0).targets
    assert sum(map(len, (target.words for target in waiting))) > 0
    for early, late in zip(aligned, waiting, strict=True):
        pairs = itertools.zip_longest(early.steps, late.steps, fillvalue=99)
        assert all(before <= after for before, after in pairs)


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    """As an import in short form makes them: one utterance a talk, of 0.2 to 9 s."""
    folder = tmp_path_factory.mktemp("utterances")
    lengths = [0.2, *(1.0 + 0.4 * number for number in range(20)), 40.0]
    return [
        talk_of(
            [sentence([("ab", 0.1, 0.1 + length)], "Haus", (0,))],
            length + 0.3,
            folder / f"{number}.wav",
        )
        for number, length in enumerate(lengths)
    ]


SINGLE = {
    "single": True, "least_s": 0.32, "utterance": 1.0, "fresh": 0.0, "slid": 0.0,
    "segments": (1, 30), "batch_s": 12.0,
}  # fmt: skip


@pytest.mark.parametrize(("ks", "hold"), [((100,), False), ((1, 3), True)])
def test_single_utterances_come_equally_often(utterances, ks, hold, monkeypatch):
    seen = collections.Counter()
    made = examples(utterances, ks=ks, hold=hold, **SINGLE)
    monkeypatch.setattr(made, "collator", lambda windows, rng, audio: windows)
    for step in range(1500):
        windows = made.batch(step)
        assert len({window.segments for window in windows}) == 1
        seen.update(window.talk.path for window in windows)
        for window in windows:
            assert window.target == ("Haus",)
            assert window.audio_s <= window.segments * 0.96
    total = sum(seen.values())
    assert len(seen) == 20  # neither the shortest nor the longest
    assert all(abs(count / total - 1 / 20) < 0.012 for count in seen.values())


def test_single_utterances_need_one_that_fits(utterances):
    with pytest.raises(ConfigError, match=r"no utterance of 0\.32 to 0\.96 s; change `least_s`"):
        examples(utterances, **SINGLE | {"segments": (1, 1)})
    with pytest.raises(ValidationError, match="single is for whole utterances"):
        MixtureConfig(**SINGLE | {"fresh": 0.1})
