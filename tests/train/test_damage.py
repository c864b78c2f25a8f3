"""Two hundred corruptions of real checkpoints, each of which is noticed."""

import random
import shutil

import pytest

from earvoice.train import checkpoint as checkpoints
from tests.train.ranks import Run, same, stage, train, weights

CORRUPTIONS = 200
SWEEP = ("truncate", "grow", "zero", "flip", "swap", "delete", "delete folder")


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "sharded"])
def saved(request, tmp_path_factory):
    """A stage with checkpoints of steps 2 and 4, and the weights of each."""
    folder = tmp_path_factory.mktemp("saved")
    ways = {"world": 2, "shard": True} if request.param else {}
    first = stage(steps=2, save_every_steps=2, schedule_steps=4)
    train(Run(folder, stage=first, **ways))
    two = weights(folder)
    last = stage(steps=4, save_every_steps=2, schedule_steps=4)
    train(Run(folder, stage=last, resume=True, **ways))
    return folder, two, weights(folder)


def corrupt(rng, step, other):
    """Does one harm to a checkpoint; says what."""
    how = rng.choice(SWEEP)
    files = sorted(path for path in step.iterdir())
    file = rng.choice(files)
    data = bytearray(file.read_bytes())
    if how == "delete folder":
        shutil.rmtree(step)
    elif how == "delete":
        file.unlink()
    elif how == "truncate":
        file.write_bytes(data[: rng.randrange(len(data))])
    elif how == "grow":
        file.write_bytes(data + bytes([rng.randrange(256)]))
    elif how == "zero":
        file.write_bytes(bytes(len(data)))
    elif how == "flip":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
    elif rng.random() < 0.5:
        file.write_bytes((other / file.name).read_bytes())  # of the step before
    else:
        sibling = rng.choice([path for path in files if path != file])
        file.write_bytes(sibling.read_bytes())
    return how, file.name


def test_corruptions_are_noticed_and_the_step_before_is_used(saved, tmp_path):
    whole, two, four = saved
    rng = random.Random(7)
    kinds = set()
    for _ in range(CORRUPTIONS // 2):
        folder = tmp_path / "run"
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("tensorboard", "*.jsonl"))
        how, name = corrupt(rng, folder / "step-00000004", folder / "step-00000002")
        found, problems = checkpoints.newest(folder)
        assert found is not None, (how, name, problems)
        assert found.step == 2, (how, name)
        assert len(problems) == (how != "delete folder"), (how, name)
        kinds.add(how)
        shutil.rmtree(folder)
    assert kinds == set(SWEEP)
    assert same(checkpoints.newest(whole)[0].weights(), four)
    shutil.copytree(whole, tmp_path / "run")
    corrupt(rng, tmp_path / "run/step-00000004", tmp_path / "run/step-00000002")
    assert same(checkpoints.newest(tmp_path / "run")[0].weights(), two)


def test_damaged_frozen_weights_leave_no_checkpoint_whole(saved, tmp_path):
    whole, _, _ = saved
    rng = random.Random(3)
    for _ in range(20):
        folder = tmp_path / "run"
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("tensorboard", "*.jsonl"))
        (folder / "other").mkdir()
        for path in (folder / "base").iterdir():
            (folder / "other" / path.name).write_bytes(b"of another run")
        corrupt(rng, folder / "base", folder / "other")
        found, problems = checkpoints.newest(folder)
        assert found is None
        assert len(problems) == 2
        shutil.rmtree(folder)
