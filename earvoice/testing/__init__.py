"""What users test their own code with: an interpreter that needs no model, bytes, a clock."""

from earvoice.testing.clock import FakeClock
from earvoice.testing.interpreter import (
    Chunk,
    FakeInterpreter,
    FakeSession,
    Say,
    loudness,
    scripted,
)
from earvoice.testing.tokens import byte_tokenizer

__all__ = [
    "Chunk",
    "FakeClock",
    "FakeInterpreter",
    "FakeSession",
    "Say",
    "byte_tokenizer",
    "loudness",
    "scripted",
]
