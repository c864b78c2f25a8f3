"""What a reproduction tries, as data: recipes/reproduce/*.yaml.

base      stages that every trained arm starts from
parts     what some arms start from besides: another encoder, a smaller language model
stages    building blocks of the arms
arms      which stages, from which start, on what changes of the recipe
claims    what is compared, on what, what the paper found, what would show it
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from earvoice.config import Config, Count, Positive
from earvoice.train.stage import StageConfig

SETS = (
    "talks", "sentences", "spans", "compute", "all", "conversations",
    "overlap", "apart", "retriever", "recall", "use", "references", "decision",
)  # fmt: skip
"""Test sets; a direction such as `fr-en` is one too. `all` is the mean over directions."""
_DIRECTION = re.compile(r"[a-z]{2,3}-[a-z]{2,3}")


class PaperRow(Config):
    """What the paper found for an arm: points of a curve, BLEU by direction, computing by age."""

    bleu: tuple[float, ...] = ()
    by_direction: dict[str, float] = Field(default_factory=dict)
    lag_ms: tuple[float, ...] = ()
    cost_ms: tuple[float, ...] = ()


class PaperTable(Config):
    """The paper's own numbers with their place, by arm."""

    source: str
    rows: dict[str, PaperRow] = Field(default_factory=dict)


class StatementConfig(Config):
    """One sentence of a claim: `better` is better than `worse`.

    by: `bleu`, the mean over the policies measured; `bleu_at_equal_lag`, the mean height of one
    curve above the other over the lags that both have; `cost`, milliseconds per step at the
    greatest age, less being better. Of conversations: `wer`, `first_ms` and `last_ms`, less being
    better too. Of agents: `score`, the mean of the percentages.
    """

    says: str
    better: str
    worse: str
    on: str
    by: Literal["bleu", "score", "bleu_at_equal_lag", "cost", "wer", "first_ms", "last_ms"] = "bleu"
    lag: str = "laal_ms"

    @field_validator("on")
    @classmethod
    def _a_test_set(cls, on: str) -> str:
        if on not in SETS and not _DIRECTION.fullmatch(on):
            raise ValueError(f"it must be one of {', '.join(SETS)}, or a direction such as fr-en")
        return on


class _Claim(Config):
    title: str
    paper: PaperTable
    statements: Annotated[tuple[StatementConfig, ...], Field(min_length=1)]
    remarks: tuple[str, ...] = ()


class ArmsClaim(_Claim):
    """Trained arms, measured on whole talks and single sentences, or direction by direction."""

    kind: Literal["arms"] = "arms"
    arms: tuple[str, ...]


class SpansConfig(Config):
    """Spans of talks of up to `most_s` seconds (MuST-C-Long's construction), drawn by the seed."""

    count: Count = 12
    most_s: Positive = 30.0


class RecomputeClaim(_Claim):
    """A trained model with and without its memory: text, lag, and computing by age."""

    kind: Literal["recompute"]
    model: str
    ks: tuple[Count, ...]
    spans: SpansConfig = SpansConfig()
    ages_s: tuple[Positive, ...] = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
    tokens: Count = 8
    """Written after each segment while computing is measured, whatever the weights say."""
    repetitions: Count = 2


class PolicyClaim(_Claim):
    """A trained model under several policies, given as text: name of a curve -> its points."""

    kind: Literal["policy"]
    model: str
    curves: dict[str, tuple[str, ...]]
    spans: SpansConfig = SpansConfig()


class AgentClaim(_Claim):
    """A trained agent on freshly drawn talks: retriever, use of terms, memory, when it writes.

    cases: sentences, or passages, a direction; talks for the decision. keys: terms to choose from.
    """

    kind: Literal["agent"]
    model: str
    measures: Literal["retriever", "terms", "memory", "decision"]
    cases: Count = 60
    keys: Count = 1000


Claim = Annotated[
    ArmsClaim | RecomputeClaim | PolicyClaim | AgentClaim, Field(discriminator="kind")
]


class BaseConfig(Config):
    """Where the arms start: a training recipe (beside this file), its stages, what is taken.

    changes: overrides of the recipe while the base is trained, as on the command line.
    """

    recipe: str
    stages: tuple[str, ...]
    take: dict[str, str]
    changes: tuple[str, ...] = ()


class PartConfig(Config):
    """Another start, trained once for all seeds with the base's vocabulary.

    like: its stages that are a stage of the recipe under a name of their own. stages: others.
    """

    what: str
    changes: tuple[str, ...] = ()
    like: dict[str, str] = Field(default_factory=dict)
    stages: tuple[StageConfig, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All its stages."""
        return (*self.like, *(stage.name for stage in self.stages))


class ArmConfig(Config):
    """Stages one after the other; `segments` replaces their windows' least and most length.

    take: what does not come from where the base says. changes: overrides of the recipe.
    """

    what: str
    stages: Annotated[tuple[str, ...], Field(min_length=1)]
    segments: tuple[Count, Count] | None = None
    take: dict[str, str] = Field(default_factory=dict)
    changes: tuple[str, ...] = ()


class TestConfig(Config):
    """How trained arms are measured. Systems with directions: so many sentences of each."""

    ks: tuple[Count, ...] = (1, 3, 5)
    talks: Annotated[int, Field(ge=0)] = 8
    sentences: Annotated[int, Field(ge=0)] = 100
    batch: Count = 16


class ReproduceConfig(Config):
    """A whole reproduction."""

    name: str
    paper: str
    base: BaseConfig
    parts: dict[str, PartConfig] = Field(default_factory=dict)
    changes: tuple[str, ...] = ()
    """Overrides of the recipe for all arms."""
    stages: tuple[StageConfig, ...]
    arms: dict[str, ArmConfig]
    test: TestConfig = TestConfig()
    claims: dict[str, Claim]

    @model_validator(mode="after")
    def _names_are_there(self) -> ReproduceConfig:
        stages = [stage.name for stage in self.stages]
        starts = [*self.base.stages, *(name for part in self.parts.values() for name in part.names)]
        for name, arm in self.arms.items():
            for stage in arm.stages:
                if stage not in stages:
                    raise ValueError(f"arms.{name}: no stage {stage!r}, there are {stages}")
            for stage in arm.take.values():
                if stage not in starts:
                    raise ValueError(f"arms.{name}: take: no stage {stage!r}, there are {starts}")
        for name, claim in self.claims.items():
            known = _arms_of(claim)
            if isinstance(claim, ArmsClaim):
                missing = [trained for trained in claim.arms if trained not in self.arms]
                if missing:
                    raise ValueError(f"claims.{name}: no arm {missing[0]!r}")
            for statement in claim.statements:
                for named in (statement.better, statement.worse):
                    if named not in known:
                        raise ValueError(f"claims.{name}: {named!r} is none of {', '.join(known)}")
        return self

    def stage(self, name: str) -> StageConfig:
        """A building block by name."""
        return next(stage for stage in self.stages if stage.name == name)

    def take_of(self, arm: str) -> dict[str, str]:
        """Where an arm starts: name pattern -> stage of the base or of a part."""
        return {**self.base.take, **self.arms[arm].take}

    def parts_of(self, arms: tuple[str, ...]) -> tuple[str, ...]:
        """The parts that some arms need."""
        taken = {stage for arm in arms for stage in self.take_of(arm).values()}
        return tuple(name for name, part in self.parts.items() if taken & set(part.names))

    def arms_of(self, claims: tuple[str, ...]) -> tuple[str, ...]:
        """The trained arms that some claims need, each once, in order."""
        chosen = [self.claims[name] for name in claims]
        names = [arm for claim in chosen if isinstance(claim, ArmsClaim) for arm in claim.arms]
        return tuple(dict.fromkeys(names))


MEMORY_ARMS = ("incremental", "re-encode", "recompute LM", "both", "recompute LM, same masks")
"""Arms of a `recompute` claim."""


AGENT_ARMS = MappingProxyType(
    {
        "retriever": ("retriever", "text", "audio"),
        "terms": ("with glossary", "without"),
        "memory": ("with memory", "without"),
        "decision": ("learned", "fixed chunks", "wait-k"),
    }
)
"""Arms of an `agent` claim, by what it measures."""


def _arms_of(claim: ArmsClaim | RecomputeClaim | PolicyClaim | AgentClaim) -> tuple[str, ...]:
    if isinstance(claim, AgentClaim):
        return AGENT_ARMS[claim.measures]
    if isinstance(claim, ArmsClaim):
        return claim.arms
    return MEMORY_ARMS if isinstance(claim, RecomputeClaim) else tuple(claim.curves)
