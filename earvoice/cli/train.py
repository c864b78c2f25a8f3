"""`earvoice train RECIPE [key=value ...]`: runs a recipe's stages and exports the model."""

from __future__ import annotations

import argparse
import difflib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.errors import EarvoiceError, UsageError

if TYPE_CHECKING:
    from earvoice.train.stage import RecipeConfig

_SPEAKING_S = 2.0
"""How long a process that fails without a word waits: torchrun ends the others at once."""
_EPILOG = """\
examples:
  earvoice train recipes/fasst/tiny.yaml out=runs/tiny          everything, in a minute
  earvoice train recipes/fasst/mini.yaml corpus=[corpora/train] out=runs/mini
  earvoice train recipes/fasst/mini.yaml out=runs/mini --resume go on where it stopped
  earvoice train recipes/fasst/mini.yaml out=runs/mini --summary  steps, minutes, losses so far
  earvoice train recipes/fasst/mini.yaml system.k=1 --print-config
  earvoice train recipes/fasst/mini.yaml system.tgt_lang=es name=fasst-mini-en-es \\
      out=runs/es --reuse phones=runs/mini/phones               share an encoder warm-up
  torchrun --nproc-per-node 2 -m earvoice.cli train recipes/lst/full-7b.yaml --shard
  earvoice train recipes/llast/full-2b.yaml --reuse pretrained=models/llast-2b-start

A run leaves OUT/<stage>/log.jsonl, TensorBoard files, checkpoints, and OUT/model, which
`earvoice translate --model OUT/model` loads. docs/training.md explains the keys.
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
    add = parser.add_argument
    add("recipe", help="a YAML file, e.g. recipes/fasst/mini.yaml")
    add(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="changes to the recipe, before or after options",
    )
    add("--resume", action="store_true", help="continue from the last checkpoint")
    add("--stages", default="", help="only these, comma-separated (default: all but reused ones)")
    add(
        "--reuse",
        action="append",
        default=[],
        metavar="STAGE=DIR",
        help="take a stage's result from another run, or from a model folder, "
        "instead of training it",
    )
    add("--threads", type=int, default=1, help="torch threads (default 1)")
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute (default: a GPU where there is one)",
    )
    add(
        "--shard",
        action="store_true",
        help="spread weights over the processes that torchrun started (FSDP2)",
    )
    add(
        "--ahead",
        type=int,
        metavar="N",
        help="batches to make while others are learnt from (default 4 with a GPU, else 0)",
    )
    add("--quiet", action="store_true", help="no progress display")
    add(
        "--print-config",
        action="store_true",
        help="print the recipe with all defaults and overrides as YAML, and stop",
    )
    add(
        "--summary",
        action="store_true",
        help="print what the stages of OUT cost and learnt, as a table, and stop",
    )
    parser.set_defaults(trailing=_trailing)


def run(args: argparse.Namespace) -> int:
    """Trains. Returns 0; of several processes all but the first fail without a word."""
    try:
        return _run(args)
    except EarvoiceError as error:
        from earvoice.train.errors import OwnError

        # What is wrong before the processes meet, or was exchanged, is wrong for all of them.
        if os.environ.get("RANK", "0") == "0" or isinstance(error, OwnError):
            raise
        time.sleep(_SPEAKING_S)
        return error.exit_code


def _run(args: argparse.Namespace) -> int:
    recipe = _recipe(args.recipe, args.overrides)
    if args.print_config:
        print(_yaml_of(recipe), end="")
        return 0
    if args.summary:
        from earvoice.train.summary import summarise, table

        logged = [(stage.name, stage.objective) for stage in recipe.stages]
        print(table(summarise(Path(recipe.out), logged)))
        return 0
    if args.threads < 1:
        raise UsageError(f"--threads is {args.threads}, it must be 1 or more")
    if args.ahead is not None and args.ahead < 0:
        raise UsageError(f"--ahead is {args.ahead}, it must be 0 or more")
    reuse = _reuse(args.reuse)
    stages = tuple(name for name in args.stages.split(",") if name)
    from earvoice.train.stage import check_validated

    check_validated(recipe, stages or {stage.name for stage in recipe.stages} - reuse.keys())
    return _train(args, recipe, stages, reuse)


def _train(
    args: argparse.Namespace, recipe: RecipeConfig, stages: tuple[str, ...], reuse: dict[str, str]
) -> int:
    """Trains, alone or as one of torchrun's processes, of which the first speaks for all."""
    import torch

    from earvoice.train.device import choose_device
    from earvoice.train.distributed import join
    from earvoice.train.errors import OwnError
    from earvoice.train.recipe import Options, run_recipe

    torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    ranks = join(shard=args.shard, device=device.type)
    ahead = (0 if device.type == "cpu" else 4) if args.ahead is None else args.ahead
    options = Options(args.resume, stages, reuse, args.quiet, ranks, device, ahead)
    try:
        folder = run_recipe(recipe, options)
    except RuntimeError as error:
        if ranks.world == 1 or args.debug:
            raise
        raise OwnError(ranks.rank, error) from error
    finally:
        ranks.close()
    if ranks.rank == 0:
        print(folder)
    return 0


def _trailing(args: argparse.Namespace, rest: list[str]) -> bool:
    """Takes overrides that stand after an option, which argparse leaves over."""
    if not all("=" in item and not item.startswith("-") for item in rest):
        return False
    args.overrides = [*args.overrides, *rest]
    return True


def _recipe(name: str, overrides: list[str]) -> RecipeConfig:
    path = Path(name)
    if not path.is_file():
        raise UsageError(_no_recipe(path))
    from earvoice.config import load_yaml
    from earvoice.train.stage import RecipeConfig

    return load_yaml(path, RecipeConfig, overrides)


def _no_recipe(path: Path) -> str:
    """What is wrong with the name of a recipe, and what is there instead."""
    if path.is_dir():
        there = ", ".join(sorted(file.name for file in path.glob("*.yaml")))
        return f"{path} is a folder; a recipe is a YAML file, here: {there or 'none'}"
    folder = path.parent
    near: list[str] = []
    if folder.is_dir():
        near = difflib.get_close_matches(path.name, [file.name for file in folder.glob("*.yaml")])
    hint = f"; did you mean {folder / near[0]}?" if near else ""
    return f"there is no recipe {path}{hint}"


def _reuse(items: list[str]) -> dict[str, str]:
    """Folders by stage name."""
    reuse: dict[str, str] = {}
    for item in items:
        stage, equals, folder = item.partition("=")
        if not equals or not stage or not folder:
            raise UsageError(f"--reuse is {item!r}; it must be STAGE=DIR")
        if stage in reuse:
            raise UsageError(f"--reuse {item}: {stage!r} is {reuse[stage]} already; name it once")
        reuse[stage] = folder
    return reuse


def _yaml_of(recipe: RecipeConfig) -> str:
    """The resolved recipe; reading it gives the same recipe."""
    from earvoice.config import dump_yaml

    return dump_yaml(recipe.model_dump(mode="json"))
