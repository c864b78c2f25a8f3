"""OpenTelemetry, where it is installed: a span for every session, without content.

The names are `earvoice.session` (attributes `model`, `audio_s`, `events`, `code` if it failed) and,
within it, the events `resumed` and `engine_lost`. Where they go is the installation's affair, as
with `opentelemetry-instrument earvoice serve`; without the packages nothing happens.
"""

from __future__ import annotations

from typing import Any, Protocol


class Span(Protocol):
    """The part of an OpenTelemetry span that is used here."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Say something about it."""

    def add_event(self, name: str) -> None:
        """Something happened within it."""

    def end(self) -> None:
        """It is over."""


class NoSpan:
    """Where OpenTelemetry is not installed."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Nothing."""

    def add_event(self, name: str) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


def session_span(model: str) -> Span:
    """A span that begins now; whoever takes it ends it."""
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:
        return NoSpan()
    span: Span = trace.get_tracer("earvoice").start_span(
        "earvoice.session", attributes={"model": model}
    )
    return span
