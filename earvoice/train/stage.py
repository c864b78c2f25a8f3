"""A training recipe as data: a system, its vocabulary, and stages run one after the other."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from earvoice.config import Config, Count, Positive, Probability, Share
from earvoice.data.augment import AugmentConfig
from earvoice.errors import ConfigError
from earvoice.policies.schedule import OFFLINE_K
from earvoice.systems import SystemConfig
from earvoice.systems.fasst import WAIT_TAGS
from earvoice.train.agent_mixture import AgentMixture, RetrieveMixture
from earvoice.train.conversations import ConversationMixture
from earvoice.train.utterances import UtteranceMixture

Beta = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""What random generators take."""
MIXTURES = ("utterances", "agent", "retrieve", "conversations")
"""Fields of a stage that say what it learns from, instead of `data`."""
EXPORTS = ("model", "adaptation")
"""Folders of a run that an export writes over."""
_STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class TokenizerConfig(Config):
    """How the vocabulary is learnt from generated text (source and target side)."""

    vocab_size: int = 2000
    sentences: Count = 60000
    seed: int = 1
    apart: bool = False
    """No piece reaches over punctuation or from one Chinese word into the next, so that a term is
    in the same pieces wherever it stands."""
    all_bytes: bool = True
    """Also pieces for the bytes that UTF-8 never has: room that a small vocabulary can use."""


class MixtureConfig(Config):
    """What a stage's batches are made of.

    audio: talks of a corpus folder; text: talks drawn from the grammar with invented timings.
    The window kinds are drawn with the given weights (`data/windows.py`).
    """

    source: Literal["audio", "text"] = "audio"
    batch_s: Positive = 96.0
    segments: tuple[Count, Count] = (3, 26)
    """Least and most segments of a window; all windows of a batch have equally many."""
    utterance: Share = 0.4
    fresh: Share = 0.3
    slid: Share = 0.3
    single: bool = False
    """A window is one utterance, each as often as any other, in as few segments as it needs; k and
    n are drawn per batch. Else it holds as many sentences as fit. For `utterance` alone."""
    least_s: Share = 0.0
    """With `single`: shorter utterances are left out, like those that need too many segments."""
    ks: tuple[int, ...] = (1, 2, 3, 4, 5, 100)
    ns: Annotated[tuple[Count, ...], Field(min_length=1)] = (3,)
    """Strides to draw from, in words a segment."""
    missed: Probability = 0.0
    """Share of windows in which one to four consultations in a row are missed, so that the model
    learns to catch up. Not for faithful training."""
    text_forms: tuple[Share, Share, Share] = (0.5, 0.35, 0.15)
    """Shares of batches whose source is tokens one after the other, tokens where they are spoken,
    and words filling all their slots; for `source: text`."""
    speed: tuple[Positive, Positive] = (1.0, 1.0)
    """Slowest and fastest playing; pitch and formants move along, so each is another voice."""
    engines: dict[str, Positive] = Field(default_factory=dict)
    """How much more often than others the talks of a synthesizer are drawn."""
    clean: bool = False
    """Only talks without noise and room: what an encoder should learn on first."""

    @field_validator("segments", "speed")
    @classmethod
    def _in_order(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if ends[0] > ends[1]:
            raise ValueError("the least must not be more than the most")
        return ends

    @field_validator("text_forms")
    @classmethod
    def _some_form(cls, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        if not any(shares):
            raise ValueError("not all shares may be 0")
        return shares

    @model_validator(mode="after")
    def _some_kind(self) -> MixtureConfig:
        if not self.utterance + self.fresh + self.slid:
            raise ValueError("utterance, fresh and slid may not all be 0")
        return self

    @model_validator(mode="after")
    def _single_alone(self) -> MixtureConfig:
        plain = self.speed == (1.0, 1.0) and not self.missed and not self.engines
        if self.single and (self.source == "text" or self.fresh + self.slid or not plain):
            raise ValueError(
                "single is for whole utterances with sound: fresh, slid and missed must be 0, "
                "speed (1, 1), engines empty and source audio"
            )
        return self

    @field_validator("ks")
    @classmethod
    def _waits_there_are(cls, ks: tuple[int, ...]) -> tuple[int, ...]:
        legal = [*WAIT_TAGS, OFFLINE_K]
        if not ks or not set(ks) <= set(legal):
            raise ValueError(f"it must hold some of {legal}")
        return ks


class StageConfig(Config):
    """One stage: objective, what is trainable, data, optimiser, schedule.

    trainable: parameter name patterns (`lm.*`); everything else is frozen.
    lr_scale: factors on the learning rate by name pattern.
    init: name pattern -> name of a finished stage; later entries win. None takes everything
        from the stage before, {} starts from random weights.
    """

    name: str
    objective: str
    trainable: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    init: dict[str, str] | None = None
    data: MixtureConfig = MixtureConfig()
    utterances: UtteranceMixture | None = None
    """Whole utterances of many languages, instead of `data`: what LLaST trains on."""
    agent: AgentMixture | None = None
    """Turns of talks cut off anywhere, instead of `data`: what CLASI trains on."""
    retrieve: RetrieveMixture | None = None
    """Windows and terms, instead of `data`: what CLASI's retriever trains on."""
    conversations: ConversationMixture | None = None
    """Two people and the translations of both, instead of `data`: what JSTAR trains on."""
    augment: AugmentConfig | None = None
    augment_ramp_steps: Annotated[int, Field(ge=0)] = 0
    """Augmentation probability grows from 0 to its value over this many steps."""
    steps: Count = 1000
    schedule_steps: Count | None = None
    """Steps that the cosine or line is laid out for, where the stage ends before it does."""
    lr: Positive = 1e-3
    lr_scale: dict[str, Share] = Field(default_factory=dict)
    warmup_steps: Annotated[int, Field(ge=0)] = 60
    schedule: Literal["cosine", "linear", "inverse_sqrt", "constant"] = "cosine"
    final_lr: Probability = 0.02
    """Learning rate at the end of the cosine or the line, as a share of `lr`."""
    muon: tuple[str, ...] = ()
    """Name patterns: these linear layers' weights learn by Muon (kellerjordan.github.io/posts/muon)
    with orthogonalised updates, everything else by AdamW."""
    muon_lr: Positive = 6e-3
    """The largest learning rate of Muon; a step is as large (RMS) as AdamW's with that rate."""
    betas: tuple[Beta, Beta] = (0.9, 0.98)
    weight_decay: Share = 0.01
    clip_norm: Positive = 1.0
    accumulate: Count = 1
    """Batches of a step; ranks share them out among them."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    recompute: bool = False
    """Gradient checkpointing: less memory, a third more time, the same weights."""
    save_every_steps: Count = 200
    validate_every_steps: Annotated[int, Field(ge=0)] = 0
    validate_sentences: Count = 60

    @field_validator("name")
    @classmethod
    def _a_folder_of_its_own(cls, name: str) -> str:
        if not _STAGE_NAME.fullmatch(name) or name in EXPORTS:
            raise ValueError(
                "it names a folder of the run: letters, digits, dots, hyphens and underscores, the "
                f"first a letter or digit, and none of {', '.join(EXPORTS)}, where results go"
            )
        return name

    @model_validator(mode="after")
    def _one_mixture(self) -> StageConfig:
        given = [name for name in MIXTURES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(
                f"a stage learns from one of {', '.join(MIXTURES)}, or `data`; "
                f"it has {' and '.join(given)}"
            )
        return self

    @property
    def mixture(self) -> str:
        """The field that says what it learns from."""
        return next((name for name in MIXTURES if getattr(self, name) is not None), "data")

    @field_validator("schedule_steps")
    @classmethod
    def _not_before_the_end(cls, laid_out: int | None, info: ValidationInfo) -> int | None:
        if laid_out is not None and laid_out < info.data.get("steps", 0):
            raise ValueError(
                f"it must be at least steps, {info.data['steps']}: a schedule that ends before "
                "its stage has no learning rate for the rest"
            )
        return laid_out


class RecipeConfig(Config):
    """A whole recipe. Folders may be given on the command line: `corpus=DIR out=DIR`."""

    name: str
    system: SystemConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    corpus: tuple[str, ...] = ()
    dev_corpus: str = ""
    out: str = "runs"
    seed: Seed = 1
    stages: tuple[StageConfig, ...]

    @field_validator("stages")
    @classmethod
    def _at_least_one(cls, stages: tuple[StageConfig, ...]) -> tuple[StageConfig, ...]:
        if not stages:
            raise ValueError("a recipe needs at least one stage")
        return stages


def check_validated(recipe: RecipeConfig, names: Collection[str]) -> None:
    """That stages which are to be validated can be. Raises: ConfigError naming one that cannot."""
    for stage in recipe.stages:
        if stage.name in names and stage.validate_every_steps and not recipe.dev_corpus:
            raise ConfigError(
                f"stage {stage.name!r}: validate_every_steps is {stage.validate_every_steps}, but "
                "dev_corpus is empty; name a corpus to validate on, or set it to 0"
            )
