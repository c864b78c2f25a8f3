"""The page: its parts in order, its style and script inside, and a policy that forbids all else.

The Content-Security-Policy names the one style and the one script by their hash; everything else
(other scripts, styles, images, connections, frames) is refused by the browser, whatever text a
run holds.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources

from earvoice.eval.compare import CURVE_LATENCY, Comparison, compare, estimates
from earvoice.eval.hypotheses import DataError
from earvoice.eval.report.charts import curve_chart, histogram_charts
from earvoice.eval.report.markup import safe, shown
from earvoice.eval.report.tables import (
    curves_table,
    differences_table,
    figures_table,
    runs_table,
    signatures,
)
from earvoice.eval.report.timelines import timelines
from earvoice.eval.report.view import Heard, View
from earvoice.eval.report.worst import worst_segments
from earvoice.eval.runs import Run, aligned
from earvoice.eval.score import METRICS
from earvoice.eval.stats import BOOTSTRAP_SAMPLES

COLOURS = 10
PAGE_BYTES = 4_800_000
"""What the parts of a page may weigh; timelines that would make it heavier are left out."""

_CURVES = (
    "A point is a run, its cross the 95 % interval; a line joins one model's runs. Left: latency "
    "by the audio heard. Right: computing counted, by one queue. Dashed: 2 s and 4 s."
)
_HISTOGRAMS = (
    "Bars: by the audio heard; outline: computing counted. Lines: median and 95 %. Seconds; what "
    "lies beyond the ends is in the last bars."
)
_TIMELINES = (
    "Text starts where it was written; the foot of its tick reaches to where computing was done. "
    "Point at a text to see its segment in all runs."
)


def report_page(
    runs: Sequence[Run],
    *,
    title: str = "Simultaneous translation",
    spoken: Mapping[str, Sequence[Heard]] | None = None,
    samples: int = BOOTSTRAP_SAMPLES,
) -> str:
    """The whole HTML of a report on scored runs.

    spoken: the words of a recording with their times, where known. samples: bootstrap resamples.
    """
    return _page(view_of(runs, title=title, spoken=spoken or {}, samples=samples))


def view_of(
    runs: Sequence[Run], *, title: str, spoken: Mapping[str, Sequence[Heard]], samples: int
) -> View:
    """Everything the parts of the page show."""
    scores = runs[0].scores.metrics
    quality = [name for name in scores if METRICS[name].group == "quality"]
    latency = CURVE_LATENCY[runs[0].scored.form]
    compared: Comparison | None = None
    warnings: list[str] = []
    try:
        same = aligned(runs)
    except DataError as error:
        warnings.append(f"the runs are not compared: {error}")
    else:
        if [run.scored.items for run in same] == [run.scored.items for run in runs]:
            first = quality[0] if quality else None
            axis = latency if latency in scores else None
            named = (*quality, latency, f"{latency}_ca_queue")
            tested = [name for name in named if name in scores]
            compared = compare(runs, first, axis, samples=samples, tested=tested)
            warnings += compared.warnings
        else:
            warnings.append("the runs are not compared: their items are in another order")
    found = estimates(runs, samples) if compared is None else compared.estimates
    return View(title, found, quality, compared, spoken, warnings)


def _page(view: View) -> str:
    style = _asset("report.css") + _colours(len(view.estimates))
    script = _asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{safe(view.title)}</title><style>{style}</style></head>"
        f"<body>{_chooser(view)}<main>{_head(view)}{_body(view)}</main>"
        f'<div id="tip" role="status"></div><script>{script}</script></body></html>\n'
    )


def _asset(name: str) -> str:
    return resources.files("earvoice.eval.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _colours(runs: int) -> str:
    """A colour for each run, and the rule that hides a run whose box is not ticked."""
    return "".join(
        f".r{i}{{--c:var(--c{i % COLOURS})}}body:has(#run{i}:not(:checked)) .r{i}{{display:none}}"
        for i in range(runs)
    )


def _chooser(view: View) -> str:
    boxes = "".join(
        f'<label class="chip" id="chip{i}"><input type="checkbox" id="run{i}" checked>'
        f'<i class="dot c{i % COLOURS}"></i>{safe(one.run.name)}</label>'
        for i, one in enumerate(view.estimates)
    )
    links = "".join(
        f'<a href="#{name}">{name}</a>'
        for name in ("curves", "figures", "latency", "timelines", "segments", "runs")
    )
    return f'<header><nav>{links}</nav><div class="chips">{boxes}</div></header>'


def _head(view: View) -> str:
    first = view.estimates[0].run.scored
    count = len(view.estimates)
    talks = len(view.recordings())
    what = "segments of long recordings" if view.form == "long" else "sentences"
    facts = (
        f"{count} run{'' if count == 1 else 's'}, {talks} recordings, {len(first.items)} {what}, "
        f"into {first.language}"
    )
    said = "".join(f"<li>{safe(line)}</li>" for line in view.warnings)
    return f"<h1>{safe(view.title)}</h1><p>{safe(facts)}</p>{f'<ul>{said}</ul>' if said else ''}"


def _body(view: View) -> str:
    drawn = "talks" if view.form == "long" else "sentences"
    before = (
        _section("curves", "Quality and latency", _charts(view), _CURVES)
        + _section(
            "figures",
            "All figures",
            _figures(view),
            f"Small print: 95 % interval from resampled {drawn}. Latencies in milliseconds.",
        )
        + _section(
            "latency", f"{shown(view.latency)} over the items", histogram_charts(view), _HISTOGRAMS
        )
    )
    after = _section(
        "segments", "Worst segments", worst_segments(view), "Marked: not in the reference there."
    ) + _section("runs", "Runs and signatures", runs_table(view) + signatures(view), "")
    room = PAGE_BYTES - len((before + after).encode())
    middle = timelines(view, room)
    return before + _section("timelines", "What was heard and written", middle, _TIMELINES) + after


def _section(name: str, title: str, content: str, note: str) -> str:
    body = content or "<p>Nothing to show: no figure is defined.</p>"
    said = f'<p class="note">{safe(note)}</p>' if note else ""
    return f'<section id="{name}"><h2>{safe(title)}</h2>{said}{body}</section>'


def _charts(view: View) -> str:
    scores = view.estimates[0].figures
    pairs = [
        "".join(
            f'<div class="scroll">{chart}</div>'
            for latency in (view.latency, view.latency_ca)
            if latency in scores and (chart := curve_chart(view, quality, latency))
        )
        for quality in view.quality
    ]
    return "".join(f'<div class="pair">{pair}</div>' for pair in pairs if pair)


def _figures(view: View) -> str:
    parts = [figures_table(view)]
    differences = differences_table(view)
    if differences:
        corrected = ", Holm-corrected" if len(view.estimates) > 2 else ""
        parts.append(
            f'<h3>Less {safe(view.estimates[0].run.name)}</h3><p class="note">p: paired '
            f"bootstrap / approximate randomisation, two-sided{corrected}.</p>{differences}"
        )
    curves = curves_table(view)
    if curves:
        parts.append(
            "<h3>At equal latency</h3>"
            '<p class="note">Straight lines between runs; nothing is said beyond the first and '
            f"the last.</p>{curves}"
        )
    return "".join(parts)
