"""Schedules at known steps; what decays; who learns how fast."""

import itertools
import math

import pytest
import torch
from torch import nn

from earvoice.errors import ConfigError
from earvoice.train.freeze import freeze
from earvoice.train.optim import learning_rate, optimiser, set_learning_rate
from earvoice.train.stage import StageConfig


def stage(**changes):
    return StageConfig(
        **({"name": "s", "objective": "o", "lr": 1.0, "warmup_steps": 10, "steps": 110} | changes)
    )


@pytest.mark.parametrize("schedule", ["cosine", "inverse_sqrt", "constant"])
def test_every_schedule_warms_up_linearly(schedule):
    rates = [learning_rate(stage(schedule=schedule), step) for step in range(10)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


@pytest.mark.parametrize(
    ("schedule", "step", "rate"),
    [
        ("cosine", 10, 1.0),
        ("cosine", 35, 0.1 + 0.9 * 0.5 * (1 + math.sqrt(0.5))),  # a quarter: cos(45 degrees)
        ("cosine", 60, 0.55),  # half way between 1 and 0.1
        ("cosine", 110, 0.1),  # would be the step after the last
        ("constant", 10, 1.0),
        ("constant", 109, 1.0),
        ("inverse_sqrt", 39, 0.5),  # sqrt(10 / 40)
        ("inverse_sqrt", 89, 1 / 3),  # sqrt(10 / 90)
    ],
)
def test_known_rates(schedule, step, rate):
    assert learning_rate(stage(schedule=schedule, final_lr=0.1), step) == pytest.approx(rate)


@pytest.mark.parametrize("schedule", ["cosine", "inverse_sqrt", "constant"])
@pytest.mark.parametrize(("warmup", "steps"), [(0, 1), (0, 50), (50, 50), (60, 50), (1, 2)])
def test_rates_are_positive_and_bounded_at_the_edges(schedule, warmup, steps):
    config = stage(schedule=schedule, warmup_steps=warmup, steps=steps)
    rates = [learning_rate(config, step) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    after = rates[warmup:]
    assert after == sorted(after, reverse=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(3, 3)
        self.norm = nn.LayerNorm(3)
        self.lm = nn.Linear(3, 3)


def group_of(optim, parameter):
    (group,) = [g for g in optim.param_groups if any(p is parameter for p in g["params"])]
    return group


def test_vectors_do_not_decay_and_scales_apply():
    net = Net()
    optim = optimiser(net, stage(weight_decay=0.1, lr_scale={"lm.*": 0.5}, betas=(0.9, 0.95)))
    assert group_of(optim, net.encoder.weight)["weight_decay"] == 0.1
    assert group_of(optim, net.encoder.bias)["weight_decay"] == 0.0
    assert group_of(optim, net.norm.weight)["weight_decay"] == 0.0
    assert group_of(optim, net.lm.weight)["scale"] == 0.5
    assert group_of(optim, net.lm.bias)["scale"] == 0.5
    assert group_of(optim, net.norm.bias)["scale"] == 1.0
    assert {group["betas"] for group in optim.param_groups} == {(0.9, 0.95)}
    set_learning_rate(optim, 0.2)
    assert group_of(optim, net.lm.weight)["lr"] == pytest.approx(0.1)
    assert group_of(optim, net.encoder.weight)["lr"] == pytest.approx(0.2)


def test_frozen_parameters_are_not_touched():
    net = Net()
    freeze(net, ["lm.*"])
    optim = optimiser(net, stage(weight_decay=0.5))
    held = [p for group in optim.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(net.lm.weight), id(net.lm.bias)}
    before = net.encoder.weight.clone()
    (net.lm(net.encoder(torch.ones(1, 3))).sum()).backward()
    optim.step()
    assert torch.equal(net.encoder.weight, before)
    assert net.encoder.weight.grad is None


def test_one_step_of_adamw_by_hand():
    # The first step moves every weight by lr in the direction of -sign(gradient), after decay.
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(2.0)
    optim = optimiser(net, stage(weight_decay=0.1))
    set_learning_rate(optim, 0.01)
    (3.0 * net.weight).sum().backward()
    optim.step()
    assert net.weight.item() == pytest.approx(2.0 * (1 - 0.01 * 0.1) - 0.01, abs=1e-6)


def test_matrices_learn_by_muon_where_asked_for_and_all_else_by_adamw():
    net = Net()
    optim = optimiser(net, stage(lr=0.5, muon=("lm.*",), muon_lr=2.0, lr_scale={"lm.*": 0.5}))
    set_learning_rate(optim, 0.5)
    assert group_of(optim, net.lm.weight)["lr"] == pytest.approx(0.5 * 0.5 * 2.0 / 0.5)
    assert group_of(optim, net.lm.bias)["lr"] == pytest.approx(0.25)
    assert group_of(optim, net.encoder.weight)["lr"] == pytest.approx(0.5)
    net.lm(net.norm(net.encoder(torch.randn(5, 3)))).square().sum().backward()
    optim.step()
    kept = {name: set(optim.state[parameter]) for name, parameter in net.named_parameters()}
    assert kept["lm.weight"] == {"momentum_buffer"}
    assert kept["lm.bias"] == kept["encoder.weight"] == {"step", "exp_avg", "exp_avg_sq"}


def test_a_step_of_muon_goes_as_far_in_every_direction():
    # Singular values of a gradient that differ a thousandfold become about 1 (0.7 to 1.3).
    net = nn.Linear(8, 8, bias=False)
    before = net.weight.detach().clone()
    left, right = (torch.linalg.qr(torch.randn(8, 8)).Q for _ in range(2))
    net.weight.grad = left @ torch.diag(torch.logspace(0, -3, 8)) @ right
    optim = optimiser(net, stage(muon=("*",), muon_lr=1.0, weight_decay=0.0))
    optim.step()
    values = torch.linalg.svdvals(before - net.weight.detach()) / (0.2 * math.sqrt(8))
    assert values[:5].tolist() == pytest.approx([1.0] * 5, abs=0.4)


def test_a_misspelt_scale_is_an_error():
    with pytest.raises(ConfigError, match=r"lr_scale: 'ml\.\*' matches no parameter"):
        optimiser(Net(), stage(lr_scale={"lm.*": 0.5, "ml.*": 0.1}))


@pytest.mark.parametrize("pattern", ["ml.*", "norm.*", "encoder.bias", "lm.*"])
def test_a_pattern_of_muon_that_does_nothing_is_an_error(pattern):
    net = Net()
    freeze(net, ["encoder.*", "norm.*"])
    with pytest.raises(ConfigError, match=r"matches no linear layer's weight that learns"):
        optimiser(net, stage(muon=("encoder.*", pattern)))


def test_a_line_falls_evenly_to_its_end():
    stage = StageConfig(
        name="s", objective="o", lr=1.0, steps=110, warmup_steps=10, schedule="linear", final_lr=0.5
    )
    rates = [learning_rate(stage, step) for step in range(10, 111)]
    assert rates[0] == pytest.approx(1.0)
    assert rates[50] == pytest.approx(0.75)
    assert rates[100] == pytest.approx(0.5)
    falls = {round(a - b, 9) for a, b in itertools.pairwise(rates)}
    assert falls == {0.005}
