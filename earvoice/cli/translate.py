"""`earvoice translate`: audio in as a stream, committed words out as they come."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import soundfile
from rich.console import Console

from earvoice.audio import Audio, AudioClock, stream_file, stream_pipe
from earvoice.audio.files import UNKNOWN_FRAMES
from earvoice.audio.pauses import PauseKind
from earvoice.cli.knowledge import add_knowledge, knowledge_of
from earvoice.cli.pauses import pauses_of
from earvoice.cli.remote import check_output, run_remote
from earvoice.cli.sinks import FORMATS, SUFFIXES, output_sink
from earvoice.cli.terminal import AudioBar, LiveView
from earvoice.driver import Clock, IdealClock, WallClock, drive
from earvoice.errors import UsageError
from earvoice.policies import PolicySpec, policy_kinds
from earvoice.policies.choice import OFFLINE, choose_policy
from earvoice.session import Request, Session
from earvoice.text.languages import language
from earvoice.units import Seconds
from earvoice.zoo import DEFAULT_MODEL, ModelCard, find_model, pick_model

PACKET_S: Seconds = 0.1
SMALL_PARAMS = 100_000_000

_EPILOG = """\
examples:
  earvoice translate talk.wav                        in a terminal: live, with lag and position
  earvoice translate talk.wav --clock ideal          as fast as the machine can
  earvoice translate talk.wav --policy wait-k --k 1  earlier words, lower quality
  earvoice translate talk.mp3 --output talk.vtt      subtitles
  earvoice translate talk.wav --glossary terms.csv   names and terms; those used are underlined
  earvoice translate talk.wav --server http://127.0.0.1:8787    on a server (earvoice serve)
  arecord -f S16_LE -r 16000 -t raw | earvoice translate -
"""


def add_parser(subparsers: Any) -> None:
    """Add the options of `translate`."""
    parser = subparsers.add_parser(
        "translate",
        help="translate a recording or a pipe, live",
        description="Reads audio as a stream and writes words as soon as they are final.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "audio",
        help="WAV, FLAC, Ogg, MP3 (others with ffmpeg); - for standard input: "
        "WAV, or raw 16-bit 16 kHz mono",
    )
    add("--model", metavar="NAME|DIR", help=f"see `earvoice models`; usually {DEFAULT_MODEL}")
    add("--server", metavar="URL", help="translate there, see `earvoice serve`")
    add("--token-file", metavar="FILE", type=Path, help="file with the server's token")
    add("--src-lang", metavar="CODE", help="language spoken, e.g. en")
    add("--tgt-lang", metavar="CODE", help="language wanted, e.g. de; picks the model if none is")
    add("--policy", metavar="KIND", help=f"when to write: {', '.join((*policy_kinds(), OFFLINE))}")
    add("--k", type=int, help="wait-k: segments to hear before the first word")
    add("--n", type=int, help="wait-k: words a segment; hold-n: held back; local-agreement: drafts")
    add("--frames", type=int, help="align-att: speech frames at the end that are off limits")
    add("--layer", type=int, help="align-att: whose attention is looked at, from 0")
    add_knowledge(parser)
    add(
        "--pauses",
        choices=typing.get_args(PauseKind),
        help="where windows of an offline model end: at what energy or WebRTC's detector (extra "
        "vad) takes for a pause, or fixed; default: the model's",
    )
    add(
        "--clock",
        choices=("wall", "ideal"),
        help="wall: at the pace of speech; ideal: as fast as possible "
        "(default: wall in a terminal, else ideal)",
    )
    add("--format", choices=FORMATS, help="default: by the suffix of --output, else text")
    add("--output", metavar="FILE", type=Path, help="default: standard output")
    add(
        "--threads",
        type=int,
        help="processor threads (default: OMP_NUM_THREADS if set, else 1 for a small model)",
    )


def run(args: argparse.Namespace) -> int:
    """Translate."""
    if args.server is not None:
        for option in ("pauses", "threads"):
            if getattr(args, option) is not None:
                raise UsageError(f"--{option} is chosen where the model runs; leave it out")
        return run_remote(args, _open_audio(args.audio)[0])
    if args.token_file is not None:
        raise UsageError("--token-file belongs to --server")
    job = _Job.of(args)
    packets, total_s = _open_audio(args.audio)
    # Late, and after everything the user can get wrong: it costs a second or more.
    from earvoice.loading import load

    _set_threads(args.threads, job.card)
    session = load(job.card.path, settings=job.settings).open(job.request)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(output_sink(job.form, args.output))
        shown = args.output is None and sys.stdout.isatty()
        view: LiveView | AudioBar | None = None
        if sys.stdout.isatty() and (args.output is not None or job.form == "text"):
            label = f"{job.card.name} {job.request.src_lang} → {job.request.tgt_lang}"
            console = Console()
            view = stack.enter_context(LiveView(console, session, job.clock, label, total_s))
        elif sys.stderr.isatty() and not shown:
            name = Path(args.audio).name
            view = stack.enter_context(AudioBar(Console(stderr=True), name, total_s))
        _translate(session, packets, job.clock, view, None if shown and view else sink)
    return 0


def _set_threads(asked: int | None, card: ModelCard) -> None:
    """One thread where a model is small: more wait for each other longer than they work."""
    import torch

    if asked is not None:
        torch.set_num_threads(asked)
    elif card.params < SMALL_PARAMS and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def _translate(
    session: Session,
    packets: Iterator[Audio],
    clock: Clock,
    view: LiveView | AudioBar | None,
    sink: Any,
) -> None:
    watched = packets if view is None else _watched(packets, view)
    for stamped in drive(session, watched, clock):
        if view is not None:
            view.show(stamped)
        if sink is not None:
            sink.take(stamped)


@dataclass(frozen=True)
class _Job:
    """What the options come to."""

    card: ModelCard
    settings: dict[str, str]
    request: Request
    clock: Clock
    form: str

    @classmethod
    def of(cls, args: argparse.Namespace) -> _Job:
        src_lang = language(args.src_lang).code if args.src_lang is not None else None
        tgt_lang = language(args.tgt_lang).code if args.tgt_lang is not None else None
        if args.threads is not None and args.threads < 1:
            raise UsageError(f"--threads is {args.threads}, it must be 1 or more")
        check_output(args)
        card = pick_model(src_lang, tgt_lang) if args.model is None else find_model(args.model)
        policy = _policy(args, card.policy)
        _check("--src-lang", src_lang, card.src_langs, card)
        _check("--tgt-lang", tgt_lang, card.tgt_langs, card)
        pair = card.pair(src_lang, tgt_lang)
        known = knowledge_of(args, *pair)
        request = Request(*pair, policy=policy, transcript=True, **known)
        live = sys.stdout.isatty() and args.output is None
        pace = args.clock or ("wall" if live else "ideal")
        suffix = args.output.suffix.lower() if args.output is not None else ""
        return cls(
            card=card,
            settings=pauses_of(args, card),
            request=request,
            clock=WallClock() if pace == "wall" else IdealClock(),
            form=args.format or SUFFIXES.get(suffix, "text"),
        )


def _policy(args: argparse.Namespace, own: PolicySpec | None) -> PolicySpec | None:
    options = {name: getattr(args, name) for name in ("k", "n", "frames", "layer")}
    if args.policy is None and all(value is None for value in options.values()):
        return None
    return choose_policy(own, args.policy, **options)


def _check(option: str, wanted: str | None, there: tuple[str, ...], card: ModelCard) -> None:
    if wanted is not None and wanted not in there:
        raise UsageError(f"{option} is {wanted!r}, {card.name} has {', '.join(there)}")


def _open_audio(name: str) -> tuple[Iterator[Audio], Seconds | None]:
    """The packets and, where it is known, how long they are in all."""
    if name == "-":
        pipe: IO[bytes] = sys.stdin.buffer
        if pipe.isatty():
            raise UsageError("standard input is a terminal; pipe audio into it, or name a file")
        return stream_pipe(pipe, PACKET_S), None
    packets = stream_file(name, PACKET_S)
    try:
        info = soundfile.info(name)
        return packets, float(info.duration) if 0 < info.frames < UNKNOWN_FRAMES else None
    except (soundfile.LibsndfileError, TypeError):
        return packets, None


def _watched(packets: Iterator[Audio], view: LiveView | AudioBar) -> Iterator[Audio]:
    clock: AudioClock | None = None
    for packet in packets:
        yield packet
        clock = clock or AudioClock(packet.rate_hz)
        view.heard(clock.advance(packet.n_samples))
