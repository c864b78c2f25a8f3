"""`earvoice bench serve`: how many real-time streams this machine holds."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from earvoice.cli.bench_output import print_json, say
from earvoice.errors import UsageError
from earvoice.zoo import DEFAULT_MODEL, find_model

_TEXT = """\
Starts a server and real-time clients on this machine, more and more of them, until the 95th
percentile of lag passes the bound: lag is the time from the sending of the last sample that a
commit renders to its arrival. Once with batches, once with sessions served one at a time.
With --viewers: how soon a room's readers have a caption. With --soak: what so many streams lag and
keep in memory over a long time.

examples:
  earvoice bench serve --streams 20,40,60,80
  earvoice bench serve --viewers 200 --deaf 20
  earvoice bench serve --soak 8 --seconds 1800
"""


def add_serve(names: Any) -> None:
    """Add the options of `bench serve`."""
    parser = names.add_parser(
        "serve",
        help="real-time streams that hold a lag, over web sockets",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", metavar="NAME|DIR", default=DEFAULT_MODEL, help=f"default: {DEFAULT_MODEL}")
    add("--streams", default="2,4,8,16,24,32,48,60,72,84,96", help="numbers to try")
    add("--seconds", type=float, default=30.0, help="speech of each stream (default: 30)")
    add("--bound", type=float, default=1.0, help="seconds of lag at p95 (default: 1)")
    add("--talk", type=Path, help="a recording (default: the bundled talk)")
    add("--seed", type=int, default=1, help="of the streams' phases")
    add("--viewers", type=int, metavar="N", help="readers of one room instead; no model")
    add("--languages", type=int, default=3, help="of the room (default: 3)")
    add("--deaf", type=int, default=0, metavar="N", help="of the viewers, who never read")
    add("--soak", type=int, metavar="N", help="N streams for --seconds: memory, drift of lag")
    add("--json", action="store_true", help="machine-readable")


def run_serve(args: argparse.Namespace) -> int:
    """Measure and show."""
    if args.viewers is not None and args.soak is not None:
        raise UsageError("--viewers and --soak are two benchmarks; give one of them")
    if not 10 <= args.seconds <= 86400:
        raise UsageError(f"--seconds is {args.seconds}, it must be 10 to 86400")
    if args.viewers is not None:
        return _viewers(args)
    if not 0 < args.bound < math.inf:
        raise UsageError(f"--bound is {args.bound}, it must be a number above 0")
    return _capacity(args) if args.soak is None else _soak(args)


def _capacity(args: argparse.Namespace) -> int:
    try:
        streams = tuple(sorted({int(part) for part in args.streams.split(",")}))
    except ValueError:
        raise UsageError(
            f"--streams is {args.streams!r}, it must be numbers such as 8,16"
        ) from None
    if not streams or not 0 < streams[0] <= streams[-1] <= 1000:
        raise UsageError(f"--streams is {args.streams!r}; each number must be 1 to 1000")
    talk = _talk(args)
    from earvoice.bench.serve import ServeBenchSettings, run

    settings = ServeBenchSettings(
        str(args.model), talk, streams, args.seconds, args.bound, args.seed
    )
    find_model(args.model)
    result = run(settings, say)
    print_json(result) if args.json else print(_shown(result))
    return 0


def _talk(args: argparse.Namespace) -> Path:
    talk: Path = args.talk or Path(__file__).parents[1] / "assets" / "talk-en.wav"
    if not talk.is_file():
        raise UsageError(f"--talk: there is no file {talk}")
    return talk


def _soak(args: argparse.Namespace) -> int:
    if not 1 <= args.soak <= 1000:
        raise UsageError(f"--soak is {args.soak}, it must be 1 to 1000")
    from earvoice.bench.soak import SoakSettings, run

    settings = SoakSettings(str(args.model), _talk(args), args.soak, args.seconds, args.seed)
    find_model(args.model)
    result = run(settings, say)
    print_json(result) if args.json else print(_shown_soak(result))
    return 0


def _viewers(args: argparse.Namespace) -> int:
    if not 1 <= args.viewers <= 2000:
        raise UsageError(f"--viewers is {args.viewers}, it must be 1 to 2000")
    if not 0 <= args.deaf < args.viewers:
        raise UsageError(f"--deaf is {args.deaf}, it must be 0 to one less than --viewers")
    from earvoice.bench.scripted_server import LANGUAGES
    from earvoice.bench.viewers import ViewerBenchSettings, run

    if not 1 <= args.languages <= len(LANGUAGES):
        raise UsageError(f"--languages is {args.languages}, it must be 1 to {len(LANGUAGES)}")
    settings = ViewerBenchSettings(
        args.viewers, LANGUAGES[: args.languages], args.deaf, args.seconds, args.seed
    )
    result = run(settings, say)
    print_json(result) if args.json else print(_shown_viewers(result))
    return 0


def _shown_viewers(result: dict[str, Any]) -> str:
    lines = [f"{'':36}p50 ms  p95 ms  p99 ms"]
    for how, name, key in (
        ("alone", "speaker's lag, alone", "speaker_lag"),
        ("together", "speaker's lag, with viewers", "speaker_lag"),
        ("together", "delay of a caption to a viewer", "viewer_delay"),
    ):
        row = result[how]
        values = "".join(f"{1000 * (row[f'{key}_p{p}_s'] or 0):8.0f}" for p in (50, 95, 99))
        lines.append(f"{name:34}{values}")
    lines.append(
        f"{result['viewers']} viewers ({result['deaf']} never read), "
        f"{len(result['languages'])} languages, {result['together']['captions_read']} captions "
        f"read, {result['together']['connections_lost']} connections lost "
        f"(load before: {result['load_before']:.1f})"
    )
    return "\n".join(lines)


def _shown_soak(result: dict[str, Any]) -> str:
    lines = [f"{'after a third':24}p50 s   p95 s   p99 s"]
    for half in ("earlier", "later"):
        lags = (result[half][f"lag_p{p}_s"] for p in (50, 95, 99))
        lines.append(f"{half + ' half':21}" + "".join(f"{lag or math.nan:8.3f}" for lag in lags))
    slope, drift = result["memory_slope_mib_per_hour_per_session"], result["lag_p99_drift"]
    told = "unknown" if slope is None else f"{slope:+.2f} MiB an hour and session"
    lines.append(
        f"{result['streams']} streams of {result['seconds']:g} s: memory {told}, p99 of lag "
        f"{'unknown' if drift is None else f'{drift:+.1%}'}, {result['lost_events']} events lost, "
        f"{result['repeated_events']} repeated"
    )
    return "\n".join(lines)


def _shown(result: dict[str, Any]) -> str:
    lines = [f"{'':14} streams   p50 s   p95 s   p99 s"]
    for how in ("batched", "one_at_a_time"):
        for row in result[how]["runs"]:
            lags = "".join(f"{row[f'lag_p{p}_s'] or float('nan'):8.3f}" for p in (50, 95, 99))
            lines.append(f"{how:14} {row['streams']:7}{lags}")
    ratio = "-" if result["ratio"] is None else f"{result['ratio']:.1f}"
    lines.append(
        f"holds {result['batched']['capacity']} streams at p95 <= {result['bound_s']:g} s, "
        f"one at a time {result['one_at_a_time']['capacity']}: ratio {ratio} "
        f"(load before: {result['load_before']:.1f})"
    )
    return "\n".join(lines)
