"""Other causal language models of transformers behind our face: same stream, same text."""

import dataclasses

import numpy as np
import pytest
import torch

from earvoice.audio import Audio
from earvoice.errors import CheckpointError, UsageError
from earvoice.models.convert.llama import llama_config, llama_from_folder, llama_plan, map_llama
from earvoice.models.llm import Attentive, Llama
from earvoice.nn.masks import TEXT, Entries, causal
from earvoice.policies import HoldN, WaitK
from earvoice.session import Request
from earvoice.sessions.layout import SteppedTarget
from earvoice.systems.fasst import Fasst
from tests.tiny import fasst, fasst_config, tokenizer

transformers = pytest.importorskip("transformers")
llm_hf = pytest.importorskip("earvoice.models.llm_hf")


def small(config_class, **changes):
    sizes = {
        "vocab_size": 40,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 48,
    }
    return config_class(**{**sizes, **changes})


def as_theirs(lm):
    """Our decoder's weights in a LlamaForCausalLM."""
    config = lm.config
    theirs = transformers.LlamaForCausalLM(
        small(
            transformers.LlamaConfig,
            vocab_size=config.vocab_size,
            hidden_size=config.dim,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            intermediate_size=config.ffn_dim,
            rms_norm_eps=config.norm_eps,
            tie_word_embeddings=config.tie_embeddings,
        )
    ).eval()
    target, source = theirs.state_dict(), lm.state_dict()
    for name, parts in llama_plan(config).items():
        sizes = [target[part].shape[0] for part in parts]
        for part, piece in zip(parts, source[name].split(sizes), strict=True):
            target[part].copy_(piece)
    return theirs


@pytest.fixture(scope="module", params=[True, False], ids=["faithful", "holding"])
def systems(request):
    """The same FASST twice: over our decoder and over transformers'."""
    changes = {"faithful": request.param, "window_segments": 8, "keep_segments": 4}
    ours = fasst(seed=5, **changes)
    other = Fasst(fasst_config(**changes), lm=llm_hf.HfLanguageModel(as_theirs(ours.lm))).eval()
    for part in ("encoder", "adapter"):
        getattr(other, part).load_state_dict(getattr(ours, part).state_dict())
    return ours, other.requires_grad_(False)


def recorded(system):
    """An interpreter, and the list its logits go to."""
    interpreter, seen = system.interpreter(tokenizer()), []
    interpreter.settings = dataclasses.replace(interpreter.settings, max_tokens=6)
    logits = type(interpreter.lm).logits

    def record(hidden):
        scores = logits(system.lm, hidden)
        seen.extend(scores)
        return scores

    system.lm.logits = record
    return interpreter, seen


def run(system, policy, segments, streams=1):
    """Texts of streams that advance together, and all logits."""
    interpreter, seen = recorded(system)
    sessions = [interpreter.open(Request("en", "de", policy)) for _ in range(streams + 1)]
    del sessions[0]  # a gap: the rows of the streams are not the first ones
    size = segments * system.segment_samples
    generator = np.random.default_rng(1)
    for session in sessions:
        noise = 0.1 * generator.standard_normal(size).astype(np.float32)
        session.feed(Audio.of(noise))
    texts = [[] for _ in sessions]
    for _ in range(segments):
        for said, events in zip(texts, interpreter.advance(sessions), strict=True):
            said += events
    for said, session in zip(texts, sessions, strict=True):
        said += session.finish()
    del system.lm.logits
    return texts, seen


@pytest.mark.parametrize("policy", [WaitK(2, 2), HoldN(2)], ids=["wait-k", "hold-n"])
def test_the_same_stream_gives_the_same_logits_and_text(systems, policy):
    ours, other = systems
    segments = 11 if isinstance(policy, WaitK) else 4  # beyond the window: the cache is renumbered
    expected, logits = run(ours, policy, segments)
    found, theirs = run(other, policy, segments)
    assert [type(event).__name__ for event in expected[0]].count("Commit") >= 1
    assert found == expected
    assert len(theirs) == len(logits)
    worst = max(float((a - b).abs().max()) for a, b in zip(logits, theirs, strict=True))
    assert worst <= 1e-4 * max(1.0, float(logits[0].abs().max()))


def test_streams_at_once(systems):
    ours, other = systems
    assert run(other, WaitK(2, 2), 5, streams=3)[0] == run(ours, WaitK(2, 2), 5, streams=3)[0]


def test_training_layout(systems):
    ours, other = systems
    samples = 0.1 * torch.randn(2, 3 * ours.segment_samples)
    other.bind(tokenizer())
    ids = tokenizer().encode("das ist ein Haus")
    target = SteppedTarget(ids, [2] * len(ids), [True] * len(ids), [(len(ids), 3)], 2, 3, 2)
    hidden = [system.training_forward(system(samples), [target] * 2)[0] for system in systems]
    torch.testing.assert_close(hidden[0], hidden[1], atol=1e-4, rtol=1e-4)


def test_from_folder(tmp_path):
    reference = transformers.LlamaForCausalLM(small(transformers.LlamaConfig)).eval()
    reference.save_pretrained(tmp_path)
    theirs, ours = llm_hf.HfLanguageModel.from_folder(tmp_path), llama_from_folder(tmp_path)
    ids = torch.randint(40, (2, 9))
    order = torch.arange(9).expand(2, -1)
    entries = Entries(order, order, torch.full_like(order, TEXT), torch.zeros_like(order))
    with torch.no_grad():
        found = [m.logits(m(m.embed(ids), entries, mask=causal)) for m in (theirs, ours)]
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)
    with pytest.raises(CheckpointError, match="cannot load"):
        llm_hf.HfLanguageModel.from_folder(tmp_path / "nowhere")


def text(position):
    position = torch.tensor([position])
    return Entries(position, position, torch.full_like(position, TEXT), torch.zeros_like(position))


def test_partly_rotary_heads_can_be_renumbered():
    torch.manual_seed(0)
    config = small(transformers.GPTNeoXConfig, rotary_pct=0.5, hidden_size=32)
    lm = llm_hf.HfLanguageModel(transformers.GPTNeoXForCausalLM(config).eval())
    assert lm.can_reanchor
    ids = torch.randint(40, (1, 6))
    kept, positions = [0, 2, 4, 5], [0, 1, 2, 3]
    with torch.inference_mode():
        state = lm.init_state(2, 10)
        lm(lm.embed(ids), text([0, 3, 4, 5, 9, 10]), state, [1])
        lm.reanchor(state, 1, np.array(kept), np.array(positions))
        live = lm(lm.embed(ids[:, :1]), text([4]), state, [1], None)
        again = torch.cat([ids[:, kept], ids[:, :1]], dim=1)
        fresh = lm(lm.embed(again), text([*positions, 4]))[:, -1:]
    torch.testing.assert_close(live, fresh, atol=1e-5, rtol=1e-4)


def test_learnt_positions_cannot_be_renumbered():
    config = transformers.GPT2Config(vocab_size=40, n_embd=32, n_layer=1, n_head=2)
    lm = llm_hf.HfLanguageModel(transformers.GPT2LMHeadModel(config).eval())
    assert not lm.can_reanchor
    with torch.inference_mode():
        state = lm.init_state(1, 8)
        lm(lm.embed(torch.ones(1, 3, dtype=torch.long)), text([0, 1, 2]), state, [0])
        with pytest.raises(UsageError, match="GPT2LMHeadModel.*window_segments"):
            lm.reanchor(state, 0, np.array([0, 2]), np.array([0, 1]))


def test_rotation_that_depends_on_the_length_is_not_turned():
    rope = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    config = small(transformers.LlamaConfig, rope_parameters=rope, max_position_embeddings=64)
    lm = llm_hf.HfLanguageModel(transformers.LlamaForCausalLM(config).eval())
    assert not lm.can_reanchor


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: transformers.MistralForCausalLM(
                small(transformers.MistralConfig, num_key_value_heads=2, sliding_window=8)
            ),
            "DynamicSlidingWindowLayer",
        ),
        (
            lambda: transformers.GraniteForCausalLM(
                small(transformers.GraniteConfig, logits_scaling=3.0)
            ),
            "scaling or capping",
        ),
    ],
    ids=["window", "scaled"],
)
def test_models_that_a_session_cannot_follow_are_refused(make, message):
    with pytest.raises(CheckpointError, match=message):
        llm_hf.HfLanguageModel(make().eval())


def test_attention_that_ignores_masks_is_refused():
    model = transformers.LlamaForCausalLM(small(transformers.LlamaConfig))
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(CheckpointError, match="flash_attention_2"):
        llm_hf.HfLanguageModel(model)


def test_eager_attention_gives_the_same():
    config = small(transformers.LlamaConfig)
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).eval()
    lm = llm_hf.HfLanguageModel(model)
    x = lm.embed(torch.randint(40, (1, 5)))
    with torch.no_grad():
        first = lm(x, text([0, 1, 2, 3, 4]))
        model.set_attn_implementation("eager")
        torch.testing.assert_close(lm(x, text([0, 1, 2, 3, 4])), first, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("heads", [None, (1, 3)])
def test_attention_is_ours_and_the_fast_kernel_comes_back(heads):
    """The weights of a layer through both faces of the same Llama; nothing else changes."""
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
    )
    inner = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in inner.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8.0)
    theirs = llm_hf.HfLanguageModel(inner)
    same = llama_config(config.to_dict(), "test")
    ours = Llama(same).eval()
    ours.load_state_dict(map_llama(inner.state_dict(), same, "test"))
    x = torch.randn(1, 12, 32)
    place = torch.arange(12)[None]
    whole = Entries(place, place, torch.zeros_like(place), torch.zeros_like(place))
    start, end = (Entries(*(p[:, a:b] for p in vars(whole).values())) for a, b in ((0, 7), (7, 12)))
    assert isinstance(theirs, Attentive)
    assert (theirs.depth, theirs.width) == (ours.depth, ours.width) == (3, 4)
    for layer in range(3):
        found = []
        with torch.no_grad():
            for lm in (ours, theirs):
                cache = lm.init_state(2, 16)
                lm(x[:, :7], start, cache, [1])
                found.append(lm.attention(x[:, 7:], end, cache, [1], layer, heads))
                cache.pop(1, 5)
                assert int(cache.length[1]) == 7
        torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found[0].sum(-1), torch.ones(1, 5))
    assert inner.config._attn_implementation == "sdpa"
