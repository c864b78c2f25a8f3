from pathlib import Path

import pytest
import torch

from earvoice.bench.live import TimedInterpreter, noise_segment
from earvoice.bench.model import OneTokenWords, choose, pinned, random_system, save_random
from earvoice.bench.sizes import MINI, TINY
from earvoice.config import parse, parse_yaml
from earvoice.errors import UsageError
from earvoice.events import Commit
from earvoice.loading import load
from earvoice.systems.fasst import FasstConfig

RECIPE = Path(__file__).parents[2] / "recipes" / "fasst" / "mini.yaml"


def test_mini_is_what_the_recipe_trains():
    recipe = parse(parse_yaml(RECIPE.read_text("utf-8"))["system"], FasstConfig)
    training_only = {"phones": 0, "phone_weight": 0.0, "waco_temperature": 0.2}
    assert recipe.model_copy(update=training_only) == MINI


def test_random_weights_are_the_same_for_the_same_seed():
    (one, words), (two, _), (other, _) = (random_system(TINY, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.lm.embedding.weight, other.lm.embedding.weight)
    assert one.lm.embedding.weight.shape[0] == words.vocab_size


def test_making_random_weights_leaves_the_random_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    random_system(TINY, 1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("tokens", [1, 4])
def test_pinned_tokens_are_decoded_after_every_segment(subject, tokens):
    live = pinned(subject.interpreter, tokens, rows=1)
    timed = TimedInterpreter(live, rows=1)
    session = timed.open()
    k = live.settings.policy.k
    for index in range(20):  # past several slides of the window
        cost, _ = timed.push(session, noise_segment(1, index, live.segment_samples))
        assert session.progress.words == tokens * max(0, index + 2 - k)
        assert cost.encoder_s > 0
        assert cost.lm_s > 0


def test_counted_as_words_the_vocabulary_is_the_same(subject):
    words = subject.interpreter.tokenizer
    counted = OneTokenWords.of(words)
    assert counted.vocab_size == words.vocab_size
    assert counted.encode("das ist ein Haus") == words.encode("das ist ein Haus")
    assert counted.is_word_start(words.eos_id)
    assert not counted.is_special(words.eos_id)


def test_a_saved_random_model_loads_and_talks(tmp_path):
    save_random("tiny", 3, tmp_path)
    interpreter = load(tmp_path)
    timed = TimedInterpreter(interpreter, rows=1)
    session = timed.open()
    said = []
    for index in range(6):
        said += timed.push(session, noise_segment(3, index, timed.inner.segment_samples))[1]
    assert any(isinstance(event, Commit) for event in said)


@pytest.mark.parametrize(
    ("model", "sizes"), [("fasst-mini-en-de", "mini"), (None, "huge"), ("no-such-model", None)]
)
def test_what_cannot_be_measured_is_refused(model, sizes):
    with pytest.raises(UsageError):
        choose(model, sizes, seed=1)
