"""`earvoice train` as people start it: torchrun, two processes, one voice."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earvoice.cli import main
from earvoice.models.files import read_safetensors, verify_manifest
from earvoice.train import checkpoint as checkpoints

RECIPE = Path(__file__).parents[2] / "recipes/llast/tiny.yaml"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SHORT = [f"stages.{stage}.{key}" for stage in range(4) for key in ("steps=4", "accumulate=2")]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def command(corpus: Path, out: Path, *more: str) -> list[str]:
    changes = [f"corpus=[{corpus}]", f"out={out}", "stages.3.validate_every_steps=0", *SHORT]
    changes += ["stages.3.save_every_steps=2"]
    return ["-m", "earvoice.cli", "train", str(RECIPE), *changes, "--quiet", *more]


def run(program: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(program, capture_output=True, text=True, timeout=400)


def digest(out: Path) -> str:
    return hashlib.sha256((out / "model/model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    out = tmp_path_factory.mktemp("alone")
    done = run([sys.executable, *command(tiny_corpus, out)])
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("flags", [[], ["--shard"]], ids=["whole", "shard"])
def test_two_processes_export_what_one_does(
    flags: list[str], alone: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run([*TORCHRUN, *command(tiny_corpus, out, *flags)])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(out / "model")], "one process speaks"
    if not flags:
        assert digest(out) == digest(alone)
    ours, theirs = (read_safetensors(o / "model/model.safetensors") for o in (out, alone))
    for name, value in ours.items():
        assert (value.float() - theirs[name].float()).abs().max() < 1e-2, name
    assert main(["convert", "checkpoint", str(out / "translate/step-00000004"),
                 "--out", str(tmp_path / "one")]) == 0  # fmt: skip
    verify_manifest(tmp_path / "one", required=("model.safetensors",))
    found, _ = checkpoints.newest(out / "translate")
    assert found is not None
    assert found.sharded == bool(flags)
    assert read_safetensors(tmp_path / "one/model.safetensors").keys() == found.weights().keys()


def test_a_killed_process_ends_all_and_the_job_goes_on(
    alone: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    job = subprocess.Popen([*TORCHRUN, *command(tiny_corpus, tmp_path)], stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("translate/step-*")) and job.poll() is None:
        time.sleep(0.05)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    assert job.wait(200) != 0 or (tmp_path / "model").exists()
    done = run([*TORCHRUN, *command(tiny_corpus, tmp_path, "--resume")])
    assert done.returncode == 0, done.stderr
    assert digest(tmp_path) == digest(alone)


def test_an_error_is_told_once(tiny_corpus: Path, tmp_path: Path) -> None:
    done = run([*TORCHRUN, *command(tiny_corpus, tmp_path, "stages.3.accumulate=3", "--stages",
                                    "translate", "--reuse", "base=nowhere")])  # fmt: skip
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("earvoice: error:")]
    assert len(said) == 1, done.stderr
