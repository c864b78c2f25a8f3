"""`earvoice eval simulate`: recordings through a model, every event stamped."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice import __version__
from earvoice.errors import UsageError

if TYPE_CHECKING:
    from earvoice.audio import Audio
    from earvoice.data.manifest import Talk
    from earvoice.eval.simulate import Recording
    from earvoice.zoo import ModelCard

_TEXT = """\
Translates every recording of a corpus as a stream and logs what came when.

  --clock ideal   computing takes no time: repeatable to the byte; --streams N share a batch
  --clock wall    computing is measured, and chunks queue where it takes longer than speech

RUN/ holds log.jsonl (one line per event), run.json (model, policy, data, versions) and the
references with their segments. A run that was stopped goes on where it was.

examples:
  earvoice corpus synth --langs en-de --split test --hours 1.25 --seed 11 \\
      --minutes-max 3 --out corpora/test
  earvoice eval simulate --model fasst-mini-en-de --data corpora/test --out runs/k3 --k 3
  earvoice eval score runs/k3 --tgt-lang de
"""


def add_simulate(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "simulate",
        help="run a model on recordings, with stamped events",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="fasst-mini-en-de", metavar="NAME|DIR")
    parser.add_argument("--data", type=Path, required=True, help="corpus folder or cuts.jsonl")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--clock", choices=("ideal", "wall"), default="ideal")
    parser.add_argument("--streams", type=int, default=1, help="recordings at a time (ideal)")
    parser.add_argument("--items", type=int, help="only the first so many recordings")
    parser.add_argument("--policy", metavar="KIND", help="wait-k, hold-n or offline")
    parser.add_argument("--k", type=int, help="wait-k: segments to hear before the first word")
    parser.add_argument("--n", type=int, help="wait-k: words per segment; hold-n: words held")
    parser.add_argument("--packet-ms", type=int, default=40, help="audio given at a time")
    parser.add_argument("--threads", type=int, default=1, help="of the arithmetic")


def run_simulate(args: argparse.Namespace) -> int:
    """Simulates; returns 0."""
    from earvoice.data.manifest import load_talks
    from earvoice.eval.runlog import LOG_FILE, RunLog
    from earvoice.eval.simulate import simulate
    from earvoice.policies import format_policy
    from earvoice.session import Request
    from earvoice.zoo import find_model

    if args.packet_ms < 1:
        raise UsageError(f"--packet-ms is {args.packet_ms}, it must be 1 or more")
    card = find_model(args.model)
    policy = _policy(args, card.policy)
    talks = list(load_talks(args.data))[: args.items]
    recordings = [_recording(talk, args.packet_ms) for talk in talks]
    args.out.mkdir(parents=True, exist_ok=True)
    _note_run(args, card, format_policy(policy))
    _write_references(args.out, talks, card.tgt_langs[0])
    import torch

    from earvoice.loading import load

    torch.set_num_threads(args.threads)
    interpreter = load(card.path, rows=args.streams)
    log = RunLog(args.out / LOG_FILE)
    request = Request(card.src_langs[0], card.tgt_langs[0], policy)
    with _progress(recordings, log.done) as advance:
        simulate(
            interpreter,
            recordings,
            request,
            log,
            clock=args.clock,
            streams=args.streams,
            done=advance,
        )
    print(args.out)
    return 0


def _policy(args: argparse.Namespace, own: Any) -> Any:
    from earvoice.policies import WaitK, parse_policy
    from earvoice.policies.schedule import OFFLINE_K

    if args.policy == "offline":
        return WaitK(OFFLINE_K, own.n)
    return parse_policy(args.policy or own.kind, own, k=args.k, n=args.n)


def _recording(talk: Talk, packet_ms: int) -> Recording:
    from earvoice.eval.runlog import RecordingHead
    from earvoice.eval.simulate import Recording

    def packets() -> Iterator[Audio]:
        from earvoice.audio import Audio

        size = max(1, talk.sample_rate * packet_ms // 1000)
        samples = talk.read_samples()
        for start in range(0, len(samples), size):
            yield Audio(samples[None, start : start + size], talk.sample_rate)

    source_us = round(talk.samples * 1_000_000 / talk.sample_rate)
    return Recording(RecordingHead(talk.id, source_us, "word"), packets)


def _note_run(args: argparse.Namespace, card: ModelCard, policy: str) -> None:
    """Writes what the run is. Raises: UsageError where the folder holds another run."""
    manifest = args.data / "cuts.jsonl" if args.data.is_dir() else args.data
    note = {
        "model": card.name,
        "model_sha256": _sha256(card.path / "manifest.json"),  # which lists every file's own
        "policy": policy,
        "clock": args.clock,
        "streams": args.streams,
        "packet_ms": args.packet_ms,
        "items": args.items,
        "data_sha256": _sha256(manifest),
        "versions": {
            "earvoice": __version__,
            "torch": version("torch"),
            "numpy": version("numpy"),
            "python": platform.python_version(),
        },
    }
    path = args.out / "run.json"
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key, value in note.items() if before.get(key) != value]
        if changed:
            raise UsageError(
                f"{args.out} holds another run: {changed[0]} was {before.get(changed[0])!r} and "
                f"is {note[changed[0]]!r}; name another folder"
            )
    path.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_references(out: Path, talks: Sequence[Talk], language: str) -> None:
    """The sentences in the field's format: segments.yaml, references.txt, sources.txt."""
    segments, references, sources = [], [], []
    for talk in talks:
        for sentence in talk.sentences:
            if language not in sentence.targets:
                raise UsageError(f"talk {talk.id} has no {language!r} side")
            start_s, end_s = sentence.start_s, sentence.end_s
            segments.append(
                f"- {{offset: {start_s:.6f}, duration: {end_s - start_s:.6f}, wav: {talk.id}.wav}}"
            )
            references.append(sentence.targets[language].text)
            sources.append(" ".join(word.text for word in sentence.words) or sentence.text)
    for name, lines in (
        ("segments.yaml", segments),
        ("references.txt", references),
        ("sources.txt", sources),
    ):
        (out / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


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
