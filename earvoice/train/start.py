"""What a stage starts from: random weights, earlier stages, stages of other runs, model folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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


def check_reuse(recipe: RecipeConfig, stages: Collection[str], reuse: Collection[str]) -> None:
    """That every reused folder is of use, and none of a stage that is to be trained.

    stages: those named to be trained.
    Raises: ConfigError naming what there is.
    """
    known = asked_for(recipe)
    for name in reuse:
        if name not in known:
            raise ConfigError(
                f"--reuse {name}=DIR: no stage is called {name!r} or starts from it; "
                f"it must be one of {', '.join(known)}"
            )
        if name in stages:
            raise ConfigError(
                f"--reuse {name}=DIR takes stage {name!r} from another run, --stages trains it: "
                "leave one of them out"
            )


def asked_for(recipe: RecipeConfig) -> list[str]:
    """What `--reuse` may give: the stages, and what else they start from."""
    names = [stage.name for stage in recipe.stages]
    for index in range(len(recipe.stages)):
        names += sources_of(recipe, index).values()
    return list(dict.fromkeys(names))


def providing(recipe: RecipeConfig, name: str, reuse: Mapping[str, str]) -> dict[str, str]:
    """Those of the reused folders from which some stage takes the weights called `name`.

    A vocabulary comes with the language model that knows it, phoneme numbers with their head; an
    encoder that is reused alone brings neither.
    """
    trained = [index for index, stage in enumerate(recipe.stages) if stage.name not in reuse]
    sources = {_source_of(name, sources_of(recipe, index)) for index in trained}
    return {source: folder for source, folder in reuse.items() if source in sources}


def _source_of(name: str, sources: Mapping[str, str]) -> str | None:
    """Where a tensor comes from: later patterns win. None: it stays random."""
    return next((sources[key] for key in reversed(list(sources)) if matches(name, [key])), None)


def pretrained_vocabulary(
    reuse: Mapping[str, str], llm_folder: str = "", system: Any = None
) -> Path | None:
    """The vocabulary that comes with reused weights, or with the language model's folder.

    That of a model folder lies in it, that of a stage's folder beside it, with its run.
    Raises: ConfigError for two of them; CheckpointError where weights have none.
    """
    folders = [Path(folder) for folder in reuse.values()]
    found = {folder: file for folder in folders if (file := _vocabulary_file(folder)) is not None}
    for folder, file in found.items():
        if not file.is_file():
            raise CheckpointError(
                f"--reuse: {folder} has weights that know a vocabulary, and there is no {file}: "
                "put the one there that they were trained with"
            )
    if llm_folder and (Path(llm_folder) / TOKENIZER_FILE).is_file():
        found[Path(llm_folder)] = Path(llm_folder) / TOKENIZER_FILE
    files = list(found.values())
    if len({path.read_bytes() for path in files}) > 1:
        first, *others = (given_vocabulary(path, system) for path in files)
        if not all(same_vocabulary(first, other) for other in others):
            raise ConfigError(
                f"--reuse: {' and '.join(map(str, found))} have different vocabularies"
            )
    return next(iter(files), None)


def _vocabulary_file(folder: Path) -> Path | None:
    """Where the vocabulary of a folder's weights should be; None where there are no weights."""
    if is_model_folder(folder):
        return folder / TOKENIZER_FILE
    return folder.parent / TOKENIZER_FILE if any(folder.glob("step-*")) else None


def same_vocabulary(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether two say the same, however their files are laid out."""
    return one == other or json.loads(one.definition) == json.loads(other.definition)


def given_vocabulary(given: Path, system: Any) -> Tokenizer:
    """A vocabulary that was found, with the marks of speech that a system's prompt needs."""
    known = Tokenizer.load(given)
    marks = [SPECIALS.sp_start, SPECIALS.sp_end] if getattr(system, "kind", "") == "lst" else []
    missing = [mark for mark in marks if not known.has_control(mark)]
    return Tokenizer(with_control_tokens(given, missing)) if missing else known


@dataclass(frozen=True)
class Start:
    """What a stage starts from. digests: source -> digest of all the weights it holds."""

    weights: dict[str, Tensor]
    digests: dict[str, str]


def start_of(
    fresh: Mapping[str, Tensor],
    recipe: RecipeConfig,
    index: int,
    out: Path,
    reuse: Mapping[str, str],
) -> Start:
    """The weights a stage starts from: random ones, and over them those of earlier stages.

    By default everything comes from the stage before.
    reuse: stage name -> folder of a stage of another run, or a model folder.
    Raises: ConfigError, CheckpointError naming what is not there or does not fit.
    """
    stage, sources = recipe.stages[index], sources_of(recipe, index)
    start = Start(dict(fresh), {})
    read: dict[Path, dict[str, Tensor]] = {}
    for number, (pattern, source) in enumerate(sources.items()):
        folder = Path(reuse.get(source, out / source))
        if folder not in read:
            read[folder], start.digests[source] = _weights_of(folder, stage.name, source)
        found, later = read[folder], list(sources)[number + 1 :]
        _check_covered(fresh, found, (pattern, later), folder, stage.name)
        for name, value in found.items():
            if not matches(name, [pattern]) or name not in fresh:
                continue
            if fresh[name].shape != value.shape:
                raise ConfigError(
                    f"stage {stage.name!r}: init: {name} is {tuple(value.shape)} in {folder}, "
                    f"this recipe's is {tuple(fresh[name].shape)}"
                )
            start.weights[name] = value.to(fresh[name].dtype)
    return start


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


def _weights_of(folder: Path, stage: str, source: str) -> tuple[dict[str, Tensor], str]:
    """Of a model folder, or of the newest checkpoint of a stage; and their digest."""
    if is_model_folder(folder):
        verify_manifest(folder, required=(WEIGHTS_FILE,))
        return read_safetensors(folder / WEIGHTS_FILE), _digest(folder, "")
    found, problems = checkpoints.newest(folder)
    if found is None:
        raise _no_source(stage, source, folder, *problems)
    return found.weights(), _digest(found.path, found.base or "")


def _digest(folder: Path, base: str) -> str:
    """Of all weights, by the hashes of a manifest that was verified: no tensor is read again.

    base: digest of what the folder leaves out.
    """
    files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    weights = [name for name in sorted(files) if name.endswith(".safetensors")]
    # Of optimiser moments nothing is taken; in shares they are one file with the weights.
    hashes = [files[name]["sha256"] for name in weights if not name.startswith("optimiser")]
    return hashlib.sha256("\n".join([base, *hashes]).encode()).hexdigest()


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
    asked: tuple[str, Sequence[str]],
    folder: Path,
    stage: str,
) -> None:
    """Nothing that a pattern asks of a folder may stay random, except LoRA.

    asked: the pattern, and later ones, which ask others for what they match.
    Raises: CheckpointError.
    """
    pattern, later = asked
    wanted = [
        name
        for name in fresh
        if matches(name, [pattern]) and not matches(name, later) and not is_lora(name)
    ]
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CheckpointError(
            f"stage {stage!r}: init: {folder} has no {missing[0]!r} "
            f"({len(missing)} of {len(wanted)} tensors that {pattern!r} asks for are missing)"
        )
