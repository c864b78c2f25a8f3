"""Runs a recipe: vocabulary, system, stages, and the model folder that comes out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earvoice.data.augment import Augment
from earvoice.data.collate import Collator, Grid
from earvoice.data.lock import FolderLock
from earvoice.data.manifest import Talk, manifest_digest
from earvoice.errors import CheckpointError, ConfigError
from earvoice.models.files import load_weights, put_text, sha256
from earvoice.nn.lora import is_lora
from earvoice.systems import build, with_vocabulary
from earvoice.text.tokenizer import FILE_NAME as TOKENIZER_FILE
from earvoice.text.tokenizer import Tokenizer
from earvoice.train import checkpoint as checkpoints
from earvoice.train.adaptation import adaptation_of, write_adaptation
from earvoice.train.agent_examples import agent_examples
from earvoice.train.conversations import conversation_examples
from earvoice.train.conversations_validate import ConversationValidation
from earvoice.train.corpus import Corpora, talks_of
from earvoice.train.distributed import Alone, Ranks
from earvoice.train.errors import TrainingError
from earvoice.train.examples import Examples, check_times
from earvoice.train.export import export_model
from earvoice.train.fit import check_fit
from earvoice.train.freeze import freeze
from earvoice.train.loop import AnyExamples, StageRun, check_objective, check_ranks, run_stage
from earvoice.train.optim import optimiser
from earvoice.train.stage import RecipeConfig, StageConfig
from earvoice.train.start import (
    Start,
    check_reuse,
    check_sources,
    providing,
    sources_of,
    start_of,
)
from earvoice.train.utterances import utterance_examples
from earvoice.train.validate import Validation, Waits
from earvoice.train.vocabulary import PHONES_FILE, RECIPE_FILE, phone_ids, vocabulary
from earvoice.units import SAMPLE_RATE

PHONE_HEAD = "phone_head.weight"
LIVE_ONLY = {"align_att", "pauses"}
"""Fields of a system that say how it is used live and are no matter of its training."""
NEED_TIMES = ("phones", "waco")
"""Objectives that learn from when words or phonemes are spoken."""
TRANSLATES = ("transducer", "mt_transducer")
"""Objectives of conversations that learn a translation."""


@dataclass(frozen=True)
class Options:
    """How to run: resume from checkpoints, only some stages, stages taken from other runs.

    stages: by default all that `reuse` does not bring.
    ranks: the processes that train together, None for this one alone. device: None for the CPU.
    ahead: batches that are made in a thread while others are learnt from.
    """

    resume: bool = False
    stages: tuple[str, ...] = ()
    reuse: Mapping[str, str] | None = None
    quiet: bool = False
    ranks: Ranks | None = None
    device: torch.device | None = None
    ahead: int = 0


def run_recipe(recipe: RecipeConfig, options: Options) -> Path:
    """Runs the stages in order and exports the model of the last one, and its LoRA by itself.

    Returns: the model folder `OUT/model`, or `OUT/STAGE/model` when an earlier stage was the last.
    Raises: ConfigError, CheckpointError or TrainingError with what would be legal.
    """
    ranks, out = options.ranks or Alone(), Path(recipe.out)
    with contextlib.ExitStack() as held:
        with ranks.together():
            if ranks.rank == 0:
                out.mkdir(parents=True, exist_ok=True)
                held.enter_context(FolderLock(out))
        return _run(recipe, options, ranks, out)


@dataclass(frozen=True)
class _Plan:
    """A run whose checks have passed.

    fresh: the first random weights. examples: by stage, until it is trained.
    """

    recipe: RecipeConfig
    options: Options
    ranks: Ranks
    out: Path
    wanted: tuple[str, ...]
    tokenizer: Tokenizer
    fresh: Mapping[str, Tensor]
    examples: dict[str, AnyExamples]
    corpora: tuple[str, ...]
    """Digests of what they say, wherever they lie."""

    @property
    def reuse(self) -> Mapping[str, str]:
        """Folders of other runs by stage."""
        return self.options.reuse or {}


def _run(recipe: RecipeConfig, options: Options, ranks: Ranks, out: Path) -> Path:
    """The same in a folder that is ours."""
    plan, system = _planned(recipe, options, ranks, out)
    recipe = plan.recipe
    # Only now: the folder may hold a finished run, which a refused one must leave as it is.
    ranks.lead(lambda: put_text(out / RECIPE_FILE, recipe.model_dump_json(indent=1)))
    for index, stage in enumerate(recipe.stages):
        if stage.name in plan.wanted:
            if ranks.shard:
                system = _system(recipe, plan.tokenizer)  # that of the stage before is in shares
            _train_stage(plan, index, system)
    # The run's model is its last stage's; that of an earlier one lies with its checkpoints.
    final = recipe.stages[-1].name
    last = [stage.name for stage in recipe.stages if stage.name in plan.wanted][-1]
    folder = out if last == final else out / last
    with ranks.together():
        if ranks.rank == 0:
            if ranks.shard:
                system = _system(recipe, plan.tokenizer)
                load_weights(system, _last_weights(out / last), last)
            _export(system, plan.tokenizer, recipe, folder)
    return folder / "model"


def _planned(recipe: RecipeConfig, options: Options, ranks: Ranks, out: Path) -> tuple[_Plan, Any]:
    """The vocabulary and the system of a run, and everything that may be wrong with its stages.

    Sound is not read. Raises: ConfigError, CheckpointError, UsageError or DataError.
    """
    reuse = options.reuse or {}
    wanted = options.stages or _not_reused(recipe, reuse)
    _check_names(recipe, wanted)
    check_reuse(recipe, options.stages, reuse)
    read = Corpora()
    talks = [talk for folder in recipe.corpus for talk in read.talks(folder)]
    tokenizer = ranks.in_turn(lambda: vocabulary(recipe, out, reuse))
    heads = providing(recipe, PHONE_HEAD, reuse)
    phones = ranks.in_turn(lambda: phone_ids(talks, out, recipe.system.phones, heads))
    recipe = _with_vocabulary(recipe, tokenizer)
    system = _system(recipe, tokenizer)
    fresh = {name: value.clone() for name, value in system.state_dict().items()}
    for stage in recipe.stages:
        check_objective(stage, system.objectives)
    _check_stages(recipe, wanted, system, tokenizer, fresh, options)
    examples = {
        stage.name: _examples(recipe, stage, tokenizer, phones, talks, system, read)
        for stage in recipe.stages
        if stage.name in wanted
    }
    corpora = tuple(manifest_digest(Path(folder)) for folder in _folders(recipe))
    plan = _Plan(recipe, options, ranks, out, wanted, tokenizer, fresh, examples, corpora)
    return plan, system


def _train_stage(plan: _Plan, index: int, system: Any) -> None:
    """Trains a stage with the system, from the weights it starts from."""
    recipe, options = plan.recipe, plan.options
    stage = recipe.stages[index]
    start = start_of(plan.fresh, recipe, index, plan.out, plan.reuse)
    load_weights(system, start.weights, stage.name)
    examples = plan.examples.pop(stage.name)
    if stage.augment is not None:
        # Not with the rest: the noises of all stages together would fill the memory.
        examples.collator.augment = Augment(stage.augment)
    validate = _validation(recipe, stage, system, plan.tokenizer)
    run = StageRun(stage, examples, plan.out / stage.name, _lineage(plan, index, start), validate)
    run_stage(
        system,
        run,
        resume=options.resume,
        quiet=options.quiet,
        ranks=plan.ranks,
        device=options.device,
        ahead=options.ahead,
    )


def _lineage(plan: _Plan, index: int, start: Start) -> dict[str, Any]:
    """What a stage's checkpoints say of where they come from, compared when it goes on."""
    recipe = plan.recipe
    agent = recipe.stages[index].agent
    files = {name: plan.out / name for name in (TOKENIZER_FILE, PHONES_FILE)}
    files |= {name: Path(name) for name in (agent.glossaries if agent else ())}
    return {
        "config_hash": _hash(recipe, index, plan.corpora, tuple(plan.reuse)),
        **_versions(),
        "recipe": recipe.name,
        "start": start.digests,
        "files": {name: sha256(path) for name, path in files.items() if path.is_file()},
    }


def _not_reused(recipe: RecipeConfig, reuse: Mapping[str, str]) -> tuple[str, ...]:
    """The stages to train: those that no other run gives."""
    names = tuple(stage.name for stage in recipe.stages if stage.name not in reuse)
    if not names:
        raise ConfigError(
            f"--reuse gives all stages ({', '.join(reuse)}); nothing is left to train"
        )
    return names


def _system(recipe: RecipeConfig, tokenizer: Tokenizer) -> Any:
    """The system with its first random weights, the same each time.

    Raises: ConfigError for sizes that fit no network.
    """
    torch.manual_seed(recipe.seed)
    try:
        system = build(recipe.system)
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise ConfigError(f"system: {error}") from error
    system.initialise()
    system.bind(tokenizer)
    return system


def _last_weights(folder: Path) -> dict[str, Tensor]:
    """The weights a stage ended with, put together from their shares."""
    found, problems = checkpoints.newest(folder)
    if found is None:
        raise CheckpointError(f"{folder}: no whole checkpoint {' '.join(problems)}".rstrip())
    return found.weights()


def _export(system: Any, tokenizer: Tokenizer, recipe: RecipeConfig, folder: Path) -> None:
    """Writes the model, and its LoRA by itself. Raises: TrainingError when they cannot be."""
    try:
        export_model(system, tokenizer, recipe, folder / "model")
        if any(is_lora(name) for name in system.state_dict()):
            config_json = recipe.system.model_dump_json(indent=1)
            write_adaptation(adaptation_of(system), config_json, folder / "adaptation")
    except CheckpointError as error:
        raise TrainingError(
            f"{error}; the checkpoints are whole: make room, then --resume"
        ) from error


def _folders(recipe: RecipeConfig) -> list[str]:
    """All corpora of a recipe."""
    mixtures = [stage.utterances for stage in recipe.stages if stage.utterances is not None]
    named = [folder for mixture in mixtures for folder in mixture.corpora.values()]
    return [*recipe.corpus, *sorted(set(named))]


def _with_vocabulary(recipe: RecipeConfig, tokenizer: Tokenizer) -> RecipeConfig:
    """The recipe with the language model's vocabulary size filled in."""
    system = with_vocabulary(recipe.system, tokenizer.vocab_size)
    return recipe.model_copy(update={"system": system})


def _check_names(recipe: RecipeConfig, wanted: Sequence[str]) -> None:
    names = [stage.name for stage in recipe.stages]
    for name in wanted:
        if name not in names:
            raise ConfigError(f"stages: no stage {name!r}; the recipe has {names}")
    if len(set(names)) != len(names):
        raise ConfigError(f"stages: names must differ, got {names}")


def _check_stages(
    recipe: RecipeConfig,
    wanted: Collection[str],
    system: Any,
    tokenizer: Tokenizer,
    fresh: Mapping[str, Tensor],
    options: Options,
) -> None:
    """What is wrong with a stage is said now, not when the stages before have taken hours.

    Raises: ConfigError naming the key.
    """
    ranks, out, reuse = options.ranks or Alone(), Path(recipe.out), options.reuse or {}
    for index, stage in enumerate(recipe.stages):
        if stage.name not in wanted:
            continue
        check_fit(stage, recipe.system)
        check_ranks(stage, ranks)
        freeze(system, stage.trainable)
        optimiser(system, stage)
        coming = [earlier.name for earlier in recipe.stages[:index] if earlier.name in wanted]
        check_sources(fresh, recipe, index, out, reuse, coming)
        _validation(recipe, stage, system, tokenizer)


def _examples(
    recipe: RecipeConfig,
    stage: StageConfig,
    tokenizer: Tokenizer,
    phones: dict[str, int],
    talks: Sequence[Talk],
    system: Any,
    read: Corpora,
) -> AnyExamples:
    """What a stage learns from: turns, conversations, whole utterances, or windows of talks.

    They come without their augmentation.
    """
    augment = None
    place: dict[str, Any] = {"seed": recipe.seed, "stage": stage.name}
    told = stage.agent or stage.retrieve
    if told is not None:
        return agent_examples(told, system, talks, augment, **place)
    if stage.conversations is not None:
        pieces, corpus = stage.conversations, recipe.corpus
        place |= {"translated": stage.objective in TRANSLATES, "read": read.conversations}
        return conversation_examples(pieces, system, tokenizer, corpus, augment, phones, **place)
    if stage.utterances is not None:
        whole, place["read"] = stage.utterances, read.talks
        return utterance_examples(whole, system, tokenizer, talks, augment, phones, **place)
    config = _waiting(recipe, stage)
    grid = Grid(
        segment_samples=system.segment_samples,
        frame_samples=system.encoder.frontend.rate.stride,
        embedding_samples=system.rate.stride,
    )
    if stage.objective in NEED_TIMES:
        check_times(talks, stage.name, stage.objective)
    collator = Collator(tokenizer, grid, phones, augment, stage.data.text_forms)
    return Examples(
        stage.data,
        collator,
        talks,
        config.tgt_lang,
        system.segment_samples / SAMPLE_RATE,
        hold=not config.faithful,
        any_side=stage.objective in NEED_TIMES,
        **place,
    )


def _validation(
    recipe: RecipeConfig, stage: StageConfig, system: Any, tokenizer: Tokenizer
) -> Validation | ConversationValidation | None:
    if not stage.validate_every_steps or not recipe.dev_corpus:
        return None
    if stage.conversations is not None:
        return ConversationValidation(
            system, tokenizer, Path(recipe.dev_corpus), stage.validate_sentences
        )
    talks = talks_of(recipe.dev_corpus, "dev_corpus")
    config = _waiting(recipe, stage)
    return Validation(system, tokenizer, talks, config, stage.validate_sentences)


def _waiting(recipe: RecipeConfig, stage: StageConfig) -> Waits:
    """The configuration of a system that learns from windows of talks (`data`).

    Raises: ConfigError for one that does not.
    """
    if not isinstance(recipe.system, Waits):
        raise ConfigError(
            f"stage {stage.name!r}: a system of kind {recipe.system.kind!r} does not learn from "
            "`data`; it needs `conversations`"
        )
    return recipe.system


def _hash(
    recipe: RecipeConfig, index: int, corpora: Sequence[str], reused: Collection[str] = ()
) -> str:
    """What a stage's checkpoints depend on: system, seed, data, the stage, those it starts from.

    corpora: digests of what the data says, wherever it lies. reused: stages of other runs.
    """
    stage = recipe.stages[index]
    names = [earlier.name for earlier in recipe.stages[:index]]
    before = [
        _hash(recipe, names.index(source), corpora, reused)
        for source in sorted(set(sources_of(recipe, index).values()))
        if source in names and source not in reused
    ]
    without = {
        name
        for name in ("utterances", "agent", "retrieve", "conversations")
        if not getattr(stage, name)
    }
    unused = {"recompute"} | without
    text = json.dumps(
        [
            recipe.system.model_dump(mode="json", exclude=LIVE_ONLY),
            recipe.seed,
            list(corpora),
            stage.model_dump(mode="json", exclude=unused),
            before,
        ],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    return {
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "allocator": os.path.basename(os.environ.get("LD_PRELOAD", "")) or "default",
    }
