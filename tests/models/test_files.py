"""Sealed folders: every change of every file is noticed, and named."""

import hashlib
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from earvoice.errors import CheckpointError
from earvoice.models.files import (
    MANIFEST,
    load_weights,
    read_safetensors,
    sha256,
    verify_manifest,
    write_manifest,
)
from tests.exported import flip_bit


@pytest.fixture
def sealed(tmp_path):
    folder = tmp_path / "sealed"
    folder.mkdir()
    (folder / "a.bin").write_bytes(bytes(range(256)) * 8)
    (folder / "b.json").write_text('{"k": 3}')
    (folder / "inner").mkdir()  # folders inside are not sealed
    write_manifest(folder)
    return folder


def test_an_untouched_folder_holds(sealed):
    verify_manifest(sealed)
    verify_manifest(sealed, required=("a.bin", "b.json"))
    listed = json.loads((sealed / MANIFEST).read_text())["files"]
    assert listed == {
        "a.bin": {"bytes": 2048, "sha256": hashlib.sha256(bytes(range(256)) * 8).hexdigest()},
        "b.json": {"bytes": 8, "sha256": hashlib.sha256(b'{"k": 3}').hexdigest()},
    }


def test_sealing_again_gives_the_same_bytes(sealed):
    before = (sealed / MANIFEST).read_bytes()
    write_manifest(sealed)
    assert (sealed / MANIFEST).read_bytes() == before


@given(place=st.integers(0, 2047), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("flip", numbered=True)
    data = bytearray(2048)
    (folder / "a.bin").write_bytes(data)
    write_manifest(folder)
    data[place] ^= 1 << bit
    (folder / "a.bin").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"a\.bin does not match its SHA-256"):
        verify_manifest(folder)


def test_truncated_grown_and_missing_files_are_named(sealed):
    (sealed / "a.bin").write_bytes(bytes(100))
    with pytest.raises(CheckpointError, match=r"a\.bin has 100 bytes, the manifest says 2048"):
        verify_manifest(sealed)
    (sealed / "a.bin").unlink()
    with pytest.raises(CheckpointError, match=r"a\.bin is missing"):
        verify_manifest(sealed)


def test_swapped_files_are_noticed(sealed):
    data = (sealed / "a.bin").read_bytes()
    (sealed / "a.bin").write_bytes(data[::-1])
    with pytest.raises(CheckpointError, match="SHA-256"):
        verify_manifest(sealed)


def test_what_is_needed_must_be_sealed(sealed):
    (sealed / "late.json").write_text("{}")
    verify_manifest(sealed)  # nobody asked for it
    with pytest.raises(CheckpointError, match=r"does not list late\.json"):
        verify_manifest(sealed, required=("a.bin", "late.json"))


def test_a_folder_without_manifest(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no manifest\.json"):
        verify_manifest(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"files": []}',
        '{"files": [1]}',
        '{"files": {"a.bin": 3}}',
        '{"files": {"a.bin": {"bytes": "x", "sha256": ""}}}',
        '{"files": {"a.bin": {"bytes": null, "sha256": ""}}}',
        "[" * 100_000,
        "\x00\xff",
    ],
)
def test_a_manifest_that_is_none(sealed, text):
    (sealed / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"no readable manifest\.json"):
        verify_manifest(sealed)


@pytest.mark.parametrize("name", ["../outside", "inner/x", "/outside", "", "."])
def test_a_manifest_reaches_no_other_folder(sealed, name):
    (sealed.parent / "outside").write_bytes(b"")
    (sealed / "inner/x").write_bytes(b"")
    entry = {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    (sealed / MANIFEST).write_text(json.dumps({"files": {name: entry}}))
    with pytest.raises(CheckpointError, match="is missing"):
        verify_manifest(sealed)


@given(data=st.binary(max_size=400))
def test_foreign_bytes_as_a_manifest_raise_one_kind_of_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("foreign", numbered=True)
    (folder / MANIFEST).write_bytes(data)
    with pytest.raises(CheckpointError):
        verify_manifest(folder)


def test_sha256_of_more_than_one_block(tmp_path):
    data = bytes(range(251)) * 9000  # 2.2 MB, no multiple of the block
    (tmp_path / "x").write_bytes(data)
    assert sha256(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_safetensors_that_are_none(tmp_path):
    file = tmp_path / "w.safetensors"
    with pytest.raises(CheckpointError, match=r"w\.safetensors is not a readable"):
        read_safetensors(file)
    save_file({"w": torch.arange(100.0)}, file)
    assert torch.equal(read_safetensors(file)["w"], torch.arange(100.0))
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=r"w\.safetensors is not a readable"):
        read_safetensors(file)


def test_a_flipped_bit_is_what_the_manifest_is_for(tmp_path):
    file = tmp_path / "w.safetensors"
    save_file({"w": torch.zeros(100)}, file)
    write_manifest(tmp_path)
    flip_bit(file, file.stat().st_size - 1)
    assert not torch.equal(read_safetensors(file)["w"], torch.zeros(100))  # loads without a word
    with pytest.raises(CheckpointError, match="SHA-256"):
        verify_manifest(tmp_path)


def linear():
    return nn.Linear(3, 2)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weight": torch.zeros(2, 3)}, r"1 tensors missing \(e\.g\. \['bias'\]\), 0 unknown"),
        (
            {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "extra": torch.zeros(1)},
            r"0 tensors missing .*1 unknown \(e\.g\. \['extra'\]\)",
        ),
        (
            {"weight": torch.zeros(3, 2), "bias": torch.zeros(2)},
            r"weight has shape \(3, 2\), expected \(2, 3\)",
        ),
    ],
)
def test_weights_must_fit_exactly(weights, message):
    module = linear()
    before = module.weight.clone()
    with pytest.raises(CheckpointError, match=f"here: .*{message}"):
        load_weights(module, weights, "here")
    assert torch.equal(module.weight, before), "nothing is loaded when something is wrong"


def test_assigned_weights_are_not_copied():
    given_weights = {"weight": torch.randn(2, 3), "bias": torch.randn(2)}
    with torch.device("meta"):
        module = linear()
    load_weights(module, given_weights, "here", assign=True)
    assert module.weight.data_ptr() == given_weights["weight"].data_ptr()
    own = linear()
    load_weights(own, given_weights, "here")
    assert torch.equal(own.weight, given_weights["weight"])
    assert own.weight.data_ptr() != given_weights["weight"].data_ptr()
