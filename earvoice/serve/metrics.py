"""Counts and times for Prometheus; no label carries a name, a language or a word."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from earvoice.units import Seconds

_QUANTILES = (0.5, 0.95, 0.99)


class Metrics:
    """One server's figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions = self._gauge("sessions", "Sessions that are being translated")
        self.lag = Gauge(
            "earvoice_lag_seconds",
            "Audio received and not yet processed, over the sessions now",
            ["quantile"],
            registry=self.registry,
        )
        self.rtf = self._gauge("rtf", "Seconds of computing per second of audio since the start")
        self.refused = self._counter("refused", "Sessions refused for lack of room")
        self.resumed = self._counter("resumed", "Sessions resumed after a broken connection")
        self.rooms = self._gauge("rooms", "Rooms that are kept")
        self.viewers = self._gauge("viewers", "Readers of rooms")
        self.slow_viewers = self._counter(
            "slow_viewers", "Readers closed because they read nothing"
        )
        self.engine_lost = self._counter("engine_lost", "Engines that died or hung")
        self.rebuilt = self._counter("rebuilt", "Sessions opened anew after a batch failed")
        self.events = self._counter("events", "Events said")
        self.audio = self._counter("audio_seconds", "Audio received")
        self.busy = self._counter("busy_seconds", "Time spent in steps of models")
        self.errors = Counter(
            "earvoice_errors", "Errors told to clients", ["code"], registry=self.registry
        )
        self.batch = Histogram(
            "earvoice_batch_size",
            "Sessions in one step",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.step_s = Histogram(
            "earvoice_step_seconds",
            "Duration of one step",
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
            registry=self.registry,
        )
        self._audio_s = 0.0
        self._busy_s = 0.0

    def step(self, batch: int, took_s: Seconds) -> None:
        """One step of the engine."""
        self.batch.observe(batch)
        self.step_s.observe(took_s)
        self.busy.inc(took_s)
        self._busy_s += took_s

    def heard(self, audio_s: Seconds) -> None:
        """Audio came."""
        self.audio.inc(audio_s)
        self._audio_s += audio_s

    def page(self, lags_s: Sequence[Seconds], rooms: int, viewers: int) -> bytes:
        """The text that Prometheus reads; `lags_s` of the sessions now."""
        lags = sorted(lags_s)
        self.rooms.set(rooms)
        self.viewers.set(viewers)
        self.sessions.set(len(lags))
        for quantile in _QUANTILES:
            at = lags[min(len(lags) - 1, int(quantile * len(lags)))] if lags else 0.0
            self.lag.labels(f"{quantile:g}").set(at)
        self.rtf.set(self._busy_s / self._audio_s if self._audio_s else 0.0)
        return generate_latest(self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"earvoice_{name}", text, registry=self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"earvoice_{name}", text, registry=self.registry)
