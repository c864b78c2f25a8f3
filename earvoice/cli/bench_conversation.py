"""`earvoice bench conversation`: words, translations and speed of a model that hears two people."""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from typing import Any

from earvoice.cli.bench_output import print_json
from earvoice.errors import UsageError

_TEXT = """\
Hears recorded conversations from beginning to end, each as one stream, on one thread.

  rtf          CPU seconds for a second of sound of one stream, all microphones
  wer          per cent of each person's words, without case and punctuation; words in the other
               person's stream are errors
  bleu         of turns, [low, high]: 95 % bootstrap interval
  first_ms     median from the beginning of a turn to the first final word of its translation
  last_ms      median from the end of a turn to the last one

Latencies do not count computing. Sets: conversations (all turns), overlap (turns during which the
other one speaks too), apart (the others).

Without --corpus a stream of noise is heard and rtf alone is reported. With --recipe instead of
--model the weights are random and write little: rtf is that of hearing, with less of the search.

examples:
  earvoice bench conversation --model jstar-mini-en-es --corpus corpora/conversations/test --json
  earvoice bench conversation --recipe recipes/jstar/mini.yaml --seconds 60
"""


def add_conversation(names: Any) -> None:
    """Adds the benchmark to `earvoice bench`."""
    parser: argparse.ArgumentParser = names.add_parser(
        "conversation",
        help="words, translations, lag and speed on conversations",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", metavar="NAME|DIR", help="what is measured")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="or its sizes, random weights")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="of `corpus conversation`")
    parser.add_argument("--most", type=int, default=0, metavar="N", help="conversations; 0: all")
    parser.add_argument("--seconds", type=float, default=30.0, help="of noise, without --corpus")
    parser.add_argument("--batch", type=int, default=1, help="streams at a time (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="of noise and of random weights")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run_conversation(args: argparse.Namespace) -> int:
    """Measures and prints; returns 0."""
    if (args.model is None) == (args.recipe is None):
        raise UsageError("name either --model or --recipe")
    for name in ("batch", "seconds"):
        if not 0 < getattr(args, name) < math.inf:
            raise UsageError(f"--{name} is {getattr(args, name)}, it must be more than 0")
    if args.most < 0:
        raise UsageError(f"--most is {args.most}, it must be 0 (all) or more")
    import torch

    torch.set_num_threads(1)
    result = _measured(args)
    if args.json:
        print_json(result)
        return 0
    for name, value in result.items():
        print(f"{name}: {value}")
    return 0


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    from earvoice.bench.conversations import SETS, figures, measure, noise_rtf
    from earvoice.bench.machine import describe
    from earvoice.data.conversations import load_conversations

    interpreter = _interpreter(args)
    channels = interpreter.model.array.channels
    said = {"model": args.model or str(args.recipe), "microphones": channels, **describe()}
    if args.corpus is None:
        return {"rtf": noise_rtf(interpreter, args.seconds, args.seed), **said}
    most = args.most or None
    found = measure(
        interpreter,
        list(itertools.islice(load_conversations(args.corpus), most)),
        batch=args.batch,
    )
    sets = {on: figures(found, on) for on in SETS}
    return {"rtf": found.rtf, "batch": args.batch, **sets, **said}


def _interpreter(args: argparse.Namespace) -> Any:
    """Of the model, or of random weights of a recipe's sizes."""
    from earvoice.sessions.frame import FrameInterpreter

    if args.model is not None:
        from earvoice.loading import load
        from earvoice.zoo import find

        interpreter: Any = load(find(args.model), rows=args.batch)
    else:
        interpreter = _random(args)
    if not isinstance(interpreter, FrameInterpreter):
        raise UsageError(f"{args.model or args.recipe} does not hear two people")
    return interpreter


def _random(args: argparse.Namespace) -> Any:
    import torch

    from earvoice.config import load_yaml
    from earvoice.systems import build, with_vocabulary
    from earvoice.text.tokenizer import Tokenizer
    from earvoice.train.stage import RecipeConfig

    config = load_yaml(args.recipe, RecipeConfig).system
    if config.kind != "jstar":
        raise UsageError(f"--recipe {args.recipe} is of {config.kind}, it must be of jstar")
    tags = getattr(config, "control_tokens", ())
    texts = ["good morning, how are you?", "buenos días, ¿cómo está usted?"] * 50
    tokenizer = Tokenizer.train(texts, 300, extra_specials=tags)
    torch.manual_seed(args.seed)
    system: Any = build(with_vocabulary(config, tokenizer.vocab_size))
    system.initialise()
    return system.eval().requires_grad_(False).interpreter(tokenizer, rows=args.batch)
