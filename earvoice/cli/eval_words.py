"""Word times for `earvoice eval score --words`: from a manifest to the scored items."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from earvoice.data.manifest import SpokenSentence, Talk, load_talks
from earvoice.eval.finalization import Spoken
from earvoice.eval.hypotheses import DataError
from earvoice.eval.scored import Item, Scored
from earvoice.text.languages import primary


def spoken_in(path: Path) -> Callable[[Scored], list[Spoken]]:
    """What each item's reference words wait for, by a corpus's word times and needs.

    The function that is returned raises DataError where a recording's segments are not its
    sentences, in order.
    """
    return functools.partial(_spoken_of, path, {talk.id: talk for talk in load_talks(path)})


def _spoken_of(path: Path, talks: Mapping[str, Talk], scored: Scored) -> list[Spoken]:
    found: list[Spoken] = []
    seen: dict[str, int] = {}
    for item in scored.items:
        if item.recording not in talks:
            raise DataError(f"{path}: recording {item.recording!r} is not in it")
        talk = talks[item.recording]
        if scored.form == "short":
            sentences: Sequence[SpokenSentence] = talk.sentences
        else:
            at = seen.get(item.recording, 0)
            seen[item.recording] = at + 1
            sentences = talk.sentences[at : at + 1]
        found.append(_spoken(path, talk, sentences, item, scored.language))
    return found


def _spoken(
    path: Path, talk: Talk, sentences: Sequence[SpokenSentence], item: Item, language: str
) -> Spoken:
    code = primary(language)
    targets = [
        sentence.targets.get(language) or sentence.targets.get(code) for sentence in sentences
    ]
    text = " ".join(target.text for target in targets if target is not None)
    if "".join(text.split()) != "".join(item.reference.split()):
        raise DataError(
            f"{path}: talk {talk.id!r} has {text[:40]!r} where the reference has "
            f"{item.reference[:40]!r}"
        )
    ends: list[int] = []
    for sentence, target in zip(sentences, targets, strict=True):
        if target is None or len(target.needs) != len(target.text.split()):
            return Spoken(())
        if not sentence.words:
            return Spoken(())
        last = len(sentence.words) - 1
        wrong = next((need for need in target.needs if not 0 <= need <= last), None)
        if wrong is not None:
            raise DataError(
                f"{path}: talk {talk.id!r}: {target.text[:40]!r} needs word {wrong}, its sentence "
                f"has words 0 to {last}"
            )
        ends += [round(sentence.words[need].end_s * 1_000_000) for need in target.needs]
    return Spoken(tuple(ends))
