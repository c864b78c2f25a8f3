"""What a run's stages cost and learnt, read from their logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError
from earvoice.train.log import RESUMED, STARTED_OVER

LOG_NAME = "log.jsonl"
PAUSE_S = 120.0
"""Records further apart than this are an interruption, not training."""

_RATES = ("audio s/s", "tokens/s", "MFU", "GiB")
_WINDOW_STEPS = 100
_KEYS = {"waco": "retrieval"}
"""What is shown of an objective; of all others the loss of the target tokens, `nll`, or the loss of
those that write none."""


@dataclass(frozen=True)
class StageSummary:
    """A stage: minutes of training, and a figure over its first and its last hundred steps.

    figure: what was averaged; NaN-free, None where the log has none. audio_per_s, tokens_per_s and
    mfu are means over the records, memory_gib is the most; None in logs of older versions.
    """

    stage: str
    steps: int
    minutes: float
    figure: str
    first: float | None
    last: float | None
    audio_per_s: float | None = None
    tokens_per_s: float | None = None
    mfu: float | None = None
    memory_gib: float | None = None


def summarise(out: Path, stages: Sequence[tuple[str, str]]) -> list[StageSummary]:
    """The stages of a run that have a log. stages: (name, objective), in the recipe's order.

    Raises: UsageError when none of them has.
    """
    found = [
        _stage(out / name / LOG_NAME, name, _KEYS.get(objective))
        for name, objective in stages
        if (out / name / LOG_NAME).is_file()
    ]
    if not found:
        raise UsageError(f"{out} holds no log of a stage of this recipe; out=DIR names the run")
    return found


def table(summaries: Sequence[StageSummary]) -> str:
    """A Markdown table, with the minutes of all in the last line."""
    heads = ("stage", "steps", "minutes", "figure", "first", "last", *_RATES)
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for item in summaries:
        cells = [f"`{item.stage}`", str(item.steps), f"{item.minutes:.0f}", item.figure]
        cells += [_shown(item.first), _shown(item.last), _shown(item.audio_per_s, 1)]
        cells += [_shown(item.tokens_per_s, 0), _percent(item.mfu), _shown(item.memory_gib, 1)]
        lines.append(f"| {' | '.join(cells)} |")
    total = sum(item.minutes for item in summaries)
    steps = sum(item.steps for item in summaries)
    lines.append(f"| in all | {steps} | {total:.0f} {'| ' * (len(heads) - 3)}|")
    return "\n".join(lines)


def _stage(path: Path, name: str, key: str | None) -> StageSummary:
    everything = _records(path)
    key = key or ("nll" if any("nll" in record for record in everything) else "loss")
    records = [record for record in everything if isinstance(record.get(key), int | float)]
    values = _values(everything, key)
    steps = max(values, default=0)
    times_s = [float(record["time_s"]) for record in records]
    gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
    spent_s = sum(gap for gap in gaps_s if 0 < gap < PAUSE_S)
    early = [value for step, value in values.items() if step <= _WINDOW_STEPS]
    late = [value for step, value in values.items() if step > steps - _WINDOW_STEPS]
    rates = {rate: _known(records, rate) for rate in ("audio_per_s", "tokens_per_s", "mfu")}
    return StageSummary(
        stage=name,
        steps=steps,
        minutes=spent_s / 60,
        figure=key,
        first=_mean(early),
        last=_mean(late),
        **{rate: _mean(values) for rate, values in rates.items()},
        memory_gib=max(_known(records, "memory_gib"), default=None),
    )


def _values(records: Sequence[dict[str, Any]], key: str) -> dict[int, float]:
    """A figure by step.

    Of steps that were done again after an interruption the last record counts; those after the
    step that a run went on from count only if they were done again.
    """
    values: dict[int, float] = {}
    for record in records:
        step, value = record["step"], record.get(key)
        if str(record.get("note", "")).startswith(RESUMED):
            values = {done: value for done, value in values.items() if done <= step}
        if isinstance(value, int | float):
            values[step] = float(value)
    return values


def _known(records: Sequence[dict[str, Any]], key: str) -> list[float]:
    """The values of the records that have one."""
    return [float(record[key]) for record in records if isinstance(record.get(key), int | float)]


def _records(path: Path) -> list[dict[str, Any]]:
    """Records of the last run that started over; lines that are torn are left out."""
    records: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(record, dict) or not _is_record(record):
            continue
        if record.get("note") == STARTED_OVER:
            records = []
        records.append(record)
    return records


def _is_record(record: dict[str, Any]) -> bool:
    return isinstance(record.get("step"), int) and isinstance(record.get("time_s"), int | float)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _shown(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
