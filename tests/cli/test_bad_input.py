"""Whatever is wrong with the input: one line that says so, the documented exit code, no traceback.

Every case runs the real command in this process, so that a traceback would fail the test.
"""

import functools
import io
import json
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

import earvoice.cli.translate as command
from earvoice.audio import Audio, write_wav
from earvoice.cli import main
from earvoice.zoo import find_model
from tests.exported import edit_config, export_tiny, flip_bit

TINY = Path(__file__).parents[2] / "recipes/fasst/tiny.yaml"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return export_tiny(tmp_path_factory.mktemp("zoo") / "fasst-mini-en-de", "fasst-mini-en-de")


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.wav"
    write_wav(path, Audio.of(0.1 * np.random.default_rng(0).standard_normal(32000, np.float32)))
    return path


@pytest.fixture
def fails(capsys):
    """Runs a command that must fail; gives the one line it says."""

    def run(code, *arguments):
        assert main([str(item) for item in arguments]) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("earvoice: error: ")
        assert captured.err.endswith("\n")
        assert captured.err.count("\n") == 1
        return captured.err

    return run


def noise(count):
    return 0.1 * np.random.default_rng(0).standard_normal(count)


# ---- audio that is none: exit code 3


def test_no_such_file(fails, model, tmp_path):
    error = fails(3, "translate", tmp_path / "none.wav", "--model", model)
    assert "no such audio file" in error
    assert "none.wav" in error


def test_a_folder(fails, model, tmp_path):
    assert "is a folder" in fails(3, "translate", tmp_path, "--model", model)


def test_an_empty_file(fails, model, tmp_path):
    (tmp_path / "empty.wav").touch()
    assert "empty.wav is empty" in fails(3, "translate", tmp_path / "empty.wav", "--model", model)


def test_a_wav_without_samples(fails, model, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    assert "a.wav holds no audio" in fails(3, "translate", tmp_path / "a.wav", "--model", model)


@pytest.mark.parametrize("size", [4, 20, 43])
def test_a_header_cut_short(fails, model, talk, tmp_path, size):
    (tmp_path / "cut.wav").write_bytes(talk.read_bytes()[:size])
    assert "cut.wav" in fails(3, "translate", tmp_path / "cut.wav", "--model", model)


def test_text_named_wav(fails, model, tmp_path):
    (tmp_path / "text.wav").write_text("This is not a sound.\n" * 100)
    assert "text.wav is not" in fails(3, "translate", tmp_path / "text.wav", "--model", model)


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (1e6, "1000000.0")])
def test_samples_that_are_no_sound(fails, model, tmp_path, value, shown):
    samples = noise(32000).astype(np.float32)
    samples[24000] = value
    soundfile.write(tmp_path / "bad.wav", samples, 16000, subtype="FLOAT")
    error = fails(3, "translate", tmp_path / "bad.wav", "--model", model)
    assert f"bad.wav: the sample at 1.5000 s is {shown}" in error


def test_an_empty_pipe(fails, model, monkeypatch):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO()))
    assert "standard input is empty" in fails(3, "translate", "-", "--model", model)


# ---- odd audio that works: exit code 0


@pytest.mark.parametrize("count", [1, 2, 159, 15359, 15360, 15361])
def test_very_short_audio(model, tmp_path, capsys, count):
    soundfile.write(tmp_path / "short.wav", noise(count), 16000)
    arguments = ["translate", str(tmp_path / "short.wav"), "--model", str(model)]
    assert main([*arguments, "--format", "jsonl"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["event"]["type"] == "finished"


def test_a_truncated_recording_is_translated_to_its_end(model, talk, tmp_path, capsys, caplog):
    (tmp_path / "cut.wav").write_bytes(talk.read_bytes()[:40000])
    arguments = ["translate", str(tmp_path / "cut.wav"), "--model", str(model)]
    assert main([*arguments, "--format", "jsonl"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["heard_s"] == pytest.approx((40000 - 44) / 32000, abs=0.01)
    assert "ends early: 1.25 s of the 2.00 s its header promises" in caplog.text


def test_eight_channels(model, tmp_path, capsys):
    soundfile.write(tmp_path / "eight.wav", noise(8 * 32000).reshape(-1, 8), 16000)
    assert main(["translate", str(tmp_path / "eight.wav"), "--model", str(model)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("minutes", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_long_silence(model, tmp_path, capsys, minutes):
    soundfile.write(tmp_path / "still.wav", np.zeros(minutes * 960000, np.int16), 16000)
    start_s = time.process_time()
    arguments = ["translate", str(tmp_path / "still.wav"), "--model", str(model), "--n", "1"]
    assert main([*arguments, "--format", "jsonl", "--k", "2"]) == 0
    assert time.process_time() - start_s < 6 * minutes
    captured = capsys.readouterr()
    last = json.loads(captured.out.splitlines()[-1])
    assert last["heard_s"] == pytest.approx(60.0 * minutes)
    assert captured.err == ""


# ---- wrong usage: exit code 2


def test_an_unknown_model_names_the_nearest(fails, model, talk, monkeypatch):
    monkeypatch.setattr(command, "find_model", functools.partial(find_model, root=model.parent))
    error = fails(2, "translate", talk, "--model", "fast-mini-en-de")
    assert "'fast-mini-en-de' is neither a folder nor in the zoo" in error
    assert "did you mean 'fasst-mini-en-de'?" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tgt-lang", "fr"], "--tgt-lang is 'fr', fasst-mini-en-de has de"),
        (["--src-lang", "ja"], "--src-lang is 'ja', fasst-mini-en-de has en"),
        (["--tgt-lang", "Deutsch"], "'Deutsch'"),
        (["--policy", "wait"], "policy is 'wait', it must be one of wait-k, hold-n"),
        (["--policy", "wait-k:m=3"], "no option 'm', it has k, n"),
        (["--k", "0"], "policy wait-k: k is 0, it must be 1 or more"),
        (["--n", "-1"], "policy wait-k: n is -1"),
        (["--policy", "hold-n", "--k", "3"], "policy hold-n: no option 'k'"),
        (["--threads", "0"], "--threads is 0, it must be 1 or more"),
        (["--pauses", "energy"], "--pauses is for models that read windows (lst, llast)"),
    ],
)
def test_options_that_the_model_does_not_have(fails, model, talk, options, message):
    assert message in fails(2, "translate", talk, "--model", model, *options)


@pytest.mark.parametrize("options", [["--k", "three"], ["--clock", "sun"], ["--format", "doc"]])
def test_options_that_argparse_refuses(model, talk, capsys, options):
    with pytest.raises(SystemExit) as caught:
        main(["translate", str(talk), "--model", str(model), *options])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert f"argument {options[0]}: invalid" in error
    assert "Traceback" not in error


# ---- output: exit code 1


def test_output_into_a_missing_folder(fails, model, talk, tmp_path):
    output = tmp_path / "nowhere/a.srt"
    error = fails(1, "translate", talk, "--model", model, "--output", output)
    assert f"--output {output}: there is no folder {output.parent}" in error
    assert not output.parent.exists()


def test_output_onto_a_folder(fails, model, talk, tmp_path):
    assert str(tmp_path) in fails(1, "translate", talk, "--model", model, "--output", tmp_path)


# ---- model files: exit code 4


@pytest.fixture
def damaged(model, tmp_path):
    """A copy to damage."""
    return shutil.copytree(model, tmp_path / "damaged")


def test_a_flipped_bit(fails, damaged, talk):
    flip_bit(damaged / "model.safetensors")
    error = fails(4, "translate", talk, "--model", damaged)
    assert "model.safetensors does not match its SHA-256: it was changed or damaged" in error


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file(fails, damaged, talk, name):
    (damaged / name).unlink()
    assert f"{name} is missing" in fails(4, "translate", talk, "--model", damaged)


def test_a_folder_that_is_no_model(fails, talk, tmp_path):
    assert "is not a model" in fails(4, "translate", talk, "--model", tmp_path)


def test_a_model_of_another_kind(fails, damaged, talk):
    edit_config(damaged, lambda config: config.update(kind="whisper"))
    assert "kind is 'whisper'" in fails(4, "translate", talk, "--model", damaged)


def test_a_card_that_promises_what_the_model_lacks(fails, damaged, talk):
    card = json.loads((damaged / "model.json").read_text())
    (damaged / "model.json").write_text(json.dumps(card | {"tgt_langs": ["fr"]}))
    assert "model.json" in fails(4, "translate", talk, "--model", damaged)


# ---- training: exit codes 2 and 5


def test_an_unknown_key_names_the_nearest(fails):
    error = fails(5, "train", TINY, "system.encodr.dim=3")
    assert "system.encodr is unknown; did you mean 'encoder'?" in error


def test_a_missing_corpus(fails, tmp_path):
    arguments = [f"corpus=[{tmp_path / 'nowhere'}]", f"out={tmp_path / 'out'}", "--quiet"]
    assert "there is no corpus manifest at" in fails(2, "train", TINY, *arguments)


def test_a_missing_recipe(fails, tmp_path):
    assert "there is no recipe" in fails(2, "train", tmp_path / "tiny.yaml")


# ---- as a program


def test_the_program_says_one_line_too(model, tmp_path):
    (tmp_path / "empty.wav").touch()
    program = [sys.executable, "-m", "earvoice.cli", "translate", str(tmp_path / "empty.wav")]
    done = subprocess.run([*program, "--model", str(model)], capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == f"earvoice: error: {tmp_path / 'empty.wav'} is empty\n"
