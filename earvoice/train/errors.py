"""What ends a training."""

from __future__ import annotations

from earvoice.errors import EarvoiceError


class TrainingError(EarvoiceError):
    """Training cannot go on: non-finite losses, bad samples, a full disk, another configuration."""

    exit_code = 6


class RankError(TrainingError):
    """An error of one process or of all, raised in every process with the same message."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class OwnError(TrainingError):
    """An error of one process that the others were not told: it speaks for itself, by its rank."""

    exit_code = 1

    def __init__(self, rank: int, error: RuntimeError) -> None:
        first = str(error).strip().partition("\n")[0]
        gone = any(word in first for word in _GONE)
        why = "another rank ended" if gone else f"{type(error).__name__}: {first}"
        super().__init__(f"rank {rank}: {why}")


_GONE = ("Connection closed", "Connection reset", "Broken pipe")
