"""`earvoice train RECIPE [key=value ...]`: runs a recipe's stages and exports the model."""

from __future__ import annotations

import argparse
from typing import Any

from earvoice.errors import UsageError

_EPILOG = """\
examples:
  earvoice train recipes/fasst/tiny.yaml out=runs/tiny          everything, in a minute
  earvoice train recipes/fasst/mini.yaml corpus=[corpora/train] out=runs/mini
  earvoice train recipes/fasst/mini.yaml out=runs/mini --resume go on where it stopped
  earvoice train recipes/fasst/mini.yaml system.tgt_lang=es name=fasst-mini-en-es \\
      out=runs/es --reuse phones=runs/mini/phones               share an encoder warm-up

A run leaves OUT/<stage>/log.jsonl, TensorBoard files, checkpoints, and OUT/model, which
`earvoice translate --model OUT/model` loads.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a model from a recipe",
        description="Train a model from a recipe (YAML). Any key can be overridden: a.b=c.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", help="a YAML file, e.g. recipes/fasst/mini.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the recipe")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument("--stages", default="", help="only these, comma-separated")
    parser.add_argument(
        "--reuse",
        action="append",
        default=[],
        metavar="STAGE=DIR",
        help="take a stage's result from another run",
    )
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument("--quiet", action="store_true", help="no progress display")


def run(args: argparse.Namespace) -> int:
    """Trains. Returns 0."""
    from earvoice.config import load_yaml
    from earvoice.train.stage import RecipeConfig

    recipe = load_yaml(args.recipe, RecipeConfig, args.overrides)
    reuse = {}
    for item in args.reuse:
        stage, equals, folder = item.partition("=")
        if not equals or not folder:
            raise UsageError(f"--reuse is {item!r}; it must be STAGE=DIR")
        reuse[stage] = folder

    import torch

    from earvoice.train.recipe import Options, run_recipe

    torch.set_num_threads(args.threads)
    stages = tuple(name for name in args.stages.split(",") if name)
    options = Options(args.resume, stages, reuse, args.quiet)
    print(run_recipe(recipe, options))
    return 0
