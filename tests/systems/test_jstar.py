"""JSTAR: what it hears live is what it learnt from, and what a configuration may say."""

import pytest
import torch
from pydantic import ValidationError

from earvoice.data.serialise import TAGS
from earvoice.models.frontend import FrontendConfig
from earvoice.systems.jstar import JstarConfig, TextFrames
from tests.tiny import jstar

SINGLE = FrontendConfig(array="single", mels=17, maps=4)
BEAMS = FrontendConfig(directions=2, taps=33, mels=17)


@pytest.mark.parametrize("frontend", [SINGLE, BEAMS], ids=["single", "beams"])
def test_live_frames_are_those_of_training(frontend):
    system = jstar(frontend=frontend)
    step, channels = system.step_samples, system.microphones
    generator = torch.Generator().manual_seed(0)
    samples = 0.1 * torch.randn(2, channels, 9 * step, generator=generator)
    with torch.inference_mode():
        features = system.features(samples)
        fast, slow = system.cascade(features)
        state = system.init_state(2, samples)
        live = [
            system.encode(samples[:, :, a : a + step], state, [0, 1])
            for a in range(0, 9 * step, step)
        ]
        live.append(system.flush(state, [0, 1]))
    torch.testing.assert_close(torch.cat([part[0] for part in live], 1), fast, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat([part[1] for part in live], 1), slow, atol=1e-5, rtol=0)


def test_the_tags_are_those_of_the_data():
    assert tuple(TAGS.values()) == JstarConfig().control_tokens


def test_the_papers_numbers_are_the_defaults():
    config = JstarConfig()
    assert (config.fast.layers, config.slow.layers) == (20, 10)
    assert config.frontend.features == 1326
    assert config.asr_weight == 0.5
    assert config.pairs == (("en", "es"),)
    assert JstarConfig(both_ways=True).pairs == (("en", "es"), ("es", "en"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text_repeats": (3, 2)}, "the least must not be more"),
        ({"relay": True, "text_source": False}, "relay needs text_source"),
        ({"fast": {"dim": 30, "heads": 4}}, "heads"),
    ],
)
def test_what_a_configuration_may_not_say(change, message):
    with pytest.raises(ValidationError, match=message):
        JstarConfig(**change)


def test_text_is_read_as_far_as_speech_was_heard():
    read = TextFrames([2, 2, 5], [3, 5, 8])
    assert [read.frame(spoken) for spoken in (0, 2, 4, 5, 9)] == [0, 4, 4, 7, 7]
