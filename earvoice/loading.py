"""From a model folder, or the name of a shipped model, to an interpreter."""

from __future__ import annotations

from pathlib import Path

from earvoice.errors import CheckpointError
from earvoice.policies import PolicySpec
from earvoice.session import Interpreter


def load(model: str | Path, *, policy: PolicySpec | None = None, rows: int = 1) -> Interpreter:
    """Loads a model.

    Args:
        model: the name of a shipped model (`earvoice models`) or a folder with config.json,
            model.safetensors, tokenizer.json and manifest.json.
        policy: default policy of its sessions; None is the model's own.
        rows: streams to make room for at once (more are added when needed).
    Raises: UsageError for an unknown name, CheckpointError for a damaged or foreign folder.
    """
    from earvoice.zoo import find

    folder = find(str(model))
    import torch

    from earvoice.config import parse
    from earvoice.systems import SystemConfig, build
    from earvoice.text.tokenizer import Tokenizer
    from earvoice.train.checkpoint import load_weights, read_safetensors, verify_manifest

    verify_manifest(folder)
    try:
        import json

        data = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: config.json cannot be read ({error})") from error
    config = parse(data, SystemConfig, where=str(folder / "config.json"))
    with torch.device("meta"):
        system = build(config)
    weights = {
        name: value.float()
        for name, value in read_safetensors(folder / "model.safetensors").items()
    }
    load_weights(system, weights, str(folder / "model.safetensors"), assign=True)
    system.eval()
    return system.interpreter(Tokenizer.load(folder), policy=policy, rows=rows)
