"""What was said by whom and when: utterances, grouped by recording and by speaker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earvoice.eval.hypotheses import DataError


@dataclass(frozen=True)
class Utterance:
    """A stretch of speech of one speaker. Times in integer microseconds.

    words_us: (start, end) of each white-space separated word where it is known; without it times
    are guessed from the length of the words. where: file and line, for messages.
    """

    session: str
    speaker: str
    start_us: int
    end_us: int
    text: str
    where: str
    words_us: tuple[tuple[int, int], ...] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start_us <= self.end_us:
            raise DataError(
                f"{self.where}: from {self.start_us / 1e6:g} s to {self.end_us / 1e6:g} s; "
                "it must be 0 <= start <= end"
            )
        if self.words_us is not None and len(self.words_us) != len(self.text.split()):
            raise DataError(
                f"{self.where}: {len(self.text.split())} words and {len(self.words_us)} times"
            )


@dataclass(frozen=True)
class Session:
    """Both sides of one recording, each by start time (equal starts: in the order of the file)."""

    name: str
    reference: tuple[Utterance, ...]
    hypothesis: tuple[Utterance, ...]


@dataclass(frozen=True)
class Sessions:
    """All recordings in the order of the references.

    unwritten: names of those of which the hypothesis says nothing.
    """

    items: tuple[Session, ...]
    unwritten: tuple[str, ...]


def paired(
    reference: Sequence[Utterance], hypothesis: Sequence[Utterance], names: Sequence[str] = ()
) -> Sessions:
    """The recordings of the references, with what the hypothesis says of them.

    names: recordings that the hypothesis has though it may say nothing in them.
    Raises: DataError for a recording of the hypothesis that has no references.
    """
    wanted = _by_session(reference)
    said = _by_session(hypothesis)
    for utterance in hypothesis:
        if utterance.session not in wanted:
            raise DataError(
                f"{utterance.where}: recording {utterance.session!r} has no references with "
                f"speakers; there are {', '.join(list(wanted)[:5]) or 'none'}"
            )
    for name in names:
        if name not in wanted:
            raise DataError(
                f"recording {name!r} has no references with speakers; there are "
                f"{', '.join(list(wanted)[:5]) or 'none'}"
            )
    return Sessions(
        tuple(Session(name, wanted[name], said.get(name, ())) for name in wanted),
        tuple(name for name in wanted if name not in said),
    )


def by_speaker(utterances: Iterable[Utterance]) -> dict[str, list[Utterance]]:
    """The utterances of each speaker; speakers in the order in which they first speak."""
    found: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        found.setdefault(utterance.speaker, []).append(utterance)
    return found


def _by_session(utterances: Iterable[Utterance]) -> dict[str, tuple[Utterance, ...]]:
    found: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        found.setdefault(utterance.session, []).append(utterance)
    return {
        name: tuple(sorted(items, key=lambda item: item.start_us)) for name, items in found.items()
    }
