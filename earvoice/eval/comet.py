"""COMET and xCOMET: a model's judgement of source, output and reference.

Its package needs libraries older than ours, so it runs in an environment of its own (`make comet`)
as a program that reads and writes JSON lines. Empty output is not asked about: it scores 0, which
the models themselves do not give, and the signature says how often.
"""

from __future__ import annotations

import functools
import json
import math
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from earvoice.eval.scored import Item, Metric, Result, Scored

PYTHON_VARIABLE = "EARVOICE_COMET_PYTHON"
DEFAULT_PYTHON = Path("~/.local/share/earvoice/comet/bin/python")
PROGRAM = Path(__file__).parent / "separate" / "comet_process.py"
MODELS = MappingProxyType({"comet": "Unbabel/wmt22-comet-da", "xcomet": "Unbabel/XCOMET-XL"})
"""The field's usual ones; XCOMET-XL is official at IWSLT 2026."""

COMET_MODELS = "comet_models"
"""The key in `Scored.extras` of a mapping from `comet` or `xcomet` to a model's name or path."""
COMET_BATCH = "comet_batch"
"""The key in `Scored.extras` of how many items are scored at a time (default 8)."""


class NoComet(Exception):
    """COMET cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Answer:
    """What the program answered: a score per item, and what computed them."""

    scores: list[float]
    about: Mapping[str, Any]


def comet_python() -> Path:
    """The interpreter of COMET's environment. Raises: NoComet."""
    named = os.environ.get(PYTHON_VARIABLE)
    path = Path(named) if named else DEFAULT_PYTHON.expanduser()
    if path.is_file():
        return path
    shown = f"{PYTHON_VARIABLE}={named}" if named else DEFAULT_PYTHON
    raise NoComet(
        f"there is no COMET environment at {shown}; build it with `make comet`, or let "
        f"{PYTHON_VARIABLE} name a python that has unbabel-comet"
    )


def ask(items: Sequence[Mapping[str, str]], model: str, batch: int) -> Answer:
    """Scores of items {"src", "mt", "ref"}. Raises: NoComet."""
    python = comet_python()
    lines = [{"model": model, "batch": batch}, *items]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        done = subprocess.run(
            [str(python), str(PROGRAM)],
            input=text.encode("utf-8", errors="replace"),
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise NoComet(f"{python} cannot be run: {error.strerror or error}") from None
    return _read(done, len(items), model)


def _read(done: subprocess.CompletedProcess[bytes], count: int, model: str) -> Answer:
    try:
        answers = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        if not all(isinstance(answer, dict) for answer in answers):
            raise TypeError("a line is no object")
        if answers and "error" in answers[0]:
            raise NoComet(_explained(str(answers[0]["error"]), model))
        about, *rest = answers
        scores = [float(answer["score"]) for answer in rest]
    except (ValueError, KeyError, TypeError) as error:
        said = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        last = said[-1] if said else repr(error)
        raise NoComet(f"the COMET program ended with code {done.returncode}: {last}") from None
    if not all(map(math.isfinite, scores)):
        raise NoComet(f"COMET model {model!r} gave a score that is no number")
    if len(scores) != count:
        raise NoComet(f"the COMET program scored {len(scores)} of {count} items")
    return Answer(scores, about)


def _explained(error: str, model: str) -> str:
    if error.startswith("ModuleNotFoundError"):
        return f"COMET's environment is incomplete ({error}); build it anew with `make comet`"
    return (
        f"COMET model {model!r} cannot be used: {' '.join(error.split())[:300]}; name a checkpoint "
        "file, or fetch the model once with `comet-score` in COMET's environment"
    )


def _comet(scored: Scored, name: str) -> Result:
    asked = [item for item in scored.items if item.text.strip()]
    if not scored.items:
        return Result(None, [], undefined="there are no items")
    if any(item.source is None for item in scored.items):
        return Result(None, undefined=f"{name} needs what was said; name a file with --sources")
    model = str(scored.extras.get(COMET_MODELS, {}).get(name) or MODELS[name])
    batch = int(scored.extras.get(COMET_BATCH, 8))
    try:
        answer = ask([_line(item) for item in asked], model, batch) if asked else None
    except NoComet as error:
        return Result(None, undefined=str(error))
    scores = iter(answer.scores if answer else ())
    values = [next(scores) if item.text.strip() else 0.0 for item in scored.items]
    about = answer.about if answer else {}
    signature = "|".join(
        [
            f"model:{_short(model)}",
            f"unbabel-comet:{about.get('package', 'not-asked')}",
            f"torch:{about.get('torch', 'not-asked')}",
            f"precision:{about.get('precision', 'not-asked')}",
            f"device:{about.get('device', 'not-asked')}",
            f"batch:{batch}",
            f"empty-as-0:{len(values) - len(asked)}",
        ]
    )
    return Result(sum(values) / len(values), list(values), signature)


def _line(item: Item) -> dict[str, str]:
    return {"src": item.source or "", "mt": item.text, "ref": item.reference}


def _short(model: str) -> str:
    """A checkpoint's own folder, without where it lies."""
    path = Path(model)
    if path.suffix != ".ckpt":
        return model
    parents = [part.name for part in path.parents if part.name not in ("", "checkpoints")]
    return f"{parents[0]}/{path.name}" if parents else path.name


def _entry(name: str, what: str) -> Metric:
    return Metric(functools.partial(_comet, name=name), "quality", what)


COMET: Mapping[str, Metric] = MappingProxyType(
    {
        "comet": _entry("comet", f"{MODELS['comet']} in an environment of its own"),
        "xcomet": _entry("xcomet", f"{MODELS['xcomet']} in an environment of its own"),
    }
)
