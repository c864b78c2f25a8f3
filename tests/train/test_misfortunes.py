"""What goes wrong in long trainings: full disks, two jobs, other configurations, bad recordings."""

import os
import resource
import shutil
import subprocess

import pytest
import torch

from earvoice.config import load_yaml
from earvoice.errors import AudioError
from earvoice.train import checkpoint as checkpoints
from earvoice.train.batches import MAX_BAD_BATCHES
from earvoice.train.recipe import _hash
from earvoice.train.stage import RecipeConfig
from tests.train.ranks import Draws, Run, fail, hold, records, same, stage, train, wait, weights


def full(limit_bytes):
    """No file may grow past so many bytes: the system refuses to write."""

    def before(rank):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return before


@pytest.mark.parametrize("ways", [{}, {"world": 2, "shard": True}], ids=["one", "sharded"])
def test_a_disk_that_fills_up_loses_nothing(tmp_path, ways):
    """The checkpoint of step 3 is there; that of step 6 cannot be written."""
    early = stage(steps=3, schedule_steps=12)
    train(Run(tmp_path, stage=early, **ways))
    three = weights(tmp_path)
    messages = fail(Run(tmp_path, resume=True, before=full(3000), **ways))
    assert len(set(messages)) == 1
    assert "TrainingError: stage 's': step 6 cannot be saved in" in messages[0]
    assert "earlier checkpoints are whole: make room, then --resume" in messages[0]
    found, problems = checkpoints.newest(tmp_path)
    assert (found.step, problems) == (3, [])
    assert same(found.weights(), three)
    assert not list(tmp_path.glob("*.tmp"))
    train(Run(tmp_path, resume=True, **ways))
    train(Run(tmp_path / "unbroken", **ways))
    assert same(weights(tmp_path), weights(tmp_path / "unbroken"))


def test_a_disk_too_small_for_the_frozen_weights(tmp_path):
    (message,) = fail(Run(tmp_path, before=full(3000)))
    assert "stage 's': its frozen weights cannot be written into" in message


@pytest.mark.slow
def test_a_small_file_system(tmp_path):
    """The same on a file system with room for one checkpoint."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    try:
        train(Run(place / "run", stage=stage(steps=3, schedule_steps=12)))
        room = shutil.disk_usage(place).free
        (place / "filler").write_bytes(bytes(max(0, room - 20_000)))
        (message,) = fail(Run(place / "run", resume=True))
        assert "No space left on device" in message
        assert checkpoints.newest(place / "run")[0].step == 3
        (place / "filler").unlink()
        train(Run(place / "run", resume=True))
        train(Run(tmp_path / "unbroken"))
        assert same(weights(place / "run"), weights(tmp_path / "unbroken"))
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_loss_that_is_no_number_is_never_saved(tmp_path):
    messages = fail(Run(tmp_path, world=2, draws=Draws(spoilt=tuple(range(10, 24)))))
    assert "stage 's': 5 non-finite losses in a row at step 10" in messages[0]
    found, problems = checkpoints.newest(tmp_path)
    assert (found.step, problems) == (9, [])
    assert all(torch.isfinite(value).all() for value in found.weights().values())


def test_a_bad_recording_is_skipped_and_counted(tmp_path):
    draws = Draws(bad=(4, 9), error=lambda: AudioError("talk.wav is empty"))
    train(Run(tmp_path, draws=draws))
    notes = [record for record in records(tmp_path) if "bad_batch" in record]
    assert [(note["bad_batch"], note["bad_batches"]) for note in notes] == [(4, 1), (9, 2)]
    assert {note["reason"] for note in notes} == {"talk.wav is empty"}
    assert records(tmp_path)[-1]["bad_batches"] == 2
    # The substitutes are a matter of the batch's number: a resumed run takes the same.
    short = stage(steps=3, schedule_steps=12)
    train(Run(tmp_path / "broken", draws=draws, stage=short))
    train(Run(tmp_path / "broken", draws=draws, resume=True))
    assert same(weights(tmp_path / "broken"), weights(tmp_path))


def test_too_many_bad_recordings_end_the_stage(tmp_path):
    draws = Draws(bad=tuple(range(100)), error=lambda: AudioError("talk.wav is empty"))
    steps = stage(steps=40)
    (message,) = fail(Run(tmp_path, draws=draws, stage=steps))
    assert f"stage 's': {MAX_BAD_BATCHES + 1} batches could not be made" in message
    assert "talk.wav is empty" in message


def test_other_frozen_weights_at_resume_are_refused(tmp_path):
    train(Run(tmp_path, stage=stage(steps=3, schedule_steps=12)))
    (message,) = fail(Run(tmp_path, resume=True, seed=1))
    assert "its frozen weights were others than those the stage starts from now" in message


def test_a_job_in_use_is_refused_by_all_ranks(tmp_path):
    """Two jobs at once: the folder's lock is the first's, and the second says so once."""
    holder = hold(tmp_path)
    try:
        messages = fail(Run(tmp_path, world=2, locked=True))
    finally:
        holder.kill()
        wait([holder])
    assert len(set(messages)) == 1
    assert "is in use by another job" in messages[0]


RECIPE = "recipes/llast/tiny.yaml"
CHANGES = {
    "seed": "2",
    "system.encoder.layers": "3",
    "system.llm_lora.alpha": "5.0",
    "stages.3.objective": "other",
    "stages.3.trainable": "['adapter.*']",
    "stages.3.lr": "0.5",
    "stages.3.steps": "41",
    "stages.3.warmup_steps": "6",
    "stages.3.schedule": "linear",
    "stages.3.final_lr": "0.5",
    "stages.3.accumulate": "2",
    "stages.3.precision": "float32",
    "stages.3.weight_decay": "0.5",
    "stages.3.betas": "[0.9, 0.95]",
    "stages.3.clip_norm": "2.0",
    "stages.3.utterances.batch": "5",
    "stages.3.utterances.transcripts": "false",
    "stages.3.augment": "{noise: 0.5}",
    "stages.3.augment_ramp_steps": "3",
    "stages.3.lr_scale": "{'adapter.*': 0.5}",
    "stages.3.init": "{}",
    "stages.0.lr": "0.1",  # what it starts from is other weights, too
}


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_field_is_noticed_at_resume(key, request):
    path = request.config.rootpath / RECIPE
    before = load_yaml(path, RecipeConfig, [])
    after = load_yaml(path, RecipeConfig, [f"{key}={CHANGES[key]}"])
    assert _hash(before, 3, ["d"]) != _hash(after, 3, ["d"])
    assert _hash(before, 3, ["d"]) != _hash(before, 3, ["other data"])


def test_a_stage_of_another_run_is_no_matter_of_this_recipe(request):
    path = request.config.rootpath / RECIPE
    before = load_yaml(path, RecipeConfig, [])
    after = load_yaml(path, RecipeConfig, ["stages.0.lr=0.1"])
    reused = [stage.name for stage in before.stages[:3]]
    assert _hash(before, 3, ["d"], reused) == _hash(after, 3, ["d"], reused)


@pytest.mark.parametrize("key", ["out=elsewhere", "stages.3.recompute=true", "name=other"])
def test_what_does_not_touch_a_stage_may_change(key, request):
    path = request.config.rootpath / RECIPE
    before = load_yaml(path, RecipeConfig, [])
    assert _hash(before, 3, ["d"]) == _hash(load_yaml(path, RecipeConfig, [key]), 3, ["d"])
