"""JSTAR's recipes: the full size, and the tiny one from sound to the four streams of a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from earvoice import load
from earvoice.audio import stream_file
from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.data.conversations import load_conversations
from earvoice.data.synth.conversation.corpus import make_conversations
from earvoice.data.synth.conversation.plan import ConversationSpec
from earvoice.events import Finished
from earvoice.models.blank import blank_weights
from earvoice.search.transducer import TransducerSettings, begin, search
from earvoice.session import Request
from earvoice.systems import build
from earvoice.systems.jstar import Jstar
from earvoice.train.conversations import ConversationMixture, conversation_examples
from earvoice.train.freeze import freeze
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig
from earvoice.train.vocabulary import vocabulary

RECIPES = Path(__file__).parents[2] / "recipes/jstar"


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def full():
    recipe = load_yaml(RECIPES / "full.yaml", RecipeConfig)
    with blank_weights():
        return recipe, build(recipe.system)


def test_the_full_size_without_memory(full):
    recipe, system = full
    assert all(parameter.is_meta for parameter in system.parameters())
    assert (len(system.cascade.fast.blocks), len(system.cascade.slow.blocks)) == (20, 10)
    assert recipe.system.frontend.features == 1326
    assert system.rate.stride == 960, "60 ms"
    assert system.step_samples == 3840
    dim, ffn, kernel = 512, 2048, 15
    feed_forward = 2 * dim + dim * ffn + ffn + ffn * dim + dim
    attention = 2 * dim + 4 * dim * (dim + 1)
    convolution = 2 * dim + dim * (2 * dim) + 2 * dim + kernel * dim + 2 * dim + dim * (dim + 1)
    block = 2 * feed_forward + attention + convolution + 2 * dim
    assert count(system.cascade.fast) == 20 * block
    assert count(system.cascade.slow) == 10 * block


def test_look_ahead_of_the_full_size(full):
    """Fast: the chunk and one frame. Slow: its chunk and four frames, on top."""
    _, system = full
    assert system.cascade.fast.rate.lookahead == 3 + 1
    assert system.cascade.rate.lookahead == 3 + 1 + 15 + 4


@pytest.mark.parametrize(
    "name", ["full", "mini", "mini-first", "scratch", "mini-mono", "cascade", "tiny"]
)
def test_every_stage_trains_what_it_says(name):
    recipe = load_yaml(RECIPES / f"{name}.yaml", RecipeConfig)
    with blank_weights():
        system = build(recipe.system)
    for stage in recipe.stages:
        assert stage.objective in system.objectives
        assert stage.conversations is not None
        assert freeze(system, stage.trainable)
    if "mini" in name:
        live = count(system) - count(system.source)
        live -= count(system.phone_head) if system.phone_head is not None else 0
        assert live <= 10_000_000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conversations")
    spec = ConversationSpec(
        split="train", hours=0.02, seed=3, minutes=(0.4, 0.6), array="single", rooms=1,
        snrs=("clean",), bystander=0.0,
    )  # fmt: skip
    make_conversations(spec, folder, jobs=1)
    return folder


def learnt(system, objective, batch, patterns, steps):
    """Losses while one batch is learnt by heart."""
    freeze(system, patterns)
    weights = [p for p in system.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, 5e-3, betas=(0.9, 0.98))
    losses = []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 5e-3 * min(1.0, (step + 1) / 10)
        optimiser.zero_grad()
        loss = system.objectives[objective](batch)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


def found(transducer, frames, counts):
    """What the search writes, by item."""
    states = [begin(transducer) for _ in counts]
    heard = [row[:count] for row, count in zip(frames, counts, strict=True)]
    final = search(transducer, states, heard, TransducerSettings(4, 60), last=True)
    said = [done + state.close() for done, state in zip(final, states, strict=True)]
    return [tuple(token.id for token in tokens) for tokens in said]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_is_learnt_by_heart_is_written(corpus, tmp_path):
    """Fast stack first, then both: a few pieces come back word by word in both branches."""
    torch.manual_seed(0)
    recipe = load_yaml(RECIPES / "tiny.yaml", RecipeConfig, [f"out={tmp_path}"])
    tokens = vocabulary(recipe, tmp_path)
    small = {"vocab_size": tokens.vocab_size, "phones": 64, "phone_weight": 0.3}
    system = Jstar(recipe.system.model_copy(update=small))
    mixture = ConversationMixture(batch_s=6.0, piece_s=(2.0, 3.0))
    phones = {p.symbol for c in load_conversations(corpus) for t in c.turns for p in t.phones}
    ids = {symbol: index + 1 for index, symbol in enumerate(sorted(phones))}
    made = conversation_examples(
        mixture, system, tokens, [str(corpus)], None, ids, seed=1, stage="s"
    )
    batch = made.batch(0)
    hears = ["frontend.*", "cascade.project*", "cascade.fast.*", "phone_head.*"]
    for objective, patterns, steps in (
        ("phones", hears, 25),
        ("asr_transducer", [*hears, "asr.*"], 90),
        ("transducer", ["cascade.bridge.*", "cascade.slow.*", "st.*"], 100),
    ):
        losses = learnt(system, objective, batch, patterns, steps)
        assert losses[-1] < 0.05 * losses[0], objective
    with torch.no_grad():
        fast, counts = system.eval()._fast(batch)
        slow = system.cascade.understand(fast, counts=counts)
        assert found(system.asr, fast, counts) == list(batch.transcripts)
        assert found(system.st, slow, counts) == list(batch.translations)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    out = tmp_path_factory.mktemp("jstar")
    overrides = [f"corpus=[{corpus}]", f"dev_corpus={corpus}", f"out={out}"]
    run_recipe(load_yaml(RECIPES / "tiny.yaml", RecipeConfig, overrides), Options(quiet=True))
    return out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tiny_recipe_to_the_end(trained, corpus, tmp_path):
    for stage in ("mt", "asr", "joint"):
        lines = (trained / stage / "log.jsonl").read_text().splitlines()
        losses = [record["loss"] for record in map(json.loads, lines) if "loss" in record]
        assert losses[-1] < losses[0]
    assert '"attributed_wer"' in (trained / "joint" / "log.jsonl").read_text()
    model = trained / "model"
    weights = (model / "model.safetensors").read_bytes()[:20000]
    assert b"source." not in weights, "what only text pre-training needs stays behind"
    conversation = next(load_conversations(corpus))
    session = load(model).open(Request("es", "en", transcript=True))
    events = [
        event for packet in stream_file(conversation.path, 0.5) for event in session.push(packet)
    ]
    assert (events + session.finish())[-1] == Finished()
    out = tmp_path / "out.jsonl"
    command = ["translate", str(conversation.path), "--model", str(model), "--output", str(out)]
    assert main(command) == 0
    assert out.read_text().strip().endswith('{"type": "finished"}}')
