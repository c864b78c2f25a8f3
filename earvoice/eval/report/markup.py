"""Pieces of HTML and SVG. All text from outside passes through `safe`."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from earvoice.eval.stats import Figure

_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)), "\ufffd")


def safe(text: str) -> str:
    """Text as HTML text or attribute: escaped, and with nothing that is not a character."""
    whole = text.encode("utf-8", "replace").decode("utf-8").translate(_CONTROL)
    return html.escape(whole, quote=True)


def number(value: float) -> str:
    """A coordinate: one decimal, none where it is zero."""
    return f"{value:.1f}".removesuffix(".0")


def path(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A line through the points."""
    steps = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return f'<polyline class="{kind}" points="{steps}"/>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f'<line class="{kind}" {ends}/>'


def label(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    """Text at a place; `anchor`: start, middle or end."""
    where = f'x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {where}>{safe(text)}</text>'


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about so many."""
    span = max(high - low, 1e-6)
    step = 10.0 ** math.floor(math.log10(span / about))
    step *= next((m for m in (1.0, 2.0, 5.0, 10.0) if span / (step * m) <= about), 10.0)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 9) for index in range(first, max(last, first + 1) + 1)]


def clock(time_us: int) -> str:
    """A time of a recording as m:ss."""
    seconds = max(0, time_us) // 1_000_000
    return f"{seconds // 60}:{seconds % 60:02d}"


def plain(value: float, digits: int = 2) -> str:
    """A number for people: `digits` decimals, none where it is large; a minus where it is less."""
    text = f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.0f}"
    return text.replace("-", "\u2212")


def with_range(figure: Figure, scale: float = 1.0, unit: str = "") -> str:
    """A figure with its interval, in words: for tool tips."""
    if figure.value is None:
        return "undefined"
    text = f"{plain(figure.value * scale)}{unit}"
    if figure.low is None or figure.high is None:
        return text
    return f"{text} [{plain(figure.low * scale)}, {plain(figure.high * scale)}]"


NAMES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER", "wer": "WER", "rtf": "RTF"}
_LETTERS = {"al", "laal", "dal", "ap", "atd", "yaal", "ca"}


def shown(metric: str) -> str:
    """A metric as the field writes it: BLEU, LongYAAL, StreamLAAL (CA queue)."""
    if metric in NAMES:
        return NAMES[metric]
    base, _, by = metric.partition("_ca_")
    parts = base.split("_")
    if not set(parts) & _LETTERS:
        return metric.replace("_", " ")
    name = "".join(part.upper() if part in _LETTERS else part.capitalize() for part in parts)
    return f"{name} (CA {by})" if by else name
