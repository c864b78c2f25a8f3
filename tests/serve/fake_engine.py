"""An engine with scripted models, started by the tests of the server: `python fake_engine.py`."""

import argparse
import dataclasses
import socket
import time

import numpy as np

from earvoice.serve.engine import ServedModel, run
from earvoice.serve.settings import EngineSettings
from earvoice.testing import FakeInterpreter

CHUNK = 1600  # 0.1 s
LANGUAGES_OF = {"terms": ("de", "es", "fr", "ar", "ja", "zh"), "places": ("pl",)}


def words(chunk):
    """A word for every chunk, which names the chunk and what was heard in it."""
    return [f"{round(chunk.start_s * 10)}:{np.abs(chunk.samples).sum() * 100:.0f}"]


def places(chunk):
    """A word that names the chunk, whatever was heard in it."""
    return [f"w{round(chunk.start_s * 10)}"]


def failing(chunk):
    """Fails on a loud chunk."""
    if chunk.samples.size and np.abs(chunk.samples).max() > 0.9:
        raise RuntimeError("SECRET words of a listener")
    return words(chunk)


@dataclasses.dataclass(frozen=True)
class Forgetful:
    """A model that takes no snapshots."""

    inner: FakeInterpreter

    def open(self, request):
        return self.inner.open(request)

    def advance(self, sessions):
        return self.inner.advance(sessions)


def models():
    plain = FakeInterpreter(words, chunk_samples=CHUNK)
    slow = FakeInterpreter(words, chunk_samples=CHUNK, on_step=lambda: time.sleep(0.13))
    return {
        "plain": plain,
        "drafts": FakeInterpreter(words, chunk_samples=CHUNK, drafts=True),
        "failing": FakeInterpreter(failing, chunk_samples=CHUNK),
        "slow": slow,
        "forgetful": Forgetful(plain),
        "hears": FakeInterpreter(words, chunk_samples=CHUNK, gives_transcript=True),
        "places": FakeInterpreter(
            places, tgt_langs=LANGUAGES_OF["places"], chunk_samples=CHUNK, takes_terms="live"
        ),
        "terms": FakeInterpreter(
            words,
            tgt_langs=LANGUAGES_OF["terms"],
            chunk_samples=CHUNK,
            takes_terms="live",
            drafts=True,
        ),
    }


def served():
    """What an engine or a replica of the tests serves."""
    return {
        name: ServedModel(
            name,
            model,
            ("en",),
            LANGUAGES_OF.get(name, ("de", "es")),
            getattr(model, "takes_terms", "none"),
            getattr(model, "gives_transcript", False),
        )
        for name, model in models().items()
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", default="{}")
    parser.add_argument("--fd", type=int, required=True)
    args = parser.parse_args()
    run(
        socket.socket(fileno=args.fd),
        served(),
        EngineSettings.model_validate_json(args.settings),
    )
