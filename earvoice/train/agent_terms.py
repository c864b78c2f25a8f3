"""Terms for the prompts of training turns: those that are said, near misses, strangers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from earvoice.agent.glossary_files import read_glossary
from earvoice.data.chunks import Chunk
from earvoice.data.manifest import Talk
from earvoice.data.near import near_miss
from earvoice.data.synth.interpreted.terms import near_misses, term_of_id
from earvoice.text.spacing import is_spaceless, joined

Pair = tuple[str, str]
_NEAR_SHARE = 0.7
"""Of the distractors, where something is said that they can be near misses of."""
_LATIN_WORDS = re.compile(r"[^\W\u2e80-\U0003ffff]+")


@dataclass(frozen=True)
class TermRoom:
    """What a prompt holds: terms and tokens at most; `distractors` of them are not said.

    withheld: share of the terms that are said and not told.
    """

    terms: int
    tokens: int
    distractors: int
    withheld: float = 0.0


class TermDraw:
    """Draws the terms of a turn. files: glossaries beside what a talk's notes name."""

    def __init__(
        self,
        files: Sequence[str],
        pairs: Sequence[Pair],
        room: TermRoom,
        count: Callable[[str], int],
    ) -> None:
        self._files = {pair: _of_files(files, pair) for pair in pairs}
        self._room, self._count = room, count

    def told(
        self,
        rng: random.Random,
        pair: Pair,
        talk: Talk,
        heard: tuple[Sequence[Chunk], str],
        chunks: Sequence[Chunk],
    ) -> list[Pair]:
        """Terms for the prompt, within its room, in any order.

        heard: the chunks that are finished, and the words after them, whose terms a retriever
        finds as well. Of the terms that are heard a share is not told; its near misses may be.
        """
        said, tail = heard
        words = joined([*(chunk.transcript for chunk in said), tail]).casefold()
        noted = noted_terms(talk, pair)
        known = [*self._files[pair], *noted]
        names = names_in(said)
        true = list(dict.fromkeys([*names, *(term for term in known if _is_in(term[0], words))]))
        others = [term for term in known if not _is_in(term[0], words)]
        others += [term for term in names_in(chunks) if term not in names]
        found = [term for term in true if rng.random() >= self._room.withheld]
        withheld = {source.casefold() for source, _ in true} - {s.casefold() for s, _ in found}
        for _ in range(rng.randint(0, self._room.distractors)):
            if true and rng.random() < _NEAR_SHARE:
                found.append(_near(rng, rng.choice(true), noted, others, pair))
            elif others:
                found.append(rng.choice(others))
        told = {source: (source, target) for source, target in reversed(found)}
        found = [term for term in told.values() if term[0].casefold() not in withheld][::-1]
        found = found[: self._room.terms]
        rng.shuffle(found)
        return self._fitting(found)

    def _fitting(self, terms: Sequence[Pair]) -> list[Pair]:
        kept, room = [], self._room.tokens
        for term in terms:
            cost = sum(map(self._count, term))
            if cost <= room:
                kept.append(term)
                room -= cost
        return kept


def _is_in(term: str, words: str) -> bool:
    """Whether a term is said: as whole words, but for scripts that show none."""
    source = term.casefold()
    if any(map(is_spaceless, source)):
        return source in words
    return re.search(rf"(?<!\w){re.escape(source)}(?!\w)", words) is not None


def names_in(chunks: Sequence[Chunk]) -> list[Pair]:
    """Words with a capital that stand unchanged in the translation, not at a chunk's start."""
    found = []
    for chunk in chunks:
        theirs = set(_LATIN_WORDS.findall(chunk.translation))
        for word in chunk.words[1:]:
            name = word.text.strip(",.;:!?")
            if name[:1].isupper() and len(name) > 1 and name in theirs:
                found.append((name, name))
    return list(dict.fromkeys(found))


def noted_terms(talk: Talk, pair: Pair) -> dict[Pair, str]:
    """The terms that a synthetic talk's notes name, and what the notes call them."""
    return {
        (str(note["source"]), str(note["targets"][pair[1]]["text"])): str(note["id"])
        for sentence in talk.sentences
        for note in sentence.notes.get("terms", ())
        if pair[1] in note["targets"]
    }


def _near(
    rng: random.Random, term: Pair, noted: dict[Pair, str], others: Sequence[Pair], pair: Pair
) -> Pair:
    """A term that sounds like one: an invented one with its own translation, or letters changed."""
    if term in noted:
        miss = near_misses(rng, term_of_id(noted[term]), 1)[0]
        return miss.form(pair[0]), miss.form(pair[1])
    targets = dict(others)
    source = near_miss(term[0], list(targets), rng)
    return source, targets.get(source, source)


def _of_files(files: Sequence[str], pair: Pair) -> list[Pair]:
    return [
        (entry.source, entry.target)
        for file in files
        for entry in read_glossary(Path(file), *pair).glossary
    ]
