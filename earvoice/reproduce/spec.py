"""What a reproduction tries, as data: recipes/reproduce/*.yaml.

base      stages that every trained arm starts from
stages    building blocks of the arms
arms      which stages, on windows of which length
claims    what is compared, on what, what the paper found, what would show it
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from earvoice.config import Config, Count, Positive
from earvoice.train.stage import StageConfig

Measured = Literal["talks", "sentences", "spans", "compute"]


class PaperRow(Config):
    """What the paper found for an arm: points of a curve, or computing by age."""

    bleu: tuple[float, ...] = ()
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
    greatest age, less being better.
    """

    says: str
    better: str
    worse: str
    on: Measured
    by: Literal["bleu", "bleu_at_equal_lag", "cost"] = "bleu"
    lag: str = "laal_ms"


class _Claim(Config):
    title: str
    paper: PaperTable
    statements: Annotated[tuple[StatementConfig, ...], Field(min_length=1)]
    remarks: tuple[str, ...] = ()


class ArmsClaim(_Claim):
    """Trained arms, each measured on whole talks and on single sentences."""

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


Claim = Annotated[ArmsClaim | RecomputeClaim | PolicyClaim, Field(discriminator="kind")]


class BaseConfig(Config):
    """Where the arms start: a training recipe (beside this file), its stages, what is taken."""

    recipe: str
    stages: tuple[str, ...]
    take: dict[str, str]


class ArmConfig(Config):
    """Stages one after the other; `segments` replaces their windows' least and most length."""

    what: str
    stages: Annotated[tuple[str, ...], Field(min_length=1)]
    segments: tuple[Count, Count] | None = None


class TestConfig(Config):
    """How trained arms are measured."""

    ks: tuple[Count, ...] = (1, 3, 5)
    talks: Count = 8
    sentences: Count = 100
    batch: Count = 16


class ReproduceConfig(Config):
    """A whole reproduction."""

    name: str
    paper: str
    base: BaseConfig
    stages: tuple[StageConfig, ...]
    arms: dict[str, ArmConfig]
    test: TestConfig = TestConfig()
    claims: dict[str, Claim]

    @model_validator(mode="after")
    def _names_are_there(self) -> ReproduceConfig:
        stages = [stage.name for stage in self.stages]
        for name, arm in self.arms.items():
            for stage in arm.stages:
                if stage not in stages:
                    raise ValueError(f"arms.{name}: no stage {stage!r}, there are {stages}")
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

    def arms_of(self, claims: tuple[str, ...]) -> tuple[str, ...]:
        """The trained arms that some claims need, each once, in order."""
        chosen = [self.claims[name] for name in claims]
        names = [arm for claim in chosen if isinstance(claim, ArmsClaim) for arm in claim.arms]
        return tuple(dict.fromkeys(names))


MEMORY_ARMS = ("incremental", "re-encode", "recompute LM", "both", "recompute LM, same masks")
"""Arms of a `recompute` claim."""


def _arms_of(claim: ArmsClaim | RecomputeClaim | PolicyClaim) -> tuple[str, ...]:
    if isinstance(claim, ArmsClaim):
        return claim.arms
    return MEMORY_ARMS if isinstance(claim, RecomputeClaim) else tuple(claim.curves)
