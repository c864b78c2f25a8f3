"""Our LoRA against peft's: forward, gradients, merging, sizes; the same random weights in both."""

import pytest
import torch
from torch import nn

from earvoice.models.llm import Llama, LlamaConfig
from earvoice.models.lora import (
    LoraConfig,
    adapt_hf,
    adapt_llama,
    adapt_whisper,
    join_peft,
    llama_peft_names,
)
from earvoice.models.whisper import Whisper, WhisperConfig
from earvoice.nn.lora import LoraLinear, add_lora, is_lora, lora_layers, lora_state, merged_state
from earvoice.nn.masks import PROMPT, Entries

peft = pytest.importorskip("peft")

RANK, ALPHA = 6, 3


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(12, 16), nn.Linear(12, 8), nn.Linear(12, 8)

    def forward(self, x):
        return torch.cat([self.q(x), self.k(x), self.v(x)], dim=-1)


def pair():
    """peft's LoRA on three layers and ours on the three fused, with equal weights."""
    torch.manual_seed(0)
    plain, fused = Plain(), nn.Linear(12, 32)
    with torch.no_grad():
        fused.weight.copy_(torch.cat([plain.q.weight, plain.k.weight, plain.v.weight]))
        fused.bias.copy_(torch.cat([plain.q.bias, plain.k.bias, plain.v.bias]))
    spec = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["q", "k", "v"])
    theirs = peft.inject_adapter_in_model(spec, plain)
    ours = LoraLinear(fused, RANK, ALPHA, parts=(16, 8, 8))
    layers = [theirs.q, theirs.k, theirs.v]
    with torch.no_grad():
        for layer in layers:
            layer.lora_B["default"].weight.normal_()
        ours.lora_a.copy_(torch.stack([layer.lora_A["default"].weight for layer in layers]))
        ours.lora_b.copy_(torch.cat([layer.lora_B["default"].weight for layer in layers]))
    return theirs, ours, layers


def test_forward_and_gradients_equal_pefts():
    theirs, ours, layers = pair()
    x = torch.randn(2, 5, 12)
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    weights = torch.randn(2, 5, 32)
    y, expected = ours(mine), theirs(other)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=0)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(mine.grad, other.grad, atol=1e-5, rtol=0)
    a = torch.stack([layer.lora_A["default"].weight.grad for layer in layers])
    b = torch.cat([layer.lora_B["default"].weight.grad for layer in layers])
    assert a.abs().max() > 0.1 < b.abs().max()
    torch.testing.assert_close(ours.lora_a.grad, a, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.lora_b.grad, b, atol=1e-5, rtol=0)


def test_merging_equals_pefts():
    _, ours, layers = pair()
    for layer in layers:
        layer.merge()
    expected = torch.cat([layer.weight for layer in layers])
    torch.testing.assert_close(ours.merged(), expected, atol=1e-6, rtol=0)


def entries(batch, length):
    order = torch.arange(length).expand(batch, -1)
    return Entries(order, order, torch.full_like(order, PROMPT), torch.zeros_like(order))


LLAMA = LlamaConfig(vocab_size=32, dim=24, layers=2, heads=4, kv_heads=2, ffn_dim=40)


def adapted_llama():
    torch.manual_seed(1)
    model = Llama(LLAMA)
    adapt_llama(model, LoraConfig(rank=4, alpha=2.0))
    with torch.no_grad():
        for _, layer in lora_layers(model):
            layer.lora_b.normal_()
    return model.eval()


def test_a_fresh_adaptation_changes_nothing():
    torch.manual_seed(1)
    plain, adapted = Llama(LLAMA).eval(), Llama(LLAMA).eval()
    adapted.load_state_dict(plain.state_dict())
    adapt_llama(adapted, LoraConfig(rank=4, alpha=2.0))
    x = torch.randn(1, 7, 24)
    assert torch.equal(plain(x, entries(1, 7)), adapted(x, entries(1, 7)))


def test_the_base_keeps_its_names():
    plain, adapted = Llama(LLAMA), adapted_llama()
    assert {name for name in adapted.state_dict() if not is_lora(name)} == set(plain.state_dict())
    assert merged_state(adapted).keys() == plain.state_dict().keys()
    assert len(lora_state(adapted)) == 2 * 4 * LLAMA.layers


def test_a_merged_network_does_the_same():
    adapted, plain = adapted_llama(), Llama(LLAMA).eval()
    plain.load_state_dict(merged_state(adapted))
    x = torch.randn(2, 9, 24)
    with torch.no_grad():
        expected = adapted(x, entries(2, 9))
        assert (expected - Llama(LLAMA).eval()(x, entries(2, 9))).abs().max() > 0.1
        torch.testing.assert_close(plain(x, entries(2, 9)), expected, atol=1e-5, rtol=0)


def test_dropout_is_for_training_only():
    layer = LoraLinear(nn.Linear(8, 8), 4, 2.0, dropout=0.5)
    nn.init.normal_(layer.lora_b)
    x = torch.randn(3, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_whole_models_equal_pefts_on_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    from earvoice.models.convert.llama import llama_from_folder

    torch.manual_seed(2)
    sizes = {
        "vocab_size": 32, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 40,
    }  # fmt: skip
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes)).eval()
    theirs.save_pretrained(tmp_path)
    ours = llama_from_folder(tmp_path)
    adapt_llama(ours, LoraConfig(rank=4, alpha=2.0))
    adapt_hf(theirs, LoraConfig(rank=4, alpha=2.0))
    theirs.eval()
    with torch.no_grad():
        for name, value in theirs.named_parameters():
            if "lora_B" in name:
                value.normal_()
    state = {name: value for name, value in theirs.state_dict().items() if "lora_" in name}
    found = join_peft(state, llama_peft_names(LLAMA))
    assert found.keys() == lora_state(ours).keys()
    ours.load_state_dict({**ours.state_dict(), **found})
    ids = torch.randint(0, 32, (2, 11))
    with torch.no_grad():
        expected = theirs(ids).logits
        hidden = ours(ours.embed(ids), entries(2, 11))
        torch.testing.assert_close(ours.logits(hidden), expected, atol=1e-5, rtol=0)


def test_only_linear_layers_of_the_layers_are_adapted():
    names = add_lora(Llama(LLAMA), 2, 1.0, 0.0, chosen=lambda name: name != "head")
    assert {name.rpartition(".")[2] for name in names} == {"qkv", "out", "gate_up", "down"}
    encoder = Whisper(WhisperConfig(dim=8, layers=1, heads=2, ffn_dim=12, frames=20))
    adapt_whisper(encoder, LoraConfig(rank=2, alpha=1.0))
    found = {name.rpartition(".")[2] for name, _ in lora_layers(encoder)}
    assert found == {"q", "k", "v", "out", "ffn_in", "ffn_out"}


def test_parts_must_add_up():
    with pytest.raises(ValueError, match="do not add up to 8"):
        LoraLinear(nn.Linear(4, 8), 2, 1.0, parts=(4, 3))
