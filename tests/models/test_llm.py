"""Our decoder: the cache gives what a whole forward gives, also after the window has slid."""

import itertools

import numpy as np
import pytest
import torch

from earvoice.models.llm import Llama, LlamaConfig
from earvoice.nn.masks import PROMPT, SPEECH, TEXT, Entries, causal, consistency

SIZES = {"vocab_size": 30, "dim": 16, "heads": 4, "kv_heads": 2, "ffn_dim": 24}


def llama(layers, seed=0, **changes):
    torch.manual_seed(seed)
    model = Llama(LlamaConfig(layers=layers, **SIZES, **changes)).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def entries(kind, position, segment):
    position = torch.as_tensor(position).reshape(1, -1)
    kind, segment = (torch.as_tensor(part).expand_as(position) for part in (kind, segment))
    return Entries(torch.arange(position.shape[1])[None], position, kind, segment)


def piece(whole, start, end):
    return Entries(*(getattr(whole, name)[:, start:end] for name in vars(whole)))


@pytest.mark.parametrize(
    "changes",
    [{}, {"tie_embeddings": True, "qkv_bias": True}, {"qk_norm": True, "head_dim": 8}],
)
def test_pieces_give_what_the_whole_gives(changes):
    model = llama(2, **changes)
    x = model.embed(torch.randint(30, (1, 14)))
    kinds = [PROMPT] * 2 + [SPEECH] * 3 + [TEXT] * 4 + [SPEECH] * 3 + [TEXT] * 2
    whole = entries(kinds, [0, 1, 2, 3, 4, 2, 3, 4, 5, 5, 6, 7, 6, 7], [0] * 2 + [1] * 7 + [2] * 5)
    expected = model(x, whole, mask=consistency)
    state = model.init_state(3, 14)
    for cuts in ([0, 14], [0, 5, 9, 14], [0, 2, 3, 8, 12, 13, 14]):
        state.reset([1])
        found = [
            model(x[:, a:b], piece(whole, a, b), state, [1], consistency)
            for a, b in itertools.pairwise(cuts)
        ]
        torch.testing.assert_close(torch.cat(found, dim=1), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mask", [consistency, None])
@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_what_is_not_wanted_is_cached_all_the_same(mask, wanted):
    """Two rows of different length, so that their attention is padded and masked."""
    model = llama(2)
    x = model.embed(torch.randint(30, (2, 6)))
    before, new, after = (entries(TEXT, range(*ends), 0) for ends in ((0, 3), (3, 8), (8, 9)))
    found = []
    for part in (None, wanted):
        state = model.init_state(3, 12)
        model(x[:1, :3], before, state, [1])
        both = Entries(*(leaf.expand(2, -1) for leaf in vars(new).values()))
        hidden = model(x[:, :5], both, state, [0, 1], mask, part)
        found.append((hidden[:, -wanted:], model(x[1:, 5:], after, state, [1])))
        assert hidden.shape[1] == (part or 5)
    torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=1e-5)


def test_a_popped_entry_leaves_no_trace():
    model = llama(2)
    ids = torch.randint(30, (1, 6))
    x, whole = model.embed(ids), entries(TEXT, range(6), 0)
    state = model.init_state(1, 8)
    model(x[:, :4], piece(whole, 0, 4), state, [0])
    model(model.embed(torch.tensor([[1, 2]])), piece(whole, 4, 6), state, [0])
    state.pop(0, 2)
    found = model(x[:, 4:], piece(whole, 4, 6), state, [0])
    torch.testing.assert_close(found, model(x, whole)[:, 4:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("keep", [[0, 1, 2, 3, 4, 5], [0, 3, 5], [2], [0, 1, 4]])
def test_reanchor_is_a_fresh_forward_with_renumbered_positions(keep):
    """One layer: its keys depend on the embeddings alone, so nothing of what was dropped stays."""
    model = llama(1)
    x = model.embed(torch.randint(30, (1, 7)))
    state = model.init_state(2, 8)
    model(x[:, :6], entries(TEXT, [0, 5, 6, 7, 300, 301], 0), state, [1])
    position = np.arange(len(keep)) + 2
    model.reanchor(state, 1, np.array(keep), position)
    last = len(keep) + 2
    live = model(x[:, 6:], entries(TEXT, [last], 0), state, [1], None)
    kept = torch.cat([x[:, keep], x[:, 6:]], dim=1)
    fresh = model(kept, entries(TEXT, [*position, last], 0), mask=causal)[:, -1:]
    torch.testing.assert_close(live, fresh, atol=1e-5, rtol=1e-4)


def test_a_full_cache_says_so():
    model = llama(1)
    state = model.init_state(1, 3)
    x = model.embed(torch.zeros(1, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="cache of 3 entries is full"):
        model(x, entries(TEXT, range(4), 0), state, [0])


def test_tied_embeddings_are_the_output_layer():
    model = llama(1, tie_embeddings=True)
    hidden = torch.randn(2, 16)
    assert torch.equal(model.logits(hidden), hidden @ model.embedding.weight.T)


def test_initialise_scales_the_residual_outputs_by_depth():
    torch.manual_seed(0)
    model = Llama(LlamaConfig(layers=8, **{**SIZES, "dim": 64, "ffn_dim": 128}))
    model.initialise(std=0.02)
    model.requires_grad_(False)
    assert float(model.layers[3].gate_up.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert float(model.layers[3].down.weight.detach().std()) == pytest.approx(0.02 / 4, rel=0.1)
    assert bool((model.norm.weight == 1).all())
