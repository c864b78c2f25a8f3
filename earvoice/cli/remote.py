"""What `translate --server` and `listen` share: a stream of audio to a server, its words back."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from earvoice.audio import Audio, AudioClock
from earvoice.cli.knowledge import knowledge_of
from earvoice.cli.sinks import SUFFIXES, OutputError, Sink, output_sink
from earvoice.driver import WallClock
from earvoice.errors import UsageError

if TYPE_CHECKING:
    from earvoice.serve.client import Client
    from earvoice.serve.protocol import Term


def run_remote(args: argparse.Namespace, packets: Iterator[Audio]) -> int:
    """Send the packets to `args.server` and write what comes back."""
    suffix = args.output.suffix.lower() if args.output is not None else ""
    form = args.format or SUFFIXES.get(suffix, "text")
    paced = args.clock == "wall"
    check_output(args)
    client = make_client(args)
    with output_sink(form, args.output) as sink:
        asyncio.run(_translate(client, _in_thread(packets, paced=paced), sink))
    if client.counts.reconnects:
        print(f"earvoice: reconnected {client.counts.reconnects} times", file=sys.stderr)
    return 0


def make_client(args: argparse.Namespace) -> Client:
    """A client for the options. Errors: `UsageError` without the extra `serve`."""
    try:
        from earvoice.serve.client import Client
        from earvoice.serve.protocol import Start
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; pip install 'earvoice[serve]' brings it"
        ) from None
    from pydantic import ValidationError

    try:
        start = Start(
            model=args.model,
            src_lang=args.src_lang,
            tgt_lang=args.tgt_lang,
            policy=_policy(args),
            glossary=_terms(args),
            transcript=True,  # as without a server
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        option = str(fault["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option} is {fault['input']!r}: {fault['msg']}") from None
    token = _read_token(args.token_file) if args.token_file is not None else None
    return Client(args.server, start=start, token=token)


def _terms(args: argparse.Namespace) -> tuple[Term, ...] | None:
    """The terms of `--glossary` as the protocol has them. Errors: `UsageError`, `DataError`."""
    from earvoice.serve.protocol import Term

    if getattr(args, "context", None) is not None:
        raise UsageError("--context cannot be sent to a server; leave it out, or --server")
    if getattr(args, "glossary", None) is None:
        return None
    if args.src_lang is None or args.tgt_lang is None:
        raise UsageError("--glossary for a server needs --src-lang and --tgt-lang")
    read = knowledge_of(args, args.src_lang, args.tgt_lang)["glossary"]
    return tuple(Term(source=entry.source, target=entry.target) for entry in read)


def _policy(args: argparse.Namespace) -> str | None:
    options = {name: getattr(args, name, None) for name in ("k", "n", "frames", "layer")}
    given = ",".join(f"{name}={value}" for name, value in options.items() if value is not None)
    kind = args.policy or ("wait-k" if given else None)
    return f"{kind}{',' if ':' in str(kind) else ':'}{given}" if given else kind


def check_output(args: argparse.Namespace) -> None:
    """That the output can be made and is none of the files that are read.

    Raises: OutputError, UsageError.
    """
    output = getattr(args, "output", None)
    if output is not None and not output.parent.is_dir():
        raise OutputError(f"--output {output}: there is no folder {output.parent}")
    if output is None or not output.exists():
        return
    for name in ("audio", "glossary", "context"):
        path = Path(getattr(args, name, None) or "-")
        if path.exists() and path.samefile(output):
            raise UsageError(f"--output is {output}, which is read: it would be lost")


def _read_token(path: Path) -> str:
    from earvoice.serve.auth import read_tokens

    return read_tokens(path)[0]


async def _translate(client: Client, packets: AsyncIterator[Audio], sink: Sink) -> None:
    async for stamped in client.translate(packets):
        sink.take(stamped)


async def _in_thread(packets: Iterator[Audio], *, paced: bool) -> AsyncIterator[Audio]:
    """The packets, read where waiting for them stops nothing; at the pace of speech if `paced`."""
    clock: AudioClock | None = None
    wall = WallClock()
    while (packet := await asyncio.to_thread(next, packets, None)) is not None:
        yield packet
        if paced:
            clock = clock or AudioClock(packet.rate_hz)
            await asyncio.to_thread(wall.wait_until, clock.advance(packet.n_samples))
