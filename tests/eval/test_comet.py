"""The program in COMET's environment, with a package of that name that needs no model."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from earvoice.eval import comet
from earvoice.eval.comet import COMET_BATCH, COMET_MODELS, PYTHON_VARIABLE
from earvoice.eval.latency import Timed
from earvoice.eval.score import Item, Scored, compute

# Speaks as unbabel-comet 2.2.7 does: what it is asked, and its chatter on standard output.
PACKAGE = """
import json, os
print("chatter")
def download_model(model, local_files_only):
    raise KeyError(f"Model '{model}' not supported by COMET.")
class Parameter:
    dtype = "torch.float32"
class Model:
    def eval(self): os.write(1, b"more chatter")
    def parameters(self): yield Parameter()
    def predict(self, samples, batch_size, gpus, progress_bar, num_workers):
        assert gpus == 0 and batch_size == 3
        class Found: scores = [len(s["mt"]) / (len(s["src"]) + len(s["ref"])) for s in samples]
        return Found
def load_from_checkpoint(path, local_files_only):
    if "broken" in path: raise RuntimeError("cannot read")
    if "dies" in path: os._exit(7)
    return Model()
"""
TORCH = "class cuda:\n    is_available = staticmethod(lambda: False)\n"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    (tmp_path / "comet.py").write_text(PACKAGE)
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    for name in ("good", "broken", "dies"):
        folder = tmp_path / name / "checkpoints"
        folder.mkdir(parents=True)
        (folder / "model.ckpt").touch()
    return tmp_path


def scored(triples, model):
    items = [
        Item(text, reference, lambda clock: Timed((), 1, 1), frozenset(), "a", source)
        for source, text, reference in triples
    ]
    extras = {COMET_MODELS: {"comet": str(model)}, COMET_BATCH: 3}
    return Scored(items, "short", "de", extras=extras)


THREE = [("ab", "cde", "f"), ("x", " ", "y"), ("abc", "ü\u2028", "d")]


def test_scores_come_back_in_order_and_empty_output_is_nought(environment):
    found = compute(scored(THREE, environment / "good/checkpoints/model.ckpt"), ["comet"])
    assert found.per_item["comet"] == [1.0, 0.0, 0.5]
    assert found.metrics["comet"] == 0.5
    signature = found.signature["comet"]
    assert signature.startswith("model:good/model.ckpt|unbabel-comet:unknown|torch:")
    assert signature.endswith("|precision:float32|device:cpu|batch:3|empty-as-0:1")


def test_all_empty_asks_nobody(monkeypatch, tmp_path):
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "nobody"))
    found = compute(scored([("a", "", "b")], "m"), ["comet"])
    assert found.metrics["comet"] == 0
    assert "empty-as-0:1" in found.signature["comet"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            "Unbabel/none",
            "model 'Unbabel/none' cannot be used: FileNotFoundError: it is not on this "
            "machine; .*fetch the model once",
        ),
        ("broken", "cannot be used: RuntimeError: cannot read"),
        ("dies", "ended with code 7"),
    ],
)
def test_what_is_wrong_with_a_model_is_a_reason(environment, model, words):
    path = environment / model / "checkpoints" / "model.ckpt"
    found = compute(scored(THREE, path if path.exists() else model), ["comet"])
    assert found.metrics["comet"] is None
    assert re.search(words, found.undefined["comet"])


def test_without_an_environment_there_is_a_reason(monkeypatch, tmp_path):
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    reason = compute(scored(THREE, "m"), ["comet"]).undefined["comet"]
    assert "no COMET environment" in reason
    assert "make comet" in reason
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path))
    assert "no COMET environment" in compute(scored(THREE, "m"), ["comet"]).undefined["comet"]
    (tmp_path / "python").write_text("not a program")
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    assert "cannot be run" in compute(scored(THREE, "m"), ["comet"]).undefined["comet"]


def test_an_environment_without_the_package(environment):
    (environment / "comet.py").write_text("import nowhere_to_be_found")
    reason = compute(scored(THREE, "m"), ["comet"]).undefined["comet"]
    assert "incomplete (ModuleNotFoundError" in reason


def test_sources_are_needed():
    found = compute(scored([(None, "a", "b")], "m"), ["xcomet"])
    assert found.undefined["xcomet"] == ("xcomet needs what was said; name a file with --sources")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([{"package": "1"}], "scored 0 of 1 items"),
        ([{"package": "1"}, {"score": float("nan")}], "no number"),
        ([{"package": "1"}, {"points": 1}], "ended with code 0: .*points|KeyError"),
        ([], "ended with code 0"),
        (["text"], "ended with code 0"),
    ],
)
def test_a_wrong_answer_is_a_reason(tmp_path, monkeypatch, answer, words):
    program = tmp_path / "program.py"
    lines = "\n".join(json.dumps(line) for line in answer)
    program.write_text(f"import sys\nsys.stdin.read()\nprint({lines!r})\n")
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    monkeypatch.setattr(comet, "PROGRAM", program)
    with pytest.raises(comet.NoComet, match=words):
        comet.ask([{"src": "a", "mt": "b", "ref": "c"}], "m", 1)


@pytest.mark.slow
def test_the_real_package_with_a_tiny_checkpoint(tmp_path):
    """Where there is an environment: our figures are those of `predict` called directly."""
    try:
        python = comet.comet_python()
    except comet.NoComet:
        pytest.skip("no COMET environment")
    script = Path(__file__).parents[1] / "reference" / "comet_tiny_checkpoint.py"
    done = subprocess.run([python, script, tmp_path / "tiny"], capture_output=True, check=True)
    direct = json.loads(done.stdout.splitlines()[-1])
    triples = [
        ("a cat", "eine katze", "eine katze"),
        ("a dog", "katze", "ein hund"),
        ("a cat and a dog", "hund", "eine katze und ein hund"),
        ("a cat", "", "eine katze"),
    ]
    found = compute(scored(triples, tmp_path / "tiny/checkpoints/model.ckpt"), ["comet"])
    assert found.per_item["comet"] == pytest.approx([*direct, 0.0], abs=1e-6)
    assert "unbabel-comet:2.2.7" in found.signature["comet"]
