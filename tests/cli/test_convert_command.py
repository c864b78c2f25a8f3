"""`earvoice convert llast`: from a fabricated checkpoint to an adaptation, and to a model."""

import json

import pytest
import torch

from earvoice import load
from earvoice.audio import Audio
from earvoice.cli import main
from earvoice.events import Finished
from earvoice.loading import load_system
from earvoice.models.files import read_safetensors
from earvoice.nn.lora import is_lora
from earvoice.nn.masks import Entries
from earvoice.session import Request
from earvoice.text.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A Whisper, a Llama with its tokenizer, and what LLaST's training code saves of them."""
    root = tmp_path_factory.mktemp("original")
    texts = ["we go to the house", "das ist ein Haus"] * 30
    tokenizer = Tokenizer.train(texts, 320)
    torch.manual_seed(0)
    whisper = transformers.WhisperModel(transformers.WhisperConfig(
        vocab_size=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
        d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24,
        max_source_positions=100,
    ))  # fmt: skip
    llm = transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, intermediate_size=24,
    ))  # fmt: skip
    whisper.save_pretrained(root / "whisper")
    llm.save_pretrained(root / "llm")
    tokenizer.save(root / "llm")
    state = {}
    for name, model, rank in (("speech_encoder", whisper, 4), ("llm", llm, 6)):
        spec = peft.LoraConfig(r=rank, lora_alpha=rank / 2, target_modules="all-linear")
        peft.inject_adapter_in_model(spec, model)
        for key, value in model.named_parameters():
            if "lora_" in key:
                torch.nn.init.normal_(value)
                state[f"{name}.base_model.model.{key}"] = value.detach().clone()
    for number, width in ((0, 16), (2, 16), (4, 16)):
        state[f"projector.model.{number}.weight"] = torch.randn(16, width)
        state[f"projector.model.{number}.bias"] = torch.randn(16)
    folder = root / "epoch_1.pth"
    folder.mkdir()
    torch.save({"module": state, "ds_version": "0.14"}, folder / "mp_rank_00_model_states.pt")
    return root, whisper.eval(), llm.eval(), state


def stored(model):
    """The original with its LoRA merged by peft, and the weights as a model folder has them."""
    for module in model.modules():
        if isinstance(module, peft.tuners.lora.LoraLayer):
            module.merge()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    return model


def bases(root):
    return ["--encoder", str(root / "whisper"), "--llm", str(root / "llm")]


def test_a_merged_model_does_what_the_original_does(original, tmp_path, capsys):
    root, whisper, llm, state = original
    out = tmp_path / "model"
    assert (
        main(["convert", "llast", str(root / "epoch_1.pth"), "--out", str(out), *bases(root)]) == 0
    )
    assert "tensors" in capsys.readouterr().out
    system, _ = load_system(out)
    assert not any(is_lora(name) for name in system.state_dict())
    whisper, llm = stored(whisper), stored(llm)
    samples = torch.randn(1, 16000) / 10
    mel = system.encoder.features(torch.nn.functional.pad(samples, (0, 16000)))
    with torch.no_grad():
        x = whisper.encoder(mel).last_hidden_state[:, :50]
        for number in (0, 2, 4):
            x = torch.nn.functional.gelu(x) if number else x
            weight, bias = (
                state[f"projector.model.{number}.{leaf}"].bfloat16().float()
                for leaf in ("weight", "bias")
            )
            x = torch.nn.functional.linear(x, weight, bias)
        assert (system(samples) - x).abs().max() < 1e-3 * x.abs().max()
        order = torch.arange(9)[None]
        zeros = torch.zeros_like(order)
        hidden = system.lm(system.embed(order + 5), Entries(order, order, zeros, zeros))
        expected = llm(order + 5).logits
        assert (system.lm.logits(hidden) - expected).abs().max() < 1e-3 * expected.abs().max()
    session = load(out).open(Request("fr", "en"))
    events = session.push(Audio(samples.numpy(), 16000)) + session.finish()
    assert events[-1] == Finished()
    card = json.loads((out / "model.json").read_text())
    assert card["system"] == "llast"
    assert {"fr", "en", "ja"} <= set(card["src_langs"])


def test_refusals_have_one_line_and_a_code(original, tmp_path, capsys):
    root, *_ = original
    checkpoint = str(root / "epoch_1.pth")
    for arguments, code, text in [
        ([checkpoint, "--out", str(tmp_path / "a")], 4, "none of the published"),
        ([str(tmp_path / "no"), "--out", str(tmp_path / "a")], 2, "there is no checkpoint"),
        ([checkpoint, "--out", str(root), *bases(root)], 2, "is there already"),
        ([checkpoint, "--out", str(tmp_path / "a"), "--llm", "x"], 2, "belong together"),
    ]:
        assert main(["convert", "llast", *arguments]) == code
        error = capsys.readouterr().err
        assert text in error
        assert error.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_an_adaptation_alone(original, tmp_path):
    from earvoice.models.convert import llast
    from earvoice.models.llm import LlamaConfig
    from earvoice.models.whisper import WhisperConfig
    from earvoice.systems.llast import Llast, LlastConfig
    from earvoice.train.adaptation import adaptation_of, apply_adaptation, write_adaptation

    root = original[0]
    llm = LlamaConfig(vocab_size=320, dim=16, layers=2, heads=4, kv_heads=2, ffn_dim=24)
    encoder = WhisperConfig(dim=16, layers=2, heads=2, ffn_dim=24, frames=100)
    tensors = llast.read_checkpoint(root / "epoch_1.pth")
    found = llast.map_llast(tensors, encoder, llm, "checkpoint")
    config = LlastConfig(
        encoder=encoder, llm=llm,
        speech_lora={"rank": 4, "alpha": 2.0}, llm_lora={"rank": 6, "alpha": 3.0},
    )  # fmt: skip
    folder = write_adaptation(found.tensors, config.model_dump_json(), tmp_path / "adaptation")
    assert read_safetensors(folder / "adaptation.safetensors").keys() == found.tensors.keys()
    system = Llast(config)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    apply_adaptation(system, folder)
    assert all(torch.equal(adaptation_of(system)[n], v) for n, v in found.tensors.items())
    still = [name for name in before if name not in found.tensors]
    assert all(torch.equal(system.state_dict()[name], before[name]) for name in still)
