"""The systems: the one list of them, and `build`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from earvoice.systems.clasi import Clasi, ClasiConfig
from earvoice.systems.fasst import Fasst, FasstConfig
from earvoice.systems.jstar import Jstar, JstarConfig
from earvoice.systems.llast import Llast, LlastConfig
from earvoice.systems.lst import Lst, LstConfig

AnyConfig: TypeAlias = (
    FasstConfig  # a line each, so that a system leaves with the lines that name it
    | LstConfig
    | LlastConfig
    | ClasiConfig
    | JstarConfig
)
SystemConfig: TypeAlias = Annotated[AnyConfig, Field(discriminator="kind")]
"""The union of all systems' configurations, told apart by `kind`."""

System: TypeAlias = (
    Fasst  #
    | Lst
    | Llast
    | Clasi
    | Jstar
)

CONFIGS: dict[str, type[AnyConfig]] = {
    "fasst": FasstConfig,
    "lst": LstConfig,
    "llast": LlastConfig,
    "clasi": ClasiConfig,
    "jstar": JstarConfig,
}
"""The configuration of each kind."""


def build(config: AnyConfig) -> System:
    """An untrained system from its configuration."""
    systems: dict[type, Callable[[Any], System]] = {
        FasstConfig: Fasst,
        LstConfig: Lst,
        LlastConfig: Llast,
        ClasiConfig: Clasi,
        JstarConfig: Jstar,
    }
    return systems[type(config)](config)


def vocabulary_size(config: AnyConfig) -> int:
    """How many tokens a system knows."""
    return config.vocab_size if isinstance(config, JstarConfig) else config.llm.vocab_size


def with_vocabulary(config: AnyConfig, vocab_size: int) -> AnyConfig:
    """The configuration for a vocabulary of another size."""
    if isinstance(config, JstarConfig):
        return config.model_copy(update={"vocab_size": vocab_size})
    llm = config.llm.model_copy(update={"vocab_size": vocab_size})
    return config.model_copy(update={"llm": llm})
