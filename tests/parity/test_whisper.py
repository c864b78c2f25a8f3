"""Our Whisper encoder against transformers', both with the same random weights."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from earvoice.errors import CheckpointError
from earvoice.models.convert.whisper import whisper_from_folder
from earvoice.models.whisper import Whisper, WhisperConfig, WhisperMel, sinusoids

transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 3,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "num_mel_bins": 80,
    "max_source_positions": 200,
}
WINDOW = 200 * 320


@pytest.fixture(scope="module")
def theirs():
    model = transformers.WhisperModel(transformers.WhisperConfig(**SIZES))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def folder(theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whisper")
    theirs.save_pretrained(folder)
    return folder


def speechlike(seed, samples):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(samples) * np.linspace(0, 0.3, samples)).astype(np.float32)


@pytest.mark.parametrize(("mels", "samples"), [(80, 80_000), (128, 31_111), (80, 700_000)])
def test_features_are_the_reference_extractors(mels, samples):
    extractor = transformers.WhisperFeatureExtractor(feature_size=mels)
    audio = speechlike(1, samples)
    expected = extractor(audio, sampling_rate=16000, return_tensors="pt").input_features
    padded = np.zeros((1, 480_000), dtype=np.float32)
    padded[0, : min(samples, 480_000)] = audio[:480_000]
    ours = WhisperMel(mels)(torch.from_numpy(padded))
    assert ours.shape == expected.shape == (1, mels, 3000)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_silence_is_finite():
    assert WhisperMel(80)(torch.zeros(1, 16000)).isfinite().all()


def test_forward_equals_transformers(theirs, folder):
    ours = whisper_from_folder(folder)
    mel = torch.randn(3, 80, 400)
    with torch.no_grad():
        expected = theirs.encoder(mel).last_hidden_state
        torch.testing.assert_close(ours.encode(mel), expected, atol=1e-5, rtol=0)


def test_gradients_equal_transformers(theirs, folder):
    ours = whisper_from_folder(folder)
    mel, weights = torch.randn(2, 80, 400), torch.randn(2, 200, 32) / 80
    theirs.zero_grad()
    (theirs.encoder(mel).last_hidden_state * weights).sum().backward()
    (ours.encode(mel) * weights).sum().backward()
    expected = dict(theirs.encoder.named_parameters())
    pairs = {
        "conv_in.weight": "conv1.weight",
        "conv_out.bias": "conv2.bias",
        "layers.0.q.weight": "layers.0.self_attn.q_proj.weight",
        "layers.0.k.weight": "layers.0.self_attn.k_proj.weight",
        "layers.1.v.bias": "layers.1.self_attn.v_proj.bias",
        "layers.1.out.weight": "layers.1.self_attn.out_proj.weight",
        "layers.0.ffn_in.weight": "layers.0.fc1.weight",
        "layers.1.ffn_out.weight": "layers.1.fc2.weight",
        "layers.1.attn_norm.weight": "layers.1.self_attn_layer_norm.weight",
        "norm.bias": "layer_norm.bias",
    }
    own = dict(ours.named_parameters())
    for name, other in pairs.items():
        assert own[name].grad.abs().max() > 0
        torch.testing.assert_close(own[name].grad, expected[other].grad, atol=1e-5, rtol=0)


def test_samples_to_frames_cut_to_the_real_length(theirs, folder):
    ours = whisper_from_folder(folder)
    samples = torch.zeros(2, 20_000)
    samples[0], samples[1, :9_000] = torch.from_numpy(speechlike(2, 20_000)), 0.1
    extractor = transformers.WhisperFeatureExtractor(chunk_length=4)
    mel = extractor(list(samples.numpy()), sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        expected = theirs.encoder(mel).last_hidden_state[:, : 20_000 // 320]
        found = ours(samples, [20_000, 9_000])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@given(st.integers(0, 2_000_000))
@settings(max_examples=100)
def test_kept_frames_are_the_references(samples):
    with torch.device("meta"):
        model = Whisper(WhisperConfig(layers=1, dim=4, heads=1, ffn_dim=4))
    frames = model.frames_of(samples)
    assert frames == min(int(samples / 480_000 * 3000) // 2, 1500)
    assert min(samples // 320, 1500) - 1 <= frames <= samples // 320


def test_positions_are_the_references(theirs):
    fresh = transformers.WhisperModel(transformers.WhisperConfig(**SIZES))
    positions = fresh.encoder.embed_positions.weight
    torch.testing.assert_close(sinusoids(200, 32), positions, atol=1e-6, rtol=0)


def test_a_whole_speech_to_text_model_and_an_encoder_alone(theirs, folder, tmp_path):
    expected = whisper_from_folder(folder).state_dict()
    tensors = load_file(folder / "model.safetensors")
    for place, names in {
        "whole": {f"model.{name.removeprefix('model.')}": t for name, t in tensors.items()},
        "alone": {
            name.split("encoder.", 1)[1]: t
            for name, t in tensors.items()
            if "encoder." in name and "decoder" not in name
        },
    }.items():
        (tmp_path / place).mkdir()
        copy = {name: tensor.clone() for name, tensor in names.items()}
        save_file(copy, tmp_path / place / "model.safetensors")
        (tmp_path / place / "config.json").write_text((folder / "config.json").read_text())
        found = whisper_from_folder(tmp_path / place).state_dict()
        assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "wav2vec2"}, "model_type is 'wav2vec2'"),
        ({"activation_function": "relu"}, "activation_function"),
        ({"encoder_layers": 3}, "tensors missing"),
        ({"d_model": None}, "d_model is missing"),
    ],
)
def test_what_does_not_fit_is_named(folder, tmp_path, change, message):
    config = json.loads((folder / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=message):
        whisper_from_folder(tmp_path)


def test_a_convolution_in_each_layer_is_ours_and_sees_no_padding():
    torch.manual_seed(0)
    config = WhisperConfig(
        mels=40, dim=32, heads=4, ffn_dim=64, layers=2, frames=100, padded=False, conv_kernel=3
    )
    without = Whisper(config.model_copy(update={"conv_kernel": None}))
    plain = {name for name, _ in without.named_parameters()}
    model = Whisper(config)
    model.initialise()
    added = {name for name, _ in model.named_parameters()} - plain
    assert {name.split(".")[2] for name in added} == {"conv", "conv_norm", "conv_out"}
    short, long = torch.randn(6400) * 0.1, torch.randn(16000) * 0.1
    alone = model(short[None])[0]
    batch = torch.zeros(2, 16000)
    batch[0, :6400], batch[1] = short, long
    together = model(batch, [6400, 16000])[0, : len(alone)]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
