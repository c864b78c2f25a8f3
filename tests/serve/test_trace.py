"""Spans of sessions: with an OpenTelemetry that records, and without any."""

import builtins

import pytest

from earvoice.serve.trace import NoSpan, session_span
from tests.serve.running import packets, running, sound, translate

trace = pytest.importorskip("opentelemetry.trace", reason="OpenTelemetry is not installed")


class Recorder(trace.TracerProvider, trace.Tracer):
    """A provider that keeps what its spans are told."""

    def __init__(self):
        self.spans = []

    def get_tracer(self, *_, **__):
        return self

    def start_span(self, name, attributes=None, **_):
        span = Recorded(name, dict(attributes or {}))
        self.spans.append(span)
        return span

    def start_as_current_span(self, *_, **__):
        raise NotImplementedError


class Recorded:
    def __init__(self, name, attributes):
        self.name, self.attributes, self.ended = name, attributes, 0

    def set_attribute(self, key, value):
        self.attributes[key] = value

    def add_event(self, name):
        self.attributes[name] = True

    def end(self):
        self.ended += 1


def test_a_session_is_a_span_without_words(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(trace, "get_tracer", recorder.get_tracer)
    with running() as server:
        translate(server.url, packets(sound(1.0)))
    (span,) = recorder.spans
    assert (span.name, span.ended) == ("earvoice.session", 1)
    assert span.attributes == {"model": "plain", "audio_s": 1.0, "events": 12}


def test_without_it_nothing_happens(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **options):
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    span = session_span("plain")
    assert isinstance(span, NoSpan)
    span.end()
