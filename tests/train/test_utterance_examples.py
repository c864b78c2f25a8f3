"""Whole utterances of several languages as batches: joined, sorted, labelled, without sound."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from earvoice.data.manifest import load_talks
from earvoice.errors import ConfigError
from earvoice.models.splice import IGNORED
from earvoice.models.whisper import WhisperConfig
from earvoice.text.chat import CHATS
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.corpus import talks_of
from earvoice.train.utterances import UtteranceMixture, utterance_examples, utterances_of

WINDOW = WhisperConfig(mels=40, dim=32, heads=4, frames=200, strides=(2, 2))


@pytest.fixture(scope="module")
def talks(tiny_corpus: Path) -> list:
    """English talks with word and phoneme times."""
    return list(load_talks(tiny_corpus))


@pytest.fixture(scope="module")
def tokenizer(talks: list) -> Tokenizer:
    """A vocabulary of these talks."""
    texts = [sentence.text for talk in talks for sentence in talk.sentences]
    return Tokenizer.train(texts, 400)


def examples(talks, tokenizer, pairs=(("en", "de"),), phones=(), **mixture):
    """The batches of a mixture for a system with the given directions."""
    config = SimpleNamespace(pairs=pairs, kind="llast", encoder=WINDOW, stack=2)
    system = SimpleNamespace(chat=CHATS["tinyllama"], config=config)
    ids = {symbol: number + 1 for number, symbol in enumerate(phones)}
    return utterance_examples(
        UtteranceMixture(**mixture), system, tokenizer, talks, None, ids, seed=3, stage="s"
    )


def lengths(batch) -> list[int]:
    return sorted(batch.counts)


def test_a_batch_is_a_function_of_its_step(talks, tokenizer):
    first, again = (examples(talks, tokenizer, batch=3, joined=3, bucket=4) for _ in range(2))
    for step in (9, 0, 4):
        one, two = first.batch(step), again.batch(step)
        assert torch.equal(one.samples, two.samples)
        assert one.answers == two.answers


def test_batches_sorted_together_hold_the_same_utterances(talks, tokenizer):
    plain = examples(talks, tokenizer, batch=3)
    sorted_ = examples(talks, tokenizer, batch=3, bucket=4)
    steps = range(4)
    flat = sorted(count for step in steps for count in plain.batch(step).counts)
    grouped = [lengths(sorted_.batch(step)) for step in steps]
    assert sorted(count for counts in grouped for count in counts) == flat
    by_length = sorted(grouped)
    assert all(a[-1] <= b[0] for a, b in itertools.pairwise(by_length))
    padding = sum(3 * counts[-1] - sum(counts) for counts in grouped)
    assert padding < sum(3 * max(c) - sum(c) for c in (plain.batch(s).counts for s in steps))


def test_neighbours_in_length_may_come_in_a_row(talks, tokenizer):
    sorted_ = examples(talks, tokenizer, batch=3, bucket=4)
    paired = examples(talks, tokenizer, batch=3, bucket=4, in_a_row=2)
    by_length = sorted(lengths(sorted_.batch(step)) for step in range(4))
    pairs = [[lengths(paired.batch(step)) for step in steps] for steps in ((0, 1), (2, 3))]
    assert sorted(pairs) == [by_length[:2], by_length[2:]]


def test_joined_sentences_are_heard_and_written_whole(talks, tokenizer):
    system_pairs = [("en", "de")]
    one = utterances_of(UtteranceMixture(transcripts=False), system_pairs, talks, "s")[0]
    two = one.joined(2, 60.0)
    assert two.count == 2
    assert two.text.startswith(one.text)
    assert two.text.endswith(talks[0].sentences[1].targets["de"].text)
    gap = talks[0].sentences[1].end_s - talks[0].sentences[0].start_s
    assert len(two.read_samples()) == pytest.approx(gap * talks[0].sample_rate, abs=1)
    assert one.joined(5, 0.1).count == 1  # never fewer than itself


def test_frames_are_labelled_with_what_is_spoken(talks, tokenizer):
    symbols = sorted({p.symbol for t in talks for s in t.sentences for p in s.phones})
    mixture = {"batch": 2, "transcripts": False, "margin_s": 0.0}
    batch = examples(talks, tokenizer, phones=symbols, **mixture).batch(0)
    per_frame = WINDOW.samples_per_frame
    assert batch.phones.shape == (2, batch.samples.shape[1] // per_frame)
    utterance = examples(talks, tokenizer, **mixture)._chosen(0)[0]
    sentence = utterance.sentences[0]
    for phone in sentence.phones:
        middle_s = (phone.start_s + phone.end_s) / 2 - sentence.start_s
        frame = int(middle_s * 16000 / per_frame)
        if (phone.end_s - phone.start_s) * 16000 > 2 * per_frame:
            assert batch.phones[0, frame] == symbols.index(phone.symbol) + 1
    unknown = [replace(t, sentences=[replace(s, phones=()) for s in t.sentences]) for t in talks]
    batch = examples(unknown, tokenizer, phones=symbols, **mixture).batch(0)
    assert (batch.phones == IGNORED).all()


def test_text_needs_no_corpus_and_has_every_direction(tokenizer):
    pairs = (("en", "de"), ("de", "en"), ("es", "en"))
    found = examples([], tokenizer, pairs, source="text", batch=60, joined=2)
    batch = found.batch(0)
    assert batch.samples.shape == (60, 0)
    assert len(set(batch.prompts)) > len(pairs)  # transcription is a task of its own
    said = {tokenizer.decode(ids) for ids in batch.sources}
    assert len(said) == 60
    assert all(np.array(batch.counts) == 0)


def test_words_have_their_places_among_the_speech_embeddings(talks, tokenizer):
    mixture = {"batch": 3, "transcripts": False, "joined": 2}
    found = examples(talks, tokenizer, **mixture)
    batch, chosen = found.batch(0), found._chosen(0)
    slot_s = 2 * WINDOW.samples_per_frame / 16000
    rows = iter(zip(batch.word_spans.tolist(), batch.word_ids, batch.word_ids_mask, strict=True))
    for item, utterance in enumerate(chosen):
        begin_s = max(0.0, utterance.sentences[0].start_s - 0.1)
        for word in (word for sentence in utterance.sentences for word in sentence.words):
            (row, first, last), ids, mask = next(rows)
            assert row == item
            assert tokenizer.decode(ids[mask.bool()].tolist()) == word.text
            assert first * slot_s <= word.start_s - begin_s + 1e-3
            assert (last + 2) * slot_s >= word.end_s - begin_s - 1e-3
            assert last < batch.counts[item] / (2 * WINDOW.samples_per_frame)
    assert next(rows, None) is None


def test_text_in_time_lasts_as_long_as_it_would_be_spoken(tokenizer):
    pairs = (("en", "de"),)
    batch = examples([], tokenizer, pairs, source="text", batch=12, timed=True).batch(0)
    assert batch.samples.shape == (12, 0)
    assert min(batch.counts) > 0
    lasts = {item: last for item, _, last in batch.word_spans.tolist()}
    assert len(lasts) == 12
    for item, last in lasts.items():
        ends = (last + 1) * 2 * WINDOW.samples_per_frame
        assert 0 <= batch.counts[item] - ends < 0.1 * 16000 + 2 * 2 * WINDOW.samples_per_frame


def test_a_stage_can_take_some_directions(talks, tokenizer):
    german = [replace(talk, language="de") for talk in talks]
    pairs = (("en", "de"), ("de", "es"))
    both = utterances_of(UtteranceMixture(transcripts=False), pairs, [*talks, *german], "s")
    assert {(one.src_lang, one.talk.language) for one in both} == {("en", "en"), ("de", "de")}
    mixture = UtteranceMixture(transcripts=False, directions=("de-es",))
    some = utterances_of(mixture, pairs, [*talks, *german], "s")
    assert {one.src_lang for one in some} == {"de"}
    with pytest.raises(ConfigError, match=r"directions: 'fr-en' is not among .* en-de, de-es"):
        utterances_of(UtteranceMixture(directions=("fr-en",)), pairs, talks, "s")


def test_rows_are_whole():
    with pytest.raises(ValidationError, match="in_a_row is 3, it must divide bucket, 16"):
        UtteranceMixture(bucket=16, in_a_row=3)


@pytest.mark.parametrize("key", ["corpora", "corpus", "dev_corpus"])
def test_sound_at_another_rate_is_refused(talks, tokenizer, tiny_corpus, tmp_path, key):
    slow = tmp_path / "slow"
    shutil.copytree(tiny_corpus, slow)
    manifest = slow / "cuts.jsonl"
    cuts = [json.loads(line) for line in manifest.read_text().splitlines()]
    for cut in cuts:
        cut["recording"]["sampling_rate"] = 8000
        for part in (cut, cut["recording"]):
            part["duration"] = part["duration"] * 2
    manifest.write_text("".join(f"{json.dumps(cut)}\n" for cut in cuts))
    reads = {
        "corpora": lambda: examples(talks, tokenizer, corpora={"en-de": str(slow)}),
        "corpus": lambda: talks_of(slow),
        "dev_corpus": lambda: talks_of(slow, "dev_corpus"),
    }
    with pytest.raises(ConfigError, match=rf"{key}.*at 8000 Hz, it must be 16000"):
        reads[key]()
