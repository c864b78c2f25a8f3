import pytest
import torch
from torch import nn

from earvoice.models import layout
from earvoice.models.layout import lay_out_for_inference
from earvoice.models.llm import Llama, LlamaConfig
from earvoice.nn.packed import PackedLinear, can_pack
from tests.tiny import fasst

packs = pytest.mark.skipif(
    not can_pack(torch.empty(256, 256)), reason="this build of PyTorch does not pack"
)
SIZES = LlamaConfig(vocab_size=800, dim=256, layers=2, heads=4, kv_heads=4, ffn_dim=512)


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


def language_model(tied):
    torch.manual_seed(1)
    model = Llama(SIZES.model_copy(update={"tie_embeddings": tied}))
    model.initialise()
    return model.eval().requires_grad_(False)


@packs
def test_large_weights_are_packed_and_say_the_same():
    for tied in (True, False):
        model, plain = language_model(tied), language_model(tied)
        lay_out_for_inference(model)
        assert isinstance(model.layers[0].gate_up, PackedLinear)
        assert list(model.state_dict()) == list(plain.state_dict())
        hidden = torch.randn(3, 5, SIZES.dim)
        torch.testing.assert_close(model.logits(hidden), plain.logits(hidden), atol=1e-5, rtol=1e-5)


@packs
def test_packed_copies_have_a_limit(monkeypatch):
    monkeypatch.setattr(layout, "MOST_PACKED_BYTES", 800_000)  # one of 786 kB
    model = language_model(tied=False)
    lay_out_for_inference(model)
    packed = [part for part in model.modules() if isinstance(part, PackedLinear)]
    assert sum(part.weight.nbytes for part in packed) <= 800_000
    assert any(type(part) is nn.Linear for part in model.modules())
    assert packed
