"""Our wav2vec 2.0 against transformers', both with the same random weights."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from earvoice.errors import CheckpointError, ConfigError
from earvoice.models.convert.wav2vec2 import (
    fold_weight_norm,
    map_wav2vec2,
    wav2vec2_config,
    wav2vec2_from_folder,
    wav2vec2_plan,
)

transformers = pytest.importorskip("transformers")

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
}
EXACT = {"bidirectional": True, "left_pad": False}  # the checkpoint's own function


def perturbed(model, seed=0):
    """All parameters away from their initial ones and zeros, so that none is left untested."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def saved(model, folder):
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def theirs():
    return perturbed(transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SIZES)))


@pytest.fixture(scope="module")
def folder(theirs, tmp_path_factory):
    return saved(theirs, tmp_path_factory.mktemp("wav2vec2"))


def worst(model, reference, samples):
    with torch.no_grad():
        ours, expected = model(samples), reference(samples).last_hidden_state
    assert ours.shape == expected.shape
    return float((ours - expected).abs().max())


@pytest.mark.parametrize("n_samples", [400, 8000, 12345])
def test_bidirectional_equals_the_reference(theirs, folder, n_samples):
    model = wav2vec2_from_folder(folder, **EXACT)
    assert worst(model, theirs, 0.3 * torch.randn(2, n_samples)) <= 1e-5


@pytest.mark.parametrize("kind", ["Hubert", "Wav2Vec2"])
def test_gradients_equal_the_reference(kind, tmp_path):
    """Every tensor's, to 1e-5 of the largest: HuBERT is the same network under another name."""
    config = getattr(transformers, f"{kind}Config")(**SIZES)
    reference = perturbed(getattr(transformers, f"{kind}Model")(config))
    model = wav2vec2_from_folder(saved(reference, tmp_path), **EXACT)
    model.requires_grad_(True)
    samples = 0.3 * torch.randn(2, 6000)
    ours, expected = model(samples), reference(samples).last_hidden_state
    weights = torch.randn_like(ours) / 80
    (ours * weights).sum().backward()
    (expected * weights).sum().backward()
    theirs = dict(reference.named_parameters())
    plan = wav2vec2_plan(model.config)
    own = dict(model.named_parameters())
    assert own.keys() - plan.keys() == {"encoder.position.weight"}
    for name, parts in plan.items():
        wanted = torch.cat([theirs[part].grad for part in parts])
        assert wanted.abs().max() > 0
        torch.testing.assert_close(own[name].grad, wanted, atol=1e-5, rtol=1e-5, msg=name)
    # The kernel is stored as magnitude and direction there: by the chain rule, through the fold.
    norm = reference.encoder.pos_conv_embed.conv.parametrizations.weight
    g, v = (part.detach().clone().requires_grad_() for part in (norm.original0, norm.original1))
    fold_weight_norm(g, v).backward(own["encoder.position.weight"].grad)
    torch.testing.assert_close(g.grad, norm.original0.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(v.grad, norm.original1.grad, atol=1e-5, rtol=1e-5)


def test_hubert_is_the_same_network(tmp_path):
    config = transformers.HubertConfig(**SIZES)
    reference = perturbed(transformers.HubertModel(config))
    model = wav2vec2_from_folder(saved(reference, tmp_path), **EXACT)
    assert worst(model, reference, torch.randn(1, 5000)) <= 1e-5


def test_a_tuned_hubert_loads_without_its_head(tmp_path):
    config = transformers.HubertConfig(**SIZES, vocab_size=9)
    reference = perturbed(transformers.HubertForCTC(config))
    model = wav2vec2_from_folder(saved(reference, tmp_path), **EXACT)
    assert worst(model, reference.hubert, torch.randn(1, 5000)) <= 1e-5


@pytest.mark.parametrize("kind", ["Hubert", "Wav2Vec2"])
def test_the_group_norm_variant_is_refused(kind, tmp_path):
    """The base models' first layer is normalised over the whole utterance: that cannot stream."""
    sizes = {**SIZES, "feat_extract_norm": "group", "do_stable_layer_norm": False}
    reference = getattr(transformers, f"{kind}Model")(
        getattr(transformers, f"{kind}Config")(**sizes)
    )
    with pytest.raises(CheckpointError, match=r"feat_extract_norm is 'group', it must be 'layer'"):
        wav2vec2_from_folder(saved(reference, tmp_path))


def test_without_convolution_biases(tmp_path):
    config = transformers.Wav2Vec2Config(**{**SIZES, "conv_bias": False})
    reference = perturbed(transformers.Wav2Vec2Model(config))
    model = wav2vec2_from_folder(saved(reference, tmp_path), **EXACT)
    assert worst(model, reference, torch.randn(1, 5000)) <= 1e-5


def test_a_ctc_checkpoint_loads_without_its_head(theirs, tmp_path):
    reference = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**SIZES, vocab_size=9))
    reference.wav2vec2.load_state_dict(theirs.state_dict())
    model = wav2vec2_from_folder(saved(reference, tmp_path), **EXACT)
    assert worst(model, theirs, torch.randn(1, 4000)) <= 1e-5


def test_a_pretraining_checkpoint_loads_without_its_quantizer(theirs, tmp_path):
    sizes = {**SIZES, "num_codevectors_per_group": 4, "codevector_dim": 8, "proj_codevector_dim": 8}
    reference = transformers.Wav2Vec2ForPreTraining(transformers.Wav2Vec2Config(**sizes))
    reference.wav2vec2.load_state_dict(theirs.state_dict())
    model = wav2vec2_from_folder(saved(reference, tmp_path), **EXACT)
    assert worst(model, theirs, torch.randn(1, 4000)) <= 1e-5


def test_old_names_of_the_weight_norm(theirs, folder):
    weights = load_file(folder / "model.safetensors")
    new = "encoder.pos_conv_embed.conv.parametrizations.weight.original"
    assert {new + "0", new + "1"} <= weights.keys()
    old = {
        name.replace(new + "0", "encoder.pos_conv_embed.conv.weight_g").replace(
            new + "1", "encoder.pos_conv_embed.conv.weight_v"
        ): value
        for name, value in weights.items()
    }
    config = wav2vec2_config(json.loads((folder / "config.json").read_text()))
    first, second = map_wav2vec2(weights, config), map_wav2vec2(old, config)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_folded_kernel_is_the_weight_normed_one(theirs):
    conv = theirs.encoder.pos_conv_embed.conv
    parts = conv.parametrizations.weight
    folded = fold_weight_norm(parts.original0, parts.original1)
    torch.testing.assert_close(folded, conv.weight, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(  # torch's own definition, over the last axis
        folded, torch._weight_norm(parts.original1, parts.original0, 2), atol=1e-6, rtol=1e-6
    )


def test_the_causal_positional_convolution_is_the_papers(theirs, folder):
    """2408.09430, eq. 2: w/2 - 1 zero rows in front, the convolution as it was, the last w/2 - 1
    outputs dropped (and the one that wav2vec 2.0 itself drops)."""
    position = wav2vec2_from_folder(folder).encoder.position
    frames = torch.randn(1, 37, 32)
    half = position.kernel // 2
    with torch.no_grad():
        padded = F.pad(frames, (0, 0, half - 1, 0))
        expected = theirs.encoder.pos_conv_embed(padded)[:, : -(half - 1)]
        ours = F.gelu(position(frames))
    assert ours.shape == expected.shape
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)


def test_a_causal_encoder_streams(folder):
    model = wav2vec2_from_folder(folder, block_frames=5, left_blocks=2)
    samples = 0.3 * torch.randn(1, 12 * 1600 + 500)
    with torch.no_grad():
        state = model.init_state(1, samples)
        pieces = [model(part, state) for part in samples.split(777, dim=1)]
        live = torch.cat([*pieces, model.flush(state)], dim=1)
        torch.testing.assert_close(live, model(samples), atol=1e-5, rtol=1e-4)


def test_half_precision_is_read_as_float32(folder, tmp_path):
    weights = load_file(folder / "model.safetensors")
    save_file({k: v.half() for k, v in weights.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    model = wav2vec2_from_folder(tmp_path)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("feat_extract_norm", "group", "must be 'layer'"),
        ("do_stable_layer_norm", False, "must be True"),
        ("hidden_act", "relu", "must be 'gelu'"),
        ("add_adapter", True, "must be False"),
        ("model_type", "wavlm", "wav2vec2, hubert"),
        ("conv_dim", [16, 16, 16, 16, 16, 16, 8], "all of conv_dim equal"),
        ("conv_kernel", [10, 3], "equally long"),
        ("conv_dim", 512, "conv_dim is 512, it must be a list of whole numbers"),
        ("conv_stride", [[1], [2]], "conv_stride is .*, it must be a list of whole numbers"),
        ("hidden_size", None, "hidden_size is missing"),
    ],
)
def test_other_variants_are_refused(folder, entry, value, message):
    data = json.loads((folder / "config.json").read_text())
    with pytest.raises(CheckpointError, match=message):
        wav2vec2_config({**data, entry: value})


def test_what_can_be_changed(folder):
    data = json.loads((folder / "config.json").read_text())
    config = wav2vec2_config(data, block_frames=24, left_blocks=3, left_pad=False)
    assert (config.block_frames, config.left_blocks, config.frontend.left_pad) == (24, 3, False)
    with pytest.raises(ConfigError, match="dim"):
        wav2vec2_config(data, dim=8)
    with pytest.raises(ConfigError, match="block_frames"):
        wav2vec2_config(data, block_frames="many")


def test_names_are_checked_strictly(folder):
    weights = load_file(folder / "model.safetensors")
    config = wav2vec2_config(json.loads((folder / "config.json").read_text()))
    with pytest.raises(CheckpointError, match=r"1 unknown.*encoder\.surprise"):
        map_wav2vec2({**weights, "encoder.surprise": torch.zeros(1)}, config)
    del weights["encoder.layers.1.attention.k_proj.weight"]
    with pytest.raises(CheckpointError, match="1 tensors missing.*k_proj"):
        map_wav2vec2(weights, config)


def test_shapes_are_checked(folder, tmp_path):
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer_norm.weight"] = torch.ones(7)
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(CheckpointError, match="encoder.norm.weight"):
        wav2vec2_from_folder(tmp_path)
