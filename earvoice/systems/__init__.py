"""The systems: the one list of them, and `build`."""

from __future__ import annotations

from earvoice.systems.fasst import Fasst, FasstConfig

SystemConfig = FasstConfig
"""The union of all systems' configurations, told apart by `kind`."""


def build(config: SystemConfig) -> Fasst:
    """An untrained system from its configuration."""
    return Fasst(config)
