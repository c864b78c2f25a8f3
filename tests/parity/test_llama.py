"""Our decoder against transformers' Llama, Mistral, Qwen2 and Qwen3, with equal random weights."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from earvoice.errors import CheckpointError
from earvoice.models.convert.llama import llama_config, llama_from_folder, map_llama
from earvoice.nn.masks import TEXT, Entries, causal

transformers = pytest.importorskip("transformers")

VOCAB = 60
SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "rms_norm_eps": 1e-5,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
KINDS = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, {}),
    "llama-tied": (
        transformers.LlamaConfig,
        transformers.LlamaForCausalLM,
        {
            "tie_word_embeddings": True,
            "num_key_value_heads": 4,
            "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
        },
    ),
    "mistral": (
        transformers.MistralConfig,
        transformers.MistralForCausalLM,
        {"sliding_window": None, "head_dim": 16},
    ),
    "qwen2": (
        transformers.Qwen2Config,
        transformers.Qwen2ForCausalLM,
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    ),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM, {"head_dim": 16}),
}


def random_model(kind):
    config_class, model_class, changes = KINDS[kind]
    torch.manual_seed(3)
    model = model_class(config_class(**{**SIZES, **changes})).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases too
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module", params=KINDS)
def pair(request, tmp_path_factory):
    """Their model, ours read from the folder they saved, and the folder."""
    folder = tmp_path_factory.mktemp(request.param)
    theirs = random_model(request.param)
    theirs.save_pretrained(folder)
    return theirs, llama_from_folder(folder), folder


def text(position):
    zeros = torch.zeros_like(position)
    return Entries(position, position, zeros + TEXT, zeros)


def test_full_forward(pair):
    theirs, ours, _ = pair
    ids = torch.randint(VOCAB, (3, 21))
    with torch.no_grad():
        hidden = ours(ours.embed(ids), text(torch.arange(21).expand(3, -1)))
        expected = theirs(ids).logits
        worst = (ours.logits(hidden) - expected).abs().max()
    assert float(worst) <= 1e-5 * max(1.0, float(expected.abs().max()))


def test_cached_decoding_writes_what_generate_writes(pair):
    theirs, ours, _ = pair
    prompts, new = torch.randint(VOCAB, (2, 7)), 24
    expected = theirs.generate(
        prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=new, do_sample=False
    )[:, 7:]
    with torch.inference_mode():
        state = ours.init_state(4, 7 + new)
        rows, ids, written = [3, 1], prompts, []
        for _ in range(new):
            start = int(state.length[3])
            position = torch.arange(start, start + ids.shape[1]).expand(2, -1)
            mask = causal if ids.shape[1] > 1 else None
            hidden = ours(ours.embed(ids), text(position), state, rows, mask)
            ids = ours.logits(hidden[:, -1:]).argmax(-1)
            written.append(ids)
    assert torch.equal(torch.cat(written, dim=1), expected)


def test_every_weight_is_used(pair):
    theirs, ours, _ = pair
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_shards_are_read_like_one_file(tmp_path):
    theirs = random_model("qwen2")
    theirs.save_pretrained(tmp_path / "one")
    theirs.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    shards = sorted((tmp_path / "many").glob("*.safetensors"))
    assert len(shards) > 2
    one, many = llama_from_folder(tmp_path / "one"), llama_from_folder(tmp_path / "many")
    expected = one.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in many.state_dict().items())

    shards[1].unlink()
    with pytest.raises(CheckpointError, match=shards[1].name):
        llama_from_folder(tmp_path / "many")


def test_weights_keep_their_dtype(tmp_path):
    random_model("llama").bfloat16().save_pretrained(tmp_path)
    assert {p.dtype for p in llama_from_folder(tmp_path).parameters()} == {torch.bfloat16}


BASE = {**SIZES, "model_type": "llama", "hidden_act": "silu"}


@pytest.mark.parametrize(
    ("changes", "theta"),
    [
        ({}, 10000.0),
        ({"rope_theta": 5e5}, 5e5),
        ({"rope_theta": 10000, "rope_scaling": None}, 10000.0),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}, 1e6),
        ({"rope_theta": 1.0, "rope_parameters": {"rope_theta": 1e6}}, 1e6),
    ],
)
def test_the_rotary_base_is_found_in_either_place(changes, theta):
    assert llama_config({**BASE, **changes}).rope_theta == theta


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gemma3"}, "llama, mistral, qwen2, qwen3"),
        ({"model_type": None}, "model_type is None"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling.*llama3"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling.*linear"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, "rope_parameters.*yarn"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "whole heads"),
        ({"rope_theta": "big"}, "rope_theta is 'big'"),
        ({"sliding_window": 4096}, "sliding_window is 4096"),
        ({"model_type": "mistral"}, "sliding_window is 4096"),
        ({"model_type": "qwen2", "sliding_window": 9, "use_sliding_window": True}, "is 9"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding_window"),
        ({"layer_types": 5}, "layer_types is 5, it must be a list or null"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"mlp_bias": True}, "mlp_bias is True"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"num_hidden_layers": None}, "num_hidden_layers is missing"),
        ({"model_type": "qwen3"}, "head_dim is missing"),
    ],
)
def test_what_would_change_the_numbers_is_refused(changes, message):
    with pytest.raises(CheckpointError, match=message):
        llama_config({**BASE, **changes})


def test_declared_but_unused_windows_are_no_windows():
    config = llama_config({**BASE, "model_type": "qwen2", "sliding_window": 4096})
    assert config.qkv_bias
    assert not config.qk_norm


def test_names_are_checked_strictly(tmp_path):
    random_model("llama").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    config = llama_config(json.loads((tmp_path / "config.json").read_text()))
    frequencies = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    assert map_llama({**weights, **frequencies}, config).keys() == map_llama(weights, config).keys()
    with pytest.raises(CheckpointError, match=r"1 unknown.*q_proj\.bias"):
        map_llama({**weights, "model.layers.0.self_attn.q_proj.bias": torch.ones(32)}, config)
    del weights["lm_head.weight"]
    with pytest.raises(CheckpointError, match=r"1 tensors missing.*lm_head"):
        map_llama(weights, config)


def test_a_tied_head_may_be_repeated_but_not_differ(tmp_path):
    random_model("llama-tied").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    config = llama_config(json.loads((tmp_path / "config.json").read_text()))
    head = weights["model.embed_tokens.weight"].clone()
    assert "head.weight" not in map_llama({**weights, "lm_head.weight": head}, config)
    with pytest.raises(CheckpointError, match="tie_word_embeddings"):
        map_llama({**weights, "lm_head.weight": head + 1}, config)


def test_shapes_are_checked(tmp_path):
    random_model("llama").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(3)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"norm\.weight has shape \(3,\)"):
        llama_from_folder(tmp_path)
