"""The batches of an agent's stages, for a system that has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from earvoice.data.augment import Augment
from earvoice.data.manifest import Talk
from earvoice.errors import ConfigError
from earvoice.train.agent_mixture import AgentMixture, RetrieveMixture
from earvoice.train.agent_turns import AgentExamples, grid_of
from earvoice.train.retrieval import RetrieveExamples


def agent_examples(
    mixture: AgentMixture | RetrieveMixture,
    system: Any,
    talks: Sequence[Talk],
    augment: Augment | None,
    *,
    seed: int,
    stage: str,
) -> AgentExamples | RetrieveExamples:
    """Turns, or windows with terms. Raises: ConfigError for a system that is no agent."""
    if not hasattr(system.config, "memory_tokens"):
        raise ConfigError(
            f"stage {stage!r}: turns and terms are for systems that decide by themselves, such as "
            f"'clasi'; {system.config.kind!r} takes `data`"
        )
    if isinstance(mixture, AgentMixture):
        grid, codec = grid_of(system), system.bound
        return AgentExamples(mixture, grid, codec, talks, augment, seed=seed, stage=stage)
    if system.retriever is None:
        raise ConfigError(f"stage {stage!r}: the system has no retriever: set system.retriever")
    frame = system.frame_samples
    window = frame * system.retriever.config.window_frames
    return RetrieveExamples(mixture, frame, window, talks, augment, seed=seed, stage=stage)
