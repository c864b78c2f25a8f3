"""Which parameters train, and at which share of the learning rate."""

import pytest
from torch import nn

from earvoice.errors import ConfigError
from earvoice.train.freeze import check_patterns, freeze, lr_scale_of, matches
from tests.tiny import fasst

ALL = {f"{part}.{kind}" for part in ("encoder", "adapter", "lm") for kind in ("weight", "bias")}


def network():
    parts = {"encoder": nn.Linear(2, 2), "adapter": nn.Linear(2, 2), "lm": nn.Linear(2, 2)}
    return nn.ModuleDict(parts)


def trained(module):
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["*"], ALL),
        (["lm.*"], {"lm.weight", "lm.bias"}),
        (["lm.*", "adapter.bias"], {"lm.weight", "lm.bias", "adapter.bias"}),
        (["*.weight"], {"encoder.weight", "adapter.weight", "lm.weight"}),
        ([], set()),
    ],
)
def test_patterns(patterns, expected):
    module = network()
    assert set(freeze(module, patterns)) == expected
    assert trained(module) == expected


def test_a_later_stage_thaws_what_an_earlier_froze():
    module = network()
    freeze(module, ["lm.*"])
    freeze(module, ["encoder.*"])
    assert trained(module) == {"encoder.weight", "encoder.bias"}


def test_the_patterns_of_the_recipes_mean_what_they_say():
    system = fasst(phones=8)
    names = freeze(system, ["encoder.*", "adapter.*", "phone_head.*"])
    assert {name.split(".")[0] for name in names} == {"encoder", "adapter", "phone_head"}
    assert not any(parameter.requires_grad for parameter in system.lm.parameters())


@pytest.mark.parametrize("pattern", ["ml.*", "encoder", "Encoder.*", ""])
def test_a_misspelt_pattern_is_an_error_that_names_the_parts(pattern):
    module = network()
    message = rf"trainable: '{pattern}' matches no parameter; the parts are adapter, encoder, lm"
    with pytest.raises(ConfigError, match=message.replace("*", r"\*")):
        freeze(module, ["lm.*", pattern])
    assert len(trained(module)) == len(ALL), "nothing is frozen before all patterns are checked"


def test_check_patterns_of_a_mapping():
    check_patterns({"a.*": "text"}, ["a.b"], "init")
    with pytest.raises(ConfigError, match="init: 'b"):
        check_patterns({"a.*": "text", "b.*": "phones"}, ["a.b"], "init")


def test_matching_is_by_case_and_whole_names():
    assert matches("lm.layers.3.weight", ["lm.layers.[0-3].*"])
    assert not matches("lm.layers.3.weight", ["lm.layers.[0-2].*"])
    assert not matches("LM.weight", ["lm.*"])
    assert not matches("xlm.weight", ["lm.*"])


def test_the_last_matching_scale_wins():
    scales = {"*": 0.1, "lm.*": 0.5, "lm.norm": 2.0}
    assert lr_scale_of("encoder.weight", scales) == 0.1
    assert lr_scale_of("lm.weight", scales) == 0.5
    assert lr_scale_of("lm.norm", scales) == 2.0
    assert lr_scale_of("lm.norm", {}) == 1.0
