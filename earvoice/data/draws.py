"""Random choices that depend on names alone, so that a resumed run draws the same."""

from __future__ import annotations

import hashlib
import random


def drawing(*names: object) -> random.Random:
    """A generator of what is named, e.g. `drawing(seed, stage, step)`: always the same one."""
    text = "/".join(map(str, names))
    return random.Random(hashlib.sha256(text.encode()).digest())
