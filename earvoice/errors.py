"""The errors a user can cause. The command line turns each into one line and an exit code."""


class EarvoiceError(Exception):
    """Base of every error with a message meant for people: what was wrong and what would be legal.

    `exit_code` is what the command line returns (documented in docs/cli.md).
    """

    exit_code = 1


class UsageError(EarvoiceError):
    """The command or call asks for something that does not exist (model, language, policy)."""

    exit_code = 2


class AudioError(EarvoiceError):
    """The audio cannot be read or is not legal input."""

    exit_code = 3


class CheckpointError(EarvoiceError):
    """A checkpoint or model folder is missing, damaged or does not fit."""

    exit_code = 4


class ConfigError(EarvoiceError):
    """A configuration has an unknown key, a wrong type or an illegal value."""

    exit_code = 5


class DataError(EarvoiceError):
    """A file of data (log, reference, segmentation, corpus) is not legal; names file and line."""

    exit_code = 7
