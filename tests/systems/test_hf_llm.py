"""Systems around a language model of transformers: recipe, LoRA, saving, merging, loading."""

import json
import sys

import pytest
import torch

from earvoice.cli import main
from earvoice.config import load_yaml, parse
from earvoice.errors import CheckpointError, ConfigError, UsageError
from earvoice.loading import load_system
from earvoice.models.adapters import ConvShrinkConfig
from earvoice.models.llm_config import HfLlmConfig, build_lm
from earvoice.models.lora import LoraConfig, merged_state
from earvoice.models.splice import Answer
from earvoice.models.whisper import WhisperConfig
from earvoice.nn.lora import is_lora, lora_state
from earvoice.systems.llast import Llast, LlastConfig
from earvoice.systems.lst import Lst
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.adaptation import adaptation_of, apply_adaptation, write_adaptation
from earvoice.train.export import write_model
from earvoice.train.freeze import freeze
from tests.tiny import lst_config

transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "initializer_range": 0.1,
}  # fmt: skip
FAMILIES = {  # shape: (configuration, what is its own, its chat template)
    "llama": ("Llama", {}, "llama3"),
    "tinyllama": ("Llama", {"rope_theta": 10000.0}, "tinyllama"),
    "mistral": ("Mistral", {"sliding_window": None, "head_dim": 8}, "mistral"),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}, "qwen2"),
    "qwen3": ("Qwen3", {"head_dim": 16}, "qwen3"),
    "gemma": ("Gemma", {"head_dim": 16}, "gemma"),
    "gpt-neox": ("GPTNeoX", {}, "zephyr"),
}
SPECIALS = (
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<bos>",
    "<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>", "<think>", "</think>",
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    texts = ["das ist ein Haus und ein Garten.", "we go to the house.", "Please translate"] * 30
    return Tokenizer.train(texts, 340, extra_specials=SPECIALS)


def saved(name, folder, tokenizer, rows=None, **changes):
    torch.manual_seed(0)
    kind, own, _ = FAMILIES[name]
    sizes = {**SIZES, **own, "vocab_size": rows or tokenizer.vocab_size, **changes}
    if kind == "GPTNeoX":
        sizes.pop("num_key_value_heads")
    config = getattr(transformers, f"{kind}Config")(**sizes)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save(folder / "tokenizer.json")
    return folder


def llast(folder, name, tokenizer, **changes):
    torch.manual_seed(1)
    config = LlastConfig(
        **{
            "directions": ("en-de",),
            "encoder": WhisperConfig(dim=16, layers=1, heads=2, ffn_dim=16, frames=60),
            "llm": HfLlmConfig(folder=str(folder), vocab_size=tokenizer.vocab_size),
            "chat": FAMILIES[name][2],
            "speech_lora": LoraConfig(rank=2, alpha=2.0, dropout=0.0),
            "llm_lora": LoraConfig(rank=4, alpha=4.0, dropout=0.0),
            "beams": 2,
            "max_tokens": 4,
            **changes,
        }
    )
    system = Llast(config)
    system.initialise()
    system.bind(tokenizer)
    return system


def step(system, tokenizer, steps=3):
    """A few steps on one batch; the losses."""
    samples = 0.1 * torch.randn(2, 9000, generator=torch.Generator().manual_seed(3))
    prompts = [system.prompt(tokenizer, "en", "de")] * 2
    answers = [Answer(*system.chat.encode_answer(tokenizer, text))
               for text in ("das ist ein Haus", "ein Garten")]  # fmt: skip
    learnt = [p for p in system.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learnt, lr=1e-2)
    losses = []
    for _ in range(steps):
        hidden, row = system.training_forward(samples, [9000, 6000], prompts, answers)
        counted = row.labels != -100
        logits = system.lm.logits(hidden[counted])
        loss = torch.nn.functional.cross_entropy(logits, row.labels[counted])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses, hidden.detach()


@pytest.mark.parametrize("name", FAMILIES)
def test_llast_learns_saves_loads_and_merges(name, tokenizer, tmp_path):
    folder = saved(name, tmp_path / "llm", tokenizer)
    system = llast(folder, name, tokenizer)
    names = freeze(system, ["adapter.*", "*.lora_*"])
    assert all(is_lora(one) or one.startswith("adapter.") for one in names)
    assert any("lm." in one for one in names)
    assert any("encoder." in one for one in names)
    assert not any("lm_head" in one or "embed_out" in one for one in names)
    before = {key: value.clone() for key, value in system.state_dict().items()}
    losses, _ = step(system, tokenizer)
    assert losses[-1] < losses[0]
    changed = {key for key, value in system.state_dict().items() if not value.equal(before[key])}
    assert changed <= set(names)

    # LoRA alone, onto a fresh base of the same folder.
    write_adaptation(adaptation_of(system), "{}", tmp_path / "adaptation")
    again = llast(folder, name, tokenizer)
    apply_adaptation(again, tmp_path / "adaptation")
    _, expected = step(system.eval(), tokenizer, 1)
    apply_adaptation(system, tmp_path / "adaptation")
    _, expected = step(system, tokenizer, 1)
    _, found = step(again.eval(), tokenizer, 1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)

    # Merged into an exported model, which needs the folder no more.
    apply_adaptation(system, tmp_path / "adaptation")
    write_model(system, tokenizer, system.config, "test", tmp_path / "model")
    plain = merged_state(system)
    assert not any(is_lora(key) or "base_layer" in key for key in plain)
    settings = json.loads((tmp_path / "model/config.json").read_text())["llm"]
    assert settings["folder"] == ""
    folder.rename(tmp_path / "gone")
    loaded, vocabulary = load_system(tmp_path / "model")
    assert vocabulary == tokenizer
    assert loaded.state_dict().keys() == plain.keys()
    for key, value in loaded.state_dict().items():
        torch.testing.assert_close(value, plain[key].bfloat16().float(), atol=0, rtol=0)
    session = loaded.interpreter(tokenizer)
    assert session.settings.search.beams == 2


def test_an_adaptation_beside_such_a_model_is_merged_without_its_folder(tokenizer, tmp_path):
    folder = saved("gemma", tmp_path / "llm", tokenizer)
    plain = llast(folder, "gemma", tokenizer, speech_lora=None, llm_lora=None)
    base, whole = tmp_path / "base", tmp_path / "whole"
    write_model(plain, tokenizer, plain.config, "base", base)
    system = llast(folder, "gemma", tokenizer)
    for key, value in load_system(base)[0].state_dict().items():
        places = [key, f"{key.rpartition('.')[0]}.base_layer.{key.rpartition('.')[2]}"]
        own = system.state_dict()
        own[next(place for place in places if place in own)].copy_(value)
    freeze(system, ["adapter.*", "*.lora_*"])
    step(system, tokenizer)
    write_model(system, tokenizer, system.config, "whole", whole)
    settings = system.config.model_dump_json()
    write_adaptation(adaptation_of(system), settings, tmp_path / "adaptation")
    folder.rename(tmp_path / "gone")
    where = [str(tmp_path / "adaptation"), "--base", str(base), "--out", str(tmp_path / "out")]
    assert main(["convert", "adaptation", *where]) == 0
    for file in ("model.safetensors", "config.json"):
        assert (tmp_path / "out" / file).read_bytes() == (whole / file).read_bytes()


def test_a_merged_model_does_the_same(tokenizer, tmp_path):
    folder = saved("gemma", tmp_path / "llm", tokenizer)
    system = llast(folder, "gemma", tokenizer).eval()
    with torch.no_grad():
        for key, value in system.named_parameters():
            if "lora_B" in key or "lora_b" in key:
                value.normal_(std=0.1)
    plain = llast(folder, "gemma", tokenizer, speech_lora=None, llm_lora=None).eval()
    assert not lora_state(plain)
    _, other = step(plain, tokenizer, 1)
    plain.load_state_dict(merged_state(system))
    expected, found = (step(one, tokenizer, 1)[1] for one in (system, plain))
    assert (found - other).abs().max() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_lst_grows_the_table_for_its_markers(tokenizer, tmp_path):
    folder = saved("gemma", tmp_path / "llm", tokenizer, rows=tokenizer.vocab_size - 3)
    config = lst_config().model_copy(
        update={
            "llm": HfLlmConfig(folder=str(folder), vocab_size=tokenizer.vocab_size),
            "adapter": ConvShrinkConfig(layers=1, hidden=32),
        }
    )
    system = Lst(config)
    system.initialise()
    system.bind(tokenizer)
    table = system.lm.embed(torch.arange(tokenizer.vocab_size))
    assert table.shape == (tokenizer.vocab_size, 32)
    torch.testing.assert_close(table[-1], table[:-3].mean(0))
    names = freeze(system, ["adapter.*", "markers", "lm.*"])
    ids = [tokenizer.sp_start_id, *tokenizer.encode("Haus"), tokenizer.sp_end_id]
    assert system.embed(torch.tensor(ids)).isfinite().all()
    hidden, labels = system.training_forward([torch.randn(5, 32)], [Answer((7, 8), 2)])
    counted = labels != -100
    loss = torch.nn.functional.cross_entropy(system.lm.logits(hidden[counted]), labels[counted])
    loss.backward()
    parameters = dict(system.named_parameters())
    assert all(parameters[name].grad is not None for name in names if name.startswith("lm."))


def test_rows_beyond_the_vocabulary_are_never_written(tokenizer, tmp_path):
    folder = saved("qwen3", tmp_path, tokenizer, rows=tokenizer.vocab_size + 60)
    lm = build_lm(HfLlmConfig(folder=str(folder), vocab_size=tokenizer.vocab_size))
    assert lm.logits(torch.randn(2, 32)).shape == (2, tokenizer.vocab_size)


def test_a_recipe_names_a_folder(tokenizer, tmp_path):
    from earvoice.train.stage import RecipeConfig
    from earvoice.train.vocabulary import vocabulary

    folder = saved("gemma", tmp_path / "llm", tokenizer)
    given = [f"system.llm={{folder: {folder}}}", "system.chat=gemma"]
    recipe = load_yaml("recipes/llast/tiny.yaml", RecipeConfig, given)
    assert recipe.system.llm == HfLlmConfig(folder=str(folder))
    (tmp_path / "out").mkdir()
    assert vocabulary(recipe, tmp_path / "out", {}) == tokenizer
    plain = Tokenizer.train(["das ist ein Haus"] * 9, 300)
    bare = plain._definition.replace("sp_start", "other").replace("sp_end", "another")
    (folder / "tokenizer.json").write_text(bare)
    lst = load_yaml("recipes/lst/tiny.yaml", RecipeConfig, given[:1])
    (tmp_path / "lst").mkdir()
    found = vocabulary(lst, tmp_path / "lst", {})
    assert found.has_control("<sp_end>")
    assert vocabulary(lst, tmp_path / "lst", {}) == found
    with pytest.raises(ConfigError, match=r"system.llm.dim is unknown.*folder, settings"):
        load_yaml("recipes/llast/tiny.yaml", RecipeConfig, ["system.llm.folder=x"])
    with pytest.raises(ConfigError, match="it must be one of tinyllama, llama2, zephyr"):
        load_yaml("recipes/llast/tiny.yaml", RecipeConfig, ["system.chat=gema"])
    with pytest.raises(ConfigError, match=r"system.llm.dims is unknown; did you mean 'dim'"):
        load_yaml("recipes/llast/tiny.yaml", RecipeConfig, ["system.llm.dims=4"])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"folder": "x", "settings": {"model_type": "gemma"}}, "one of folder and settings"),
        ({"settings": {"model_type": "gemma"}, "nf4": True}, "nf4 needs a folder"),
    ],
)
def test_contradictions_are_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        parse(config, HfLlmConfig)


def test_what_transformers_does_not_know_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="transformers cannot load it"):
        build_lm(HfLlmConfig(folder=str(tmp_path)))
    with pytest.raises(CheckpointError, match="transformers has no such model.*hal9000"):
        build_lm(HfLlmConfig(settings={"model_type": "hal9000"}))


def test_four_bits_without_bitsandbytes(tokenizer, tmp_path, monkeypatch):
    folder = saved("gemma", tmp_path, tokenizer)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"llm.nf4 is true, but bitsandbytes is not installed"):
        build_lm(HfLlmConfig(folder=str(folder), nf4=True))


def test_four_bits(tokenizer, tmp_path):
    pytest.importorskip("bitsandbytes")
    blocks = {"hidden_size": 64, "intermediate_size": 64}  # of 64 weights that share a scale
    folder = saved("gemma", tmp_path / "llm", tokenizer, **blocks)
    plain = llast(folder, "gemma", tokenizer, speech_lora=None, llm_lora=None).eval()
    llm = HfLlmConfig(folder=str(folder), vocab_size=tokenizer.vocab_size, nf4=True)
    system = llast(folder, "gemma", tokenizer, llm=llm)
    linear = system.lm.model.model.layers[0].self_attn.q_proj.base_layer
    assert type(linear).__name__ == "Linear4bit"
    assert all(is_lora(key) for key in system.lm.state_dict())
    freeze(system, ["adapter.*", "*.lora_*"])
    losses, _ = step(system, tokenizer)
    assert losses[-1] < losses[0]
    state = system.state_dict()
    system.load_state_dict(state)
    merged = merged_state(system)
    assert merged.keys() == plain.state_dict().keys()
    name = "lm.model.model.layers.0.self_attn.q_proj.weight"
    assert merged[name].shape == plain.state_dict()[name].shape
    assert not linear.weight.is_floating_point()
    error = (merged[name] - plain.state_dict()[name]).abs().mean()
    assert error < 0.5 * plain.state_dict()[name].abs().mean()  # of four bits and three steps
