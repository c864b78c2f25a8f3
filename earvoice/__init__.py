"""Simultaneous speech translation with language models.

    interpreter = earvoice.load("fasst-mini-en-de")
    session = interpreter.open(earvoice.Request(src_lang="en", tgt_lang="de"))
    for event in session.push(audio): ...

Names are imported when first used, so `import earvoice` costs nothing and needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earvoice import events
    from earvoice.loading import load
    from earvoice.session import Interpreter, Request, Session

__version__ = "0.1.0"
__all__ = ["Interpreter", "Request", "Session", "events", "load"]


def __getattr__(name: str) -> Any:
    if name == "events":
        return importlib.import_module("earvoice.events")
    if name == "load":
        return importlib.import_module("earvoice.loading").load
    if name in __all__:
        return getattr(importlib.import_module("earvoice.session"), name)
    raise AttributeError(f"module 'earvoice' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
