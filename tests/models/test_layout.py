import torch

from earvoice.models.layout import lay_out_for_inference
from tests.tiny import fasst


def test_only_the_strides_change():
    system, plain = fasst(), fasst()
    lay_out_for_inference(system)
    for (name, weight), (other, expected) in zip(
        system.state_dict().items(), plain.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(weight, expected)
    assert system.encoder.encoder.layers[0].ffn_in.weight.stride() == (1, 64)
    samples = torch.randn(1, 2 * system.segment_samples)
    torch.testing.assert_close(system(samples), plain(samples), atol=1e-5, rtol=1e-4)


def test_twice_is_once():
    system = fasst()
    lay_out_for_inference(system)
    strides = [weight.stride() for weight in system.parameters()]
    lay_out_for_inference(system)
    assert [weight.stride() for weight in system.parameters()] == strides
