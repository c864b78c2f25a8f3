"""Checkpoints: exact, atomic, and never believed when damaged."""

import json
import os
import random
import shutil

import pytest
import torch
from torch import nn

from earvoice.errors import CheckpointError
from earvoice.models.files import write_manifest
from earvoice.train import checkpoint as checkpoints
from earvoice.train.optim import optimiser
from earvoice.train.stage import StageConfig
from tests.exported import flip_bit

FILES = ("model.safetensors", "optimiser.safetensors", "state.json", "manifest.json")


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2))


def adamw(net):
    return optimiser(net, StageConfig(name="s", objective="o", lr=0.01))


def learn(net, optim, steps):
    for step in steps:
        optim.zero_grad()
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        net(x).square().mean().backward()
        optim.step()


def steps_in(folder):
    return [int(path.name[5:]) for path in sorted(folder.glob("step-*")) if path.name[5:].isdigit()]


@pytest.fixture
def saved(tmp_path):
    """A folder with the checkpoints of steps 3 and 6."""
    net = network()
    optim = adamw(net)
    for step in (3, 6):
        learn(net, optim, range(step - 3, step))
        checkpoints.save(tmp_path, net, optim, {"step": step, "config_hash": "x"})
    return tmp_path


def equal(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_restoring_goes_on_as_if_nothing_had_happened(saved):
    unbroken, optim = network(), None
    optim = adamw(unbroken)
    learn(unbroken, optim, range(12))
    again = network(seed=99)
    optim = adamw(again)
    found, problems = checkpoints.newest(saved)
    assert (found.step, problems) == (6, [])
    assert found.state == {"step": 6, "config_hash": "x"}
    found.restore(again, optim)
    learn(again, optim, range(6, 12))
    assert equal(unbroken, again)


def test_muon_goes_on_as_if_nothing_had_happened(tmp_path):
    def muon(net):
        return optimiser(net, StageConfig(name="s", objective="o", lr=0.01, muon=("0.*",)))

    unbroken = network()
    optim = muon(unbroken)
    learn(unbroken, optim, range(6))
    checkpoints.save(tmp_path, unbroken, optim, {"step": 6})
    learn(unbroken, optim, range(6, 12))
    again = network(seed=99)
    optim = muon(again)
    checkpoints.newest(tmp_path)[0].restore(again, optim)
    learn(again, optim, range(6, 12))
    assert equal(unbroken, again)


def test_without_the_moments_it_would_not(saved):
    unbroken = network()
    learn(unbroken, adamw(unbroken), range(12))
    again = network()
    again.load_state_dict(checkpoints.newest(saved)[0].weights())
    learn(again, adamw(again), range(6, 12))
    assert not equal(unbroken, again)


def test_a_checkpoint_before_the_first_step(tmp_path):
    net = network()
    checkpoints.save(tmp_path, net, adamw(net), {"step": 0})
    found, _ = checkpoints.newest(tmp_path)
    other = network(1)
    found.restore(other, adamw(other))
    assert equal(net, other)


def test_files_and_manifest(saved):
    path = saved / "step-00000006"
    assert sorted(file.name for file in path.iterdir()) == sorted(FILES)
    listed = json.loads((path / "manifest.json").read_text())["files"]
    assert sorted(listed) == sorted(checkpoints.FILES)


def test_saving_again_gives_the_same_bytes(saved):
    path = saved / "step-00000006"
    before = {name: (path / name).read_bytes() for name in FILES}
    net = network()
    optim = adamw(net)
    learn(net, optim, range(6))
    assert checkpoints.save(saved, net, optim, {"step": 6, "config_hash": "x"}) == path
    assert {name: (path / name).read_bytes() for name in FILES} == before


def test_only_the_newest_few_are_kept(tmp_path):
    net = network()
    optim = adamw(net)
    for step in range(1, 6):
        checkpoints.save(tmp_path, net, optim, {"step": step})
        assert steps_in(tmp_path) == list(range(max(1, step - checkpoints.KEEP + 1), step + 1))


def test_a_fresh_run_is_not_mixed_with_the_one_it_replaces(saved):
    # The old run had come to step 6. A new run saves step 1 and is killed: it must go on from 1.
    net = network(5)
    checkpoints.save(saved, net, adamw(net), {"step": 1})
    found, _ = checkpoints.newest(saved)
    assert found.step == 1
    assert steps_in(saved) == [1]


def test_half_written_folders_are_not_seen(saved):
    shutil.copytree(saved / "step-00000006", saved / "step-00000009.tmp")
    (saved / "step-00000012.tmp").mkdir()
    (saved / "step-final").mkdir()
    (saved / "notes.txt").write_text("x")
    found, problems = checkpoints.newest(saved)
    assert (found.step, problems) == (6, [])


def test_a_left_over_temporary_folder_is_in_nobodys_way(saved):
    left = saved / "step-00000009.tmp"
    left.mkdir()
    (left / "junk.bin").write_bytes(b"x")
    net = network()
    path = checkpoints.save(saved, net, adamw(net), {"step": 9})
    assert not left.exists()
    assert sorted(file.name for file in path.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("moment", ["model", "manifest", "rename"])
def test_a_save_that_is_cut_short_leaves_the_last_one(saved, moment, monkeypatch):
    def die(*args, **kwargs):
        raise KeyboardInterrupt

    owner, name = {
        "model": (checkpoints, "save_tensors"),
        "manifest": (checkpoints, "write_manifest"),
        "rename": (os, "replace"),
    }[moment]
    monkeypatch.setattr(owner, name, die)
    net = network()
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(saved, net, adamw(net), {"step": 9})
    monkeypatch.undo()
    found, problems = checkpoints.newest(saved)
    assert (found.step, problems) == (6, [])


def truncate(file):
    file.write_bytes(file.read_bytes()[:-1])


def grow(file):
    file.write_bytes(file.read_bytes() + b"\0")


def zero(file):
    file.write_bytes(bytes(file.stat().st_size))


def remove(file):
    file.unlink()


@pytest.mark.parametrize("name", checkpoints.FILES)
@pytest.mark.parametrize("damage", [truncate, grow, zero, remove, flip_bit])
def test_damage_is_named_and_the_one_before_is_used(saved, name, damage):
    damage(saved / "step-00000006" / name)
    found, problems = checkpoints.newest(saved)
    assert found.step == 3
    assert len(problems) == 1
    assert name in problems[0]
    assert "step-00000006" in problems[0]


@pytest.mark.parametrize("damage", [truncate, zero, remove])
def test_a_damaged_manifest(saved, damage):
    damage(saved / "step-00000006/manifest.json")
    found, problems = checkpoints.newest(saved)
    assert found.step == 3
    assert "manifest.json" in problems[0]


def test_two_hundred_random_corruptions(saved):
    rng = random.Random(1)
    path = saved / "step-00000006"
    whole = {name: (path / name).read_bytes() for name in checkpoints.FILES}
    for _ in range(200):
        name = rng.choice(list(whole))
        data = bytearray(whole[name])
        start = rng.randrange(len(data))
        size = rng.choice([1, 1, 8, 512])
        noise = bytes(byte ^ rng.randrange(1, 256) for byte in data[start : start + size])
        data[start : start + size] = noise
        (path / name).write_bytes(data)
        assert checkpoints.newest(saved)[0].step == 3
        (path / name).write_bytes(whole[name])
    assert checkpoints.newest(saved)[0].step == 6


def test_files_swapped_between_checkpoints_are_noticed(saved):
    one, two = (saved / f"step-0000000{step}" / "model.safetensors" for step in (3, 6))
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)
    found, problems = checkpoints.newest(saved)
    assert found is None
    assert all("model.safetensors does not match its SHA-256" in text for text in problems)


def test_a_manifest_that_seals_too_little(saved):
    path = saved / "step-00000006"
    (path / "optimiser.safetensors").unlink()
    write_manifest(path)
    found, problems = checkpoints.newest(saved)
    assert found.step == 3
    assert "does not list optimiser.safetensors" in problems[0]


def test_no_checkpoint_at_all(tmp_path):
    assert checkpoints.newest(tmp_path / "nowhere") == (None, [])
    assert checkpoints.newest(tmp_path) == (None, [])


def test_another_network_is_refused(saved):
    other = nn.Sequential(nn.Linear(4, 9), nn.LayerNorm(9), nn.Linear(9, 2))
    with pytest.raises(CheckpointError, match=r"0\.bias has shape \(8,\), expected \(9,\)"):
        checkpoints.newest(saved)[0].restore(other, adamw(other))
