"""A network process's sessions and their engine in one process, so that a test can count."""

import socket

from earvoice.serve.engine import Load, ServedModel, _Engine
from earvoice.serve.frames import pack_audio
from earvoice.serve.metrics import Metrics
from earvoice.serve.protocol import ModelInfo, Start
from earvoice.serve.sessions import Sessions
from earvoice.serve.settings import EngineSettings, ServeSettings
from tests.sessions.sharing import packets

TARGETS = ("de", "es", "fr")


class HereEngine:
    """An engine in this process: what it is sent is done when `run` is called."""

    up, starts = True, 1

    def __init__(self, owner, models, settings=None):
        self.models = tuple(
            ModelInfo(
                name=one.name,
                src_langs=one.src_langs,
                tgt_langs=one.tgt_langs,
                directions=one.directions,
            )
            for one in models.values()
        )
        self.sent = []
        self._owner, self._served = owner, models
        self._settings = settings or EngineSettings()
        self._ends = socket.socketpair()
        self.restart()

    def restart(self):
        self._engine = _Engine(self._ends[0], self._served, self._settings, Load())

    def close(self):
        for end in self._ends:
            end.close()

    def send(self, message):
        self.sent.append(message)
        self._engine._take(message)

    def run(self):
        while self._engine._scheduler.busy or not self._engine._outbox.empty():
            for output in self._engine._scheduler.step():
                self._engine._tell(output)
            while not self._engine._outbox.empty():
                self._owner.engine_said(self._engine._outbox.get())


def rooms(models, **settings):
    """The sessions of a network process with its engine."""
    made = []

    def connect(owner):
        made.append(HereEngine(owner, models, EngineSettings(**settings)))
        return made[0]

    sessions = Sessions(connect, ServeSettings(engine=settings), Metrics())
    return sessions, made[0]


def served_alone(interpreter):
    return {"multi": ServedModel("multi", interpreter, ("en",), TARGETS)}


def speak(engine, speaker, samples, begin=0):
    """Samples from number `begin` on, as they come in. Returns the next number."""
    for packet in packets(samples):
        speaker.hear(pack_audio(begin, packet))
        begin += packet.n_samples
        engine.run()
    return begin


def captions(room, language):
    return "".join(c.text for c in room.channels[("translation", language)].captions)


def start(**options):
    audio = {"encoding": "f32le", "rate_hz": 16_000}
    return Start(room="hall", tgt_lang="de", more_tgt_langs=TARGETS[1:], audio=audio, **options)
