"""Checkpoints with the layout of LLaST's published training code, fabricated at toy size."""

import os
from collections import OrderedDict

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earvoice.errors import CheckpointError
from earvoice.models.convert.llast import llm_of, map_llast, read_checkpoint
from earvoice.models.llm import LlamaConfig
from earvoice.models.whisper import WhisperConfig
from earvoice.nn.lora import lora_state
from earvoice.systems.llast import Llast, LlastConfig

ENCODER = WhisperConfig(dim=8, layers=2, heads=2, ffn_dim=12, frames=60)
LLM = LlamaConfig(vocab_size=40, dim=16, layers=3, heads=4, kv_heads=2, ffn_dim=24)
R_SPEECH, R_LLM = 2, 3


def lora(name, into, out, rank):
    return {
        f"{name}.lora_A.default.weight": torch.randn(rank, into).half(),
        f"{name}.lora_B.default.weight": torch.randn(out, rank).half(),
    }


def checkpoint():
    """Every tensor the training code saves, by its name."""
    torch.manual_seed(0)
    tensors = OrderedDict()
    for number, into in ((0, 8), (2, 16), (4, 16)):
        tensors[f"projector.model.{number}.weight"] = torch.randn(16, into).half()
        tensors[f"projector.model.{number}.bias"] = torch.randn(16).half()
    base = "speech_encoder.base_model.model"
    for side, blocks in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        for i in range(2):
            layer = f"{base}.{side}.layers.{i}"
            for block in blocks:
                for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
                    tensors |= lora(f"{layer}.{block}.{part}", 8, 8, R_SPEECH)
            tensors |= lora(f"{layer}.fc1", 8, 12, R_SPEECH)
            tensors |= lora(f"{layer}.fc2", 12, 8, R_SPEECH)
    for i in range(3):
        layer = f"llm.base_model.model.model.layers.{i}"
        for part, out in (("q_proj", 16), ("k_proj", 8), ("v_proj", 8), ("o_proj", 16)):
            tensors |= lora(f"{layer}.self_attn.{part}", 16, out, R_LLM)
        tensors |= lora(f"{layer}.mlp.gate_proj", 16, 24, R_LLM)
        tensors |= lora(f"{layer}.mlp.up_proj", 16, 24, R_LLM)
        tensors |= lora(f"{layer}.mlp.down_proj", 24, 16, R_LLM)
    return tensors


def write(content, path):
    path.parent.mkdir(exist_ok=True)
    torch.save(content, path)
    return path


def mapped(path):
    return map_llast(read_checkpoint(path), ENCODER, LLM, str(path))


@pytest.fixture
def deepspeed(tmp_path):
    """A folder as DeepSpeed makes it, with what it stores beside the weights."""
    content = {
        "module": checkpoint(),
        "optimizer": None,
        "param_shapes": [OrderedDict(a=torch.Size([2, 3]))],
        "global_steps": 100,
        "ds_config": {"fp16": {"enabled": True, "initial_scale_power": 16}},
        "dp_world_size": 2,
    }
    return write(content, tmp_path / "epoch_1.pth" / "mp_rank_00_model_states.pt").parent


def test_a_deepspeed_folder_fits_the_system(deepspeed):
    found = mapped(deepspeed)
    assert (found.adapter_layers, found.speech_rank, found.llm_rank) == (3, R_SPEECH, R_LLM)
    config = LlastConfig(
        encoder=ENCODER, llm=LLM,
        speech_lora={"rank": R_SPEECH, "alpha": 1.0}, llm_lora={"rank": R_LLM, "alpha": 1.5},
    )  # fmt: skip
    system = Llast(config)
    wanted = {**lora_state(system), **system.adapter.state_dict(prefix="adapter.")}
    assert {name: value.shape for name, value in found.tensors.items()} == {
        name: value.shape for name, value in wanted.items()
    }


def test_every_value_arrives_in_its_place(deepspeed):
    source, found = checkpoint(), mapped(deepspeed).tensors
    llm = "llm.base_model.model.model.layers.1."
    key = source[llm + "self_attn.k_proj.lora_A.default.weight"].float()
    assert torch.equal(found["lm.layers.1.qkv.lora_a"][1], key)
    up = source[llm + "mlp.up_proj.lora_B.default.weight"].float()
    assert torch.equal(found["lm.layers.1.gate_up.lora_b"][24:], up)
    fc2 = "speech_encoder.base_model.model.encoder.layers.1.fc2.lora_A.default.weight"
    assert torch.equal(found["encoder.layers.1.ffn_out.lora_a"][0], source[fc2].float())
    assert torch.equal(found["adapter.layers.2.bias"], source["projector.model.4.bias"].float())
    assert not any("decoder" in name for name in found)


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {"state_dict": t, "meta": {"epoch": 1}}])
def test_single_files(tmp_path, wrap):
    found = mapped(write(wrap(checkpoint()), tmp_path / "llast.pth"))
    assert len(found.tensors) == 6 + 2 * 2 * 6 + 3 * 2 * 4


def test_no_match_is_refused_with_the_names(tmp_path):
    path = write({"module": {"model.embed.weight": torch.ones(2, 2)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"model\.embed\.weight.*no LLaST checkpoint"):
        mapped(path)


@pytest.mark.parametrize("lost", ["projector.model.4.bias", "projector.model.2.weight",
    "llm.base_model.model.model.layers.2.mlp.up_proj.lora_B.default.weight",
    "speech_encoder.base_model.model.encoder.layers.0.fc1.lora_A.default.weight"])  # fmt: skip
def test_a_partial_match_is_refused(tmp_path, lost):
    tensors = checkpoint()
    del tensors[lost]
    with pytest.raises(CheckpointError, match=lost if "2.weight" not in lost else "not all of it"):
        mapped(write({"module": tensors}, tmp_path / "partial.pth"))


def test_a_missing_decoder_does_not_matter(tmp_path):
    tensors = {name: value for name, value in checkpoint().items() if ".decoder." not in name}
    assert mapped(write(tensors, tmp_path / "x.pth")).speech_rank == R_SPEECH


def test_unknown_misshapen_and_infinite_tensors_are_named(tmp_path):
    name = "llm.base_model.model.model.layers.0.self_attn.v_proj.lora_B.default.weight"
    for change, message in [
        ({"llm.new.weight": torch.ones(1)}, "unknown"),
        ({name: torch.ones(9, R_LLM)}, r"v_proj.*\(9, 3\), expected \(8, 3\)"),
        ({name: torch.full((8, R_LLM), torch.inf)}, "not finite"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            mapped(write({**checkpoint(), **change}, tmp_path / "x.pth"))


def test_several_model_parallel_parts_are_refused(deepspeed):
    write({}, deepspeed / "mp_rank_01_model_states.pt")
    with pytest.raises(CheckpointError, match="mp_rank_01"):
        read_checkpoint(deepspeed)


def test_the_width_names_the_published_model():
    weight = {"projector.model.0.weight": torch.empty(2048, 1280, device="meta")}
    assert llm_of(weight, "x").layers == 22
    with pytest.raises(CheckpointError, match="none of the published"):
        llm_of({"projector.model.0.weight": torch.ones(16, 8)}, "x")


class Payload:
    def __reduce__(self):
        return os.mkdir, ("evil-was-run",)


def test_nothing_in_a_checkpoint_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write({"module": checkpoint(), "extra": Payload()}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="never done"):
        read_checkpoint(path)
    assert not (tmp_path / "evil-was-run").exists()


def test_what_mmengine_adds_is_inert(tmp_path, monkeypatch):
    np = pytest.importorskip("numpy")
    import sys
    import types

    class HistoryBuffer:
        def __init__(self):
            self.values = np.arange(3.0)

    HistoryBuffer.__module__ = "mmengine.logging.history_buffer"
    HistoryBuffer.__qualname__ = "HistoryBuffer"
    for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["mmengine.logging.history_buffer"].HistoryBuffer = HistoryBuffer
    hub = {"log_scalars": OrderedDict(loss=HistoryBuffer())}
    path = write({"module": checkpoint(), "message_hub": hub}, tmp_path / "x.pth")
    monkeypatch.undo()
    assert mapped(path).llm_rank == R_LLM


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(checkpoint(), tmp_path_factory.mktemp("whole") / "llast.pth").read_bytes()


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_damage_is_an_error_or_harmless(whole, tmp_path, data):
    """Cut short, a bit flipped, or bytes overwritten: refused, or equal to the last bit."""
    damaged = bytearray(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["cut", "flip", "noise"]))
    if kind == "cut":
        del damaged[place:]
    elif kind == "flip":
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        noise = data.draw(st.binary(min_size=1, max_size=64))
        damaged[place : place + len(noise)] = noise
    path = tmp_path / "damaged.pth"
    path.write_bytes(damaged)
    try:
        found = mapped(path)
    except CheckpointError:
        return
    path.write_bytes(whole)
    expected = mapped(path).tensors
    assert all(torch.equal(found.tensors[name], value) for name, value in expected.items())


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_any_other_file_is_refused(tmp_path, content):
    path = tmp_path / "random.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
