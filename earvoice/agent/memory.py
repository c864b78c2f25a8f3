"""What an agent remembers of a talk, in a fixed number of tokens.

    context      what was told before the talk (a title, a programme); at most half of the budget
    terms        glossary terms used in turns that are gone; at most a quarter, the latest stay
    turns        the latest transcripts and translations; the oldest make room

CLASI (2407.21646, 2.4) appends without a limit; a talk of hours needs one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from earvoice.agent.foreign import clean
from earvoice.errors import UsageError
from earvoice.text.spacing import joined

CONTEXT_SHARE, TERMS_SHARE = 0.5, 0.25
MAX_CONTEXT_CHARS = 100_000


@dataclass(frozen=True)
class Remembered:
    """A turn that was said. terms: source and target of the glossary terms in it."""

    transcript: str
    translation: str
    terms: tuple[tuple[str, str], ...] = ()


class Memory:
    """Turns, terms and context within `budget_tokens`, as `count` counts the tokens of a text.

    Errors: `UsageError` for a context that is no text or far too long.
    """

    def __init__(self, budget_tokens: int, count: Callable[[str], int], context: str = "") -> None:
        if not isinstance(context, str) or len(context) > MAX_CONTEXT_CHARS:
            raise UsageError(f"context must be a text of at most {MAX_CONTEXT_CHARS} characters")
        self.budget_tokens, self._count = budget_tokens, count
        self.dropped = 0
        self._turns: deque[Remembered] = deque()
        self._costs: deque[int] = deque()
        self._terms: dict[str, str] = {}
        self.context = self._clipped(clean(context), int(budget_tokens * CONTEXT_SHARE))
        self._fixed = self._count(self.context) if self.context else 0

    @property
    def tokens(self) -> int:
        """Tokens of everything that is remembered; never more than the budget."""
        return self._fixed + self._terms_cost() + sum(self._costs)

    @property
    def transcript(self) -> str:
        """The words of the turns that are left."""
        return joined(turn.transcript for turn in self._turns)

    @property
    def translation(self) -> str:
        """Their translations."""
        return joined(turn.translation for turn in self._turns)

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """Terms of turns that are gone, the oldest first."""
        return tuple(self._terms.items())

    def add(self, turn: Remembered) -> None:
        """Remembers a turn; what no longer fits is dropped, its terms are kept."""
        cost = self._cost(turn)
        self._turns.append(turn)
        self._costs.append(cost)
        while self._turns and self.tokens > self.budget_tokens:
            gone = self._turns.popleft()
            self._costs.popleft()
            self.dropped += 1
            self._keep_terms(gone.terms)

    def save(self) -> dict[str, Any]:
        """All but the context, for JSON."""
        turns = [[turn.transcript, turn.translation, list(turn.terms)] for turn in self._turns]
        return {"turns": turns, "terms": list(self._terms.items()), "dropped": self.dropped}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Makes a new memory of the same context what a saved one was."""
        for transcript, translation, terms in saved["turns"]:
            pairs = tuple((str(source), str(target)) for source, target in terms)
            turn = Remembered(str(transcript), str(translation), pairs)
            self._turns.append(turn)
            self._costs.append(self._cost(turn))
        self._terms = {str(source): str(target) for source, target in saved["terms"]}
        self.dropped = int(saved["dropped"])

    def _keep_terms(self, terms: tuple[tuple[str, str], ...]) -> None:
        for source, target in terms:
            self._terms.pop(source, None)
            self._terms[source] = target
        most = int(self.budget_tokens * TERMS_SHARE)
        while self._terms and self._terms_cost() > most:
            del self._terms[next(iter(self._terms))]

    def _terms_cost(self) -> int:
        return sum(self._pair_cost(source, target) for source, target in self._terms.items())

    def _cost(self, turn: Remembered) -> int:
        return self._count(turn.transcript) + self._count(turn.translation)

    def _pair_cost(self, source: str, target: str) -> int:
        return self._count(source) + self._count(target) + 2  # and two marks

    def _clipped(self, text: str, most: int) -> str:
        """The beginning of a text, in whole words where it has any."""
        if self._count(text) <= most:
            return text
        words = text.split(" ")
        sign = " " if len(words) > 1 else ""
        parts = words if sign else list(text)
        low, high = 0, len(parts)
        while low < high:  # the most that fits: a longer text never has fewer tokens
            middle = (low + high + 1) // 2
            if self._count(sign.join(parts[:middle])) <= most:
                low = middle
            else:
                high = middle - 1
        return sign.join(parts[:low])
