"""A translation growing in a terminal, and what may be shown there at all."""

from __future__ import annotations

import time
import unicodedata
from types import TracebackType

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from earvoice.cli.knowledge import TermMarks
from earvoice.cli.turns import TurnLines
from earvoice.driver import Clock
from earvoice.events import Boundary, Commit, Draft, Stamped
from earvoice.session import Session
from earvoice.units import Seconds

BAR_CELLS = 12
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """`text` without control and bidi-override characters, which a terminal would obey."""
    return "".join(
        char
        for char in text
        if char in "\n\t" or (unicodedata.category(char) != "Cc" and char not in _BIDI_CONTROLS)
    )


def clock_text(time_s: Seconds) -> str:
    """Seconds as `1:02.3`, from an hour on `1:00:02.3`."""
    tenths = round(time_s * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02}.{rest % 10}"


class AudioBar:
    """How far a recording is, where its words go elsewhere: one line on standard error.

    talk.wav ━━━━━━━━━━━━━━━━━━━━━━ 0:31:12 of 1:00:00  52%  left 0:00:41
    """

    def __init__(self, console: Console, name: str, total_s: Seconds | None) -> None:
        self._total_s = total_s
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[place]}"),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task(printable(name), total=total_s, place="")

    def __enter__(self) -> AudioBar:
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.__exit__(kind, error, trace)

    def heard(self, heard_s: Seconds) -> None:
        """The audio has come to `heard_s`."""
        total = f" of {clock_text(self._total_s)}" if self._total_s is not None else ""
        place = f"{clock_text(heard_s)}{total}"
        self._progress.update(self._task, completed=heard_s, place=place)

    def show(self, stamped: Stamped) -> None:
        """Nothing: the words go elsewhere."""


class LiveView:
    """Committed words with a draft in grey, and under them one line of status.

        Guten Tag, meine Damen und Herren, ich freue mich,
        heute hier zu
        ▶ 0:12.3 of 1:05.0  ━━━━━━━━━━━━ 19%   lag 0.8 s   fasst-mini-en-de en → de

    Lines that are full are printed for good, so a talk of any length scrolls as usual.
    """

    def __init__(
        self, console: Console, session: Session, clock: Clock, label: str, total_s: Seconds | None
    ) -> None:
        self._console = console
        self._session = session
        self._clock = clock
        self._label = label
        self._total_s = total_s
        self._line = ""
        self._draft = ""
        self._turns = TurnLines()
        self._marks = TermMarks()
        self._heard_s: Seconds = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._drawn_s = float("-inf")

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.update("", refresh=True)
        self._live.__exit__(kind, error, trace)
        for line in [self._line, *self._turns.rest()]:
            if line:
                self._console.print(self._marks.marked(printable(line)))

    def heard(self, heard_s: Seconds) -> None:
        """The audio has come to `heard_s`."""
        self._heard_s = heard_s
        self._draw()

    def show(self, stamped: Stamped) -> None:
        """Take in one event."""
        event = stamped.event
        self._marks.take(event)
        if self._turns.takes(event):
            for line in self._turns.take(event):
                self._live.console.print(Text(printable(line)))
        elif isinstance(event, Commit) and event.stream.role == "translation":
            self._draft = ""
            self._append(printable(event.text))
        elif isinstance(event, Draft) and event.stream.role == "translation":
            self._draft = printable(event.text)
        elif isinstance(event, Boundary) and event.kind == "turn":
            self._append("\n")
        self._draw()

    def _append(self, text: str) -> None:
        for char in text:
            if char == "\n":
                self._print_line(len(self._line))
                continue
            self._line += char
            if cell_len(self._line) >= self._console.width:
                space = self._line.rfind(" ")
                self._print_line(space if space > 0 else len(self._line) - 1)

    def _print_line(self, length: int) -> None:
        self._live.console.print(self._marks.marked(self._line[:length]))
        self._line = self._line[length:].removeprefix(" ")

    def _draw(self) -> None:
        # Faster than the eye sees only costs time, when audio runs at full speed.
        now_s = time.monotonic()
        if now_s - self._drawn_s < 0.05:
            return
        self._drawn_s = now_s
        shown = [(self._line, self._draft), *self._turns.growing()]
        lines = []
        for line, draft in shown:
            words = self._marks.marked(printable(line))
            words.append(printable(draft), style="dim")
            words.truncate(self._console.width * 3)
            lines += [words] if words or len(shown) == 1 else []
        self._live.update(Group(*lines, self._status()), refresh=True)

    def _status(self) -> Text:
        behind_s = max(0.0, self._clock.now_s() - self._heard_s) + self._session.lag_s
        total = f" of {clock_text(self._total_s)}" if self._total_s is not None else ""
        status = Text("▶ ", style="green")
        status.append(f"{clock_text(self._heard_s)}{total}", style="bold")
        if self._total_s:
            share = min(1.0, self._heard_s / self._total_s)
            done = round(share * BAR_CELLS)
            status.append(f"  {'━' * done}", style="green")
            status.append("━" * (BAR_CELLS - done), style="dim")
            status.append(f" {share:.0%}")
        status.append(f"   lag {behind_s:.1f} s   ", style="yellow" if behind_s > 2 else "dim")
        status.append(self._label, style="dim")
        status.truncate(self._console.width - 1)
        return status
