"""What a run calls things: the pieces of text it knows, and the numbers of its phonemes."""

from __future__ import annotations

import itertools
import json
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
from earvoice.train.start import (
    given_vocabulary,
    pretrained_vocabulary,
    providing,
    same_vocabulary,
)

PHONES_FILE = "phones.json"
TRANSDUCER_TOKENS = ("predictor.embedding", "out")
_log = logging.getLogger("earvoice.train")
RECIPE_FILE = "recipe.json"
LEARNT_FILE = "vocabulary.json"
"""What a vocabulary that a run made itself was learnt from: settings and languages."""
LM_WEIGHTS = ("lm.embedding.weight", "lm.head.weight")
TOKEN_WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "jstar": (
        *(f"{side}.{part}.weight" for side in ("asr", "st") for part in TRANSDUCER_TOKENS),
        "source.weight",
    )
}
"""Weights with a row per token, by kind of system; others have `LM_WEIGHTS`. Who takes one of them
from another run takes its vocabulary too."""
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
    """The vocabulary of a run: that of the weights it starts from, or its own.

    Its own is learnt once from generated sentences and their translations.
    Raises: ConfigError when the run's vocabulary is not that of the weights; CheckpointError for
        weights that know a vocabulary and have none beside them.
    """
    path, given = out / TOKENIZER_FILE, _given(recipe, reuse or {})
    if path.exists():
        tokenizer = Tokenizer.load(path)
        if given is None:
            _check_unchanged(recipe, path)
        elif not same_vocabulary(given_vocabulary(given, recipe.system), tokenizer):
            raise ConfigError(f"{path} is not the vocabulary of {given.parent}; use another `out`")
        return tokenizer
    if given is not None:
        tokenizer = given_vocabulary(given, recipe.system)
        path.with_name(LEARNT_FILE).unlink(missing_ok=True)  # that of a vocabulary that is gone
        tokenizer.save(path)
        return tokenizer
    tokenizer = Tokenizer.train(
        _vocabulary_texts(recipe),
        recipe.tokenizer.vocab_size,
        extra_specials=getattr(recipe.system, "control_tokens", (*WAIT_TAGS.values(), WAIT_ALL)),
        apart=recipe.tokenizer.apart,
        all_bytes=recipe.tokenizer.all_bytes,
    )
    learnt = {
        "tokenizer": recipe.tokenizer.model_dump(mode="json"),
        "languages": _languages(recipe),
    }
    put_text(path.with_name(LEARNT_FILE), json.dumps(learnt, indent=1))
    tokenizer.save(path)
    return tokenizer


def _given(recipe: RecipeConfig, reuse: Mapping[str, str]) -> Path | None:
    """The vocabulary of the weights that a run starts from."""
    names = TOKEN_WEIGHTS.get(recipe.system.kind, LM_WEIGHTS)
    sources = {source for name in names for source in providing(recipe, name, reuse)}
    taken = {source: folder for source, folder in reuse.items() if source in sources}
    llm_folder = getattr(getattr(recipe.system, "llm", None), "folder", "")
    return pretrained_vocabulary(taken, llm_folder, recipe.system)


def _languages(recipe: RecipeConfig) -> list[str]:
    """Those that a vocabulary is learnt from."""
    pairs = getattr(recipe.system, "pairs", ((HUB, recipe.system.tgt_lang),))
    return list(dict.fromkeys(language for pair in pairs for language in pair))


def _check_unchanged(recipe: RecipeConfig, path: Path) -> None:
    """That the vocabulary there is was learnt as this recipe says. Raises: ConfigError.

    One that was learnt from more languages than the recipe has serves it too.
    """
    for before in (path.with_name(RECIPE_FILE), path.with_name(LEARNT_FILE)):
        known, languages = _learnt_as(before, path)
        for key, wanted in recipe.tokenizer.model_dump(mode="json").items():
            if known.get(key, wanted) != wanted:
                raise ConfigError(
                    f"tokenizer.{key} is {wanted!r}, {path} was learnt with {known[key]!r}; "
                    "use another `out`"
                )
        new = [language for language in _languages(recipe) if language not in languages]
        if languages and new:
            raise ConfigError(
                f"system: its languages are {', '.join(_languages(recipe))}, {path} was learnt "
                f"from {', '.join(languages)} alone; use another `out`"
            )


def _learnt_as(before: Path, path: Path) -> tuple[dict[str, Any], list[str]]:
    """What a file says of how a vocabulary was learnt; nothing where there is none.

    Settings and languages; the languages are empty where it does not say.
    Raises: CheckpointError.
    """
    if not before.exists():
        return {}, []
    try:
        data = json.loads(before.read_text(encoding="utf-8"))
        known = {str(key): value for key, value in data["tokenizer"].items()}
        return known, [str(language) for language in data.get("languages", ())]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{before} cannot be read ({error!r}); it says how {path.name} was learnt: delete it "
            "if the recipe is still the same"
        ) from error


def _vocabulary_texts(recipe: RecipeConfig) -> Iterator[str]:
    rng = random.Random(recipe.tokenizer.seed)
    languages = _languages(recipe)
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
