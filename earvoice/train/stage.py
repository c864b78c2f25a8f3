"""A training recipe as data: a system, its vocabulary, and stages run one after the other."""

from __future__ import annotations

from typing import Literal

from earvoice.config import Config
from earvoice.data.augment import AugmentConfig
from earvoice.systems.fasst import FasstConfig


class TokenizerConfig(Config):
    """How the vocabulary is learnt from generated text (source and target side)."""

    vocab_size: int = 2000
    sentences: int = 60000
    seed: int = 1


class MixtureConfig(Config):
    """What a stage's batches are made of.

    audio: talks of a corpus folder; text: talks drawn from the grammar with invented timings.
    The window kinds are drawn with the given weights (`data/windows.py`).
    """

    source: Literal["audio", "text"] = "audio"
    batch_s: float = 96.0
    segments: tuple[int, int] = (3, 26)
    utterance: float = 0.4
    fresh: float = 0.3
    slid: float = 0.3
    ks: tuple[int, ...] = (1, 2, 3, 4, 5, 100)
    n: int = 3
    clean: bool = False
    """Only talks without noise and room: what an encoder should learn on first."""


class StageConfig(Config):
    """One stage: objective, what is trainable, data, optimiser, schedule.

    trainable: parameter name patterns (`lm.*`); everything else is frozen.
    lr_scale: factors on the learning rate by name pattern.
    init: name pattern -> name of a finished stage; later entries win. None takes everything
        from the stage before, {} starts from random weights.
    """

    name: str
    objective: str
    trainable: tuple[str, ...] = ("*",)
    init: dict[str, str] | None = None
    data: MixtureConfig = MixtureConfig()
    augment: AugmentConfig | None = None
    augment_ramp_steps: int = 0
    """Augmentation probability grows from 0 to its value over this many steps."""
    steps: int = 1000
    lr: float = 1e-3
    lr_scale: dict[str, float] = {}
    warmup_steps: int = 60
    schedule: Literal["cosine", "inverse_sqrt", "constant"] = "cosine"
    final_lr: float = 0.02
    """Learning rate at the end of the cosine, as a share of `lr`."""
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    accumulate: int = 1
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    save_every_steps: int = 200
    validate_every_steps: int = 0
    validate_sentences: int = 60


class RecipeConfig(Config):
    """A whole recipe. Folders may be given on the command line: `corpus=DIR out=DIR`."""

    name: str
    system: FasstConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    corpus: tuple[str, ...] = ()
    dev_corpus: str = ""
    out: str = "runs"
    seed: int = 1
    stages: tuple[StageConfig, ...]
