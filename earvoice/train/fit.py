"""Which mixtures and settings fit which objectives: what does not is said before a run begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earvoice.errors import ConfigError
from earvoice.train.stage import StageConfig

_OTHERS = "*"
_LEARN_FROM: Mapping[str, Mapping[str, str]] = {
    "llast": {_OTHERS: "utterances"},
    "clasi": {"agent_turn": "agent", "retrieve": "retrieve"},
    "jstar": {_OTHERS: "conversations"},
}
"""Kind of system -> objective -> the field that says what it learns from; all others: `data`."""
_HEAR = (
    *("phones", "waco", "ctc", "wait_k", "masked", "translate", "listen"),
    *("asr_transducer", "transducer"),
)
"""Objectives that need sound. The others learn from words too, and take a corpus for its texts."""
_NEED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "phones": (("phones", "masked"), "the head that tells phonemes apart"),
    "text_source": (("mt_transducer",), "tokens in place of sound"),
    "retriever": (("retrieve",), "a retriever"),
}
"""Fields of a system that an objective needs: which, and what they stand for."""


def check_fit(stage: StageConfig, system: Any) -> None:
    """That a stage has what its objective learns from. system: the configuration.

    Raises: ConfigError naming the field and what it must be.
    """
    where = f"stage {stage.name!r}"
    objectives = _LEARN_FROM.get(system.kind, {})
    wanted = objectives.get(stage.objective, objectives.get(_OTHERS, "data"))
    if stage.mixture != wanted:
        raise ConfigError(
            f"{where}: objective {stage.objective!r} of {system.kind!r} learns from `{wanted}`, "
            f"the stage has `{stage.mixture}`"
        )
    source = getattr(getattr(stage, wanted), "source", "audio")
    if source != "audio" and stage.objective in _HEAR:
        raise ConfigError(
            f"{where}: {wanted}.source is {source!r}, with objective {stage.objective!r} it must "
            "be 'audio': it learns from sound"
        )
    for field, (asking, what) in _NEED.items():
        by_head = field == "phones" and (system.kind, stage.objective) == ("lst", "ctc")
        if (stage.objective in asking or by_head) and not getattr(system, field, True):
            raise ConfigError(
                f"{where}: system.{field} is {getattr(system, field)!r}, objective "
                f"{stage.objective!r} needs {what}"
            )
