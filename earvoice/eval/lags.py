"""The latency metrics as entries of the table: of every item, by every clock, with its mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from earvoice.eval.hypotheses import CLOCKS
from earvoice.eval.latency import LONG_FORM, SHORT_FORM, Timed, mean, over_items
from earvoice.eval.scored import Form, Item, Metric, Result, Scored
from earvoice.eval.tokens import TOKENIZER

_WHAT = MappingProxyType(
    {
        "al": "mean lag behind a translator of even pace",
        "laal": "AL that does not reward over-long output",
        "dal": "AL with a minimum time per unit and no cut-off",
        "ap": "mean share of the source heard, 0 to 1 and more",
        "atd": "end of each unit against its source token's",
        "yaal": "LAAL over what was written before the end",
        "start_offset": "source heard before the first unit",
        "end_offset": "from the end of the source to the last unit",
    }
)


def lags_of_items(
    items: Sequence[Item],
    metric: Callable[[Timed], float],
    clock: str | None,
    *,
    atd: bool = False,
    note: str = "",
) -> Result:
    """A latency metric of every item and its mean, in milliseconds; of a text, in its words.

    clock: None is the ideal one; an item of which the log does not tell it has no value. note:
    what else the signature says, before `ms`.
    """
    told = [clock is None or clock in item.clocks for item in items]
    if clock is not None and not any(told):
        return Result(None, undefined="the log does not say what computing cost")
    timed = [_timed(item, clock, atd=atd) for item, known in zip(items, told, strict=True) if known]
    found, reasons = over_items(metric, timed)
    rest = iter(found)
    values = [next(rest) if known else None for known in told]
    counted = sum(value is not None for value in values)
    words = bool(timed) and all(item.source_type == "text" for item in timed)
    measure = "words" if words else "ms"
    signature = f"clock:{clock or 'ideal'}|items:{counted}/{len(values)}|{note}{measure}"
    return Result(mean(values), values, signature, reasons[0] if reasons else None)


def by_clocks(
    name: str,
    compute: Callable[[Scored, str | None], Result],
    what: str,
    forms: tuple[Form, ...],
    default: tuple[Form, ...] = (),
) -> dict[str, Metric]:
    """The entries of a latency metric: `name` by the ideal clock, and `name_ca_CLOCK`."""

    def by(clock: str | None) -> Callable[[Scored], Result]:
        return lambda scored: compute(scored, clock)

    found = {name: Metric(by(None), "latency", what, forms, default)}
    for clock in CLOCKS:
        found[f"{name}_ca_{clock}"] = Metric(by(clock), "computing", what, forms)
    return found


def _table() -> Mapping[str, Metric]:
    found: dict[str, Metric] = {}
    tables: tuple[tuple[Form, Mapping[str, Callable[[Timed], float]]], ...] = (
        ("short", SHORT_FORM),
        ("long", LONG_FORM),
    )
    for form, table in tables:
        for name, metric in table.items():

            def compute(
                scored: Scored,
                clock: str | None,
                metric: Callable[[Timed], float] = metric,
                atd: bool = name == "atd",
            ) -> Result:
                tokens = "+moses" if scored.extras.get(TOKENIZER) == "moses" else ""
                note = f"segmenter:soft{tokens}|" if scored.form == "long" else ""
                return lags_of_items(scored.items, metric, clock, atd=atd, note=note)

            what = _WHAT[name.removeprefix("long_")]
            found |= by_clocks(name, compute, what, (form,), (form,))
    return MappingProxyType(found)


def _timed(item: Item, clock: str | None, *, atd: bool) -> Timed:
    if clock is None or not atd:
        return item.timed(clock)
    ideal, aware = item.timed(None), item.timed(clock)
    pairs = zip(aware.delays_us, ideal.delays_us, strict=True)
    return replace(ideal, compute_us=[a - d for a, d in pairs])


LATENCY = _table()
