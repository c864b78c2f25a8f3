"""kill -9 at a random moment, resume: the same bytes as an unbroken run."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[2] / "recipes/fasst/tiny.yaml"


def command(corpus: Path, out: Path, *flags: str) -> list[str]:
    """A training of the last stages' kinds, in a process of its own."""
    overrides = [f"corpus=[{corpus}]", f"out={out}", "stages.3.validate_every_steps=0"]
    program = [sys.executable, "-m", "earvoice.cli", "train", str(RECIPE)]
    return [*program, *overrides, "--quiet", *flags]


def digest(out: Path) -> str:
    """Hash of the exported weights."""
    return hashlib.sha256((out / "model/model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> tuple[str, float]:
    """Hash of an uninterrupted run and how long it took."""
    out = tmp_path_factory.mktemp("unbroken")
    began = time.monotonic()
    subprocess.run(command(tiny_corpus, out), check=True, capture_output=True, timeout=300)
    return digest(out), time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(5))
def test_killed_and_resumed_is_identical(
    moment: int, unbroken: tuple[str, float], tiny_corpus: Path, tmp_path: Path
) -> None:
    expected, whole_s = unbroken
    run = subprocess.Popen(command(tiny_corpus, tmp_path), stdout=subprocess.DEVNULL)
    time.sleep(random.Random(moment).uniform(0.3, 0.95) * whole_s)
    run.kill()
    run.wait()
    subprocess.run(
        command(tiny_corpus, tmp_path, "--resume"), check=True, capture_output=True, timeout=300
    )
    assert digest(tmp_path) == expected
