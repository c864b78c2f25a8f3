"""`--pauses`: how models that read whole windows find the places between them."""

from __future__ import annotations

import argparse

from earvoice.errors import UsageError
from earvoice.zoo import ModelCard

_WINDOWED = ("lst", "llast")


def pauses_of(args: argparse.Namespace, card: ModelCard) -> dict[str, str]:
    """The setting that the option stands for. Raises: UsageError for a model without windows."""
    if args.pauses is None:
        return {}
    if card.system not in _WINDOWED:
        raise UsageError(
            f"--pauses is for models that read windows ({', '.join(_WINDOWED)}); "
            f"{card.name} is of {card.system}"
        )
    return {"pauses": args.pauses}
