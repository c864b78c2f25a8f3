"""Several processes that train one model: the same batches, the same weights, one error for all."""

import pytest
import torch

from earvoice.errors import AudioError, ConfigError
from earvoice.train import checkpoint as checkpoints
from earvoice.train.blocks import blocks
from earvoice.train.distributed import Alone, join, share_of
from earvoice.train.optim import optimiser
from tests.train.ranks import (
    ALL,
    Draws,
    Run,
    fail,
    furthest,
    llast,
    own_tensors,
    records,
    same,
    stage,
    train,
    weights,
)

TOLERANCE = 1e-6
"""Of the weights after a dozen steps; sums over ranks are in another order than one process's."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process, unbroken."""
    return train(Run(tmp_path_factory.mktemp("alone")))


def losses(folder):
    return {r["step"]: r["loss"] for r in records(folder) if "loss" in r}


def test_two_ranks_learn_the_same_bytes_as_one(alone, tmp_path):
    train(Run(tmp_path, world=2))
    assert same(weights(tmp_path), weights(alone))
    assert losses(tmp_path) == losses(alone)


def test_two_ranks_learn_the_same_bytes_by_muon(tmp_path):
    muon = stage(trainable=ALL, muon=("encoder.*", "lm.layers.*"))
    train(Run(tmp_path / "two", world=2, stage=muon))
    train(Run(tmp_path / "one", stage=muon))
    assert same(weights(tmp_path / "two"), weights(tmp_path / "one"))


def test_muon_needs_whole_matrices(tmp_path):
    first, second = fail(Run(tmp_path, world=2, shard=True, stage=stage(muon=("encoder.*",))))
    assert first == second
    assert "muon is ['encoder.*'], with --shard it must be []" in first


def test_sharded_ranks_learn_the_same(alone, tmp_path):
    train(Run(tmp_path, world=2, shard=True))
    assert furthest(weights(tmp_path), weights(alone)) <= TOLERANCE
    for step, loss in losses(alone).items():
        assert losses(tmp_path)[step] == pytest.approx(loss, abs=TOLERANCE)
    names = {path.name for path in (tmp_path / "step-00000012").iterdir()}
    assert {name[:11] for name in names if name.startswith("shard")} == {
        "shard-00001",
        "shard-00002",
    }
    assert not any(name.endswith((".metadata", ".distcp", ".pt")) for name in names)


def test_going_on_with_another_number_of_ranks(alone, tmp_path):
    """Two sharded, one, two with whole weights, two sharded: as if nothing had happened."""
    part = stage()
    for steps, changes in (
        (3, {"world": 2, "shard": True}),
        (6, {}),
        (9, {"world": 2}),
        (12, {"world": 2, "shard": True}),
    ):
        # The schedule is the whole stage's.
        now = part.model_copy(update={"steps": steps, "schedule_steps": part.steps})
        train(Run(tmp_path, stage=now, resume=steps > 3, **changes))
    assert furthest(weights(tmp_path), weights(alone)) <= TOLERANCE
    notes = [record["note"] for record in records(tmp_path) if "note" in record]
    assert notes == [f"resumed from step-{step:08d}" for step in (3, 6, 9)]


def test_shards_become_one_file_with_its_moments(tmp_path):
    train(Run(tmp_path / "a", world=2, shard=True, stage=stage(steps=3)))
    found, _ = checkpoints.newest(tmp_path / "a")
    system = llast(9)
    for name, parameter in system.named_parameters():
        parameter.requires_grad_("lora" in name or name.startswith("adapter"))
    optim = optimiser(system, stage())
    found.restore(system, optim)
    assert same(dict(system.state_dict()), found.weights())
    learnt = [p for p in system.parameters() if p.requires_grad]
    assert all(optim.state[p]["exp_avg"].shape == p.shape for p in learnt)
    assert any(optim.state[p]["exp_avg"].abs().max() > 0 for p in learnt)
    checkpoints.save(tmp_path / "b", system, optim, {"step": 3})
    again, _ = checkpoints.newest(tmp_path / "b")
    assert not again.sharded
    assert same(again.weights(), found.weights())


def test_a_step_holds_what_is_learnt_and_the_base_the_rest(alone):
    found, _ = checkpoints.newest(alone)
    own = own_tensors(found.path)
    assert own
    assert all("lora" in name or name.startswith("adapter.") for name in own)
    assert found.weights().keys() == llast().state_dict().keys()


def test_everything_learnt_needs_no_base(tmp_path):
    train(Run(tmp_path, stage=stage(trainable=ALL, steps=2)))
    assert not (tmp_path / "base").exists()
    assert weights(tmp_path).keys() == llast().state_dict().keys()


def test_recomputing_blocks_gives_the_same_bytes(alone, tmp_path):
    assert len(blocks(llast())) == 4
    train(Run(tmp_path, stage=stage(recompute=True)))
    assert same(weights(tmp_path), weights(alone))
    train(Run(tmp_path / "two", world=2, shard=True, stage=stage(recompute=True)))
    assert furthest(weights(tmp_path / "two"), weights(alone)) <= TOLERANCE


def test_batches_are_shared_out_without_one_twice():
    found = [list(share_of(6, replace_rank(rank, 3), "s")) for rank in range(3)]
    assert sorted(part for own in found for part in own) == list(range(6))
    with pytest.raises(ConfigError, match="accumulate is 6, with 4 ranks it must be a multiple"):
        share_of(6, replace_rank(0, 4), "s")


def replace_rank(rank, world):
    ranks = Alone()
    ranks.rank, ranks.world = rank, world
    return ranks


def test_an_error_of_one_rank_ends_all_with_its_message(tmp_path):
    # Batch 5 is rank 1's. What no substitute can mend ends the training.
    draws = Draws(bad=(5,), error=lambda: ConfigError("no window found"))
    first, second = fail(Run(tmp_path, world=2, draws=draws))
    assert first == second
    assert first.endswith("RankError: rank 1: no window found")
    found, problems = checkpoints.newest(tmp_path)
    assert (found, problems) == (None, [])


def test_a_bad_sample_on_one_rank_is_replaced(tmp_path):
    draws = Draws(bad=(5,), error=lambda: AudioError("x.wav is empty"))
    train(Run(tmp_path, world=2, draws=draws))
    train(Run(tmp_path / "one", draws=draws))
    assert same(weights(tmp_path), weights(tmp_path / "one"))
    assert records(tmp_path)[-1]["bad_batches"] == 1


def test_no_number_on_one_rank_skips_the_step_on_all(tmp_path):
    train(Run(tmp_path, world=2, draws=Draws(spoilt=(5,))))
    train(Run(tmp_path / "one", draws=Draws(spoilt=(5,))))
    assert same(weights(tmp_path), weights(tmp_path / "one"))
    assert records(tmp_path)[-1]["skipped_steps"] == 1


def test_sharding_needs_processes(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ConfigError, match="start it by torchrun"):
        join(shard=True)
    assert isinstance(join(), Alone)


def test_throughput_arithmetic_and_memory_are_logged(alone):
    record = records(alone)[-1]
    assert record["audio_per_s"] > 0
    assert 0 < record["mfu"] < 1
    assert record["memory_gib"] > 0.01
    assert torch.isfinite(torch.tensor(record["tokens_per_s"]))
