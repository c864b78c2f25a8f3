"""`earvoice bench growth`, `batch` and `startup`: the speed of live sessions."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from earvoice.cli.bench_output import print_json, print_tables, progress
from earvoice.errors import UsageError

_MODEL = """\
what is measured:
  --model NAME|DIR   a shipped model or a folder
  --sizes mini       random weights of the shipped models' sizes
  By default the model fasst-mini-en-de where it is installed, else random weights.
"""

_COMMON = """\
JSON: one object on standard output; its keys are listed in docs/performance.md. Progress goes to
standard error. Times are CPU seconds of this process on one thread unless a key says otherwise, so
other programs disturb them little; ratios within one run are what is worth quoting.
"""

_GROWTH = """\
Streams of several ages are pushed segment by segment in turn, through the live session. After each
segment a fixed number of tokens is decoded (--tokens), so that no model and no policy can hide
work. Beside them, a system without caches computes everything so far for one more segment, with
the same weights: its encoder over all audio, its language model over all speech and text.

  next_second_ratio_1800_60   cost after half an hour / after a minute (each in units of a reference
                              matrix product timed beside it); 1 is a flat hour
  recompute_ratio_60, _300    what recomputing costs / what the caches cost
  memory_growth_mib           growth of the process between 60 s and the last age
"""

_BATCH = """\
Each number of streams (--streams) is run as one batch, and the same streams one after the other,
on one thread, with the same audio.

  speedup_8, speedup_16       one after the other / together
  rtf                         CPU seconds for a second of one stream
  identical_text              whether every stream said the same in every batch as alone
"""

_STARTUP = """\
Starts fresh processes and takes medians (wall time).

  first_caption_s             process start to the first committed words of `earvoice translate`,
                              the audio being there at once
  import_s, imports_torch     `import earvoice`
  split                       python, import torch, import earvoice, load, first steps
"""


_RECOMPUTED = (10.0, 60.0, 300.0)


def add_live(names: Any) -> None:
    """Adds the benchmarks to `earvoice bench`."""
    _add_growth(names)
    _add_batch(names)
    _add_startup(names)


def run_live(args: argparse.Namespace) -> int:
    """Measures and prints; returns 0."""
    result = {"growth": _growth, "batch": _batch, "startup": _startup}[args.benchmark](args)
    (print_json if args.json else print_tables)(result)
    return 0


def _add_growth(names: Any) -> None:
    add = _benchmark(
        names, "growth", "cost of the next second as a stream gets older", _GROWTH
    ).add_argument
    add(
        "--elapsed",
        default="10,60,300,1800",
        metavar="S,S",
        help="ages of the streams in seconds (default: %(default)s)",
    )
    add(
        "--recompute",
        metavar="S,S",
        help="those of the ages at which recomputing is measured too; it takes long, and twenty "
        "times longer for five times the age (default: 10,60,300 where they are; empty: none)",
    )
    add("--periods", type=int, default=8, help="slides of the window to average (default: 8)")
    add("--tokens", type=int, default=4, help="tokens decoded after each segment (default: 4)")


def _add_batch(names: Any) -> None:
    add = _benchmark(names, "batch", "throughput of many streams in one batch", _BATCH).add_argument
    add("--streams", default="1,4,8,16", metavar="N,N", help="batch sizes (default: %(default)s)")
    add("--seconds", type=float, default=48.0, help="audio of each stream (default: 48)")
    add("--rounds", type=int, default=3, help="repetitions of everything (default: 3)")
    add("--talk", type=Path, help="a recording (default: the bundled talk)")
    add(
        "--tokens",
        type=int,
        default=4,
        help="tokens decoded after each segment, with random weights or without a talk",
    )


def _add_startup(names: Any) -> None:
    add = _benchmark(names, "startup", "process start to the first caption", _STARTUP).add_argument
    add("--runs", type=int, default=5, help="processes of each kind (default: 5)")
    add("--talk", type=Path, help="a recording (default: the bundled talk)")


def _benchmark(names: Any, name: str, summary: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = names.add_parser(
        name,
        help=summary,
        description=f"Measures: {summary}.\n\n{text}",
        epilog=f"{_MODEL}\n{_COMMON}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", metavar="NAME|DIR", help="see below")
    parser.add_argument("--sizes", metavar="SIZES", help="see below; mini, or tiny for a trial")
    parser.add_argument("--seed", type=int, default=1, help="of noise and of random weights")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    return parser


def _growth(args: argparse.Namespace) -> dict[str, Any]:
    ages = _numbers("--elapsed", args.elapsed)
    asked = _numbers("--recompute", args.recompute) if args.recompute else ()
    _positive(args, "periods", "tokens")
    if any(age_s < 1 for age_s in ages):
        raise UsageError(f"--elapsed is {args.elapsed!r}; a stream is at least 1 second old")
    if missing := [f"{age_s:g}" for age_s in asked if age_s not in ages]:
        raise UsageError(f"--recompute: {', '.join(missing)} s is none of --elapsed {args.elapsed}")
    wanted = _RECOMPUTED if args.recompute is None else asked
    recompute = tuple(age_s for age_s in wanted if age_s in ages)
    from earvoice.bench.growth import GrowthSettings, run
    from earvoice.bench.model import choose

    settings = GrowthSettings(ages, recompute, args.periods, args.tokens, args.seed)
    with progress() as say:
        return run(choose(args.model, args.sizes, args.seed), settings, say)


def _batch(args: argparse.Namespace) -> dict[str, Any]:
    streams = tuple(round(count) for count in _numbers("--streams", args.streams))
    _positive(args, "rounds", "tokens", "seconds")
    from earvoice.bench.batch import BatchSettings, run
    from earvoice.bench.model import choose

    settings = BatchSettings(
        streams, args.seconds, args.rounds, args.tokens, args.seed, _talk(args.talk)
    )
    with progress() as say:
        return run(choose(args.model, args.sizes, args.seed, max(streams)), settings, say)


def _startup(args: argparse.Namespace) -> dict[str, Any]:
    _positive(args, "runs")
    from earvoice.bench.model import DEFAULT_SIZES, choose_card, save_random
    from earvoice.bench.startup import StartupSettings, run
    from earvoice.zoo import read_card

    with tempfile.TemporaryDirectory() as scratch, progress() as say:
        card = choose_card(args.model, args.sizes)
        trained = card is not None
        if card is None:
            folder = Path(scratch) / "model"
            folder.mkdir()
            save_random(args.sizes or DEFAULT_SIZES, args.seed, folder)
            card = read_card(folder)
        talk = _talk(args.talk) or _noise_file(Path(scratch) / "noise.wav", args.seed)
        result = run(StartupSettings(card.path, talk, args.runs), say)
    about = {"model": card.name, "trained": trained, "parameters": card.params}
    return {"benchmark": "startup", **about, "seed": args.seed, "audio": talk.name, **result}


def _noise_file(path: Path, seed: int) -> Path:
    from earvoice.audio import Audio, write_wav
    from earvoice.bench.live import noise_segment
    from earvoice.units import SAMPLE_RATE

    write_wav(path, Audio.of(noise_segment(seed, 0, 10 * SAMPLE_RATE)))
    return path


def _talk(path: Path | None) -> Path | None:
    """The recording asked for, else the bundled one, else none."""
    if path is not None:
        if not path.is_file():
            raise UsageError(f"--talk: there is no file {path}")
        return path
    import earvoice

    bundled = Path(earvoice.__file__).parent / "assets" / "talk-en.wav"
    return bundled if bundled.is_file() else None


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        raise UsageError(f"{option} is {text!r}, it must be numbers such as 10,60,300") from None
    if not all(0 < number <= 1e6 for number in numbers):
        raise UsageError(f"{option} is {text!r}; each number must be more than 0, at most 1000000")
    return numbers


def _positive(args: argparse.Namespace, *names: str) -> None:
    for name in names:
        value = getattr(args, name)
        if not 0 < value < 1e6:
            raise UsageError(f"--{name} is {value}, it must be more than 0")
