"""kill -9 at random moments, also inside saving: an unbroken run's weights, little work lost."""

import random
import time

import pytest

from earvoice.train import checkpoint as checkpoints
from tests.train.ranks import Draws, Run, records, said, same, stage, start, train, wait, weights

SAVE_EVERY = 4
STEPS = 24


class Marked(Draws):
    """Leaves a mark of each step that begins, so that the test knows how far a run came."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def batch(self, step):
        (self.folder / "begun").write_text(str(step // 2))
        return super().batch(step)


def run(folder, *, resume=False, precision="float32", world=1, shard=False):
    folder.mkdir(parents=True, exist_ok=True)
    what = stage(steps=STEPS, save_every_steps=SAVE_EVERY, precision=precision)
    return Run(folder, world, shard, resume, Marked(folder), what)


def begun(folder):
    """The step that a run was in, or None before its first."""
    try:
        return int((folder / "begun").read_text())
    except (OSError, ValueError):
        return None


def kill(processes):
    for process in processes:
        process.kill()
    wait(processes)


def kill_in_a_step(processes, folder, rng):
    """Waits for a step of this start, and a little more, and kills one process or all."""
    saved = checkpoints.newest(folder)[0]
    target = (0 if saved is None else saved.step) + rng.randint(0, 2 * SAVE_EVERY)
    while (begun(folder) or 0) < target and all(p.is_alive() for p in processes):
        time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.02))
    kill(processes if rng.random() < 0.5 else processes[:1])
    kill(processes)


def kill_in_a_save(processes, folder, rng):
    """Kills while a checkpoint is being written."""
    while all(p.is_alive() for p in processes):
        if any(path.suffix == ".tmp" for path in folder.glob("step-*.tmp")):
            time.sleep(rng.choice([0.0, 0.0, 0.001, 0.004]))
            break
    kill(processes)


def survive(folder, kills, seed, **how):
    """Kills a run again and again; returns how many kills were inside a save."""
    rng = random.Random(seed)
    inside = done = 0
    while done < kills:
        (folder / "begun").unlink(missing_ok=True)
        processes = start(run(folder, resume=done > 0, **how))
        save = done % 2 == 1
        (kill_in_a_save if save else kill_in_a_step)(processes, folder, rng)
        inside += bool(list(folder.glob("step-*.tmp")))
        done += 1
        came = begun(folder)
        check_lost(folder, came, how)
    train(run(folder, resume=True, **how))
    return inside


def check_lost(folder, came, how):
    """Of the steps that were done, at most one interval has to be done again."""
    found, problems = checkpoints.newest(folder)
    assert problems == [], (problems, how)
    saved = 0 if found is None else found.step
    assert came is None or came - saved <= SAVE_EVERY, (came, saved, said(folder))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Final weights by way of training, each made once."""
    made = {}

    def weights_of(**how):
        key = tuple(sorted(how.items()))
        if key not in made:
            made[key] = weights(train(run(tmp_path_factory.mktemp("unbroken"), **how)))
        return made[key]

    return weights_of


def test_a_few_kills(unbroken, tmp_path):
    survive(tmp_path, 3, seed=0)
    assert same(weights(tmp_path), unbroken())
    assert any("resumed" in str(record.get("note")) for record in records(tmp_path))


def test_two_ranks_and_a_kill(unbroken, tmp_path):
    survive(tmp_path, 1, seed=1, world=2, precision="bfloat16")
    assert same(weights(tmp_path), unbroken(world=2, precision="bfloat16"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("world", "shard"), [(1, False), (2, False), (2, True)])
def test_thirty_kills(unbroken, tmp_path, precision, world, shard):
    """Five for each of six ways of training, of which thirty are the sum."""
    how = {"precision": precision, "world": world, "shard": shard}
    inside = survive(tmp_path, 5, seed=f"{how}", **how)
    assert same(weights(tmp_path), unbroken(**how))
    assert inside <= 5
