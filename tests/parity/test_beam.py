"""Our beam search against transformers' `generate(num_beams=...)`: equal n best and scores."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.models.convert.llama import llama_config, map_llama
from earvoice.models.llm import Llama
from earvoice.nn.masks import PROMPT, Entries, causal
from earvoice.search.beam import BeamSettings, beam_search

transformers = pytest.importorskip("transformers")

EOS, PAD = 1, 0
VOCAB = 40
STOPPING = {"heuristic": False, "first": True, "never": "never"}


@pytest.fixture(scope="module")
def pair():
    """Two equal random models that end their texts now and then."""
    torch.manual_seed(5)
    config = transformers.LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        bos_token_id=None,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )
    theirs = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8.0)
        theirs.lm_head.weight[EOS] *= 1.5
    ours_config = llama_config(config.to_dict(), "test")
    ours = Llama(ours_config).eval()
    ours.load_state_dict(map_llama(theirs.state_dict(), ours_config, "test"))
    return theirs.requires_grad_(False), ours.requires_grad_(False)


def reference(theirs, prompt, most, search):
    """(tokens without the end, score) of their n best."""
    found = theirs.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        num_beams=search.beams,
        num_return_sequences=search.beams,
        length_penalty=search.length_penalty,
        early_stopping=STOPPING[search.early_stopping],
        max_new_tokens=most,
        do_sample=False,
        output_scores=True,
        return_dict_in_generate=True,
    )
    texts = []
    for row, indices in zip(found.sequences.tolist(), found.beam_indices.tolist(), strict=True):
        count = sum(index >= 0 for index in indices)
        tokens = row[len(prompt) : len(prompt) + count]
        texts.append(tuple(tokens[:-1] if tokens[-1:] == [EOS] else tokens))
    return list(zip(texts, found.sequences_scores.tolist(), strict=True))


def search(ours, prompts, mosts, wanted, spare=1):
    """Ours, all prompts in one batch; `spare` rows lie between the items."""
    width = wanted.beams + spare
    longest = max(map(len, prompts)) + max(mosts) + 1
    cache = ours.init_state(width * len(prompts), longest)
    rows, hidden, entries = [], [], []
    for item, prompt in enumerate(prompts):
        own = list(range(item * width, item * width + wanted.beams))
        position = torch.arange(len(prompt))[None]
        zeros = torch.zeros_like(position)
        seen = Entries(position, position, zeros + PROMPT, zeros)
        x = ours.embed(torch.tensor([prompt]))
        hidden.append(ours(x, seen, cache, own[:1], causal)[0, -1])
        rows.append(own)
        entries.append((len(prompt), 0))
    found = beam_search(ours, cache, rows, hidden, entries, mosts, EOS, wanted)
    assert [int(cache.length[own[0]]) for own in rows] == [len(prompt) for prompt in prompts]
    return found


def assert_same(found, expected):
    assert [item.tokens for item in found] == [tokens for tokens, _ in expected]
    for item, (_, score) in zip(found, expected, strict=True):
        assert item.score == pytest.approx(score, rel=1e-6, abs=1e-5)


prompts = st.lists(st.integers(2, VOCAB - 1), min_size=1, max_size=7)


@settings(max_examples=15)
@given(
    prompt=prompts,
    most=st.integers(1, 12),
    wanted=st.builds(
        BeamSettings,
        beams=st.integers(2, 6),
        length_penalty=st.sampled_from([0.0, 0.6, 1.0, 1.7, -0.5]),
        early_stopping=st.sampled_from(sorted(STOPPING)),
    ),
)
def test_n_best_and_scores_are_theirs(pair, prompt, most, wanted):
    theirs, ours = pair
    assert_same(search(ours, [prompt], [most], wanted)[0], reference(theirs, prompt, most, wanted))


@settings(max_examples=4)
@given(items=st.lists(st.tuples(prompts, st.integers(1, 10)), min_size=2, max_size=4))
def test_a_batch_of_searches_is_the_searches_alone(pair, items):
    theirs, ours = pair
    wanted = BeamSettings(beams=3)
    texts, mosts = zip(*items, strict=True)
    for found, prompt, most in zip(search(ours, texts, mosts, wanted), texts, mosts, strict=True):
        assert_same(found, reference(theirs, prompt, most, wanted))


def test_the_cases_end_in_different_ways(pair):
    """Otherwise the tests above would prove little."""
    _, ours = pair
    generator = torch.Generator().manual_seed(0)
    texts = torch.randint(2, VOCAB, (20, 5), generator=generator).tolist()
    found = search(ours, texts, [12] * 20, BeamSettings(beams=4))
    ends = [item.finished for item in itertools.chain(*found)]
    lengths = {len(item.tokens) for item in itertools.chain(*found)}
    assert any(ends), "no hypothesis ended by itself"
    assert not all(ends), "none was cut"
    assert len(lengths) > 4


def test_one_beam_is_the_greedy_way(pair):
    _, ours = pair
    prompt = [7, 3, 9]
    (found,) = search(ours, [prompt], [9], BeamSettings(beams=1))[0]
    text = list(prompt)
    for _ in range(9):
        position = torch.arange(len(text))[None]
        zeros = torch.zeros_like(position)
        x = ours.embed(torch.tensor([text]))
        best = ours.logits(ours(x, Entries(position, position, zeros, zeros)))[0, -1].argmax()
        if int(best) == EOS:
            break
        text.append(int(best))
    assert found.tokens == tuple(text[len(prompt) :])


def test_banned_tokens_are_never_written(pair):
    _, ours = pair
    cache = ours.init_state(4, 20)
    zero = torch.zeros(1, 1, dtype=torch.long)
    seen = Entries(zero, zero, zero, zero)
    hidden = ours(ours.embed(torch.tensor([[5]])), seen, cache, [0], causal)[0, -1]
    banned = range(2, 30)
    best = beam_search(
        ours, cache, [[0, 1, 2, 3]], [hidden], [(1, 0)], [8], EOS, BeamSettings(4), tuple(banned)
    )[0]
    assert len(best) == 4
    assert not set(banned) & {token for item in best for token in item.tokens}


def test_nothing_may_be_written(pair):
    _, ours = pair
    cache = ours.init_state(2, 4)
    state = torch.zeros(32)
    assert beam_search(ours, cache, [[0, 1]], [state], [(0, 0)], [0], EOS, BeamSettings(2)) == [[]]


def test_rows_must_be_as_many_as_beams(pair):
    _, ours = pair
    cache = ours.init_state(2, 4)
    with pytest.raises(ValueError, match="2 rows for 4 beams"):
        beam_search(ours, cache, [[0, 1]], [torch.zeros(32)], [(0, 0)], [1], EOS, BeamSettings(4))
