"""The systems: the one list of them, and `build`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from earvoice.systems.fasst import Fasst, FasstConfig
from earvoice.systems.llast import Llast, LlastConfig
from earvoice.systems.lst import Lst, LstConfig

AnyConfig: TypeAlias = FasstConfig | LstConfig | LlastConfig
SystemConfig: TypeAlias = Annotated[AnyConfig, Field(discriminator="kind")]
"""The union of all systems' configurations, told apart by `kind`."""

System: TypeAlias = Fasst | Lst | Llast

CONFIGS: dict[str, type[FasstConfig] | type[LstConfig] | type[LlastConfig]] = {
    "fasst": FasstConfig,
    "lst": LstConfig,
    "llast": LlastConfig,
}
"""The configuration of each kind."""


def build(config: AnyConfig) -> System:
    """An untrained system from its configuration."""
    if isinstance(config, LlastConfig):
        return Llast(config)
    return Lst(config) if isinstance(config, LstConfig) else Fasst(config)
