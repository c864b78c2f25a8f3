"""What was written, and when, whatever tool logged it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType

from earvoice.errors import DataError
from earvoice.eval.latency import SourceType
from earvoice.eval.units import Unit, joined

_SUM_ERROR_US = 1e-3  # of an hour of added chunk lengths in doubles: far less

AUDIO_ENDINGS = frozenset(
    ".wav .flac .mp3 .ogg .oga .opus .m4a .aac .mp4 .mkv .mov .webm .wma .sph .aif .aiff .au .pcm "
    ".raw .ts .amr .3gp".split()
)

CLOCKS = ("queue", "simuleval", "chunk")
"""Three meanings of "computation-aware", by the suffix `_ca_NAME` of a metric:

    queue      one machine, one queue: chunk k starts when it has arrived and k - 1 is done
    simuleval  audio heard plus all computing since the recording began
    chunk      audio heard plus the computing of that chunk alone
"""


@dataclass(frozen=True)
class Hypothesis:
    """The output for one recording or sentence.

    units with delays_us, integer microseconds of source heard; clocks: the same with computing
    counted, by name, for those clocks that the log can tell. source_us: length of the source.
    reference: if the log carries it. where: file and line, for messages. index: the line of the
    corpus, where the log says so. glued: numbers of the units that only a no-break space parts
    from the one before, which simulstream counts as one word. spaced: the text as it was written,
    where characters are counted: white space is no unit.
    """

    name: str
    unit: Unit
    units: tuple[str, ...]
    delays_us: tuple[int, ...]
    source_us: int | None
    where: str
    clocks: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    reference: str | None = None
    source_type: SourceType = "speech"
    index: int | None = None
    glued: frozenset[int] = frozenset()
    spaced: str | None = None

    def __post_init__(self) -> None:
        for what, times in (("delays", self.delays_us), *self.clocks.items()):
            if len(times) != len(self.units):
                raise DataError(
                    f"{self.where}: {len(self.units)} {self.unit}s and {len(times)} {what}; "
                    f"each {self.unit} has one (another --unit?)"
                )

    @property
    def text(self) -> str:
        """The whole output."""
        return joined(list(self.units), self.unit)

    @property
    def written(self) -> str:
        """The whole output with the spaces between words, whatever is counted."""
        return self.text if self.spaced is None else " ".join(self.spaced.split())


def recording_name(path: str) -> str:
    """How a recording is known: its file without folder and ending, `2022.acl-long.110` whole."""
    file = PurePath(path)
    return file.stem if file.suffix.lower() in AUDIO_ENDINGS else file.name


def microseconds(value_ms: float) -> int:
    """Milliseconds of a log as integer microseconds.

    Halves go up, also those that a tool's sums have put a little below: a sample of 16 kHz is
    62.5 us, and the same moment must be the same number in every tool's log.
    """
    return math.floor(value_ms * 1000 + 0.5 + _SUM_ERROR_US)


def clocks_from_totals(
    delays_us: Sequence[int], totals_us: Sequence[int]
) -> dict[str, tuple[int, ...]]:
    """All three clocks from what each unit's log entry says of computing.

    totals_us: computing since the recording began, up to and with the unit's chunk. Chunks that
    wrote nothing are not in such a log; their computing is booked on the next one that did. Units
    of equal delay are of one chunk as long as nothing was computed between them: after the end of
    the source an agent may go on word by word. Totals that fall, as of a log with times of a real
    clock, are no computing: a unit is never done before its source was heard.
    """
    queue: list[int] = []
    chunk: list[int] = []
    done, free, last_delay, took = 0, 0, None, 0
    for delay, total in zip(delays_us, totals_us, strict=True):
        if delay != last_delay or total != done:
            took, done, last_delay = max(0, total - done), total, delay
            free = max(delay, free) + took
        chunk.append(delay + took)
        queue.append(free)
    simuleval = [delay + total for delay, total in zip(delays_us, totals_us, strict=True)]
    return {"queue": tuple(queue), "simuleval": tuple(simuleval), "chunk": tuple(chunk)}


def by_name(hypotheses: Sequence[Hypothesis]) -> dict[str, Hypothesis]:
    """By recording name. Raises: DataError for two of one name."""
    found: dict[str, Hypothesis] = {}
    for hypothesis in hypotheses:
        if hypothesis.name in found:
            raise DataError(
                f"{hypothesis.where}: {hypothesis.name!r} was already in "
                f"{found[hypothesis.name].where}; a recording has one hypothesis"
            )
        found[hypothesis.name] = hypothesis
    return found
