"""`earvoice models`: what is in the zoo."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from earvoice.zoo import DEFAULT_MODEL, ModelCard, list_models


def add_parser(subparsers: Any) -> None:
    """Add the options of `models`."""
    parser = subparsers.add_parser("models", help="list the models that ship with the package")
    parser.add_argument("--json", action="store_true", help='machine-readable: {"models": [...]}')


def run(args: argparse.Namespace) -> int:
    """List the models."""
    cards = list_models()
    if args.json:
        print(json.dumps({"models": [card.to_json() for card in cards]}, ensure_ascii=False))
    elif cards:
        Console().print(_table(cards))
    else:
        print("The zoo is empty. --model also takes the folder of a model you trained.")
    return 0


def _table(cards: list[ModelCard]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("model", "system", "from", "to"):
        table.add_column(column)
    table.add_column("parameters", justify="right")
    table.add_column("MB", justify="right")
    for card in cards:
        name = f"{card.name} (default)" if card.name == DEFAULT_MODEL else card.name
        sources, targets = " ".join(card.src_langs), " ".join(card.tgt_langs)
        params = f"{card.params / 1e6:.1f} M"
        table.add_row(name, card.system, sources, targets, params, f"{card.size_mb:.1f}")
    return table
