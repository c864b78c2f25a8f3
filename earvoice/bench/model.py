"""What is measured: a shipped model, or random weights of a known size with pinned tokens."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from earvoice.bench.sizes import SIZES
from earvoice.data.synth.grammar import sample_sentence
from earvoice.errors import UsageError
from earvoice.loading import load
from earvoice.models.files import write_manifest
from earvoice.models.layout import lay_out_for_inference
from earvoice.policies import WaitK
from earvoice.sessions.append import AppendInterpreter
from earvoice.sessions.append_session import wait_of
from earvoice.systems.fasst import WAIT_ALL, WAIT_TAGS, Fasst, FasstConfig
from earvoice.text.tokenizer import FILE_NAME, Tokenizer
from earvoice.zoo import DEFAULT_MODEL, ModelCard, find_model, list_models

DEFAULT_SIZES = "mini"
SENTENCES = 1500
"""Generated sentences from which a random model's vocabulary is learnt."""


LOUDNESS = 250.0
"""Random layers are this much larger, over the root of their width, than training begins with."""


@dataclass(frozen=True)
class Subject:
    """The model under measurement. `trained` is False for random weights."""

    name: str
    trained: bool
    interpreter: AppendInterpreter
    parameters: int

    def describe(self) -> dict[str, object]:
        """The keys that every benchmark reports of its model."""
        return {"model": self.name, "trained": self.trained, "parameters": self.parameters}


class OneTokenWords(Tokenizer):
    """Every token counts as one word and none ends the text.

    So wait-k with stride n decodes exactly n tokens after each segment, whatever the weights say:
    neither a good model nor a collapsed one can hide or create work.
    """

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> OneTokenWords:
        """The same vocabulary, counted this way."""
        return cls(tokenizer._definition)

    def is_word_start(self, token_id: int) -> bool:
        """Yes."""
        return True

    def is_special(self, token_id: int) -> bool:
        """No."""
        return False


def choose(model: str | None, sizes: str | None, seed: int, rows: int = 1) -> Subject:
    """The model to measure: as named, else the default model of the zoo, else random weights.

    Args: model: name or folder. sizes: random weights of these sizes instead.
    Raises: UsageError for both, or for a name that does not exist.
    """
    card = choose_card(model, sizes)
    if card is None:
        return _random_subject(sizes or DEFAULT_SIZES, seed, rows)
    interpreter = load(card.path, rows=rows)
    if not isinstance(interpreter, AppendInterpreter):
        raise UsageError(f"{card.name} is a {card.system} model; the benchmarks know fasst")
    return Subject(card.name, True, interpreter, card.params)


def choose_card(model: str | None, sizes: str | None) -> ModelCard | None:
    """The card of the model to measure; None for random weights. Raises: UsageError."""
    if sizes is not None:
        if model is not None:
            raise UsageError("--model and --sizes exclude each other: a model has its own sizes")
        check_sizes(sizes)
        return None
    if model is not None:
        return find_model(model)
    return next((card for card in list_models() if card.name == DEFAULT_MODEL), None)


def pinned(interpreter: AppendInterpreter, tokens: int, rows: int) -> AppendInterpreter:
    """An interpreter over the same weights that decodes `tokens` tokens after each segment."""
    settings = replace(
        interpreter.settings, policy=WaitK(wait_of(interpreter.settings.policy), tokens)
    )
    tokenizer = OneTokenWords.of(interpreter.tokenizer)
    return AppendInterpreter(interpreter.speech, interpreter.lm, tokenizer, settings, rows=rows)


def random_system(config: FasstConfig, seed: int) -> tuple[Fasst, Tokenizer]:
    """Random weights and a vocabulary for them.

    Small random weights repeat one token for ever: the language model's layers and what they hear
    are enlarged, so that what is said depends on the audio. Control tokens and bytes get small
    embeddings and never win. The weights are the same for the same seed.
    """
    tokenizer = Tokenizer.train(
        _sentences(seed, config.tgt_lang),
        config.llm.vocab_size,
        extra_specials=(*WAIT_TAGS.values(), WAIT_ALL),
    )
    llm = config.llm.model_copy(update={"vocab_size": tokenizer.vocab_size})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        system = Fasst(config.model_copy(update={"llm": llm})).eval().requires_grad_(False)
        system.initialise()
    for name, parameter in system.named_parameters():
        if parameter.dim() > 1 and name.startswith("lm.layers."):
            parameter.mul_(LOUDNESS * config.llm.dim**-0.5)
    system.adapter.linear.weight.mul_(4.0)
    silent = [token for token in range(tokenizer.vocab_size) if _is_silent(tokenizer, token)]
    system.get_parameter("lm.embedding.weight")[silent] *= 0.1
    return system, tokenizer


def save_random(sizes: str, seed: int, folder: Path) -> None:
    """Writes a random model as a model folder. Raises: UsageError for unknown sizes."""
    check_sizes(sizes)
    system, tokenizer = random_system(SIZES[sizes], seed)
    config = system.config
    weights = {name: value.to(torch.bfloat16) for name, value in system.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(config.model_dump_json(indent=1), encoding="utf-8")
    tokenizer.save(folder / FILE_NAME)
    card = {
        "name": f"random-{sizes}",
        "system": config.kind,
        "src_langs": [config.src_lang],
        "tgt_langs": [config.tgt_lang],
        "params": sum(value.numel() for value in weights.values()),
    }
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")
    write_manifest(folder)


def check_sizes(sizes: str) -> None:
    """Refuses unknown sizes. Raises: UsageError."""
    if sizes not in SIZES:
        raise UsageError(f"--sizes is {sizes!r}, it must be one of {', '.join(SIZES)}")


def _random_subject(sizes: str, seed: int, rows: int) -> Subject:
    check_sizes(sizes)
    system, tokenizer = random_system(SIZES[sizes], seed)
    lay_out_for_inference(system)  # as `load` does
    parameters = sum(parameter.numel() for parameter in system.parameters())
    interpreter = system.interpreter(tokenizer, rows=rows)
    return Subject(f"random weights, sizes {sizes}", False, interpreter, parameters)


def _is_silent(tokenizer: Tokenizer, token: int) -> bool:
    return tokenizer.is_special(token) or tokenizer.piece(token).startswith("<0x")


def _sentences(seed: int, language: str) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(SENTENCES):
        sentence = sample_sentence(rng, split="train")
        yield " ".join(sentence.source)
        yield " ".join(sentence.targets[language])
