"""How a system behaves: what it withdraws, what computing costs, when the first word comes.

erasure          units withdrawn / units of the final text (Arivazhagan et al. 2020), of the
                 whole log; 0 for a system that only appends
rtf              seconds of computing / seconds of audio, of the whole log. SimulEval calls
                 the last delay over the source length by the same name; that is not this
first_output     first sample to the first output that was never withdrawn, per recording
degenerate       1 where a policy's lag is not what the share of words before the end says
                 (OmniSTEval): it writes much at once, or all of it at the end
empty_segments   items without output, which latency leaves out
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from earvoice.eval.history import History, histories_of, settle
from earvoice.eval.latency import (
    Timed,
    Undefined,
    over_items,
    yet_another_average_lagging,
)
from earvoice.eval.scored import FORMS, Metric, Result, Scored
from earvoice.eval.units import Unit

DEGENERATE_POINTS = 20
"""SWF and EFSW further apart than this say that the policy is degenerate (OmniSTEval 0.1.10)."""

_NO_COMPUTING = "the log does not say what computing cost"


def unit_of(scored: Scored) -> Unit:
    """What the output is counted in; all hypotheses agree."""
    return scored.hypotheses[0].unit if scored.hypotheses else "word"


def percentile_ms(values_us: Sequence[int], percent: int) -> float | None:
    """With linear interpolation between neighbours, in milliseconds; None of nothing."""
    if not values_us:
        return None
    ordered = sorted(values_us)
    place = percent * (len(ordered) - 1)
    below, rest = divmod(place, 100)
    above = min(below + 1, len(ordered) - 1)
    return (ordered[below] * (100 - rest) + ordered[above] * rest) / 100_000


def _erasure(scored: Scored) -> Result:
    histories, unit = histories_of(scored), unit_of(scored)
    per_item: list[float | None] = []
    withdrawn = final = 0
    for history in histories:
        settled = settle(history, unit)
        withdrawn += settled.withdrawn
        final += len(settled.units)
        count = len(settled.units)
        per_item.append(settled.withdrawn / count if count else None)
    signature = f"withdrawn:{withdrawn}|final:{final}|unit:{unit}|per:recording"
    if not final:
        return Result(None, per_item, signature, "nothing was written")
    return Result(withdrawn / final, per_item, signature)


def _rtf(scored: Scored) -> Result:
    histories = [item for item in histories_of(scored) if item.source_us]
    if not any(item.compute_us for item in histories):
        ideal = any(item.compute_us == 0 for item in histories)
        why = "computing was not measured (ideal clock)" if ideal else _NO_COMPUTING
        return Result(None, undefined=why)
    per_item: list[float | None] = [_factor(item) for item in histories]
    known = [item for item in histories if item.compute_us is not None]
    compute_us = sum(item.compute_us or 0 for item in known)
    audio_us = sum(item.source_us or 0 for item in known)
    whole = all(item.complete for item in known)
    signature = (
        f"compute-s/audio-s|compute:{compute_us / 1e6:.3f}s"
        f"{'' if whole else '-to-the-last-unit'}|audio:{audio_us / 1e6:.3f}s|per:recording"
    )
    return Result(compute_us / audio_us, per_item, signature)


def _factor(history: History) -> float | None:
    if history.compute_us is None or not history.source_us:
        return None
    return history.compute_us / history.source_us


def _first_output(scored: Scored, percent: int) -> Result:
    firsts: dict[str, int | None] = {}
    for history in histories_of(scored):
        first = settle(history, unit_of(scored)).first_us
        earlier = firsts.get(history.name)
        there = [time for time in (first, earlier) if time is not None]
        firsts[history.name] = min(there, default=None)
    times = [time for time in firsts.values() if time is not None]
    per_item = [None if time is None else time / 1000 for time in firsts.values()]
    signature = (
        f"p{percent}|from:first-sample|clock:run|recordings:{len(times)}/{len(firsts)}|"
        "per:recording|ms"
    )
    return Result(percentile_ms(times, percent), per_item, signature, "nothing was written")


def _shares(scored: Scored) -> tuple[float | None, float | None]:
    """SWF and EFSW in percent: words before the end, and how many the mean lag predicts.

    SWF = 100 sum #{d < X} / sum n;  EFSW = 100 sum max(0, X - YAAL) / sum X over items with YAAL.
    """
    timed = [item.timed(None) for item in scored.items]
    units = sum(len(item.delays_us) for item in timed)
    before = sum(delay < item.source_us for item in timed for delay in item.delays_us)
    lags, _ = over_items(yet_another_average_lagging, timed)
    pairs = [
        (item.source_us, lag) for item, lag in zip(timed, lags, strict=True) if lag is not None
    ]
    source_us = sum(source for source, _ in pairs)
    early = sum(max(0.0, source / 1000 - lag) for source, lag in pairs)
    return (
        100 * before / units if units else None,
        100_000 * early / source_us if source_us else None,
    )


def _swf(scored: Scored) -> Result:
    return Result(_shares(scored)[0], undefined="nothing was written")


def _efsw(scored: Scored) -> Result:
    return Result(_shares(scored)[1], undefined="nothing was written before the source ended")


def _degenerate(scored: Scored) -> Result:
    swf, efsw = _shares(scored)
    if swf is None:
        return Result(None, undefined="nothing was written")
    per_item = [_item_flag(item.timed(None)) for item in scored.items]
    there = [flag for flag in per_item if flag is not None]
    share = f"{sum(there):.0f}/{len(there)}"
    if efsw is None:
        reason = "nothing was written before the source ended"
        return Result(None, per_item, f"swf:{swf:.2f}%|items:{share}", reason)
    flag = float(abs(efsw - swf) > DEGENERATE_POINTS)
    signature = f"swf:{swf:.2f}%|efsw:{efsw:.2f}%|limit:{DEGENERATE_POINTS}|items:{share}"
    return Result(flag, per_item, signature)


def _item_flag(item: Timed) -> float | None:
    try:
        lag = yet_another_average_lagging(item)
    except Undefined:
        return None
    before = 100 * sum(delay < item.source_us for delay in item.delays_us) / len(item.delays_us)
    expected = 100 * max(0.0, 1 - 1000 * lag / item.source_us)
    return float(abs(expected - before) > DEGENERATE_POINTS)


def _empty_segments(scored: Scored) -> Result:
    return Result(float(sum(not item.text for item in scored.items)))


def _units(scored: Scored) -> Result:
    return Result(float(sum(len(item.timed(None).delays_us) for item in scored.items)))


def _first(percent: int) -> Metric:
    compute = functools.partial(_first_output, percent=percent)
    what = f"first sample to the first lasting output, p{percent}"
    return Metric(compute, "behaviour", what, default=FORMS)


BEHAVIOUR: Mapping[str, Metric] = MappingProxyType(
    {
        "first_output": _first(50),
        "first_output_p95": _first(95),
        "erasure": Metric(
            _erasure, "behaviour", "units withdrawn / units of the final text", default=FORMS
        ),
        "rtf": Metric(_rtf, "behaviour", "seconds of computing / seconds of audio", default=FORMS),
        "swf": Metric(_swf, "behaviour", "% of units before the end", ("short",)),
        "efsw": Metric(_efsw, "behaviour", "% that the mean lag predicts", ("short",)),
        "degenerate": Metric(
            _degenerate,
            "behaviour",
            f"1: SWF and EFSW differ by more than {DEGENERATE_POINTS} points",
            ("short",),
            ("short",),
        ),
        "empty_segments": Metric(
            _empty_segments, "behaviour", "items with no output", default=FORMS
        ),
        "units": Metric(_units, "behaviour", "units written", default=FORMS),
    }
)
