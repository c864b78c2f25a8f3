"""The trained models that ship with the package, found by name.

Each is a folder beside this file with a `model.json`; a name is looked up in that list and
never joined to a path.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earvoice.errors import CheckpointError, UsageError
from earvoice.policies import OWN_DECISION, PolicySpec, WaitK, parse_policy

ROOT = Path(__file__).parent
CARD_FILE = "model.json"
DEFAULT_MODEL = "fasst-mini-en-de"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ModelCard:
    """What `model.json` says of a model, and where it is.

    `params`: number of weights; `size_mb`: all files of the folder, in 10^6 bytes; `policy`: the
    model's own, None where it decides by itself when to write; `directions`: source and target of
    each, the usual one first, where not every source goes into every target.
    """

    name: str
    system: str
    src_langs: tuple[str, ...]
    tgt_langs: tuple[str, ...]
    params: int
    path: Path
    size_mb: float
    policy: PolicySpec | None = field(default_factory=WaitK)
    directions: tuple[tuple[str, str], ...] = ()

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Source and target of every direction."""
        every = tuple((src, tgt) for src in self.src_langs for tgt in self.tgt_langs)
        return self.directions or every

    def has(self, src_lang: str | None, tgt_lang: str | None) -> bool:
        """Whether there is a direction with these; None is any language."""
        return any(src_lang in (None, src) and tgt_lang in (None, tgt) for src, tgt in self.pairs)

    def pair(self, src_lang: str | None = None, tgt_lang: str | None = None) -> tuple[str, str]:
        """The first direction with these languages; None is any language.

        Errors: `UsageError` listing the directions there are.
        """
        for src, tgt in self.pairs:
            if src_lang in (None, src) and tgt_lang in (None, tgt):
                return src, tgt
        known = ", ".join(f"{src} to {tgt}" for src, tgt in self.pairs)
        raise UsageError(
            f"{self.name} does not translate {src_lang or 'any language'} to "
            f"{tgt_lang or 'any language'}; it has {known}"
        )

    def to_json(self) -> dict[str, Any]:
        """The keys of `earvoice models --json`."""
        return {
            "name": self.name,
            "system": self.system,
            "src_langs": list(self.src_langs),
            "tgt_langs": list(self.tgt_langs),
            "size_mb": self.size_mb,
            "params": self.params,
        }


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder. Errors: `CheckpointError` naming what is missing or wrong."""
    file = folder / CARD_FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{folder} is not a model: cannot read {CARD_FILE}: {error}"
        ) from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{file} must hold an object")
    size_bytes = sum(item.stat().st_size for item in folder.rglob("*") if item.is_file())
    return ModelCard(
        name=_text(file, data, "name"),
        system=_text(file, data, "system"),
        src_langs=_texts(file, data, "src_langs"),
        tgt_langs=_texts(file, data, "tgt_langs"),
        params=_count(file, data, "params"),
        path=folder,
        size_mb=round(size_bytes / 1e6, 2),
        policy=_policy(file, data),
        directions=_directions(file, data),
    )


def list_models(root: Path = ROOT) -> list[ModelCard]:
    """The cards of all models in the zoo, by name."""
    return [read_card(folder) for folder in _folders(root).values()]


def find_model(model: str | Path, root: Path = ROOT) -> ModelCard:
    """The card of a model of the zoo, or of an existing folder.

    Errors: `UsageError` for an unknown name, with the nearest and all there are.
    """
    folders = _folders(root)
    text = str(model)
    if isinstance(model, str) and text in folders:
        return read_card(folders[text])
    path = Path(model)
    try:
        if path.is_dir():
            return read_card(path)
    except (OSError, ValueError):  # too long, or with a NUL: no folder either way
        pass
    near = difflib.get_close_matches(text, folders, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    known = ", ".join(folders) or "none"
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    raise UsageError(
        f"model {shown!r} is neither a folder nor in the zoo; {hint}the zoo has: {known}"
    )


def find(model: str | Path, root: Path = ROOT) -> Path:
    """The folder of a model; see `find_model`."""
    return find_model(model, root).path


def pick_model(src_lang: str | None, tgt_lang: str | None, root: Path = ROOT) -> ModelCard:
    """The zoo's model for a pair of languages (None: any); the default model if it fits.

    One that hears two people only where nothing else translates that: it may want an array of
    microphones.

    Errors: `UsageError` listing the pairs there are.
    """
    cards = list_models(root)
    fitting = [
        card
        for card in sorted(
            cards, key=lambda card: (card.system == "jstar", card.name != DEFAULT_MODEL)
        )
        if card.has(src_lang, tgt_lang)
    ]
    if fitting:
        return fitting[0]
    pairs = "; ".join(f"{card.name}: {_pairs(card)}" for card in cards) or "no models"
    raise UsageError(
        f"no model of the zoo translates {src_lang or 'any language'} to "
        f"{tgt_lang or 'any language'}; there are {pairs}"
    )


def _pairs(card: ModelCard) -> str:
    if card.directions:
        return ", ".join(f"{src} to {tgt}" for src, tgt in card.directions)
    return f"{'/'.join(card.src_langs)} to {'/'.join(card.tgt_langs)}"


def _directions(file: Path, data: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    names = _texts(file, data, "directions") if "directions" in data else ()
    found = []
    for name in names:
        src, _, tgt = name.partition("-")
        if src not in data["src_langs"] or tgt not in data["tgt_langs"]:
            raise CheckpointError(
                f"{file}: directions has {name!r}; it must be one of src_langs, a hyphen, and one "
                "of tgt_langs"
            )
        found.append((src, tgt))
    return tuple(found)


def _folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        return {}
    return {
        folder.name: folder
        for folder in sorted(root.iterdir())
        if _NAME.fullmatch(folder.name) and (folder / CARD_FILE).is_file()
    }


def _field(file: Path, data: dict[str, Any], key: str) -> Any:
    if key not in data:
        raise CheckpointError(f"{file}: {key} is missing")
    return data[key]


def _text(file: Path, data: dict[str, Any], key: str) -> str:
    value = _field(file, data, key)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise CheckpointError(f"{file}: {key} is {value!r}, it must be a name")
    return value


def _policy(file: Path, data: dict[str, Any]) -> PolicySpec | None:
    text = data.get("policy", WaitK.kind)
    if text == OWN_DECISION:
        return None
    try:
        return parse_policy(str(text))
    except UsageError as error:
        raise CheckpointError(f"{file}: {error}") from None


def _texts(file: Path, data: dict[str, Any], key: str) -> tuple[str, ...]:
    value: Sequence[Any] = _field(file, data, key)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise CheckpointError(f"{file}: {key} is {value!r}, it must be a list of language codes")
    return tuple(value)


def _count(file: Path, data: dict[str, Any], key: str) -> int:
    value = _field(file, data, key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CheckpointError(f"{file}: {key} is {value!r}, it must be a count")
    return value
