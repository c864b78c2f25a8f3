"""The public names: what `import earvoice` offers, and what it costs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import earvoice


def python(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_names():
    assert earvoice.__all__ == ["Interpreter", "Request", "Session", "events", "load"]
    assert set(earvoice.__all__) <= set(dir(earvoice))
    for name in ("Interpreter", "Request", "Session"):
        assert getattr(earvoice, name).__module__ == "earvoice.session"
    assert earvoice.events.Commit.__module__ == "earvoice.events"
    with pytest.raises(AttributeError, match="nothing"):
        _ = earvoice.nothing


def test_version_is_the_projects():
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(rf'^version = "{re.escape(earvoice.__version__)}"$', project, re.MULTILINE)


def test_import_is_quick_and_without_torch():
    code = (
        "import time; t = time.perf_counter(); import earvoice; t = time.perf_counter() - t\n"
        "import sys, json; print(json.dumps([t, 'torch' in sys.modules, 'numpy' in sys.modules]))"
    )
    runs = [json.loads(python(code)) for _ in range(3)]
    assert min(seconds for seconds, _, _ in runs) <= 0.15
    assert not any(torch or numpy for _, torch, numpy in runs)


@pytest.mark.parametrize(
    "module",
    [
        "audio",
        "captions",
        "cli",
        "cli.doctor",
        "cli.models",
        "cli.translate",
        "config",
        "driver",
        "events",
        "policies",
        "session",
        "testing",
        "text.languages",
        "text.prompt",
        "text.stream",
        "text.tokenizer",
        "units",
        "zoo",
    ],
)
def test_the_waist_and_all_above_it_need_no_torch(module):
    code = f"import sys, earvoice.{module}; print('torch' in sys.modules)"
    assert python(code).strip() == "False"


def test_the_package_says_it_is_typed():
    assert (Path(earvoice.__file__).parent / "py.typed").exists()
