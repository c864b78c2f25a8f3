"""The batches of a stage, without the ones that cannot be made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from earvoice.errors import AudioError
from earvoice.train.errors import TrainingError
from earvoice.train.log import NoLog, TrainLog

_log = logging.getLogger("earvoice.train")

MAX_BAD_BATCHES = 20
_SUBSTITUTE = 1 << 40
"""How far away the numbers of substitutes are from those of the stage's own batches."""


class Batches:
    """Batches by number. One with a recording that cannot be read is replaced by another.

    The substitute depends on the number alone, so that a resumed run takes the same one.
    """

    def __init__(self, stage: str, make: Callable[[int], Any], log: TrainLog | NoLog) -> None:
        self._stage, self._make, self._log = stage, make, log
        self.bad = 0

    def __getitem__(self, number: int) -> Any:
        """Raises: TrainingError after too many bad batches, with the last one's reason."""
        place = number
        while True:
            try:
                return self._make(place)
            except (AudioError, OSError) as error:
                self.bad += 1
                if self.bad > MAX_BAD_BATCHES:
                    raise TrainingError(
                        f"stage {self._stage!r}: {self.bad} batches could not be made, the last "
                        f"one because: {error}"
                    ) from error
                _log.warning("stage %s: batch %d: %s", self._stage, number, error)
                note = {"bad_batch": number, "reason": str(error), "bad_batches": self.bad}
                self._log.write(0, note)
                place += _SUBSTITUTE
