"""Sizes that cannot work are refused where they are written, by name."""

import pytest

from earvoice.config import parse
from earvoice.errors import ConfigError
from earvoice.systems.fasst import FasstConfig


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"k": 0}, ["k is 0"]),
        ({"n": -1}, ["n is -1"]),
        ({"window_segments": 5, "keep_segments": 5}, ["keep_segments is 5", "less than"]),
        ({"encoder": {"heads": 3}}, ["heads is 3", "must divide dim", "1024"]),
        ({"encoder": {"position_groups": 7}}, ["position_groups is 7", "must divide dim"]),
        ({"encoder": {"layers": -1}}, ["encoder.layers is -1"]),
        ({"encoder": {"left_blocks": -1}}, ["encoder.left_blocks is -1"]),
        (
            {"encoder": {"frontend": {"kind": "waveform", "kernels": [3]}}},
            ["kernels has 1 layers and strides 7"],
        ),
        ({"llm": {"heads": 6, "kv_heads": 4}}, ["kv_heads is 4", "must divide heads"]),
        ({"llm": {"dim": 30, "heads": 4, "kv_heads": 4}}, ["heads is 4", "must divide dim"]),
        ({"llm": {"dim": 12, "heads": 4, "kv_heads": 4}}, ["even number"]),
        ({"llm": {"rope_theta": 0.0}}, ["rope_theta is 0.0"]),
        ({"adapter": {"stride": 0}}, ["adapter.stride is 0"]),
        ({"waco_temperature": 0.0}, ["waco_temperature is 0.0"]),
        ({"text_position": "clock"}, ["text_position is 'clock'", "count", "time"]),
    ],
)
def test_a_size_that_cannot_work_is_named(data, words):
    with pytest.raises(ConfigError) as error:
        parse(data, FasstConfig)
    for word in words:
        assert word in str(error.value)
