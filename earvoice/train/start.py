"""What a stage starts from: random weights, earlier stages, stages of other runs, model folders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from earvoice.errors import CheckpointError, ConfigError
from earvoice.models.convert.pretrained import with_control_tokens
from earvoice.models.files import MANIFEST, read_safetensors, verify_manifest
from earvoice.nn.lora import is_lora
from earvoice.text.tokenizer import FILE_NAME as TOKENIZER_FILE
from earvoice.text.tokenizer import SPECIALS, Tokenizer
from earvoice.train import checkpoint as checkpoints
from earvoice.train.freeze import check_patterns, matches
from earvoice.train.stage import RecipeConfig

WEIGHTS_FILE = "model.safetensors"


def is_model_folder(folder: Path) -> bool:
    """Whether it holds finished weights (`earvoice convert`, `OUT/model`), not a stage's steps."""
    return (folder / WEIGHTS_FILE).is_file() and (folder / MANIFEST).is_file()


def providing(recipe: RecipeConfig, name: str, reuse: Mapping[str, str]) -> dict[str, str]:
    """Those of the reused folders from which some stage takes the weights called `name`.

    A vocabulary comes with the language model that knows it, phoneme numbers with their head; an
    encoder that is reused alone brings neither.
    """
    sources = {
        source
        for index in range(len(recipe.stages))
        for pattern, source in sources_of(recipe, index).items()
        if matches(name, [pattern])
    }
    return {source: folder for source, folder in reuse.items() if source in sources}


def pretrained_vocabulary(reuse: Mapping[str, str], llm_folder: str = "") -> Path | None:
    """The vocabulary that comes with reused model folders, or with the language model's.

    Raises: ConfigError for two of them.
    """
    folders = [folder for folder in reuse.values() if is_model_folder(Path(folder))]
    folders += [llm_folder] if llm_folder else []
    found = {
        folder: Path(folder) / TOKENIZER_FILE
        for folder in folders
        if (Path(folder) / TOKENIZER_FILE).is_file()
    }
    if len({path.read_bytes() for path in found.values()}) > 1:
        raise ConfigError(f"--reuse: {' and '.join(found)} have different vocabularies")
    return next(iter(found.values()), None)


def given_vocabulary(given: Path, system: Any) -> Tokenizer:
    """A vocabulary that was found, with the marks of speech that a system's prompt needs."""
    known = Tokenizer.load(given)
    marks = [SPECIALS.sp_start, SPECIALS.sp_end] if getattr(system, "kind", "") == "lst" else []
    missing = [mark for mark in marks if not known.has_control(mark)]
    return Tokenizer(with_control_tokens(given, missing)) if missing else known


def starting_weights(
    fresh: Mapping[str, Tensor],
    recipe: RecipeConfig,
    index: int,
    out: Path,
    reuse: Mapping[str, str],
) -> dict[str, Tensor]:
    """The weights a stage starts from: random ones, and over them those of earlier stages.

    By default everything comes from the stage before.
    reuse: stage name -> folder of a stage of another run, or a model folder.
    """
    stage, sources = recipe.stages[index], sources_of(recipe, index)
    weights = dict(fresh)
    read: dict[Path, dict[str, Tensor]] = {}
    for pattern, source in sources.items():
        folder = Path(reuse.get(source, out / source))
        if folder not in read:
            read[folder] = _weights_of(folder, stage.name, source)
        found = read[folder]
        if is_model_folder(folder):
            _check_covered(fresh, found, pattern, folder, stage.name)
        for name, value in found.items():
            if not matches(name, [pattern]) or name not in fresh:
                continue
            if fresh[name].shape != value.shape:
                raise ConfigError(
                    f"stage {stage.name!r}: init: {name} is {tuple(value.shape)} in {folder}, "
                    f"this recipe's is {tuple(fresh[name].shape)}"
                )
            weights[name] = value.to(fresh[name].dtype)
    return weights


def check_sources(
    fresh: Mapping[str, Tensor],
    recipe: RecipeConfig,
    index: int,
    out: Path,
    reuse: Mapping[str, str],
    coming: Collection[str],
) -> None:
    """What can be known of a stage's start before the stages `coming` are trained.

    Raises: ConfigError for a pattern that matches nothing, or a source that nobody gives.
    """
    stage, sources = recipe.stages[index], sources_of(recipe, index)
    check_patterns(sources, fresh, f"stage {stage.name!r}: init")
    for source in sources.values():
        folder = Path(reuse.get(source, out / source))
        if source not in coming and not folder.exists():
            raise _no_source(stage.name, source, folder)


def sources_of(recipe: RecipeConfig, index: int) -> Mapping[str, str]:
    """What a stage starts from, name pattern -> stage: the stage before by default."""
    given = recipe.stages[index].init
    if given is not None:
        return given
    return {"*": recipe.stages[index - 1].name} if index else {}


def _weights_of(folder: Path, stage: str, source: str) -> dict[str, Tensor]:
    """Of a model folder, or of the newest checkpoint of a stage."""
    if is_model_folder(folder):
        verify_manifest(folder, required=(WEIGHTS_FILE,))
        return read_safetensors(folder / WEIGHTS_FILE)
    found, problems = checkpoints.newest(folder)
    if found is None:
        raise _no_source(stage, source, folder, *problems)
    return found.weights()


def _no_source(stage: str, source: str, folder: Path, *problems: str) -> ConfigError:
    """What to say where a stage cannot start."""
    why = f" ({problems[0]})" if problems else ""
    hint = "" if problems or folder.exists() else f"; --reuse {source}=DIR names another folder"
    return ConfigError(
        f"stage {stage!r} starts from {source!r}: no whole checkpoint in {folder}{why}{hint}"
    )


def _check_covered(
    fresh: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    pattern: str,
    folder: Path,
    stage: str,
) -> None:
    """Nothing that a pattern asks of a model folder may stay random, except LoRA.

    Raises: CheckpointError.
    """
    wanted = [name for name in fresh if matches(name, [pattern]) and not is_lora(name)]
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CheckpointError(
            f"stage {stage!r}: init: {folder} has no {missing[0]!r} "
            f"({len(missing)} of {len(wanted)} tensors that {pattern!r} asks for are missing)"
        )
