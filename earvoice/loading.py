"""From a model folder, or the name of a shipped model, to an interpreter.

A model folder holds `config.json`, `model.safetensors`, `tokenizer.json` and the `manifest.json`
that seals them. The network is laid out without memory and takes the tensors of the file as they
are, so loading costs reading the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earvoice.config import parse
from earvoice.errors import CheckpointError, ConfigError, UsageError
from earvoice.models.blank import blank_weights
from earvoice.models.files import MANIFEST, load_weights, read_safetensors, verify_manifest
from earvoice.models.layout import lay_out_for_inference
from earvoice.policies import PolicySpec
from earvoice.session import Interpreter
from earvoice.systems import CONFIGS, System, SystemConfig, build, vocabulary_size
from earvoice.text.tokenizer import FILE_NAME as TOKENIZER_FILE
from earvoice.text.tokenizer import Tokenizer
from earvoice.zoo import find

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def load(
    model: str | Path,
    *,
    policy: PolicySpec | None = None,
    rows: int = 1,
    settings: Mapping[str, Any] | None = None,
) -> Interpreter:
    """Loads a model.

    Args:
        model: the name of a shipped model (`earvoice models`) or a folder with config.json,
            model.safetensors, tokenizer.json and manifest.json.
        policy: default policy of its sessions; None is the model's own.
        rows: streams to make room for at once (more are added when needed).
        settings: fields of its configuration for live use that are to be otherwise, such as
            `pauses`; ConfigError for one it does not have.
    Raises: UsageError for an unknown name, CheckpointError for a damaged or foreign folder.
    """
    if rows < 1:
        raise UsageError(f"rows is {rows}, it must be 1 or more")
    system, tokenizer = load_system(find(model), settings)
    return system.interpreter(tokenizer, policy=policy, rows=rows)


def load_system(
    folder: Path, settings: Mapping[str, Any] | None = None
) -> tuple[System, Tokenizer]:
    """The network, in float32 and ready to run, and the vocabulary of a model folder.

    Raises: CheckpointError naming the file and what is wrong with it.
    """
    if not (folder / MANIFEST).is_file():
        raise CheckpointError(
            f"{folder} is not a finished model: it has no {MANIFEST}; "
            "training writes one when it exports to OUT/model"
        )
    verify_manifest(folder, required=(CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE))
    config = read_config(folder / CONFIG_FILE)
    if settings:
        data = config.model_dump(mode="json") | dict(settings)
        config = parse(data, type(config), where=f"{config.kind} model {folder.name}")
    tokenizer = Tokenizer.load(folder / TOKENIZER_FILE)
    if tokenizer.vocab_size != vocabulary_size(config):
        raise CheckpointError(
            f"{folder}: {TOKENIZER_FILE} has {tokenizer.vocab_size} entries, "
            f"{CONFIG_FILE} says {vocabulary_size(config)}"
        )
    return build_with_weights(config, folder / WEIGHTS_FILE), tokenizer


def read_config(path: Path) -> SystemConfig:
    """The configuration of a system. Raises: CheckpointError, also for a kind unknown here."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    kind = data.get("kind", "fasst") if isinstance(data, dict) else "fasst"
    if not isinstance(kind, str) or kind not in CONFIGS:
        raise CheckpointError(
            f"{path}: kind is {kind!r}: it must be one of {', '.join(map(repr, CONFIGS))} "
            "(a model of another version or system?)"
        )
    try:
        return parse(data, CONFIGS[kind], where=str(path))
    except ConfigError as error:
        raise CheckpointError(f"{error} (a model of another version or system?)") from None


def build_with_weights(config: SystemConfig, weights: Path) -> System:
    """A system whose tensors are those of a file, as float32.

    Raises: CheckpointError when the file does not fit the configuration.
    """
    try:
        with blank_weights():
            system = build(config)
    except (ValueError, RuntimeError, ArithmeticError) as error:  # sizes that fit no network
        raise CheckpointError(f"{weights.parent / CONFIG_FILE}: {error}") from error
    tensors = {name: value.float() for name, value in read_safetensors(weights).items()}
    load_weights(system, tensors, str(weights), assign=True)
    system.eval().requires_grad_(False)
    lay_out_for_inference(system)
    return system
