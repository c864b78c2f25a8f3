"""The training loop on a network of four numbers: resuming, guarding, logging."""

import json
import logging
import warnings
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from earvoice.errors import CheckpointError, ConfigError
from earvoice.train import checkpoint as checkpoints
from earvoice.train.log import TrainLog
from earvoice.train.loop import MAX_NON_FINITE, StageRun, TrainingError, run_stage
from earvoice.train.stage import StageConfig
from tests.exported import flip_bit


class Line(nn.Module):
    """Learns y = 2 x; `spoil` names the steps whose loss is not a number."""

    def __init__(self, spoil=()):
        super().__init__()
        torch.manual_seed(0)
        self.line = nn.Linear(2, 1)
        self.frozen = nn.Linear(1, 1)
        self.spoil = set(spoil)
        self.modes = []

    @property
    def objectives(self):
        return {"fit": self.fit}

    def fit(self, batch):
        self.modes.append(self.training)
        loss = (self.line(batch.x) - 2 * batch.x.sum(1, keepdim=True)).square().mean()
        if batch.step in self.spoil:
            loss = loss * float("nan")
        return {"loss": loss, "accuracy": torch.tensor(0.5)}


@dataclass
class Batch:
    step: int
    x: torch.Tensor
    audio_s: float = 4.0
    tokens: int = 8


@dataclass
class Strength:
    strength: float = 1.0


@dataclass
class Collator:
    augment: Strength | None = None


@dataclass
class Draws:
    """Stands where `Examples` stands."""

    collator: Collator = field(default_factory=Collator)
    asked: list = field(default_factory=list)
    strengths: list = field(default_factory=list)

    def batch(self, step):
        self.asked.append(step)
        if self.collator.augment is not None:
            self.strengths.append(self.collator.augment.strength)
        return Batch(step, torch.randn(8, 2, generator=torch.Generator().manual_seed(step)))


def stage(**changes):
    values = {"name": "s", "objective": "fit", "trainable": ("line.*",), "steps": 20, "lr": 0.05}
    values |= {"warmup_steps": 2, "save_every_steps": 5, "precision": "float32"}
    return StageConfig(**(values | changes))


def run(net, folder, *, resume=False, draws=None, validate=None, config_hash="h", **changes):
    draws = draws or Draws()
    job = StageRun(stage(**changes), draws, folder, {"config_hash": config_hash}, validate)
    run_stage(net, job, resume=resume, quiet=True)
    return draws


def records(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_it_learns_and_leaves_the_rest_alone(tmp_path):
    net = Line()
    frozen = net.frozen.weight.clone()
    run(net, tmp_path, steps=60)
    losses = [record["loss"] for record in records(tmp_path)]
    assert losses[-1] < 0.2 * losses[0]
    assert torch.equal(net.frozen.weight, frozen)
    assert all(net.modes)


def test_the_log_has_every_tenth_step_and_the_last(tmp_path):
    run(Line(), tmp_path, steps=25)
    found = records(tmp_path)
    assert [record["step"] for record in found] == [10, 20, 25]
    for record in found:
        assert record["skipped_steps"] == 0
        assert record["accuracy"] == pytest.approx(0.5)
        assert record["grad_norm"] > 0
        assert record["tokens_per_s"] == pytest.approx(2 * record["audio_per_s"])
    assert found[-1]["lr"] == pytest.approx(0.05 * 0.02, rel=0.5)


def test_no_warning_is_given(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(Line(), tmp_path, steps=2)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resuming_gives_the_same_weights(tmp_path, precision):
    unbroken = Line()
    run(unbroken, tmp_path / "a", precision=precision, accumulate=2)

    # Dies in step 13; the last checkpoint is of step 10.
    class DiesError(Exception):
        pass

    class Dies(Draws):
        def batch(self, step):
            if step == 26:
                raise DiesError
            return super().batch(step)

    with pytest.raises(DiesError):
        run(Line(), tmp_path / "b", draws=Dies(), precision=precision, accumulate=2)
    again = Line()
    with torch.no_grad():
        again.line.weight.fill_(7.0)
    draws = run(again, tmp_path / "b", resume=True, precision=precision, accumulate=2)
    assert draws.asked == list(range(20, 40))
    assert torch.equal(weights(unbroken), weights(again))
    notes = [record["note"] for record in records(tmp_path / "b") if "note" in record]
    assert notes == ["resumed from step-00000010"]


def test_resuming_a_finished_stage_does_nothing(tmp_path):
    net = Line()
    run(net, tmp_path)
    again = Line()
    assert run(again, tmp_path, resume=True).asked == []
    assert torch.equal(weights(net), weights(again))


def test_nothing_to_resume_starts_from_scratch_and_says_so(tmp_path):
    fresh, resumed = Line(), Line()
    run(fresh, tmp_path / "a")
    draws = run(resumed, tmp_path / "b", resume=True)
    assert draws.asked == list(range(20))
    assert torch.equal(weights(fresh), weights(resumed))
    assert records(tmp_path / "b")[0]["note"] == "nothing to resume: starting from step 0"


def test_damage_is_told_and_the_checkpoint_before_it_is_used(tmp_path, caplog):
    net = Line()
    run(net, tmp_path)
    flip_bit(tmp_path / "step-00000020/model.safetensors")
    again = Line()
    with caplog.at_level(logging.WARNING, "earvoice.train"):
        draws = run(again, tmp_path, resume=True)
    assert draws.asked == list(range(15, 20))
    assert torch.equal(weights(net), weights(again))
    assert "step-00000020/model.safetensors does not match" in caplog.text
    assert any("skipped_checkpoint" in record for record in records(tmp_path))


def test_resuming_from_damage_only_is_refused(tmp_path):
    run(Line(), tmp_path)
    for step in (15, 20):
        flip_bit(tmp_path / f"step-{step:08d}/optimiser.safetensors")
    with pytest.raises(CheckpointError, match="no checkpoint is whole .*without resuming"):
        run(Line(), tmp_path, resume=True)


def test_another_configuration_is_refused(tmp_path):
    run(Line(), tmp_path)
    with pytest.raises(TrainingError, match=r"another configuration \('h', now 'other'\)"):
        run(Line(), tmp_path, resume=True, config_hash="other")


def test_one_bad_step_is_skipped_and_counted(tmp_path):
    net = Line(spoil={3, 7})
    run(net, tmp_path, steps=10)
    assert torch.isfinite(weights(net)).all()
    found = records(tmp_path)
    skipped = [record for record in found if record.get("skipped")]
    assert [(record["step"], record["skipped_steps"]) for record in skipped] == [(4, 1), (8, 2)]
    assert all(record["loss"] is None for record in skipped), "JSON has no NaN"
    assert found[-1]["skipped_steps"] == 2


def test_a_bad_step_changes_nothing(tmp_path):
    # A run whose every step but the first is spoilt ends with the weights of the first.
    one, two = Line(), Line(spoil={1, 2, 3})
    run(one, tmp_path / "a", steps=4, schedule="constant", warmup_steps=0)
    run(two, tmp_path / "b", steps=4, schedule="constant", warmup_steps=0)
    first = Line()
    run(first, tmp_path / "c", steps=1, schedule="constant", warmup_steps=0)
    assert torch.equal(weights(two), weights(first))
    assert not torch.equal(weights(two), weights(one))


def test_training_stops_after_a_few_bad_steps_in_a_row(tmp_path):
    net = Line(spoil=range(7, 100))
    with pytest.raises(TrainingError, match=rf"stage 's': {MAX_NON_FINITE} non-finite .* step 12"):
        run(net, tmp_path)
    assert torch.isfinite(weights(net)).all()
    found, problems = checkpoints.newest(tmp_path)
    assert (found.step, problems) == (10, [])
    assert all(torch.isfinite(value).all() for value in found.weights().values())
    assert records(tmp_path)[-1]["skipped_steps"] == MAX_NON_FINITE


def test_bad_steps_apart_do_not_stop_it(tmp_path):
    run(Line(spoil=[s for s in range(20) if s % 5]), tmp_path)
    assert records(tmp_path)[-1]["skipped_steps"] == 16


def test_accumulation_is_one_larger_batch(tmp_path):
    asked = run(Line(), tmp_path, steps=3, accumulate=4).asked
    assert asked == list(range(12))


def test_augmentation_grows(tmp_path):
    draws = Draws(Collator(Strength()))
    run(Line(), tmp_path, draws=draws, steps=6, augment_ramp_steps=4)
    assert draws.strengths == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]


def test_validation_is_due_and_sees_an_evaluating_network(tmp_path):
    net, seen = Line(), []

    def validate(step):
        seen.append((step, net.training))
        return {"bleu": 12.5}

    run(net, tmp_path, validate=validate, validate_every_steps=8)
    assert seen == [(8, False), (16, False), (20, False)]
    assert net.training
    assert [r["step"] for r in records(tmp_path) if "bleu" in r] == [8, 16, 20]


def test_an_unknown_objective_names_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match="stage 's': objective is 'fti', it must be one of fit"):
        run(Line(), tmp_path, objective="fti")


def test_the_log_survives_what_is_not_a_number(tmp_path):
    log = TrainLog(tmp_path)
    log.write(1, {"loss": float("nan"), "norm": float("inf"), "note": "x", "done": True})
    log.close()
    (record,) = records(tmp_path)
    assert (record["loss"], record["norm"], record["note"]) == (None, None, "x")
