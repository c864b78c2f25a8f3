"""Batches of conversations: what is in them, and that a step always gets the same."""

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from earvoice.audio import Audio, write_wav
from earvoice.data.conversations import Conversation, Turn, cut_from_conversation
from earvoice.data.manifest import (
    SpokenSentence,
    Talk,
    Target,
    TimedPhone,
    TimedWord,
    cut_from_talk,
    write_manifest,
)
from earvoice.errors import ConfigError, UsageError
from earvoice.models.frontend import FrontendConfig
from earvoice.models.splice import IGNORED
from earvoice.systems.jstar import OTHER, SELF
from earvoice.train.conversation_corpora import read_corpora, snr_db
from earvoice.train.conversations import (
    ConversationMixture,
    conversation_examples,
    dialogue_texts,
    said_in_text,
)
from tests.tiny import conversation_tokenizer, jstar

TOKENS = conversation_tokenizer()
FRAME_S = 0.06


def turn(speaker, start_s, text, translation):
    words = tuple(
        TimedWord(word, start_s + 0.3 * place, start_s + 0.3 * place + 0.25)
        for place, word in enumerate(text.split())
    )
    phones = (TimedPhone("a", start_s, start_s + 0.2),)
    languages = ("en", "es") if speaker == "self" else ("es", "en")
    return Turn(
        speaker, languages[0], start_s, words[-1].end_s, words, languages[1],
        Target(translation), phones=phones,
    )  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two recordings of two microphones; in each a turn begins before the other ends."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "audio").mkdir()
    cuts = []
    for index in range(2):
        turns = (
            turn("self", 0.5, "good morning", "buenos días"),
            turn("other", 0.9, "buenos días", "good morning"),
            turn("self", 3.0, "how are you", "cómo está"),
        )
        path = folder / "audio" / f"c{index}.wav"
        noise = np.random.default_rng(index).uniform(-0.1, 0.1, (2, 5 * 16000))
        write_wav(path, Audio(noise.astype(np.float32)))
        item = Conversation(f"c{index}", path, 2, 16000, 5 * 16000, turns)
        cuts.append(cut_from_conversation(item, f"audio/{path.name}"))
    write_manifest(folder, cuts)
    return folder


def examples(corpus, system=None, *, translated=False, **options):
    mixture = ConversationMixture(batch_s=12.0, piece_s=(2.0, 5.0), **options)
    return conversation_examples(
        mixture,
        system or jstar(),
        TOKENS,
        [str(corpus)],
        None,
        {"a": 1},
        seed=3,
        stage="s",
        translated=translated,
    )


def talk_corpus(folder, **changes):
    """One talk of one sentence, as an import writes it."""
    said = {
        "start_s": 0.2,
        "end_s": 3.0,
        "words": (TimedWord("guten", 0.2, 1.0), TimedWord("Tag", 1.0, 3.0)),
        "phones": (),
        "text": "guten Tag",
        "targets": {"es": Target("buenos días")},
    }
    path = folder / "audio" / "t.wav"
    path.parent.mkdir()
    write_wav(path, Audio(np.zeros((1, 4 * 16000), dtype=np.float32)))
    sentence = SpokenSentence(**said | changes)
    talk = Talk("t", path, 16000, 4 * 16000, "", "", (sentence,), language="de")
    write_manifest(folder, [cut_from_talk(talk, "audio/t.wav")])
    return folder


def test_a_talk_without_word_times_has_no_transcript_to_learn_from(tmp_path):
    folder = talk_corpus(tmp_path, words=())
    with pytest.raises(ConfigError, match=r"'t': what is said at 0\.2 s has no word times"):
        examples(folder, jstar(frontend=FrontendConfig(array="single", mels=17)))


def test_what_has_no_translation_is_not_learnt_as_silence(tmp_path):
    folder = talk_corpus(tmp_path, targets={"en": Target("good morning")})
    with pytest.raises(ConfigError, match=r"has no 'es' side; leave it out, or train `asr_trans"):
        examples(folder, jstar(frontend=FrontendConfig(array="single", mels=17)), translated=True)
    assert (
        examples(folder, jstar(frontend=FrontendConfig(array="single", mels=17)))
        .batch(0)
        .transcripts[0]
    )


def test_a_step_is_always_the_same(corpus):
    first, again = examples(corpus), examples(corpus)
    for step in (0, 5):
        a, b = first.batch(step), again.batch(step)
        assert torch.equal(a.samples, b.samples)
        assert (a.transcripts, a.ends, a.translations) == (b.transcripts, b.ends, b.translations)
    assert first.batch(0).transcripts != first.batch(1).transcripts or not torch.equal(
        first.batch(0).samples, first.batch(1).samples
    )


def test_what_a_batch_holds(corpus):
    made = examples(corpus)
    for step in range(6):
        batch = made.batch(step)
        count, channels, longest = batch.samples.shape
        assert channels == 1, "a system of one microphone takes the first"
        assert count * longest <= 12.0 * 16000
        assert max(batch.counts) == longest
        tags = {TOKENS.special_id(SELF), TOKENS.special_id(OTHER)}
        for tokens, ends, samples in zip(batch.transcripts, batch.ends, batch.counts, strict=True):
            assert tokens[0] in tags
            assert len(tokens) == len(ends)
            assert list(ends) == sorted(ends)
            assert 0 <= ends[0] <= ends[-1] < samples / 16000 / FRAME_S
        assert all(row[0] in tags for row in batch.translations)
        for tokens, needs, due, samples in zip(
            batch.translations, batch.needs, batch.turn_ends, batch.counts, strict=True
        ):
            assert len(tokens) == len(needs) == len(due)
            last = samples / 16000 / FRAME_S
            assert all(need <= end < last for need, end in zip(needs, due, strict=True))
            assert list(due) == sorted(due)
        assert batch.phones.shape == (count, int(longest / 960))
        assert set(batch.phones.unique().tolist()) <= {IGNORED, 0, 1}
        assert (batch.phones == 1).any()


def test_every_objective_takes_a_batch(corpus):
    system = jstar(phones=4).requires_grad_(True)
    batch = examples(corpus, system).batch(0)
    for name, objective in system.objectives.items():
        losses = objective(batch)
        assert torch.isfinite(losses["loss"]), name
        losses["loss"].backward()
    untouched = [name for name, p in system.named_parameters() if p.grad is None]
    assert untouched == []


def test_phonemes_stay_a_part_of_what_hears(corpus):
    alone, both = (jstar(phones=4, phone_weight=weight) for weight in (0.0, 0.3))
    both.load_state_dict(alone.state_dict())
    batch = examples(corpus, alone).batch(0)
    phones = both.phones_objective(batch)["loss"]
    for name in ("asr_transducer", "transducer"):
        plain, with_phones = (system.objectives[name](batch) for system in (alone, both))
        torch.testing.assert_close(with_phones["loss"], plain["loss"] + 0.3 * phones)
        assert 0 <= with_phones["phone_accuracy"] <= 1


def test_a_restricted_translation_has_fewer_paths(corpus):
    free = jstar()
    st = free.config.st.model_copy(update={"align_before": 0, "align_behind": 4})
    by_turn, by_word = (jstar(st=st, st_until=until) for until in ("turn", "word"))
    for bound in (by_turn, by_word):
        bound.load_state_dict(free.state_dict())
    batch = examples(corpus, free).batch(0)
    text = examples("nowhere", source="text").batch(0)
    for name, given in (("transducer", batch), ("mt_transducer", text)):
        least, fewer, all_paths = (
            system.objectives[name](given)["nll"] for system in (by_word, by_turn, free)
        )
        assert torch.isfinite(least)
        assert least >= fewer > all_paths
    assert least > fewer, "in the text, some words can be translated before their turn ends"


def test_padding_changes_no_loss(corpus):
    system = jstar()
    batch = examples(corpus, system).batch(1)
    losses = system.joint_objective(batch)
    longer = torch.nn.functional.pad(batch.samples, (0, 9600))
    padded = type(batch)(**{**vars(batch), "samples": longer})
    again = system.joint_objective(padded)
    torch.testing.assert_close(again["loss"], losses["loss"], atol=1e-4, rtol=1e-4)


def test_few_texts_are_greetings():
    first = [said_in_text(random.Random(seed), 1.0).turns[0].kind for seed in range(60)]
    assert first.count("greeting") < 20
    assert first.count("statement") + first.count("question") > 15


def test_text_is_a_dialogue():
    piece = said_in_text(random.Random(1), 8.0)
    assert {turn.speaker for turn in piece.turns} <= {"self", "other"}
    assert piece.end_s >= 8.0
    assert all(turn.target.text for turn in piece.turns)
    made = examples("nowhere", source="text")
    batch = made.batch(0)
    assert batch.samples.shape[2] == 0
    assert all(batch.transcripts)
    assert torch.isfinite(jstar().mt_objective(batch)["loss"])


def test_talks_are_conversations_without_answers(tiny_corpus):
    found = read_corpora([tiny_corpus], ("talks",), "es")
    assert found
    assert {turn.speaker for item in found for turn in item.turns} == {"self"}
    assert found[0].read_samples(0, 100).shape == (1, 100)
    assert read_corpora([tiny_corpus], ("conversations",), "es") == []


def test_corpora_that_do_not_fit(corpus, tmp_path):
    glasses = jstar(frontend=FrontendConfig(directions=2, taps=33, mels=17))
    with pytest.raises(ConfigError, match="c0 has 2 channels, the system has 5"):
        examples(corpus, glasses)
    with pytest.raises(UsageError, match="no corpus manifest"):
        examples(tmp_path)
    with pytest.raises(ConfigError, match="name a corpus of talks"):
        examples(corpus, kinds=("talks",))


def test_noise_can_be_left_out(corpus):
    made = examples(corpus)
    assert len(made.recordings) == 2
    assert len(examples(corpus, least_snr_db=30.0).recordings) == 2, "without noise"
    assert [snr_db(item) for item in made.recordings] == [math.inf] * 2
    noisy = [replace(item, condition={"snr_db": 0}) for item in made.recordings]
    assert [snr_db(item) for item in noisy] == [0.0] * 2


def test_dialogues_teach_a_vocabulary():
    texts = list(itertools.islice(dialogue_texts(random.Random(1)), 40))
    assert texts == list(itertools.islice(dialogue_texts(random.Random(1)), 40))
    assert all(text and text == " ".join(text.split()) for text in texts)
    assert len(set(texts)) > 20
