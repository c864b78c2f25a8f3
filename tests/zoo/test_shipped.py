"""What ships: small, whole, with a card, and of use on talks that were never seen."""

import json
from pathlib import Path

import pytest

from earvoice.bench import conversations
from earvoice.bench.quality import measure, sentence_items
from earvoice.data.conversations import load_conversations
from earvoice.data.manifest import load_talks
from earvoice.data.synth.conversation.corpus import make_conversations
from earvoice.data.synth.conversation.plan import ConversationSpec
from earvoice.data.synth.corpus import synthesise
from earvoice.data.synth.engines import is_installed
from earvoice.data.synth.plan import CorpusSpec
from earvoice.loading import load
from earvoice.models.files import verify_manifest
from earvoice.policies import WaitK
from earvoice.reproduce.agent import quick
from earvoice.session import Request
from earvoice.zoo import list_models

CARDS = {card.name: card for card in list_models()}
WHOLE = WaitK(100, 3)
LEAST = dict.fromkeys(CARDS, 60.0) | {
    "clasi-mini-zh-en": 20.0,
    "jstar-mini-en-es": 35.0,
    "jstar-mini-mono-en-es": 15.0,
}
"""BLEU of a dozen sentences, or of two conversations, far below what a whole test set gives."""
MOST_WER = 35.0
LEAST_FOUND, LEAST_GAIN = 80.0, 40.0
"""Percent of spoken terms among the first five of 200, and of terms that only a glossary brings."""


def directions(card):
    """Of a system with several, those of its configuration."""
    config = json.loads((card.path / "config.json").read_text())
    return config.get("directions") or [f"{config['src_lang']}-{config['tgt_lang']}"]


SENTENCES = [
    (card.name, *direction.split("-"))
    for card in CARDS.values()
    if card.system in ("fasst", "lst", "llast", "clasi")
    for direction in directions(card)
]


@pytest.mark.parametrize("name", CARDS)
def test_a_model_is_small_whole_and_described(name):
    card = CARDS[name]
    assert card.size_mb <= (25 if card.system == "clasi" else 20)  # with its retriever
    verify_manifest(card.path, required=("model.safetensors", "config.json", "tokenizer.json"))
    described = (card.path / "README.md").read_text(encoding="utf-8")
    for heading in (
        f"# {name}\n",
        "**Data.**",
        "**Recipe.**",
        "**Cost.**",
        "## Figures",
        "## Limits",
    ):
        assert heading in described
    assert f"{card.params / 1e6:.1f} million parameters" in described


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory):
    """A test talk of a minute in a language, with all translations it has."""
    made: dict[str, Path] = {}

    def make(language: str, target: str) -> Path:
        pair = f"{language}-{target}"
        if pair not in made:
            folder = tmp_path_factory.mktemp(pair)
            style = "interpreted" if "zh" in pair else "plain"
            spec = CorpusSpec("test", (pair,), 0.016, 77, (1.0, 1.0), ("espeak",), style=style)
            synthesise(spec, folder, jobs=1)
            made[pair] = folder
        return made[pair]

    return make


@pytest.mark.skipif(not is_installed("espeak"), reason="espeak-ng is not installed")
@pytest.mark.parametrize(("name", "src", "tgt"), SENTENCES)
def test_sentences_never_seen_are_translated(name, src, tgt, spoken):
    items = sentence_items(list(load_talks(spoken(src, tgt))), tgt, 12)
    found = measure(load(name), items, Request(src, tgt), WHOLE, "sentences")
    assert found.items == 12
    assert found.bleu > LEAST[name]


@pytest.mark.skipif(not is_installed("espeak"), reason="espeak-ng is not installed")
@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.system == "jstar"])
def test_two_people_are_understood(name, tmp_path):
    spec = ConversationSpec(
        "test", 0.03, 77, minutes=(0.9, 1.0), snrs=("clean",), overlap=0.0, bystander=0.0, rooms=1
    )
    make_conversations(spec, tmp_path, jobs=1)
    found = conversations.measure(load(name), list(load_conversations(tmp_path)))
    figures = conversations.figures(found, "conversations")
    assert figures["turns"] > 20
    assert figures["wer"] < MOST_WER
    assert figures["bleu"] > LEAST[name]


@pytest.mark.skipif(not is_installed("espeak"), reason="espeak-ng is not installed")
@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.system == "clasi"])
def test_an_agent_hears_and_uses_terms_of_its_listener(name):
    figures = quick(load(name), cases=10, keys=200, seed=77)
    assert figures["retriever_top5"] >= LEAST_FOUND
    assert figures["term_recall_with"] >= figures["term_recall_without"] + LEAST_GAIN
