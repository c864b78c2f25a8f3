"""What a policy sees and what it may answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from earvoice.errors import UsageError


@dataclass(frozen=True)
class View:
    """All that is known when a session asks, so that policies need no memory of their own.

    A session asks once after every segment it has read, and once when the source has ended.

    - `segments_read`: segments of source heard so far, this one included.
    - `words_written`: target words committed so far.
    - `source_finished`: nothing more will be heard.
    - `candidate`: the words a draft of the whole continuation has now; None if no draft was
      made (`Policy.needs_draft` is False).
    - `previous`: earlier drafts, newest first, without the words that have been written since.
    - `attended`: per word of the candidate, the speech frame that each of its pieces attends to
      most; None where the session does not look. `frames`: speech frames there are.
    """

    segments_read: int
    words_written: int
    source_finished: bool = False
    candidate: tuple[str, ...] | None = None
    previous: tuple[tuple[str, ...], ...] = ()
    attended: tuple[tuple[int, ...], ...] | None = None
    frames: int = 0

    def draft(self, policy: str) -> tuple[str, ...]:
        """The candidate, for a policy that needs one. Raises: ValueError where none was made."""
        if self.candidate is None:
            raise ValueError(
                f"{policy} needs View.candidate: the session has to draft before asking"
            )
        return self.candidate


def check_least(policy: str, name: str, value: object, least: int) -> None:
    """That an option of a policy is a whole number, `least` or more. Raises: UsageError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"policy {policy}: {name} is {value!r}, it must be {least} or more")


KEPT_DRAFTS = 4
"""How many earlier drafts a session keeps for its policy."""


def drafts_after(
    candidate: tuple[str, ...], previous: tuple[tuple[str, ...], ...], written: int
) -> tuple[tuple[str, ...], ...]:
    """`View.previous` of the next consultation, when `written` words of a draft were written."""
    kept = (candidate, *previous)[:KEPT_DRAFTS]
    return tuple(draft[written:] for draft in kept)


@dataclass(frozen=True)
class Read:
    """Write nothing now."""


@dataclass(frozen=True)
class Write:
    """Write up to `n` words now, fewer if the model ends earlier; None: to the model's end."""

    n: int | None = None

    def __post_init__(self) -> None:
        if self.n is not None and self.n < 1:
            raise ValueError(f"Write.n is {self.n}, it must be 1 or more, or None for everything")


Action: TypeAlias = Read | Write


class Policy(Protocol):
    """When to read and when to write: a pure function of the view."""

    @property
    def needs_draft(self) -> bool:
        """Whether the session has to draft a continuation (`View.candidate`) before asking."""
        ...

    def decide(self, view: View) -> Action:
        """What to do now. Never writes before something was heard; writes all at the end."""
        ...
