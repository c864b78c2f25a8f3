"""What a run calls things: the pieces of text it knows, and the numbers of its phonemes."""

from __future__ import annotations

import itertools
import json
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from earvoice.data.manifest import Talk
from earvoice.data.synth.grammar import sample_sentence
from earvoice.data.synth.interpreted.reference import LANGUAGES
from earvoice.data.synth.interpreted.talks import interpreted_talk
from earvoice.data.utterances import HUB
from earvoice.errors import CheckpointError, ConfigError
from earvoice.models.files import put_text
from earvoice.systems.fasst import WAIT_ALL, WAIT_TAGS
from earvoice.systems.llast import LlastConfig
from earvoice.text.chat import CHATS, Task
from earvoice.text.spacing import joined
from earvoice.text.tokenizer import FILE_NAME as TOKENIZER_FILE
from earvoice.text.tokenizer import WORD_GAP, Tokenizer
from earvoice.train.conversations import dialogue_texts
from earvoice.train.stage import RecipeConfig
from earvoice.train.start import given_vocabulary, pretrained_vocabulary, providing

PHONES_FILE = "phones.json"
_log = logging.getLogger("earvoice.train")
RECIPE_FILE = "recipe.json"
LM_WEIGHTS = "lm.embedding.weight"
_PROMPT_EVERY = 40
"""Sentences between two prompts in the text a vocabulary is learnt from."""


def phone_ids(
    talks: Sequence[Talk], out: Path, room: int, reuse: Mapping[str, str]
) -> dict[str, int]:
    """Phoneme symbols, numbered from 1 (0 is silence).

    Kept with the run, or with the run whose stage is reused, or found in the corpus.
    """
    path = out / PHONES_FILE
    symbols = sorted({p.symbol for talk in talks for s in talk.sentences for p in s.phones})
    for known in (path, *(Path(folder).parent / PHONES_FILE for folder in reuse.values())):
        if known.exists():
            ids = _numbers(known)
            put_text(path, json.dumps(ids, ensure_ascii=False))
            new = [symbol for symbol in symbols if symbol not in ids]
            if new:
                _log.warning("%s has no number for %s: not learnt", known, ", ".join(new))
            return ids
    if not symbols:
        return {}
    if len(symbols) >= room > 0:
        raise ConfigError(
            f"system.phones is {room}; the corpus has {len(symbols)} phonemes and silence"
        )
    ids = {symbol: index + 1 for index, symbol in enumerate(symbols)}
    put_text(path, json.dumps(ids, ensure_ascii=False))
    return ids


def _numbers(path: Path) -> dict[str, int]:
    """The numbers of a run's phonemes. Raises: CheckpointError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {str(symbol): int(number) for symbol, number in data.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def vocabulary(
    recipe: RecipeConfig, out: Path, reuse: Mapping[str, str] | None = None
) -> Tokenizer:
    """The vocabulary of a run: that of the pretrained model it starts from, or its own.

    Its own is learnt once from generated sentences and their translations.
    Raises: ConfigError when the run's vocabulary is not the pretrained model's.
    """
    llm_folder = getattr(getattr(recipe.system, "llm", None), "folder", "")
    taken = providing(recipe, LM_WEIGHTS, reuse or {})
    path, given = out / TOKENIZER_FILE, pretrained_vocabulary(taken, llm_folder)
    if path.exists():
        tokenizer = Tokenizer.load(path)
        if given is not None and given_vocabulary(given, recipe.system) != tokenizer:
            raise ConfigError(f"{path} is not the vocabulary of {given.parent}; use another `out`")
        if given is None:
            _check_unchanged(recipe, path)
        return tokenizer
    if given is not None:
        tokenizer = given_vocabulary(given, recipe.system)
        tokenizer.save(path)
        return tokenizer
    tokenizer = Tokenizer.train(
        _vocabulary_texts(recipe),
        recipe.tokenizer.vocab_size,
        extra_specials=getattr(recipe.system, "control_tokens", (*WAIT_TAGS.values(), WAIT_ALL)),
        apart=recipe.tokenizer.apart,
        all_bytes=recipe.tokenizer.all_bytes,
    )
    tokenizer.save(path)
    return tokenizer


def _check_unchanged(recipe: RecipeConfig, path: Path) -> None:
    """That the vocabulary there is was learnt as this recipe says. Raises: ConfigError."""
    before = path.with_name(RECIPE_FILE)
    if not before.exists():
        return
    try:
        said = json.loads(before.read_text(encoding="utf-8"))["tokenizer"]
        known = {str(key): value for key, value in said.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{before} cannot be read ({error!r}); it says how {path.name} was learnt: delete it "
            "if the recipe is still the same"
        ) from error
    for key, wanted in recipe.tokenizer.model_dump(mode="json").items():
        if known.get(key, wanted) != wanted:
            raise ConfigError(
                f"tokenizer.{key} is {wanted!r}, {path} was learnt with {known[key]!r}; "
                "use another `out`"
            )


def _vocabulary_texts(recipe: RecipeConfig) -> Iterator[str]:
    rng = random.Random(recipe.tokenizer.seed)
    pairs = getattr(recipe.system, "pairs", ((HUB, recipe.system.tgt_lang),))
    languages = list(dict.fromkeys(language for pair in pairs for language in pair))
    prompts = _prompt_texts(recipe)
    interpreted = any(stage.agent and stage.agent.style == "interpreted" for stage in recipe.stages)
    if any(stage.conversations for stage in recipe.stages):
        yield from itertools.islice(dialogue_texts(rng), 2 * recipe.tokenizer.sentences)
    for number in range(recipe.tokenizer.sentences):
        if prompts and number % _PROMPT_EVERY == 0:
            yield prompts[number // _PROMPT_EVERY % len(prompts)]
        if interpreted and number % 2:
            yield from _interpreted_texts(rng, recipe.tokenizer.apart)
        sentence = sample_sentence(rng, split="train")
        for language in languages:
            words = sentence.source if language == HUB else sentence.targets.get(language)
            if words is None:
                raise ConfigError(
                    f"the grammar has no {language!r} to learn a vocabulary from; start from a "
                    "pretrained model, whose vocabulary is taken: --reuse pretrained=DIR"
                )
            yield joined(words, WORD_GAP if recipe.tokenizer.apart else "")


def _interpreted_texts(rng: random.Random, apart: bool) -> Iterator[str]:
    """Both sides of a sentence with an invented term, so that the pieces of terms are there."""
    sentence = interpreted_talk(rng, 2, "train", rng.choice(LANGUAGES), "terms")[-1]
    sides = {sentence.language: sentence.source, **sentence.targets}
    for language in LANGUAGES:
        yield joined(sides[language], WORD_GAP if apart else "")


def _prompt_texts(recipe: RecipeConfig) -> list[str]:
    """What chat prompts say, so that a small vocabulary has pieces for their words."""
    config = recipe.system
    if not isinstance(config, LlastConfig):
        return []
    chat = CHATS[config.chat]
    tasks: tuple[Task, ...] = ("translate", "transcribe")
    parts = [
        part
        for src, tgt in config.pairs
        for task in tasks
        for side in chat.text(task, src, tgt if task == "translate" else src)
        for part in side.split("</s>")
    ]
    return [part for part in dict.fromkeys(parts) if part]
