"""`earvoice eval simulate`: recordings through a model, every event stamped."""

from __future__ import annotations

import argparse
import contextlib
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.audio.pauses import PauseKind
from earvoice.cli.eval_run_folder import (
    note_run,
    recording_of,
    sha256,
    talks_of,
    write_references,
)
from earvoice.cli.knowledge import add_knowledge, knowledge_of
from earvoice.cli.pauses import pauses_of
from earvoice.errors import AudioError, UsageError
from earvoice.policies import policy_kinds
from earvoice.policies.choice import OFFLINE

if TYPE_CHECKING:
    from earvoice.eval.simulate import Failed, Recording
    from earvoice.eval.written import Settled
    from earvoice.session import Interpreter, Request

POLICY_OPTIONS = ("policy", "k", "n", "frames", "layer")
_TEXT = """\
Translates every recording of a corpus as a stream and logs what came when.

  --clock ideal   computing takes no time: repeatable to the byte; --streams N share a batch
  --clock wall    computing is measured, and chunks queue where it takes longer than speech

A word counts with the end of the packet in which it came. The default of 40 ms is fine enough
that a model's own step decides, and divides the steps in use (320, 480, 640, 960 ms). To compare
with another tool give all of them the same: --source-segment-size of SimulEval, in ms,
speech_chunk_size of simulstream, in s.

RUN/ holds log.jsonl (one line per event), run.json (model, policy, data, versions) and the
references with their segments. A run that was stopped goes on where it was. A recording that
cannot be read is named at the end (exit code 3); the others are done, and the same command tries
it again.

Systems of other tools run in the same way where those tools are installed (docs/evaluation.md):
--agent FILE.py:Class for SimulEval's, --processor MODULE:Class for simulstream's.

examples:
  earvoice corpus synth --langs en-de --split test --hours 1.25 --seed 11 \\
      --minutes-max 3 --out corpora/test
  earvoice eval simulate --model fasst-mini-en-de --data corpora/test --out runs/k3 --k 3
  earvoice eval score runs/k3 --tgt-lang de
  earvoice eval simulate --model clasi-mini-zh-en --data corpora/talks --out runs/terms \\
      --glossary corpora/talks/glossary.csv
"""


def add_simulate(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "simulate",
        help="run a model on recordings, with stamped events",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_simulation(parser)
    parser.add_argument("--model", default="fasst-mini-en-de", metavar="NAME|DIR")
    parser.add_argument("--policy", metavar="KIND", help=f"{', '.join((*policy_kinds(), OFFLINE))}")
    parser.add_argument("--k", type=int, help="wait-k: segments to hear before the first word")
    parser.add_argument("--n", type=int, help="wait-k: words per segment; hold-n: words held")
    parser.add_argument("--frames", type=int, help="align-att: speech frames that are off limits")
    parser.add_argument("--layer", type=int, help="align-att: whose attention, from 0")


def add_simulation(parser: argparse.ArgumentParser) -> None:
    """The arguments of a simulation, but for the model and its policy."""
    parser.add_argument("--data", type=Path, required=True, help="corpus folder or cuts.jsonl")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--clock", choices=("ideal", "wall"), default="ideal")
    parser.add_argument("--streams", type=int, default=1, help="recordings at a time (ideal)")
    parser.add_argument("--items", type=int, help="only the first so many recordings")
    parser.add_argument(
        "--segment-size-ms",
        "--packet-ms",
        dest="packet_ms",
        type=int,
        default=40,
        metavar="MS",
        help="audio given at a time (default: 40)",
    )
    parser.add_argument(
        "--pauses",
        choices=typing.get_args(PauseKind),
        help="where windows of an offline model end (default: the model's)",
    )
    parser.add_argument("--threads", type=int, default=1, help="of the arithmetic")
    add_knowledge(parser)
    others = parser.add_argument_group("systems of other tools")
    others.add_argument("--agent", metavar="FILE.py:CLASS", help="of SimulEval")
    others.add_argument("--agent-options", default="", metavar="TEXT", help="the agent's own")
    others.add_argument("--processor", metavar="MODULE:CLASS", help="of simulstream")
    others.add_argument("--processor-config", type=Path, metavar="YAML")
    others.add_argument("--src-lang", help="of the recordings (default: the model's, or en)")
    others.add_argument("--tgt-lang", help="of the output (default: the model's)")


@dataclass(frozen=True)
class _System:
    """What is simulated: how run.json names it, how it is loaded, what is asked of it."""

    note: dict[str, Any]
    load: Callable[[], Interpreter]
    request: Request
    settled: Settled = "commit"


def run_simulate(args: argparse.Namespace, *, quiet: bool = False) -> int:
    """Simulates and prints the folder; returns 0, or 3 where recordings could not be read."""
    from earvoice.data.lock import FolderLock
    from earvoice.eval.runlog import LOG_FILE, RunLog
    from earvoice.eval.simulate import simulate

    for name in ("packet_ms", "threads", "streams"):
        if getattr(args, name) < 1:
            option = "--segment-size-ms" if name == "packet_ms" else f"--{name}"
            raise UsageError(f"{option} is {getattr(args, name)}, it must be 1 or more")
    if args.items is not None and args.items < 1:
        raise UsageError(f"--items is {args.items}, it must be 1 or more")
    if args.clock == "wall" and args.streams > 1:
        raise UsageError(f"--streams is {args.streams}, with --clock wall it must be 1")
    if args.out.exists() and not args.out.is_dir():
        raise UsageError(f"--out is {args.out}, a file; it must be a folder or a new name")
    system = _system(args)
    talks = talks_of(args.data, args.items)
    recordings = [recording_of(talk, args.packet_ms, system.settled) for talk in talks]
    interpreter = system.load()  # before there is a folder: what cannot be run leaves none
    args.out.mkdir(parents=True, exist_ok=True)
    with FolderLock(args.out):
        note = system.note | {
            "clock": args.clock,
            "streams": args.streams,
            "packet_ms": args.packet_ms,
            "items": args.items,
            "src_lang": system.request.src_lang,
            "tgt_lang": system.request.tgt_lang,
        }
        note_run(args.out, args.data, note)
        write_references(args.out, talks, system.request.tgt_lang)
        log = RunLog(args.out / LOG_FILE)
        with _progress(recordings, log.done) as advance:
            failed = simulate(
                interpreter,
                recordings,
                system.request,
                log,
                clock=args.clock,
                streams=args.streams,
                done=advance,
            )
    if not quiet:
        print(args.out)
    return _told(failed, len(recordings))


def _told(failed: Sequence[Failed], count: int) -> int:
    for item in failed:
        print(f"earvoice: recording {item.name}: {item.error}", file=sys.stderr)
    if not failed:
        return 0
    print(f"earvoice: {len(failed)} of {count} recordings failed", file=sys.stderr)
    return AudioError.exit_code


def _system(args: argparse.Namespace) -> _System:
    """What the options name. Raises: UsageError for options that do not go together."""
    if args.agent is not None and args.processor is not None:
        raise UsageError("name an --agent or a --processor, not both")
    if args.agent_options and args.agent is None:
        raise UsageError("--agent-options belongs to --agent")
    if args.processor_config is not None and args.processor is None:
        raise UsageError("--processor-config belongs to --processor")
    if args.agent is None and args.processor is None:
        return _model(args)
    for name in (*POLICY_OPTIONS, "pauses", "glossary", "context"):
        if getattr(args, name) is not None:
            raise UsageError(f"--{name} is for models of this package; others have their own")
    if args.streams > 1:
        raise UsageError("--streams must be 1 for a system of another tool")
    if args.tgt_lang is None:
        raise UsageError("--tgt-lang is needed: the language that the system writes")
    return _agent(args) if args.agent is not None else _processor(args)


def _model(args: argparse.Namespace) -> _System:
    from earvoice.policies import format_policy
    from earvoice.policies.choice import choose_policy
    from earvoice.session import Request
    from earvoice.zoo import find_model

    card = find_model(args.model)
    options = {name: getattr(args, name) for name in POLICY_OPTIONS if name != "policy"}
    policy = choose_policy(card.policy, args.policy, **options)
    note = {
        "model": card.name,
        "model_sha256": sha256(card.path / "manifest.json"),  # which lists every file's own
        "policy": format_policy(policy),
    }
    settings = pauses_of(args, card)
    note |= settings
    src_lang, tgt_lang = card.pair(args.src_lang, args.tgt_lang)
    known = knowledge_of(args, src_lang, tgt_lang)
    note |= {f"{name}_sha256": sha256(getattr(args, name)) for name in known}

    def load() -> Interpreter:
        import torch

        from earvoice.loading import load as load_model

        torch.set_num_threads(args.threads)
        return load_model(card.path, rows=args.streams, settings=settings)

    return _System(note, load, Request(src_lang, tgt_lang, policy, **known))


def _agent(args: argparse.Namespace) -> _System:
    from earvoice.session import Request

    _installed("simuleval", "--agent")
    file = Path(args.agent.rpartition(":")[0])
    note = {
        "model": f"agent {args.agent}",
        "model_sha256": sha256(file) if file.is_file() else None,
        "policy": args.agent_options,
    }

    def load() -> Interpreter:
        from earvoice.interop.agents import load_agent

        return load_agent(args.agent, args.agent_options)

    return _System(note, load, Request(args.src_lang or "en", args.tgt_lang))


def _processor(args: argparse.Namespace) -> _System:
    from earvoice.session import Request

    _installed("simulstream", "--processor")
    config: Path | None = args.processor_config
    if config is None or not config.is_file():
        raise UsageError(f"--processor-config is {config}, it must be simulstream's YAML")
    note = {
        "model": f"processor {args.processor}",
        "model_sha256": sha256(config),
        "policy": None,
    }

    def load() -> Interpreter:
        from earvoice.interop.processors import load_processor

        return load_processor(args.processor, config)

    return _System(note, load, Request(args.src_lang or "en", args.tgt_lang), "shown")


def _installed(tool: str, option: str) -> None:
    import importlib.util

    if importlib.util.find_spec(tool) is None:
        raise UsageError(
            f"{option} needs {tool}, which is not installed here; scripts/peers.sh makes an "
            "environment that has it"
        )


@contextlib.contextmanager
def _progress(
    recordings: Sequence[Recording], done: Sequence[str]
) -> Iterator[Callable[[Recording], None]]:
    """A bar over recordings, on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("recordings", total=len(recordings), completed=len(set(done)))
        yield lambda recording: progress.advance(task)
