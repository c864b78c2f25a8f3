"""Talks as interpreters hear them: slips keep the alignment, terms and references are true."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from earvoice.agent.glossary_files import read_glossary
from earvoice.data.chunks import chunks_of
from earvoice.data.manifest import (
    SpokenSentence,
    Talk,
    Target,
    TimedWord,
    cut_from_talk,
    load_talks,
    write_manifest,
)
from earvoice.data.synth.corpus import synthesise
from earvoice.data.synth.grammar import Sentence, split_of
from earvoice.data.synth.interpreted.disfluency import Rates, stumble
from earvoice.data.synth.interpreted.knowledge import NEAR_MISSES, write_knowledge
from earvoice.data.synth.interpreted.talks import interpreted_talk
from earvoice.data.synth.interpreted.terms import (
    KINDS,
    invent,
    near_misses,
    split_of_term,
    term_of,
)
from earvoice.data.synth.plan import CorpusSpec, plan_talks
from earvoice.errors import UsageError
from earvoice.eval.terms import read_glossary as read_terms
from earvoice.text.spacing import joined

MARKS = ",.?，。？"


def other(language: str) -> str:
    return {"en": "zh", "zh": "en"}[language]


def timed(sentences: list[Sentence], name: str = "t") -> Talk:
    """The talk with a second for each word."""
    spoken, now = [], 0.0
    for sentence in sentences:
        words = [TimedWord(w, now + i, now + i + 0.9) for i, w in enumerate(sentence.source)]
        targets = {
            lang: Target.of_words(side, sentence.needs[lang])
            for lang, side in sentence.targets.items()
        }
        text = joined(sentence.source)
        end = now + len(words)
        spoken.append(SpokenSentence(now, end, tuple(words), (), text, targets, "", sentence.notes))
        now = end
    language = sentences[0].language
    return Talk(name, None, 16000, int(now * 16000), "v", "e", tuple(spoken), language=language)


def test_a_term_belongs_to_one_split_and_cannot_be_derived() -> None:
    rng = random.Random(1)
    for kind in KINDS:
        for split in ("train", "dev", "test"):
            for _ in range(40):
                term = invent(rng, kind, split)
                assert split_of_term(term.syllables) == split
                assert term == term_of(kind, term.syllables)
                assert term.form("en").isascii()
                assert not term.form("zh").isascii()
    # the same syllables twice: the spelling depends on the whole term
    spelled = {
        term_of("name", ("ka", x, y)).form("zh")[0]
        for x in ("mi", "lo")
        for y in "sa ra va".split()
    }
    assert spelled == {"卡", "喀"}
    with pytest.raises(ValueError, match="'brand' of 'train'"):
        invent(rng, "brand", "train")


def test_near_misses_are_one_syllable_apart() -> None:
    rng = random.Random(2)
    term = invent(rng, "product", "test")
    found = near_misses(rng, term, 9)
    assert len({miss.id for miss in found}) == 9
    for miss in found:
        assert sum(a != b for a, b in zip(miss.syllables, term.syllables, strict=True)) == 1
        assert split_of_term(miss.syllables) == "test"


def test_near_misses_of_terms_that_have_few_are_two_syllables_apart() -> None:
    rng = random.Random(1)
    apart: set[int] = set()
    for _ in range(40):
        term = invent(rng, "name", "dev")
        found = near_misses(rng, term, 12)
        assert len({miss.id for miss in found} - {term.id}) == 12
        assert {split_of_term(miss.syllables) for miss in found} == {"dev"}
        for miss in found:
            pairs = zip(miss.syllables, term.syllables, strict=True)
            apart.add(sum(a != b for a, b in pairs))
    assert apart == {1, 2}
    with pytest.raises(ValueError, match="near misses of name:"):
        near_misses(rng, term, 100_000)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_slip_changes_only_the_source(language: str) -> None:
    rng = random.Random(3)
    slipped = 0
    for _ in range(12):
        for sentence in interpreted_talk(rng, 12, "train", language):
            plain = replace(
                sentence, notes={k: v for k, v in sentence.notes.items() if k != "disfluent"}
            )
            clean = [
                w
                for i, w in enumerate(sentence.source)
                if i not in sentence.notes.get("disfluent", ())
            ]
            assert len(clean) >= 3
            said = stumble(rng, plain, Rates(1.0, 1.0, 1.0))
            extra = set(said.notes.get("disfluent", ()))
            kept = [w.strip(MARKS).lower() for i, w in enumerate(said.source) if i not in extra]
            assert kept == [w.strip(MARKS).lower() for w in plain.source]
            assert said.targets == plain.targets
            slipped += bool(extra)
            for before, after in zip(
                plain.needs[other(language)], said.needs[other(language)], strict=True
            ):
                assert after not in extra
                assert (
                    said.source[after].strip(MARKS).lower()
                    == plain.source[before].strip(MARKS).lower()
                )
            assert said.needs[other(language)][-1] == len(said.source) - 1
    assert slipped > 100


@pytest.mark.parametrize("language", ["en", "zh"])
def test_terms_stand_where_the_notes_say(language: str) -> None:
    for split in ("train", "test"):
        for sentence in interpreted_talk(random.Random(4), 12, split, language, "terms")[1:]:
            assert sentence.notes["terms"]
            for note in sentence.notes["terms"]:
                target = note["targets"][other(language)]
                source = [sentence.source[i].strip(MARKS) for i in note["words"]]
                written = [
                    sentence.targets[other(language)][i].strip(MARKS) for i in target["words"]
                ]
                assert " ".join(source).removesuffix("'s") == note["source"]
                assert " ".join(written).removesuffix("'s") == target["text"]
                assert split_of_term(note["id"].partition(":")[2].split("-")) == split


def test_references_are_resolved_by_what_was_said_before() -> None:
    seen = {"she": 0, "he": 0, "她们": 0, "他们": 0, "short": 0}
    for language in ("zh", "en"):
        rng = random.Random(5)
        for _ in range(6):
            talk = interpreted_talk(rng, 15, "train", language, "reference")
            for place, sentence in enumerate(talk):
                note = sentence.notes.get("reference")
                if note is None:
                    continue
                target = sentence.targets[note["language"]]
                assert target[note["word"]].strip(MARKS).lower() == note["right"]
                assert note["wrong"] != note["right"]
                intro = talk[place - note["back"]]
                assert intro.notes["introduces"]
                before = joined(intro.targets["zh"] if language == "en" else intro.source)
                title = {"she": "先生", "he": "女士", "她们": "先生", "他们": "女士"}
                assert title.get(note["right"], "?") not in before
                if note["right"] not in title:
                    assert note["right"] in before
                seen[note["right"] if note["right"] in title else "short"] += 1
    assert min(seen.values()) >= 5, seen


def test_in_chinese_talks_only_a_reference_is_ambiguous_to_the_ear() -> None:
    """tā is he and she: without a mark the sentence itself names the person."""
    rng = random.Random(6)
    for _ in range(10):
        for sentence in interpreted_talk(rng, 14, "train", "zh"):
            english = {word.strip(MARKS).lower() for word in sentence.targets["en"]}
            if english & {"he", "she"} and "reference" not in sentence.notes:
                assert any(char in joined(sentence.source) for char in "娜亚拉娅得卫丁尔罗蒙特弗")
            assert split_of(sentence.targets["en"]) == "train"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_chunks_hold_everything_once_and_slips_open_nothing(language: str) -> None:
    rng = random.Random(7)
    target = other(language)
    for _ in range(5):
        talk = timed(interpreted_talk(rng, 12, "train", language))
        chunks = chunks_of(talk, language, target)
        assert [w for c in chunks for w in c.words] == [w for s in talk.sentences for w in s.words]
        assert joined(c.translation for c in chunks) == joined(
            s.targets[target].text for s in talk.sentences
        )
        assert all(chunk.translation for chunk in chunks)
        for sentence in talk.sentences:
            if "，" not in sentence.text and "," not in sentence.text and language == "zh":
                assert sum(c.words[-1] in sentence.words for c in chunks) == 1 or (
                    sentence.end_s - sentence.start_s > 6
                )


def test_files_beside_a_corpus(tmp_path: Path) -> None:
    rng = random.Random(8)
    talks = [
        timed(interpreted_talk(rng, 10, "test", "zh", focus), focus)
        for focus in ("terms", "reference")
    ]
    write_manifest(tmp_path, [cut_from_talk(talk, f"audio/{talk.id}.wav") for talk in talks])
    read = list(load_talks(tmp_path))
    assert [dict(s.notes) for s in read[0].sentences] == [dict(s.notes) for s in talks[0].sentences]
    assert read[0].sentences[3].targets["en"].units == ()
    write_knowledge(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_knowledge(tmp_path)
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    right = {
        (n["source"], n["targets"]["en"]["text"])
        for s in talks[0].sentences
        for n in s.notes.get("terms", ())
    }
    told = read_glossary(tmp_path / "glossary.csv", "zh", "en")
    wrong = read_glossary(tmp_path / "glossary-wrong.csv", "zh", "en")
    pairs = {(entry.source, entry.target) for entry in told.glossary}
    assert right <= pairs
    assert len(pairs) > NEAR_MISSES * len(right) * 0.9
    assert not right & {(entry.source, entry.target) for entry in wrong.glossary}
    assert len(read_terms(tmp_path / "terms.jsonl")) >= len(right)
    rows = [json.loads(line) for line in (tmp_path / "reference.jsonl").read_text().splitlines()]
    assert rows
    assert all(row["antecedent"] < row["segment"] for row in rows)
    with (tmp_path / "glossary.csv").open(encoding="utf-8") as table:
        assert next(csv.reader(table)) == ["source", "target", "src_lang", "tgt_lang"]


def test_arguments() -> None:
    spec = CorpusSpec(
        "test", ("zh-en",), 0.1, 1, style="interpreted", focus="terms", engines=("espeak",)
    )
    talks = plan_talks(spec)
    assert talks[0].id == "test-terms-00000"
    assert talks[0].voice.name.startswith("cmn+")
    assert spec.as_dict()["style"] == "interpreted"
    assert "style" not in CorpusSpec("test", ("en-de",), 0.1, 1).as_dict()
    with pytest.raises(UsageError, match="'en-de'; interpreted talks are in en-zh and zh-en"):
        CorpusSpec("test", ("en-de",), 0.1, 1, style="interpreted")
    with pytest.raises(UsageError, match="only --style interpreted has one"):
        CorpusSpec("test", ("zh-en",), 0.1, 1, focus="terms")
    with pytest.raises(UsageError, match="style is 'read'"):
        CorpusSpec("test", ("zh-en",), 0.1, 1, style="read")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="language 'de'"):
        interpreted_talk(random.Random(1), 3, "train", "de")


@pytest.mark.slow
def test_a_corpus_on_disk_has_its_glossary(tmp_path: Path) -> None:
    spec = CorpusSpec(
        "test", ("en-zh",), 0.01, 3, (0.3, 0.6), ("espeak",), style="interpreted", focus="terms"
    )
    record = synthesise(spec, tmp_path, jobs=1)
    assert record["complete"]
    assert record["arguments"]["focus"] == "terms"
    talk = next(load_talks(tmp_path))
    said = {n["source"] for s in talk.sentences for n in s.notes.get("terms", ())}
    assert said <= {
        entry.source for entry in read_glossary(tmp_path / "glossary.csv", "en", "zh").glossary
    }
    target = talk.sentences[1].targets["zh"]
    assert joined(target.units) == target.text
    assert len(target.units) == len(target.needs)
    assert " " not in target.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_list_is_of_terms_and_divides_between_them(language: str) -> None:
    target = "en" if language == "zh" else "zh"
    said = set()
    for sentence in interpreted_talk(random.Random(5), 30, "train", language, "list")[1:]:
        notes = sentence.notes["terms"]
        said |= {note["id"] for note in notes}
        assert 1 <= len(notes) <= 4
        for note in notes:
            assert split_of_term(note["id"].partition(":")[2].split("-")) == "train"
            # A term can be translated as soon as its own words are heard.
            last = sentence.targets[target].index(
                next(
                    word for word in sentence.targets[target]
                    if word.strip(",.，。") == note["targets"][target]["text"].split()[-1]
                )
            )  # fmt: skip
            assert sentence.needs[target][last] == note["words"][-1]
        listed = {place for note in notes for place in note["words"]}
        slips = set(sentence.notes.get("disfluent", ()))
        assert listed | slips == set(range(len(sentence.source)))
    assert len(said) > 50


def test_what_is_said_is_no_wrong_term(tmp_path: Path) -> None:
    rng = random.Random(3)
    talks = [timed(interpreted_talk(rng, 40, "test", "zh", "list"), f"t{n}") for n in range(6)]
    write_manifest(tmp_path, [cut_from_talk(talk, f"audio/{talk.id}.wav") for talk in talks])
    write_knowledge(tmp_path)
    notes = [n for talk in talks for s in talk.sentences for n in s.notes.get("terms", ())]
    targets: dict[str, set[str]] = {}
    for note in notes:
        targets.setdefault(note["source"], set()).add(note["targets"]["en"]["text"])
    wrong = read_glossary(tmp_path / "glossary-wrong.csv", "zh", "en").glossary
    assert len(wrong) > 100
    assert not [source for source in targets if source in wrong]
    told = read_glossary(tmp_path / "glossary.csv", "zh", "en").glossary
    for source, texts in targets.items():
        entry = told.get(source)
        assert (entry and {entry.target}) == (texts if len(texts) == 1 else None)
    scored = {term.src for term in read_terms(tmp_path / "terms.jsonl")}
    assert scored == {source for source, texts in targets.items() if len(texts) == 1}
