"""Loading causal language models of transformers: from a folder, from settings, in four bits.

Import this module only where it is used: transformers takes seconds.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from earvoice.errors import CheckpointError, UsageError

try:
    from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig
except ImportError as error:
    raise UsageError("transformers is not installed; it comes with the extra 'hf'") from error


def load_folder(folder: str | Path, **options: Any) -> Any:
    """The model of a folder with config.json and safetensors; nothing is downloaded.

    Raises: CheckpointError when transformers cannot load it.
    """
    try:
        return AutoModelForCausalLM.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            **options,
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{folder}: transformers cannot load it: {reason}") from error


def build_settings(settings: Mapping[str, Any]) -> Any:
    """A model of that shape with random weights, which come from elsewhere.

    Raises: CheckpointError for a kind that transformers does not know.
    """
    known = dict(settings)
    try:
        config = AutoConfig.for_model(str(known.pop("model_type", "")), **known)
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"llm.settings: transformers has no such model: {error}") from error


def four_bits() -> Any:
    """NF4, quantised twice, computing in bfloat16, as LLaST's code has it.

    Raises: UsageError without bitsandbytes.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UsageError(
            "llm.nf4 is true, but bitsandbytes is not installed: install it, or leave nf4 out "
            "(the frozen weights then take eight times the memory)"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def grow(model: Any, vocab_size: int) -> None:
    """Makes room for added tokens: their rows, in and out, are the mean of those there are."""
    before = int(model.get_input_embeddings().weight.shape[0])
    if vocab_size <= before:
        return
    model.resize_token_embeddings(vocab_size, mean_resizing=False)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            layer.weight[before:] = layer.weight[:before].mean(0)
