"""Derivations (what a sentence is, before words) and their finished word sequences."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from earvoice.data.synth.grammar import chinese, english, french, german, spanish
from earvoice.data.synth.grammar.connectives import CONJUNCTIONS, Connective
from earvoice.data.synth.grammar.spelling import written
from earvoice.data.synth.grammar.template import Template
from earvoice.data.synth.grammar.tree import COMMA, NP, Clause, Mark, Sub, Token, words

__all__ = [
    "LANGUAGES",
    "TARGET_LANGS",
    "Derivation",
    "Question",
    "Request",
    "Sentence",
    "Statement",
    "Template",
    "english_words",
    "finish",
    "source_words",
    "split_of",
    "target_words",
]

TARGET_LANGS = ("de", "es", "fr", "zh")
LANGUAGES = ("en", *TARGET_LANGS)
_SPLIT_BINS = 100  # 0..95 train, 96..97 dev, 98..99 test


@dataclass(frozen=True)
class Sentence:
    """A sentence in one language with its translations; all words are whitespace tokens.

    `needs[lang][i]` is the index of the last source word that must have been heard before
    target word i can be written, when target words are written in order (so it never falls);
    the last target word needs the last source word. `notes` is what a manifest says of it besides.
    """

    source: tuple[str, ...]
    targets: Mapping[str, tuple[str, ...]]
    needs: Mapping[str, tuple[int, ...]]
    topic: str
    language: str = "en"
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A main clause, perhaps after a connective or a subordinate clause, perhaps coordinated."""

    clause: Clause
    opener: Connective | None = None
    leading: Sub | None = None
    joiner: str = ""  # "and" | "but"
    second: Clause | None = None

    def english(self) -> list[Token]:
        """English words with their marks, before punctuation is attached."""
        out = words(self.opener.en, self.opener) if self.opener else []
        if self.leading:
            out += english.sub(self.leading, leading=True)
        out += english.clause(self.clause)
        if self.second:
            out += [COMMA, (self.joiner, (self.joiner,)), *english.clause(self.second)]
        return out

    def german(self) -> list[Token]:
        """German words with their marks."""
        if self.leading:
            out = german.sub(self.leading, leading=True) + german.clause(self.clause, "first")
        else:
            opener = words(self.opener.de, self.opener) if self.opener else None
            out = german.clause(self.clause, "second", opener)
        if self.second:
            joint = {"and": "und", "but": "aber"}[self.joiner]
            comma = [COMMA] if self.joiner == "but" else []
            out += [*comma, (joint, (self.joiner,)), *german.clause(self.second)]
        return out

    def spanish(self) -> list[Token]:
        """Spanish words with their marks."""
        out = words(self.opener.es, self.opener) if self.opener else []
        if self.opener and self.opener.es_comma:
            out.append(COMMA)
        if self.leading:
            out += spanish.sub(self.leading, self.clause.subject, leading=True)
        before = self.leading.clause.subject if self.leading else None
        out += spanish.clause(self.clause, context=before)
        if self.second:
            comma = [COMMA] if self.joiner == "but" else []
            joint = {"and": "y", "but": "pero"}[self.joiner]
            out += [
                *comma,
                (joint, (self.joiner,)),
                *spanish.clause(self.second, context=self.clause.subject),
            ]
        return out

    def french(self) -> list[Token]:
        """French words with their marks."""
        out = french.opener(self.opener.en, self.opener) if self.opener else []
        if self.leading:
            out += french.sub(self.leading, self.clause, leading=True)
        out += french.clause(self.clause)
        if self.second:
            comma = [COMMA] if self.joiner == "but" else []
            joint = {"and": "et", "but": "mais"}[self.joiner]
            out += [*comma, (joint, (self.joiner,)), *french.clause(self.second)]
        return out

    def chinese(self) -> list[Token]:
        """Chinese words with their marks."""
        out = chinese.opener(self.opener.en, self.opener) if self.opener else []
        lead = self.leading
        out += chinese.leading(lead) if lead else []
        out += chinese.clause(self.clause, chinese.main_insert(lead) if lead else ())
        if self.second:
            joint = {"and": "而且", "but": "但是"}[self.joiner]
            out += [COMMA, (joint, (self.joiner,)), *chinese.clause(self.second)]
        return out

    final = "."


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question: `word` is "" (yes/no), "why", "when?" or "who" (the subject)."""

    clause: Clause
    word: str = ""

    def english(self) -> list[Token]:
        """English words with their marks, before punctuation is attached."""
        if self.word == "who":
            return english.clause(self.clause)
        lead = words(CONJUNCTIONS[self.word].en, self) if self.word else []
        return lead + english.clause(self.clause, "question")

    def german(self) -> list[Token]:
        """German words with their marks."""
        if self.word == "who":
            return german.clause(self.clause)
        if not self.word:
            return german.clause(self.clause, "first")
        return german.clause(self.clause, "second", words(CONJUNCTIONS[self.word].de, self))

    def spanish(self) -> list[Token]:
        """Spanish words with their marks."""
        if self.word == "who":
            return spanish.clause(self.clause)
        lead = words(CONJUNCTIONS[self.word].es, self) if self.word else []
        return lead + spanish.clause(self.clause, order="question")

    def french(self) -> list[Token]:
        """French words with their marks."""
        if self.word == "who":
            return french.clause(self.clause)
        lead = {"": "", "why": "pourquoi", "when?": "quand"}[self.word]
        return [*words([*lead.split(), "est-ce", "que"], self), *french.clause(self.clause)]

    def chinese(self) -> list[Token]:
        """Chinese words with their marks; the question word stands where the answer would."""
        asked = {"": [], "who": [], "why": ["为什么"], "when?": ["什么时候"]}[self.word]
        out = chinese.clause(self.clause, words(asked, self))
        return out if self.word else [*out, ("吗", (self,))]

    final = "?"


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A polite imperative: Please ... (German Sie, Spanish usted)."""

    clause: Clause

    def english(self) -> list[Token]:
        """English words with their marks, before punctuation is attached."""
        return [("Please", (self,)), *english.clause(self.clause, "bare")]

    def german(self) -> list[Token]:
        """German words with their marks."""
        return german.clause(self.clause, "second", words(["Bitte"], self))

    def spanish(self) -> list[Token]:
        """Spanish words with their marks."""
        group = spanish.verb_group(self.clause, "subj")
        return [*words(["Por", "favor"], self), COMMA, *group, *spanish.after_verb(self.clause)]

    def french(self) -> list[Token]:
        """French words with their marks."""
        return [*words(["Veuillez"], self), *french.clause(self.clause, "inf")]

    def chinese(self) -> list[Token]:
        """Chinese words with their marks."""
        return [*words(["请"], self), *chinese.clause(self.clause, subject=False)]

    final = "."


Derivation = Statement | Question | Request | Template


def english_words(item: Derivation) -> tuple[tuple[str, ...], dict[Mark, int]]:
    """Finished source words and, for each mark, the index of its last word."""
    texts, marks = written(item.english(), item.final, "en")
    last = {mark: index for index, owned in enumerate(marks) for mark in owned}
    return texts, last


def _tokens(item: Derivation, lang: str) -> list[Token]:
    """A derivation's words in a language, with their marks, before punctuation is attached."""
    if lang == "en":
        return item.english()
    spoken = {"de": item.german, "es": item.spanish, "fr": item.french, "zh": item.chinese}
    return spoken[lang]()


def source_words(item: Derivation, lang: str) -> tuple[tuple[str, ...], dict[Mark, int]]:
    """Finished source words in any language and, for each mark, the index of its last word.

    A verb agrees with its subject, so it carries the subject's mark too: that counts only where
    no word of the subject's own is said (Spanish without pronouns).
    """
    texts, marks = written(_tokens(item, lang), item.final, lang)
    said: dict[Mark, int] = {}
    agreed: dict[Mark, int] = {}
    for index, owned in enumerate(marks):
        for mark in owned:
            agrees = isinstance(mark, NP) and any(not isinstance(other, NP) for other in owned)
            (agreed if agrees else said)[mark] = index
    return texts, agreed | said


def target_words(
    item: Derivation, lang: str, last: dict[Mark, int], source_words: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Finished target words and, for each, the source word it has to wait for."""
    texts, marks = written(_tokens(item, lang), item.final, lang)
    needs: list[int] = []
    highest = 0
    for owned in marks:
        for mark in owned:
            index = last.get(mark, 0)
            if index > highest:
                highest = index
        needs.append(highest)
    needs[-1] = source_words - 1
    return texts, tuple(needs)


def finish(
    item: Derivation,
    topic: str,
    source: tuple[tuple[str, ...], dict[Mark, int]],
    language: str = "en",
    languages: Sequence[str] = LANGUAGES,
) -> Sentence:
    """Translations of a derivation, whose words in `language` are done, into `languages`."""
    texts, last = source
    others = [lang for lang in languages if lang != language]
    sides = {lang: target_words(item, lang, last, len(texts)) for lang in others}
    return Sentence(
        source=texts,
        targets={lang: side[0] for lang, side in sides.items()},
        needs={lang: side[1] for lang, side in sides.items()},
        topic=topic,
        language=language,
    )


def split_of(source: Sequence[str]) -> str:
    """The split an English sentence belongs to for ever: about 96 % train, 2 % dev, 2 % test.

    The sentence is normalised (lower case, no punctuation), so spelling details do not move it.
    """
    text = " ".join(source).lower()
    plain = "".join(letter for letter in text if letter.isalnum() or letter in " -'")
    place = int.from_bytes(hashlib.sha256(plain.encode()).digest()[:8], "big") % _SPLIT_BINS
    return "train" if place < 96 else "dev" if place < 98 else "test"
