"""Full and damaged disks at the end of a training, logs of several runs, keys without effect."""

import json
import os
import resource
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from earvoice.cli import main
from earvoice.config import dump_yaml, load_yaml, parse_yaml
from earvoice.data.manifest import SpokenSentence, Talk
from earvoice.errors import CheckpointError, ConfigError, UsageError
from earvoice.models.convert.pretrained import with_control_tokens
from earvoice.models.files import replacing, save_tensors, verify_manifest
from earvoice.text.tokenizer import Tokenizer
from earvoice.train import checkpoint as checkpoints
from earvoice.train.adaptation import write_adaptation
from earvoice.train.batches import SUBSTITUTE, Ahead, Batches
from earvoice.train.errors import TrainingError
from earvoice.train.examples import Examples
from earvoice.train.export import export_model
from earvoice.train.log import NoLog, TrainLog
from earvoice.train.stage import MixtureConfig, RecipeConfig
from earvoice.train.summary import summarise
from tests.exported import export_tiny
from tests.tiny import fasst, tokenizer

ROOT = Path(__file__).parents[2]
TINY = ROOT / "recipes/fasst/tiny.yaml"
TEXT = {
    "name": "text",
    "objective": "text_wait_k",
    "trainable": ["lm.*"],
    "data": {"source": "text", "batch_s": 6.0, "segments": [3, 4]},
    "steps": 2,
    "save_every_steps": 2,
}
NONE = ["corpus=[]", "dev_corpus=''", "tokenizer.sentences=100"]


@contextmanager
def full_disk(limit_bytes=3000):
    """No file may grow past so many bytes: the system refuses to write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# ------------------------------------------------------------------ damaged manifests


@pytest.fixture
def saved(tmp_path):
    """Two checkpoints."""
    net = nn.Linear(4, 4)
    optim = torch.optim.AdamW(net.parameters())
    for step in (3, 6):
        checkpoints.save(tmp_path, net, optim, {"step": step})
    return tmp_path


@pytest.mark.parametrize("size", ["2e4096", "-1e999", "NaN", "[" * 100_000, '"x"', "null"])
def test_a_damaged_number_in_a_manifest_is_damage(saved, size):
    manifest = saved / "step-00000006" / "manifest.json"
    data = json.loads(manifest.read_text())
    whole = f'"bytes": {data["files"]["model.safetensors"]["bytes"]}'
    assert whole in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(whole, f'"bytes": {size}'))
    with pytest.raises(CheckpointError, match=r"no readable manifest\.json"):
        verify_manifest(manifest.parent)
    found, problems = checkpoints.newest(saved)
    assert (found.step, len(problems)) == (3, 1)


@pytest.mark.parametrize("name", ["x" * 300, "a\\u0000b", "\\ud800"])
def test_a_name_that_no_file_can_have_is_damage(saved, name):
    manifest = saved / "step-00000006" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"state.json"', f'"{name}"'))
    with pytest.raises(CheckpointError):
        verify_manifest(manifest.parent)
    assert checkpoints.newest(saved)[0].step == 3


# ------------------------------------------------------------------ full disks


def test_an_export_on_a_full_disk_leaves_the_model_there_was(tmp_path):
    folder = export_tiny(tmp_path / "model")
    before = contents(folder)
    recipe = load_yaml(TINY, RecipeConfig)
    for write in (
        lambda: export_model(fasst(seed=1), tokenizer(), recipe, folder),
        lambda: write_adaptation({"a": torch.zeros(4000)}, "{}", folder),
    ):
        with full_disk(), pytest.raises(CheckpointError, match=r"safetensors cannot be written: "):
            write()
        assert contents(folder) == before
        assert os.listdir(tmp_path) == ["model"]
    with full_disk(100), pytest.raises(CheckpointError, match=f"^{folder} cannot be written: "):
        write_adaptation({"a": torch.zeros(1)}, "{}" * 1000, folder)
    assert contents(folder) == before


def test_training_that_cannot_export_says_how_to_go_on(tmp_path, capsys):
    stages = f"stages={json.dumps([TEXT])}"
    command = ["train", str(TINY), "--quiet", *NONE, stages, f"out={tmp_path}"]
    assert main(command) == 0
    before = contents(tmp_path / "model")
    capsys.readouterr()
    with full_disk(150_000):
        assert main([*command, "--resume"]) == 6
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.endswith("the checkpoints are whole: make room, then --resume\n")
    assert contents(tmp_path / "model") == before
    assert main([*command, "--resume"]) == 0
    assert contents(tmp_path / "model") == before
    assert sorted(path.name for path in tmp_path.glob("model*")) == ["model"]


def test_a_conversion_on_a_full_disk_is_one_line(saved, capsys):
    out = saved / "out"
    command = ["convert", "checkpoint", str(saved / "step-00000006"), "--out", str(out)]
    with full_disk(100):
        assert main(command) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"earvoice: error: {out}.tmp/model.safetensors cannot be written: ")
    assert error.count("\n") == 1
    assert not list(saved.glob("out*"))
    assert main(command) == 0, "the same command does it once there is room"
    verify_manifest(out, required=("model.safetensors",))


def test_an_empty_folder_is_filled_where_it_is(tmp_path):
    """It may be a disk of its own, beside which nothing can be written."""
    out = tmp_path / "disk"
    out.mkdir()
    number = out.stat().st_ino
    with pytest.raises(CheckpointError), full_disk():
        write_adaptation({"a": torch.zeros(4000)}, "{}", out)
    assert list(out.iterdir()) == []
    with replacing(out) as folder:
        save_tensors(folder / "a.safetensors", {"a": torch.zeros(4)})
    assert out.stat().st_ino == number
    verify_manifest(out, required=("a.safetensors",))


def test_what_lies_behind_a_link_is_replaced_there(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "old.txt").write_text("x")
    link = tmp_path / "model"
    link.symlink_to(tmp_path / "far")
    with replacing(link) as folder:
        (folder / "new.txt").write_text("y")
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path / "far")) == ["manifest.json", "new.txt"]
    assert sorted(os.listdir(tmp_path)) == ["far", "model"]


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    out = tmp_path / "model"
    out.mkdir()
    (out / "old.txt").write_text("x")
    rename = Path.rename

    def refused(self, target):
        if self.name == "model.tmp":
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(CheckpointError, match="cannot be written: no"), replacing(out) as folder:
        (folder / "new.txt").write_text("y")
    assert contents(out) == {"old.txt": b"x"}
    assert os.listdir(tmp_path) == ["model"]


# ------------------------------------------------------------------ logs


def test_a_run_that_starts_over_has_the_summary_of_its_own(tmp_path):
    command = ["train", str(TINY), "--quiet", *NONE, f"out={tmp_path}"]
    for steps in (12, 10):
        assert main([*command, f"stages={json.dumps([{**TEXT, 'steps': steps}])}"]) == 0
    (found,) = summarise(tmp_path, [("text", "text_wait_k")])
    assert found.steps == 10
    values = [json.loads(line) for line in (tmp_path / "text/log.jsonl").read_text().splitlines()]
    assert [record.get("note") for record in values].count("started over") == 1
    assert found.last == [record["nll"] for record in values if "nll" in record][-1]


def test_a_run_that_goes_on_from_an_earlier_step_has_no_later_ones(tmp_path):
    first = TrainLog(tmp_path / "s", over=True)
    for step in (100, 200, 300):
        first.write(step, {"nll": float(step)})
    first.close()
    second = TrainLog(tmp_path / "s")
    second.write(100, {"note": "resumed from step-00000100"})
    second.write(150, {"nll": 1.0})
    second.close()
    (found,) = summarise(tmp_path, [("s", "wait_k")])
    assert (found.steps, found.first, found.last) == (150, 100.0, 50.5)
    assert "started over" not in (tmp_path / "s/log.jsonl").read_text()


def test_a_torn_line_takes_no_other_along(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    whole = json.dumps({"step": 10, "time_s": 1.0, "nll": 2.0}) + "\n"
    (folder / "log.jsonl").write_bytes(whole.encode() + b'{"step": 20, "ti\xff')
    log = TrainLog(folder)
    log.write(10, {"note": "resumed from step-00000010"})
    log.write(30, {"nll": 1.0})
    log.close()
    with (folder / "log.jsonl").open("ab") as file:
        file.write(b'{"step": "x", "time_s": 2}\n{"step": 1, "time_s": null}\n' + b"[" * 100_000)
    (found,) = summarise(tmp_path, [("s", "wait_k")])
    assert (found.steps, found.first, found.last) == (30, 1.5, 1.5)
    again = TrainLog(folder)
    again.write(40, {"nll": 1.0})
    again.close()
    (found,) = summarise(tmp_path, [("s", "wait_k")])
    assert found.steps == 40


# ------------------------------------------------------------------ batches made ahead


def in_time(work, limit_s=5.0):
    """What it raises, at once and not never."""
    raised = []

    def run():
        try:
            work()
        except Exception as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    assert not thread.is_alive(), "it hangs"
    return raised[0]


@pytest.mark.parametrize("hanging", [1, SUBSTITUTE], ids=["the next", "the substitute"])
def test_a_batch_that_fails_and_another_that_hangs_end_the_stage(hanging):
    never = threading.Event()

    def make(number):
        if number == 0:
            raise OSError("Input/output error")
        if number == hanging:
            never.wait()
        return number

    ahead = Ahead(make, range(3), 2, hung_s=0.05)
    error = in_time(lambda: Batches("s", ahead, NoLog())[0])
    assert isinstance(error, TrainingError)
    assert str(error).startswith("batch 0 was not there after 0.1 s")
    never.set()
    ahead.close()


def test_a_substitute_that_fails_says_why():
    def make(number):
        raise OSError(f"no {number % SUBSTITUTE}")

    ahead = Ahead(make, range(1), 1)
    with pytest.raises(OSError, match="no 0"):
        ahead(SUBSTITUTE)
    ahead.close()


# ------------------------------------------------------------------ keys that would do nothing


def spoken(engine):
    sentence = SpokenSentence(0.0, 1.0, (), (), "a", {})
    return Talk(engine, Path("a.wav"), 16000, 16000, "v", engine, (sentence,))


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        (
            {"engines": {"espeak": 2.0, "flit": 3.0}},
            "stage 's': data.engines names 'flit', the talks it draws from are by 'espeak', "
            "'flite'",
        ),
        (
            {"engines": {"flite": 3.0}, "source": "text"},
            "stage 's': data.engines is {'flite': 3.0}, with `source: text` nobody speaks: "
            "leave it out",
        ),
    ],
)
def test_synthesizers_that_speak_nothing_are_refused(mixture, message):
    talks = [spoken("flite"), spoken("espeak")]
    with pytest.raises(ConfigError) as raised:
        Examples(
            MixtureConfig(**mixture), None, talks, "de", 1.0,
            hold=False, seed=1, stage="s", any_side=True,
        )  # fmt: skip
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["tokenizer.sentences=0"], "tokenizer.sentences is 0: "),
        (["tokenizer.sentences=-3"], "tokenizer.sentences is -3: "),
        (["stages=[]"], "stages is []: Value error, a recipe needs at least one stage"),
    ],
)
def test_values_without_effect_are_refused(overrides, message):
    with pytest.raises(ConfigError) as raised:
        load_yaml(TINY, RecipeConfig, overrides)
    assert message in str(raised.value)


def test_validating_on_nothing_is_refused(tmp_path, capsys):
    stages = f"stages={json.dumps([{**TEXT, 'validate_every_steps': 1}])}"
    command = ["train", str(TINY), "--quiet", *NONE, stages, f"out={tmp_path / 'run'}"]
    assert main(command) == 5
    assert capsys.readouterr().err == (
        "earvoice: error: stage 'text': validate_every_steps is 1, but dev_corpus is empty; name a "
        "corpus to validate on, or set it to 0\n"
    )
    assert not (tmp_path / "run").exists()


# ------------------------------------------------------------------ printed recipes, added tokens

NUMBERS = ["1e5", "1e-5", "-3", "007", "0x1f", ".5", "1:30", "2020-01-01"]
WORDS = ["null", "~", "true", "yes", "no", "on", "é", "a b"]
SIGNS = ["", " a", "a: b", "#c", "&x", "*x", "!t", "<<", "=", "-", "?", "'", '"', "\\", "{", "@"]
LINES = ["a\nb", "\t", "a\u0085b", "a\u2028b", "\ufeff", "\r\n", "\x07", "\x00", "😀"]
ODD = [*NUMBERS, *WORDS, *SIGNS, *LINES]


def test_printed_text_reads_back():
    data = {"odd": ODD, "numbers": [1, -1, 0.1, 1e-5, 1e22, 3.0], "rest": [True, None]}
    data |= {text: 1 for text in ODD if text}
    assert parse_yaml(dump_yaml(data)) == data


def test_a_printed_recipe_with_an_odd_name_reads_back(tmp_path, capsys):
    assert main(["train", str(TINY), 'name="1e5"', "--print-config"]) == 0
    file = tmp_path / "printed.yaml"
    file.write_text(capsys.readouterr().out)
    assert load_yaml(file, RecipeConfig).name == "1e5"


def test_a_token_is_added_once(tmp_path):
    file = tokenizer().save(tmp_path)
    with pytest.raises(UsageError, match=r"the token '<x>' is to be added twice \(<x>,<y>,<x>\)"):
        with_control_tokens(file, ["<x>", "<y>", "<x>"])
    size = tokenizer().vocab_size
    assert Tokenizer(with_control_tokens(file, ["<x>", "<y>"])).vocab_size == size + 2
