"""Model folders: what loads, how fast, and what is said of one that does not."""

import itertools
import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import earvoice
from earvoice.audio import Audio
from earvoice.errors import CheckpointError, UsageError
from earvoice.events import Commit, Finished
from earvoice.loading import build_with_weights, load_system, read_config
from earvoice.models.files import write_manifest
from earvoice.policies import WaitK
from earvoice.session import Request
from tests.exported import edit_config, export_tiny, flip_bit
from tests.tiny import fasst, tokenizer


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_tiny(tmp_path_factory.mktemp("exported") / "model")


@pytest.fixture
def folder(exported, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(exported, tmp_path / "model")


def reseal_weights(folder, change):
    """Changes the tensors of a folder and seals it again."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    write_manifest(folder)


def said(interpreter, samples):
    session = interpreter.open(Request("en", "de", WaitK(2, 2)))
    events = session.push(Audio(samples[None])) + session.finish()
    assert events[-1] == Finished()
    return "".join(event.text for event in events if isinstance(event, Commit))


def test_a_loaded_model_says_what_the_exported_one_says(exported):
    samples = (0.1 * np.random.default_rng(0).standard_normal(5 * 15360)).astype(np.float32)
    system = fasst()
    system.load_state_dict({k: v.bfloat16().float() for k, v in system.state_dict().items()})
    text = said(earvoice.load(exported), samples)
    assert text, "a silent model would prove nothing"
    assert text == said(system.interpreter(tokenizer()), samples)


def test_nothing_stays_on_meta_and_nothing_is_random(exported):
    system, vocabulary = load_system(exported)
    for name, tensor in itertools.chain(system.named_parameters(), system.named_buffers()):
        assert tensor.device.type == "cpu", name
        assert tensor.dtype == torch.float32, name
        assert not tensor.requires_grad, name
    assert not system.training
    assert vocabulary == tokenizer()
    again, _ = load_system(exported)
    pairs = zip(system.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    window = system.encoder.frontend.members[0].window  # a constant, not in the file
    torch.testing.assert_close(window, torch.hann_window(400, periodic=False))


def test_loading_draws_no_random_numbers(exported):
    before = torch.get_rng_state()
    load_system(exported)
    assert torch.equal(torch.get_rng_state(), before)


def test_loading_takes_a_moment(exported):
    load_system(exported)
    start_s = time.process_time()
    load_system(exported)
    assert time.process_time() - start_s < 0.5


def test_the_policy_and_rows_of_a_model(exported):
    assert earvoice.load(exported).settings.policy == WaitK(3, 3)
    interpreter = earvoice.load(exported, policy=WaitK(1, 2), rows=2)
    assert interpreter.settings.policy == WaitK(1, 2)
    with pytest.raises(UsageError, match="rows is 0"):
        earvoice.load(exported, rows=0)


def test_the_live_path_does_not_import_training(exported):
    code = (
        "import sys, earvoice; from earvoice.session import Request\n"
        f"earvoice.load({str(exported)!r}).open(Request('en', 'de'))\n"
        "print([m for m in sys.modules if m.startswith(('earvoice.train', 'transformers'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name():
    with pytest.raises(UsageError, match="'no-such-model' is neither a folder nor in the zoo"):
        earvoice.load("no-such-model")


@pytest.mark.parametrize(
    "name", ["manifest.json", "config.json", "model.safetensors", "tokenizer.json"]
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        earvoice.load(folder)
    if name != "manifest.json":  # sealed without it, as if it had never been there
        write_manifest(folder)
        with pytest.raises(CheckpointError, match=f"does not list {name}"):
            earvoice.load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_flipped_bit_is_noticed(folder, name):
    flip_bit(folder / name)
    with pytest.raises(CheckpointError, match=rf"{name} does not match its SHA-256"):
        earvoice.load(folder)


def test_truncated_weights(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors has \d+ bytes, the manifest"):
        earvoice.load(folder)
    write_manifest(folder)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a readable safetensors"):
        earvoice.load(folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(kind="whisper"), r"kind is 'whisper': .*'fasst'.*another version"),
        (lambda c: c["encoder"].update(layrs=3), "encoder.layrs is unknown; did you mean 'layers'"),
        (lambda c: c.update(k="three"), "k is 'three'"),
        (lambda c: c["adapter"].update(stride=0), r"config\.json: adapter\.stride is 0"),
        (lambda c: c["encoder"].update(dim=64), "has shape"),
        (lambda c: c["llm"].update(layers=3), r"\d+ tensors missing"),
        (lambda c: c["llm"].update(layers=1), r"\d+ unknown"),
        (lambda c: c["llm"].update(vocab_size=9), r"tokenizer\.json has \d+ entries, .* says 9$"),
    ],
)
def test_a_configuration_that_does_not_fit(folder, edit, message):
    edit_config(folder, edit)
    with pytest.raises(CheckpointError, match=message):
        earvoice.load(folder)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 100_000, "\x00"])
def test_a_configuration_that_is_none(folder, text):
    (folder / "config.json").write_text(text)
    write_manifest(folder)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        earvoice.load(folder)


def test_weights_of_another_shape_or_name(folder):
    name = "adapter.linear.weight"
    reseal_weights(folder, lambda tensors: tensors.update({name: torch.zeros(3, 3)}))
    with pytest.raises(CheckpointError, match=rf"{name} has shape \(3, 3\), expected \(32, 32\)"):
        earvoice.load(folder)
    reseal_weights(folder, lambda tensors: tensors.pop(name))
    with pytest.raises(CheckpointError, match=rf"1 tensors missing \(e\.g\. \['{name}'\]\)"):
        earvoice.load(folder)


def test_a_vocabulary_without_the_control_tokens(folder):
    file = folder / "tokenizer.json"
    spec = json.loads(file.read_text())
    for token in spec["added_tokens"]:
        token["content"] = token["content"].replace("<wait_3>", "<late_3>")
    file.write_text(json.dumps(spec))
    write_manifest(folder)
    with pytest.raises(CheckpointError, match="no control token '<wait_3>'"):
        earvoice.load(folder)


def test_a_card_is_needed_too(folder):
    (folder / "model.json").unlink()
    with pytest.raises(CheckpointError, match=r"model\.json"):
        earvoice.load(folder)


def test_a_system_of_a_file_without_a_folder(exported):
    config = read_config(exported / "config.json")
    assert (config.phones, config.phone_weight) == (0, 0.0)
    system = build_with_weights(config, exported / "model.safetensors")
    assert sum(p.numel() for p in system.parameters()) == sum(
        value.numel() for value in load_file(exported / "model.safetensors").values()
    )
