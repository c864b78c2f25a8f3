"""`earvoice listen`: the microphone, or what is piped in, through a server."""

from __future__ import annotations

import argparse
import contextlib
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from earvoice.audio import Audio, stream_pipe
from earvoice.cli.remote import run_remote
from earvoice.cli.sinks import FORMATS
from earvoice.errors import AudioError, UsageError
from earvoice.policies import policy_kinds
from earvoice.units import SAMPLE_RATE, Seconds

PACKET_S: Seconds = 0.1
_MAX_WAITING = 600  # packets: a minute, while the connection is broken

_EPILOG = """\
examples:
  earvoice listen                                    microphone, server on this machine
  earvoice listen --server https://live.example --token-file token.txt --tgt-lang de
  arecord -f S16_LE -r 16000 -t raw | earvoice listen -

Ctrl-C stops the microphone; what was said until then is still translated.
The microphone needs the extra `mic` (sounddevice) and the library libportaudio2.
"""


def add_parser(subparsers: Any) -> None:
    """Add the options of `listen`."""
    parser = subparsers.add_parser(
        "listen",
        help="translate the microphone live, through a server",
        description="Sends the microphone to `earvoice serve` and writes the words that come.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("audio", nargs="?", default="mic", help="mic (default), or - for standard input")
    add("--server", metavar="URL", default="http://127.0.0.1:8787", help="see `earvoice serve`")
    add("--token-file", metavar="FILE", type=Path, help="file with the server's token")
    add("--device", help="name or number of the microphone; `list` names them")
    add("--model", metavar="NAME", help="one of the server's models")
    add("--src-lang", metavar="CODE", help="language spoken, e.g. en")
    add("--tgt-lang", metavar="CODE", help="language wanted, e.g. de")
    add("--policy", metavar="SPEC", help=f"when to write: {', '.join(policy_kinds())}")
    add("--glossary", metavar="FILE", type=Path, help="terms and translations: CSV, TSV or TBX")
    add("--format", choices=FORMATS, help="default: by the suffix of --output, else text")
    add("--output", metavar="FILE", type=Path, help="default: standard output")
    parser.set_defaults(clock=None, context=None)


def run(args: argparse.Namespace) -> int:
    """Listen until the source ends, or Ctrl-C; what came until then is still translated."""
    if args.device == "list":
        print(_sounddevice().query_devices())
        return 0
    if args.audio == "-":
        pipe = sys.stdin.buffer
        if pipe.isatty():
            raise UsageError("standard input is a terminal; pipe audio into it, or say mic")
        with _until_interrupt() as stop:
            return run_remote(args, _until(stop, stream_pipe(pipe, PACKET_S)))
    if args.audio != "mic":
        raise UsageError(f"listen takes mic or -, not {args.audio!r}; translate takes files")
    with _until_interrupt() as stop:
        return run_remote(args, _microphone(args.device, stop))


@contextlib.contextmanager
def _until_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second ends the program as usual."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _until(stop: threading.Event, packets: Iterator[Audio]) -> Iterator[Audio]:
    """The packets that come before the event."""
    for packet in packets:
        if stop.is_set():
            return
        yield packet


def _sounddevice() -> Any:
    try:
        import sounddevice
    except (ModuleNotFoundError, OSError) as error:
        raise UsageError(
            f"the microphone cannot be used ({error}); it needs pip install 'earvoice[mic]' and "
            "the library libportaudio2; or pipe audio in: listen -"
        ) from None
    return sounddevice


def _microphone(device: str | None, stop: threading.Event) -> Iterator[Audio]:
    """Packets of the microphone until the event. Errors: `AudioError` when it cannot be opened."""
    sounddevice = _sounddevice()
    packets: queue.Queue[np.ndarray[Any, np.dtype[np.float32]]] = queue.Queue(_MAX_WAITING)

    def take(data: Any, frames: int, time: Any, status: Any) -> None:
        # A full queue loses the newest packet: the callback must not wait.
        if not packets.full():
            packets.put_nowait(data[:, 0].astype(np.float32))

    chosen: str | int | None = int(device) if device is not None and device.isdigit() else device
    try:
        stream = sounddevice.InputStream(
            samplerate=SAMPLE_RATE,
            channels=1,
            dtype="float32",
            device=chosen,
            blocksize=round(PACKET_S * SAMPLE_RATE),
            callback=take,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"the microphone cannot be opened: {error}") from error
    with stream:
        while not stop.is_set() or not packets.empty():
            try:
                packet = packets.get(timeout=PACKET_S)
            except queue.Empty:
                if not stream.active and not stop.is_set():
                    sys.stderr.write("earvoice: the microphone is gone; this is what was heard\n")
                    return
                continue
            yield Audio.of(packet)
