"""The batches of a stage: made ahead where asked for, and without the ones that cannot be made."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any

import torch

from earvoice.errors import AudioError
from earvoice.train.errors import TrainingError
from earvoice.train.log import NoLog, TrainLog

_log = logging.getLogger("earvoice.train")

MAX_BAD_BATCHES = 20
HUNG_S = 60.0
"""A batch made ahead that takes longer is taken for hung: a dead disk, a lost network share."""
SUBSTITUTE = 1 << 40
"""How far away the numbers of substitutes are from those of the stage's own batches."""


class Batches:
    """Batches by number. One with a recording that cannot be read is replaced by another.

    The substitute depends on the number alone, so that a resumed run takes the same one.
    """

    def __init__(self, stage: str, make: Callable[[int], Any], log: TrainLog | NoLog) -> None:
        self._stage, self.make, self._log = stage, make, log
        self.bad = 0

    def __getitem__(self, number: int) -> Any:
        """Raises: TrainingError after too many bad batches, with the last one's reason."""
        place = number
        while True:
            try:
                return self.make(place)
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
                place += SUBSTITUTE


class Ahead:
    """Makes batches in a thread while a device computes; they are the same batches.

    Call it with the numbers in their order; any other number is made on the spot.
    """

    def __init__(
        self, make: Callable[[int], Any], numbers: Iterable[int], depth: int, hung_s: float = HUNG_S
    ) -> None:
        """depth: how many wait, at most. hung_s: after how long a batch is given up."""
        self._make, self._hung_s = make, hung_s
        self._lock = threading.Lock()  # what makes batches remembers the pass it is in
        self._made: queue.Queue[tuple[int, Any, Exception | None]] = queue.Queue(depth)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(iter(numbers),), daemon=True)
        self._thread.start()

    def __call__(self, number: int) -> Any:
        """The batch. Raises: what making it raised; TrainingError when it takes too long."""
        if number >= SUBSTITUTE:
            return self._substitute(number)
        try:
            found, batch, error = self._made.get(timeout=self._hung_s)
        except queue.Empty:
            raise self._hung(number, self._hung_s) from None
        if found != number:
            raise ValueError(f"batch {number} is asked for, {found} is next")
        if error is not None:
            raise error
        return batch

    def close(self) -> None:
        """Stops making batches. A thread that hangs is left alone."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._made.get_nowait()
            except queue.Empty:
                break
        self._thread.join(1.0)

    def _substitute(self, number: int) -> Any:
        """A batch out of its order, in a thread of its own.

        Where one batch could not be read, the next may hang and keep this one waiting, or this
        one hang itself.
        """
        made: queue.Queue[tuple[int, Any, Exception | None]] = queue.Queue(1)
        threading.Thread(target=self._run_one, args=(number, made), daemon=True).start()
        patience_s = 2 * self._hung_s  # the batch that is under way comes first
        try:
            _, batch, error = made.get(timeout=patience_s)
        except queue.Empty:
            raise self._hung(number, patience_s) from None
        if error is not None:
            raise error
        return batch

    def _run_one(self, number: int, made: queue.Queue[tuple[int, Any, Exception | None]]) -> None:
        torch.set_flush_denormal(True)
        made.put(self._tried(number))

    def _hung(self, number: int, waited_s: float) -> TrainingError:
        return TrainingError(
            f"batch {number % SUBSTITUTE} was not there after {waited_s:g} s: is the disk of the "
            "corpus gone?"
        )

    def _run(self, numbers: Iterable[int]) -> None:
        torch.set_flush_denormal(True)  # is a matter of each thread, and of the last bits
        for number in numbers:
            if self._closed.is_set():
                return
            self._put(number)

    def _put(self, number: int) -> None:
        made = self._tried(number)
        while not self._closed.is_set():
            try:
                self._made.put(made, timeout=0.2)
            except queue.Full:
                continue
            return

    def _tried(self, number: int) -> tuple[int, Any, Exception | None]:
        """A batch, or what making it raised: that is raised where it is asked for."""
        try:
            with self._lock:
                return number, self._make(number), None
        except Exception as error:  # noqa: BLE001
            return number, None, error
