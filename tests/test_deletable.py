"""A system leaves with its own files and the lines of the lists that name it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN = (
    "earvoice/systems/clasi.py",
    "earvoice/sessions/agent.py",
    "tests/systems/clasi_tiny.py",
    "tests/systems/test_clasi.py",
    "tests/sessions/test_agent.py",
    "tests/sessions/test_agent_sharing.py",
    "tests/recipes/test_clasi_tiny.py",
    "tests/cli/test_knowledge.py",
)
LISTS = ("earvoice/systems/__init__.py", "tests/contracts/conftest.py")
OTHERS = (
    "tests/test_layers.py::test_imports_point_downward",
    "tests/test_loading.py",
    "tests/train/test_export.py",
    "tests/sessions/test_spotter.py",
    "tests/contracts/test_session.py::test_it_is_an_interpreter",
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_everything_else_goes_on_without_clasi(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for name in ("earvoice", "tests", "recipes", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in OWN:
        (tmp_path / name).unlink()
    for name in LISTS:
        lines = (tmp_path / name).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if "clasi" not in line.lower()]
        assert len(kept) < len(lines)
        (tmp_path / name).write_text("".join(kept), encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *OTHERS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-3000:]
