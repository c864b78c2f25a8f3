"""What was left out of an import, or changed, counted by reason, with the places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_SHOWN = 2


@dataclass
class Tally:
    """Places by reason. `places["empty translation"] == ["dev.de line 4", ...]`."""

    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        """Counts one."""
        self.places.setdefault(reason, []).append(where)

    @property
    def total(self) -> int:
        """How many, of all reasons."""
        return sum(len(places) for places in self.places.values())

    def told(self, word: str) -> str:
        """`skipped 3: 1 empty translation (dev.de line 4), 2 missing audio (...)`, or nothing."""
        if not self.places:
            return ""
        reasons = ", ".join(
            f"{len(places)} {reason} ({_first(places)})" for reason, places in self.places.items()
        )
        return f"{word} {self.total}: {reasons}"


def _first(places: list[str]) -> str:
    more = len(places) - _SHOWN
    return ", ".join(places[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


@dataclass
class Result:
    """Of an import.

    skipped: segments that are not in the manifest. trimmed: segments that are, with an earlier
    end. unpacked: recordings that were in an archive. converted: recordings written anew, by what
    they were.
    """

    recordings: int = 0
    segments: int = 0
    terms: int = 0
    samples: int = 0
    rate_hz: int = 1
    skipped: Tally = field(default_factory=Tally)
    trimmed: Tally = field(default_factory=Tally)
    unpacked: Tally = field(default_factory=Tally)
    converted: Tally = field(default_factory=Tally)

    @property
    def hours(self) -> float:
        """Length of what the manifest covers."""
        return self.samples / self.rate_hz / 3600.0

    def lines(self) -> list[str]:
        """For people: what was changed and what was left out, one line each; places with file."""
        tallies: Mapping[str, Tally] = {
            "unpacked": self.unpacked,
            "converted": self.converted,
            "trimmed": self.trimmed,
            "skipped": self.skipped,
        }
        return [line for word, tally in tallies.items() if (line := tally.told(word))]
