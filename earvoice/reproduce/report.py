"""From what was measured to results.json and a table beside the paper's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from earvoice.bench.machine import describe as describe_machine
from earvoice.reproduce.run import Reproduction
from earvoice.reproduce.spec import PaperRow
from earvoice.reproduce.verdicts import Mean, Observation, answer, claim_verdict, mean_of

RESULTS, TABLE, PICTURE = "results.json", "report.md", "report.png"
_SETS = {
    "talks": "whole talks",
    "sentences": "single sentences",
    "all": "the mean over directions",
    "spans": "spans of talks",
    "conversations": "all turns",
    "overlap": "turns during which the other one speaks too",
    "apart": "turns during which nobody else speaks",
    "retriever": "the term among the first 1, 5, 10",
    "recall": "terms written as the glossary has them",
    "use": "ten entries in the prompt, one of them right (false use: none)",
    "references": "passages that refer back",
    "starts": "starts of spans, before any window slides",
    "compute": "milliseconds of CPU for the next segment, by age of the stream",
}


def results(reproduction: Reproduction, command: str) -> dict[str, Any]:
    """Everything that was found so far, as results.json has it."""
    spec = reproduction.spec
    claims = {}
    for name in reproduction.choice.claims:
        claim, seen = spec.claims[name], reproduction.observations(name)
        answers = [answer(statement, seen) for statement in claim.statements]
        claims[name] = {
            "title": claim.title,
            "verdict": claim_verdict(answers) if seen else "not run yet",
            "statements": [asdict(item) for item in answers],
            "rows": means(seen),
            "paper": claim.paper.model_dump(mode="json"),
            "remarks": claim.remarks,
            "models": reproduction.models(name),
            "seeds": sorted({item.seed for item in seen}),
        }
    return {
        "reproduction": spec.name,
        "paper": spec.paper,
        "command": command,
        "seeds": reproduction.choice.seeds,
        "steps_scale": reproduction.choice.scale,
        "missing": [task.name for task in reproduction.tasks() if task.result() is None],
        "core_minutes": costs(reproduction),
        **describe_machine(),
        "claims": claims,
    }


def costs(reproduction: Reproduction) -> dict[str, list[float]]:
    """CPU minutes of each task, one figure a seed, by group."""
    found: dict[str, list[float]] = {}
    for task in reproduction.tasks():
        if task.result() is not None:
            found.setdefault(task.folder.parent.name, []).append(round(task.cost_s() / 60, 2))
    return found


def means(seen: Sequence[Observation]) -> list[dict[str, Any]]:
    """One row per arm, test set and point: the mean of each value over seeds."""
    rows: dict[tuple[str, str, str], list[Observation]] = {}
    for item in seen:
        rows.setdefault((item.arm, item.on, item.point), []).append(item)
    return [
        {
            "arm": arm,
            "on": on,
            "point": point,
            **{
                name: asdict(mean_of([item.values[name] for item in items if name in item.values]))
                for name in items[0].values
            },
        }
        for (arm, on, point), items in rows.items()
    ]


def write(found: Mapping[str, Any], out: Path) -> None:
    """Writes OUT/results.json and OUT/report.md."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (out / RESULTS).write_text(text + "\n", encoding="utf-8")
    (out / TABLE).write_text(markdown(found), encoding="utf-8")


def markdown(found: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    lines = ["| claim | verdict |", "|---|---|"]
    lines += [f"| {c['title']} | {c['verdict']} |" for c in found["claims"].values()]
    for claim in found["claims"].values():
        lines += ["", *_claim(claim)]
    lines += ["", "**Cost and conditions**", ""]
    lines += ["| what | core minutes, one figure a seed |", "|---|---|"]
    lines += [
        f"| {name} | {' '.join(f'{value:.1f}' for value in values)} |"
        for name, values in found["core_minutes"].items()
    ]
    machine, versions = found["machine"], found["versions"]
    lines += [
        "",
        f"{found['date'][:10]}; {machine['cpu']}, one core a process, {machine['cores']} here; "
        f"seeds {', '.join(map(str, found['seeds']))}; steps x {found['steps_scale']:g}; "
        f"earvoice {versions['earvoice']}, torch {versions['torch']}, "
        f"python {versions['python']}.",
        "",
        "```",
        found["command"],
        "```",
    ]
    if found["missing"]:
        lines += ["", f"Not finished: {', '.join(found['missing'])}."]
    return "\n".join(lines) + "\n"


def _claim(claim: Mapping[str, Any]) -> list[str]:
    lines = [f"**{claim['title']}**: {claim['verdict']}.", ""]
    if not claim["rows"]:
        return lines[:1]
    lines += ["| statement | difference | by seed | verdict |", "|---|---|---|---|"]
    for item in claim["statements"]:
        difference = "-"
        if item["difference"] is not None:
            difference = _shown(Mean(**item["difference"]), sign=True)
        by_seed = " ".join(f"{value:+.1f}" for value in item["by_seed"])
        lines.append(f"| {item['says']} | {difference} | {by_seed} | {item['verdict']} |")
    for on in dict.fromkeys(row["on"] for row in claim["rows"]):
        lines += ["", *_table(claim, on)]
    done = f"Seeds done: {', '.join(map(str, claim['seeds']))}."
    if claim["models"]:
        done += f" Model: {', '.join(claim['models'])}."
    lines += ["", done]
    for remark in claim["remarks"]:
        lines += ["", remark]
    return lines


def _table(claim: Mapping[str, Any], on: str) -> list[str]:
    """Arms down, points across; the paper's numbers in the last column where it has any."""
    rows = [row for row in claim["rows"] if row["on"] == on]
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_arm.setdefault(row["arm"], []).append(row)
    beside = any(_theirs(row, on) != "-" for row in _paper_rows(claim).values())
    paper = f" paper: {claim['paper']['source']} |" if beside else ""
    points = [[row["point"] for row in found] for found in by_arm.values()]
    across = max(map(len, points))
    same = all(item == points[0] for item in points)
    head = points[0] if same else [""] * across
    lines = [
        f"{_title(on)}{_what(rows)}",
        "",
        f"| | {' | '.join(head)} |{paper}",
        "|---|" + "---|" * (across + beside),
    ]
    for arm, cells in by_arm.items():
        shown = [_cell(row, named=not same) for row in cells] + [""] * (across - len(cells))
        last = f" {_theirs(_paper_rows(claim).get(arm), on)} |" if beside else ""
        lines.append(f"| {arm} | {' | '.join(shown)} |{last}")
    return lines


def _paper_rows(claim: Mapping[str, Any]) -> dict[str, PaperRow]:
    found: dict[str, PaperRow] = {}
    for arm, row in claim["paper"]["rows"].items():
        points = {name: tuple(v) for name, v in row.items() if not isinstance(v, dict)}
        found[arm] = PaperRow(**points, by_direction=row.get("by_direction", {}))
    return found


def _title(on: str) -> str:
    name = _SETS.get(on, on)
    return name if name == on else name[0].upper() + name[1:]


def _what(rows: Sequence[Mapping[str, Any]]) -> str:
    if "score" in rows[0]:
        return ", percent:"
    if "bleu" not in rows[0]:
        return ":" if "cost_ms" in rows[0] else ": share of texts identical to `incremental`"
    if any("wer" in row for row in rows):
        return ": BLEU [bootstrap interval over turns], speaker-attributed WER, median seconds to \
the first / after the last translated word:"
    if not any("laal_ms" in row for row in rows):
        return ": BLEU" + (
            " [bootstrap interval over sentences]:" if "bleu_low" in rows[0] else ":"
        )
    aware = ", / computation-aware lag (SimulEval's)" if "laal_ca_simuleval_ms" in rows[0] else ""
    return f": BLEU @ LAAL in seconds{aware}:"


def _cell(row: Mapping[str, Any], *, named: bool) -> str:
    for name in ("cost_ms", "score"):
        if name in row:
            return _shown(Mean(**row[name]))
    if "bleu" not in row:
        return f"{Mean(**row['same_text']).value:.0%}" if "same_text" in row else "-"
    text = _shown(Mean(**row["bleu"]))
    if "bleu_low" in row and "laal_ms" not in row:
        text += f" [{row['bleu_low']['value']:.1f}, {row['bleu_high']['value']:.1f}]"
    if "wer" in row:
        text += f", {_shown(Mean(**row['wer']))} %"
        times = [row[name] for name in ("first_ms", "last_ms") if name in row]
        text += ", " + " / ".join(f"{time['value'] / 1000:.2f}" for time in times)
    for name, before in (("laal_ms", " @ "), ("laal_ca_simuleval_ms", " / ")):
        if name in row:
            text += f"{before}{row[name]['value'] / 1000:.2f}"
    return f"{row['point']}: {text}" if named else text


def _theirs(row: PaperRow | None, on: str) -> str:
    """What the paper has for a cell; `-` for nothing. Its BLEU is of whole talks, where any are."""
    if row is None or on == "starts":  # a check of our own, which no paper has
        return "-"
    if on == "compute":
        return " ".join(f"{value:g}" for value in row.cost_ms) or "-"
    if on in row.by_direction:
        return f"{row.by_direction[on]:g}"
    bleu = " ".join(f"{value:g}" for value in row.bleu)
    lag = " ".join(f"{value / 1000:.2f}" for value in row.lag_ms)
    if not bleu or (on == "sentences") == bool(lag):
        return "-"
    return f"{bleu} @ {lag}" if lag else bleu


def _shown(mean: Mean, *, sign: bool = False) -> str:
    value = f"{mean.value:+.1f}" if sign else f"{mean.value:.1f}"
    return value if mean.half is None else f"{value} ± {mean.half:.1f}"
