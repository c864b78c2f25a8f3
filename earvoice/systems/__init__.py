"""The systems: the one list of them, and `build`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from earvoice.systems.fasst import Fasst, FasstConfig
from earvoice.systems.jstar import Jstar, JstarConfig
from earvoice.systems.llast import Llast, LlastConfig
from earvoice.systems.lst import Lst, LstConfig

AnyConfig: TypeAlias = FasstConfig | LstConfig | LlastConfig | JstarConfig
SystemConfig: TypeAlias = Annotated[AnyConfig, Field(discriminator="kind")]
"""The union of all systems' configurations, told apart by `kind`."""

System: TypeAlias = Fasst | Lst | Llast | Jstar

CONFIGS: dict[str, type[FasstConfig] | type[LstConfig] | type[LlastConfig] | type[JstarConfig]] = {
    "fasst": FasstConfig,
    "lst": LstConfig,
    "llast": LlastConfig,
    "jstar": JstarConfig,
}
"""The configuration of each kind."""


def build(config: AnyConfig) -> System:
    """An untrained system from its configuration."""
    if isinstance(config, JstarConfig):
        return Jstar(config)
    if isinstance(config, LlastConfig):
        return Llast(config)
    return Lst(config) if isinstance(config, LstConfig) else Fasst(config)


def vocabulary_size(config: AnyConfig) -> int:
    """How many tokens a system knows."""
    return config.vocab_size if isinstance(config, JstarConfig) else config.llm.vocab_size


def with_vocabulary(config: AnyConfig, vocab_size: int) -> AnyConfig:
    """The configuration for a vocabulary of another size."""
    if isinstance(config, JstarConfig):
        return config.model_copy(update={"vocab_size": vocab_size})
    llm = config.llm.model_copy(update={"vocab_size": vocab_size})
    return config.model_copy(update={"llm": llm})
