"""Which language model a system has: our own decoder by its sizes, or any of transformers.

llm: {dim: 2048, layers: 22, ...}       our decoder (`models/llm.py`)
llm: {folder: checkpoints/gemma-2b-it}  a folder in transformers' layout, run by transformers
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import torch
from pydantic import Discriminator, Field, Tag, model_validator

from earvoice.config import Config
from earvoice.models.llm import Llama, LlamaConfig


class HfLlmConfig(Config):
    """A causal language model of transformers, for those that our decoder does not cover.

    folder: config.json and safetensors on disk, where training starts; nothing is downloaded.
    settings: transformers' own config.json instead, in an exported model, whose weights are all in
    one file. vocab_size: that of the vocabulary, filled in by a run; the table may be longer.
    """

    folder: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    vocab_size: Annotated[int, Field(ge=0)] = 0
    nf4: bool = False
    """The frozen weights in 4 bits (QLoRA, 2305.14314), where bitsandbytes is installed."""

    @model_validator(mode="after")
    def _from_somewhere(self) -> HfLlmConfig:
        if bool(self.folder) == bool(self.settings):
            raise ValueError("one of folder and settings must be given")
        if self.nf4 and not self.folder:
            raise ValueError("nf4 needs a folder: weights are quantised as they are read")
        return self


def _which(value: Any) -> str:
    """The tag of a configuration, or of plain data for one."""
    foreign = isinstance(value, dict) and ("folder" in value or "settings" in value)
    return "HfLlmConfig" if foreign or isinstance(value, HfLlmConfig) else "LlamaConfig"


LlmConfig: TypeAlias = Annotated[
    Annotated[LlamaConfig, Tag("LlamaConfig")] | Annotated[HfLlmConfig, Tag("HfLlmConfig")],
    Discriminator(_which),
]
"""Ours, or one of transformers."""


def build_lm(config: LlamaConfig | HfLlmConfig) -> Any:
    """A language model (`LanguageModel` and `nn.Module`) from its configuration.

    Raises: CheckpointError for a folder that cannot be read; UsageError where transformers, or
        bitsandbytes for `nf4`, is not installed.
    """
    if isinstance(config, LlamaConfig):
        return Llama(config)
    from earvoice.models.llm_hf import HfLanguageModel  # takes seconds

    return HfLanguageModel.from_config(config)


def width_of(lm: Any) -> int:
    """Width of a language model's embeddings."""
    if isinstance(lm, Llama):
        return lm.config.dim
    return int(lm.embed(torch.zeros(1, dtype=torch.long, device="cpu")).shape[-1])
