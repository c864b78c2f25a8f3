"""Foreign folders: what is there is read, what is wrong is named, pickles are refused."""

import json

import pytest
import torch
from safetensors.torch import save_file

from earvoice.errors import CheckpointError
from earvoice.models.convert.folder import check_names, read_config, read_weights


def index(folder, places):
    text = json.dumps({"metadata": {}, "weight_map": places})
    (folder / "model.safetensors.index.json").write_text(text)


def test_one_file(tmp_path):
    save_file({"a": torch.ones(2), "b": torch.zeros(3)}, tmp_path / "model.safetensors")
    weights = read_weights(tmp_path)
    assert sorted(weights) == ["a", "b"]
    assert len(weights) == 2
    assert torch.equal(weights["a"], torch.ones(2))


def test_shards(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "x-1.safetensors")
    save_file({"b": torch.zeros(3)}, tmp_path / "x-2.safetensors")
    index(tmp_path, {"a": "x-1.safetensors", "b": "x-2.safetensors"})
    assert torch.equal(read_weights(tmp_path)["b"], torch.zeros(3))


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn, torch.float64])
def test_numbers_that_need_a_scale_are_refused(tmp_path, dtype):
    save_file({"a": torch.ones(2).to(dtype)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"a is \w+, it must be float32, float16 or bfloat16"):
        read_weights(tmp_path)["a"]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth"])
def test_pickled_weights_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match=f"{name}.*only safetensors"):
        read_weights(tmp_path)


def test_no_weights_at_all(tmp_path):
    with pytest.raises(CheckpointError, match=r"neither model\.safetensors nor"):
        read_weights(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not tensors", b"\xff" * 64])
def test_a_damaged_file(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        read_weights(tmp_path)


@pytest.mark.parametrize("file", ["../outside.safetensors", "x.bin", "sub/x.safetensors", ""])
def test_an_index_cannot_lead_outside_the_folder(tmp_path, file):
    save_file({"a": torch.ones(2)}, tmp_path.parent / "outside.safetensors")
    index(tmp_path, {"a": file})
    with pytest.raises(CheckpointError, match="must be a .safetensors file of the folder"):
        read_weights(tmp_path)


def test_an_index_that_promises_too_much(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    index(tmp_path, {"a": "x.safetensors", "b": "x.safetensors"})
    with pytest.raises(CheckpointError, match="tensor 'b' of the index is missing"):
        read_weights(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": 3}', "{}"])
def test_a_broken_index(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError):
        read_weights(tmp_path)


@pytest.mark.parametrize("text", [None, "", "[1]", "{"])
def test_a_broken_config(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read_config(tmp_path)


def test_names():
    check_names(["a", "b", "x"], ["a", "b"], ["x", "y"], "here")
    with pytest.raises(CheckpointError, match=r"here: 1 tensors missing \(e\.g\. \['b'\]\), 1 unk"):
        check_names(["a", "c"], ["a", "b"], [], "here")
