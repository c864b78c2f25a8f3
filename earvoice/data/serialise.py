"""Two people's words as one line of tokens, with who says them: the targets of a transducer.

    self    where is the | station              ASR  <SELF> where is the <OTHER> mhm <SELF> station
    other            mhm |                      ST   <OTHER> yes <SELF> dónde está la estación

ASR: words of both people in the order in which they end; `<SELF>` or `<OTHER>` at each change of
speaker (t-SOT), or before every word. ST: translations of whole turns in the order in which the
turns end, each with one label, so that no label comes before there is something to know it from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from earvoice.data.conversations import Speaker, Turn
from earvoice.units import Seconds

TAGS: dict[Speaker, str] = {"self": "<SELF>", "other": "<OTHER>"}
"""The control tokens a vocabulary needs (`Tokenizer.train(extra_specials=...)`)."""

Tagging = Literal["change", "word"]


@dataclass(frozen=True, slots=True)
class Item:
    """A word or a tag of a serialised line. A tag has the time of the word after it."""

    text: str
    start_s: Seconds
    end_s: Seconds
    speaker: Speaker
    language: str
    is_tag: bool = False


def asr_items(turns: Sequence[Turn], tagging: Tagging = "change") -> list[Item]:
    """The transcript of both people, tagged. Words in the order of their ends."""
    words = sorted(
        (
            Item(word.text, word.start_s, word.end_s, turn.speaker, turn.language)
            for turn in turns
            for word in turn.words
        ),
        # The sort is stable: words of one person that end together stay in their order.
        key=lambda item: item.end_s,
    )
    return _tagged(words, tagging)


def st_items(turns: Sequence[Turn], tagging: Tagging = "change") -> list[Item]:
    """The translation: turn by turn in the order of their ends.

    A word's `end_s` is the end of its turn, `start_s` that of the last source word it depends on
    where that is known. With "change" each turn has one label, with "word" each word.
    """
    items: list[Item] = []
    for turn in sorted(turns, key=lambda turn: turn.end_s):
        texts = turn.target.text.split()
        needs = turn.target.needs or (len(turn.words) - 1,) * len(texts)
        words = [
            Item(text, turn.words[need].end_s, turn.end_s, turn.speaker, turn.into)
            for text, need in zip(texts, needs, strict=True)
        ]
        items += _tagged(words, tagging)
    return items


def _tagged(words: Sequence[Item], tagging: Tagging) -> list[Item]:
    out: list[Item] = []
    before: Speaker | None = None
    for word in words:
        if tagging == "word" or word.speaker != before:
            tag = TAGS[word.speaker]
            out.append(Item(tag, word.start_s, word.end_s, word.speaker, word.language, True))
        out.append(word)
        before = word.speaker
    return out


def parse(texts: Sequence[str]) -> list[tuple[Speaker, str]]:
    """A serialised line back to runs of one speaker each; words before a tag belong to nobody.

    A tag that repeats the speaker goes on with his run in a transcript; in a translation it is a
    new turn, which reads the same.
    """
    speakers = {tag: speaker for speaker, tag in TAGS.items()}
    runs: list[tuple[Speaker, list[str]]] = []
    for text in texts:
        if text in speakers:
            if not runs or runs[-1][0] != speakers[text]:
                runs.append((speakers[text], []))
        elif runs:
            runs[-1][1].append(text)
    return [(speaker, " ".join(words)) for speaker, words in runs if words]
