"""`earvoice bench microphones`: what the beams gain over the best microphone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earvoice.cli.bench_output import print_json, print_tables, say
from earvoice.errors import UsageError

_TEXT = """\
Measures: in simulated rooms with noise from everywhere, how much better the signal to noise ratio
of a beam is than that of the best single microphone, in dB.

  wearer_gain_500_3000_db   of the mouth's beam, mean over the rooms; _worst_room_: the least
  partner_gain_500_3000_db  of the beam nearest to the partner
  bands                     per band: wearer and partner with speech-like noise, and the wearer
                            with pink and white noise
  frontend_rtf              CPU seconds of the whole front-end for a second of sound, one thread

examples:
  earvoice bench microphones --json
  earvoice bench microphones --steering measured.npz
"""


def add_microphones(names: Any) -> None:
    """Adds the benchmark to `earvoice bench`."""
    parser: argparse.ArgumentParser = names.add_parser(
        "microphones",
        help="what the beams gain over the best microphone",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rooms", type=int, default=10, help="simulated rooms (default: 10)")
    parser.add_argument("--steering", type=Path, help="measured steering data (npz, safetensors)")
    parser.add_argument("--seed", type=int, default=1, help="of the rooms")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run_microphones(args: argparse.Namespace) -> int:
    """Measures and prints; returns 0."""
    if not 1 <= args.rooms <= 10_000:
        raise UsageError(f"--rooms is {args.rooms}, it must be 1 to 10000")
    import torch

    from earvoice.bench.microphones import MicrophoneSettings, run

    torch.set_num_threads(1)
    settings = MicrophoneSettings(rooms=args.rooms, seed=args.seed, steering=args.steering)
    result = run(settings, say)
    if args.json:
        print_json(result)
        return 0
    for row in result["bands"]:
        print(", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.items()))
    print_tables({key: value for key, value in result.items() if key != "bands"})
    return 0
