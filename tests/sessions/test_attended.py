"""What a draft attends to: against the formula, and through a session."""

import math

import numpy as np
import pytest
import torch

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Commit
from earvoice.models.llm import Llama, LlamaConfig
from earvoice.nn.attention import rotary_angles, rotate
from earvoice.nn.masks import PROMPT, SPEECH, TEXT, Entries, causal
from earvoice.policies import AlignAtt, WaitK
from earvoice.session import Request
from earvoice.sessions.attended import AlignAttConfig, attended_frames, by_words, completed
from tests.tiny import fasst, lst, tokenizer

RATE = 16000


@pytest.fixture(scope="module")
def lm():
    torch.manual_seed(2)
    config = LlamaConfig(vocab_size=30, dim=32, layers=3, heads=4, kv_heads=2, ffn_dim=48)
    model = Llama(config).eval()
    model.initialise(0.3)
    return model.requires_grad_(False)


def weights_by_formula(lm, x, layer):
    """softmax(q k / sqrt d) of a causal pass without a cache. [H, T, T]"""
    place = torch.arange(len(x))[None]
    entries = Entries(place, place, place * 0, place * 0)
    cos, sin = rotary_angles(place, lm.head_dim, lm.config.rope_theta)
    hidden = x[None]
    for block in lm.layers[:layer]:
        q, k, v = (part.transpose(1, 2) for part in block.project(hidden, cos, sin))
        allowed = causal(entries, entries)[:, None]
        scores = (q @ k.repeat_interleave(2, 1).transpose(-1, -2)) / math.sqrt(lm.head_dim)
        spread = scores.masked_fill(~allowed, -math.inf).softmax(-1)
        hidden = block.finish(hidden, spread @ v.repeat_interleave(2, 1))
    q, k, _ = (part.transpose(1, 2) for part in lm.layers[layer].project(hidden, cos, sin))
    scores = (q @ k.repeat_interleave(2, 1).transpose(-1, -2)) / math.sqrt(lm.head_dim)
    return scores.masked_fill(~causal(entries, entries)[:, None], -math.inf).softmax(-1)[0]


def filled(lm, cache, row, x, kinds):
    place = torch.arange(len(x))[None]
    entries = Entries(place, place, torch.tensor([kinds]), place * 0)
    lm(x[None], entries, cache, [row])


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("heads", [None, (1, 3)])
def test_weights_are_the_formula(lm, layer, heads):
    torch.manual_seed(layer)
    x = torch.randn(12, 32)
    cache = lm.init_state(3, 20)
    filled(lm, cache, 1, x[:8], [PROMPT] * 8)
    before = cache.save_row(1)
    place = torch.arange(8, 12)[None]
    entries = Entries(place, place, place * 0 + TEXT, place * 0)
    found = lm.attention(x[None, 8:], entries, cache, [1], layer, heads)
    expected = weights_by_formula(lm, x, layer)
    chosen = expected if heads is None else expected[list(heads)]
    torch.testing.assert_close(found[0], chosen.mean(0)[8:], atol=1e-5, rtol=1e-5)
    cache.pop(1, 4)
    after = cache.save_row(1)
    assert after["length"] == before["length"]
    torch.testing.assert_close(after["k"][:, :8], before["k"][:, :8])


def test_rows_of_different_lengths(lm):
    """Each row as if it were alone, 0 behind its end."""
    x = torch.randn(14, 32)
    cache = lm.init_state(4, 20)
    for row, count in ((0, 12), (1, 3), (3, 5)):
        filled(lm, cache, row, x[:count], [PROMPT] * count)
    place = torch.tensor([[12, 13], [3, 4], [5, 6]])
    entries = Entries(place, place, place * 0 + TEXT, place * 0)
    both = lm.attention(x[None, :2].expand(3, -1, -1), entries, cache, [0, 1, 3], 1)
    for item, (row, count) in enumerate(((0, 12), (1, 3), (3, 5))):
        cache.pop(row, 2)
        own = Entries(*(part[item : item + 1] for part in (place, place, place * 0, place * 0)))
        alone = lm.attention(x[None, :2], own, cache, [row], 1)[0]
        torch.testing.assert_close(both[item, :, : count + 2], alone)
        assert not both[item, :, count + 2 :].any()


def test_only_speech_counts(lm):
    """Frames are columns of speech, numbered from the first of them."""
    torch.manual_seed(0)
    x = torch.randn(11, 32)
    kinds = [PROMPT] * 2 + [SPEECH] * 5 + [PROMPT] * 2
    cache = lm.init_state(1, 20)
    filled(lm, cache, 0, x[:9], kinds)
    cache.pop(0)  # the last entry of the prompt predicts the first piece
    frames = attended_frames(lm, cache, 0, x[8:], 1, None)
    expected = weights_by_formula(lm, x, 1).mean(0)[8:, 2:7].argmax(-1)
    assert frames == tuple(expected.tolist())
    assert int(cache.length[0]) == 8
    assert attended_frames(lm, cache, 0, x[:0], 1, None) == ()


def test_keys_can_be_built_to_point_at_a_frame(lm):
    """One key that every query likes wins, wherever it stands."""
    x = torch.zeros(8, 32)
    cache = lm.init_state(1, 20)
    filled(lm, cache, 0, x + 0.1, [PROMPT] + [SPEECH] * 6 + [PROMPT])
    q, _, _ = lm.layers[0].project(x[None, :1] + 0.1, *rotary_angles(torch.tensor([[7]]), 8, 1e4))
    cos, sin = rotary_angles(torch.zeros(1, 1, dtype=torch.long), 8, 1e4)
    for frame in range(6):
        cache.k[0, 0, 1:7] = 0
        cache.k[0, 0, 1 + frame] = 50 * rotate(q[:, :, ::2], cos, sin)[0, 0]
        cache.pop(0)
        assert attended_frames(lm, cache, 0, x[:1] + 0.1, 0, (0, 2)) == (frame,)
        cache.length[0] = 8


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([0, 2, 3], ((5, 6), (7,))),
        ([1, 2, 3], ((5, 6), (7,))),  # a piece before the first word belongs to it
        ([3], ()),
        ([2, 3], ((5, 6, 7),)),
    ],
)
def test_frames_of_words(edges, expected):
    assert by_words((5, 6, 7), edges) == expected


def test_what_is_not_said_comes_from_the_model(lm):
    config = AlignAttConfig(frames=6, layer=1)
    assert completed(AlignAtt(), config, lm) == AlignAtt(6, 1)
    assert completed(AlignAtt(2, 0), config, lm) == AlignAtt(2, 0)
    assert completed(AlignAtt(), AlignAttConfig(), lm) == AlignAtt(4, 1)  # 3 * 11 / 32
    assert completed(WaitK(), config, lm) == WaitK()


@pytest.mark.parametrize(
    ("policy", "config", "message"),
    [
        (AlignAtt(layer=3), AlignAttConfig(), "layer is 3, this model's .* has 3 layers, 0 to 2"),
        (AlignAtt(), AlignAttConfig(layer=9), "layer is 9"),
        (AlignAtt(), AlignAttConfig(heads=(0, 4)), "align_att.heads names 4; .* 0 to 3"),
    ],
)
def test_layers_and_heads_there_are_not(lm, policy, config, message):
    with pytest.raises(UsageError, match=message):
        completed(policy, config, lm)


def test_a_model_that_keeps_its_attention_to_itself():
    with pytest.raises(UsageError, match="object does not say what it attends to"):
        completed(AlignAtt(), AlignAttConfig(), object())


def test_a_session_refuses_a_layer_before_it_begins_and_keeps_its_policy():
    interpreter = lst().interpreter(tokenizer())
    with pytest.raises(UsageError, match="has 2 layers, 0 to 1"):
        interpreter.open(Request("en", "de", AlignAtt(layer=2)))
    session = interpreter.open(Request("en", "de"))
    with pytest.raises(UsageError, match="has 2 layers"):
        session.update(policy=AlignAtt(layer=2))
    assert session.policy == WaitK(k=100, n=3)


def test_models_that_append_are_told_what_they_can():
    interpreter = fasst().interpreter(tokenizer())
    with pytest.raises(UsageError, match="such as LST and LLaST"):
        interpreter.open(Request("en", "de", AlignAtt()))
    session = interpreter.open(Request("en", "de"))
    with pytest.raises(UsageError, match="such as LST"):
        session.update(policy=AlignAtt())


class Asked:
    """A policy's `decide` that notes what it is shown."""

    def __init__(self, monkeypatch):
        self.views = []
        decide = AlignAtt.decide

        def noting(policy, view):
            self.views.append(view)
            return decide(policy, view)

        monkeypatch.setattr(AlignAtt, "decide", noting)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_session_shows_what_each_piece_attends_to(beams, monkeypatch):
    """Against the formula, for the whole of prompt, speech and draft."""
    system = lst(seed=3, beams=beams)  # random weights that write whole words
    interpreter = system.interpreter(tokenizer())
    asked = Asked(monkeypatch)
    drafts = []
    continuations = interpreter._continuations
    monkeypatch.setattr(
        interpreter,
        "_continuations",
        lambda group: drafts.append(continuations(group)) or drafts[-1],
    )
    session = interpreter.open(Request("en", "de", AlignAtt(frames=3, layer=1)))
    samples = (0.2 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32)
    events = session.push(Audio(samples[None], RATE))
    ((found,),), (view,) = drafts, asked.views
    speech = system.encode([torch.from_numpy(samples)])[0]
    prompt = system.prompt(tokenizer())
    x = torch.cat(
        [
            system.embed(torch.tensor(prompt.before)),
            speech,
            system.embed(torch.tensor([*prompt.after, *found.tokens])),
        ]
    )
    first, frames = len(prompt.before), len(speech)
    start = first + frames + len(prompt.after) - 1
    weights = weights_by_formula(system.lm, x, 1).mean(0)
    rows = weights[start : start + len(found.tokens), first : first + frames]
    assert found.attended == tuple(rows.argmax(-1).tolist())
    assert view.frames == frames
    assert tuple(frame for word in view.attended for frame in word) == found.attended
    assert len(view.attended) == len(view.candidate) > 3
    stable = next(
        (i for i, word in enumerate(view.attended) if max(word) >= frames - 3), len(view.attended)
    )
    committed = "".join(event.text for event in events if isinstance(event, Commit))
    assert committed.split() == [word.strip() for word in view.candidate[:stable]]


def test_nobody_looks_where_everything_is_written_anyhow(monkeypatch):
    """At a window's end, and under other policies."""
    system = lst(seed=1)

    def looked(*arguments):
        raise AssertionError

    monkeypatch.setattr(Llama, "attention", looked)
    interpreter = system.interpreter(tokenizer())
    noise = np.random.default_rng(0).standard_normal((1, 4000)).astype(np.float32)
    for policy in (AlignAtt(2, 1), WaitK(1, 1)):
        session = interpreter.open(Request("en", "de", policy))
        assert session.push(Audio(noise, RATE)) + session.finish()
