"""One thread a process: two workers with two threads each are slower than two with one."""

import os
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from hypothesis import HealthCheck, settings

settings.register_profile(
    "default",
    deadline=None,  # the machine may be shared: time limits belong to pytest-timeout
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute or two of synthetic talks, rendered by espeak-ng."""
    from earvoice.data.synth.corpus import synthesise
    from earvoice.data.synth.plan import CorpusSpec

    folder = tmp_path_factory.mktemp("corpus")
    spec = CorpusSpec(
        split="train", directions=("en-de", "en-es"), hours=0.05, seed=7,
        minutes=(0.5, 1.0), engines=("espeak",),
    )  # fmt: skip
    synthesise(spec, folder, jobs=1)
    return folder
