"""Configuration is data: frozen, typed, strict; read from YAML with `extends:` and overrides.

An unknown key is an error with its dotted path, the nearest legal name and all legal names.
YAML is read by the rules of its version 1.2 where 1.1 surprises: `3e-4` is a number, `no` and
`on` are words (`no` is also Norwegian), `1:30` is text. Anchors, tags and repeated keys are
refused.
"""

from __future__ import annotations

import difflib
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earvoice.errors import ConfigError

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]

_MAX_FILE_BYTES = 1 << 20
_EXTENDS = "extends"
_LINE_COLUMNS = 100


class Config(BaseModel):
    """Base of every configuration: frozen, no unknown keys, no silent conversions.

    Variants are told apart by a literal field `kind`:

        class Adam(Config):
            kind: Literal["adam"] = "adam"
        optimiser: Annotated[Adam | Sgd, Field(discriminator="kind")]
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def check_divides(part: tuple[str, int], whole: tuple[str, int]) -> None:
    """That one size divides another. Raises: ValueError naming both."""
    if whole[1] % part[1]:
        raise ValueError(f"{part[0]} is {part[1]}, it must divide {whole[0]}, which is {whole[1]}")


def load_yaml(
    path: str | Path, model_class: type[ConfigT], overrides: Sequence[str] = ()
) -> ConfigT:
    """The configuration in a YAML file.

    `extends: other.yaml` at the top (relative to the file, one level) takes the other file
    first; mappings merge, everything else is replaced. `overrides` are `"a.b=value"` with the
    value as in YAML; numbers index lists (`"stages.0.steps=10"`). Where an override or an
    extending file changes a `kind`, the fields of the former kind are dropped.
    Errors: `ConfigError`, all faults in one message.
    """
    file = Path(path)
    data = _read_file(file)
    if _EXTENDS in data:
        name = data.pop(_EXTENDS)
        if not isinstance(name, str):
            raise ConfigError(f"{file}: extends is {name!r}, it must be the name of a file")
        base = _read_file(file.parent / name)
        if _EXTENDS in base:
            raise ConfigError(f"{file}: {name} extends another file itself; one level is allowed")
        data = _merge(base, data)
    for override in overrides:
        data = _override(data, override)
    return parse(data, model_class, where=str(file))


def parse(data: Any, model_class: type[ConfigT], where: str = "config") -> ConfigT:
    """The configuration in plain data (mappings, lists, text, numbers). Errors: `ConfigError`."""
    try:
        # By way of JSON, where strictness still lets a list be a tuple and text be a path.
        return model_class.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        faults = [_explain(fault, model_class) for fault in error.errors(include_url=False)]
        raise ConfigError(f"{where}: {'; '.join(faults)}") from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def parse_yaml(text: str, where: str = "config") -> Any:
    """Plain data from YAML text, by the rules above. Errors: `ConfigError` with line numbers."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader made stricter
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from error


def dump_yaml(data: Mapping[str, Any]) -> str:
    """YAML text of plain data, in its order; `parse_yaml` gives the same data back."""
    return yaml.dump(
        dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_LINE_COLUMNS
    )


class _Dumper(yaml.SafeDumper):
    """The safe dumper without anchors.

    Text is in quotes where either version of YAML sees a number, so that other programs read the
    same, and with escapes where it has line ends that quotes would turn into spaces.
    """

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> Any:
        style = '"' if _LINE_ENDS & set(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_LINE_ENDS = {"\x85", "\u2028", "\u2029"}
_Dumper.add_representer(str, _Dumper.represent_str)


class _Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2 scalars, without anchors and repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(
                None, None, "anchors and aliases are not allowed", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            problem = "" if isinstance(key, str) else f"key {key!r} is not text"
            if not problem and key in seen:
                problem = f"key {key!r} appears twice"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _construct_int(loader: _Loader, node: Any) -> int:
    return int(loader.construct_scalar(node))


def _construct_float(loader: _Loader, node: Any) -> float:
    return float(loader.construct_scalar(node))


_SCALARS = (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?",
        [*"-+.0123456789"],
    ),
)
_Loader.yaml_implicit_resolvers = {}  # of the class, not shared with SafeLoader: 1.1 rules out
for _name, _pattern, _first in _SCALARS:
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(
            f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), _first
        )
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{file} is larger than 1 MiB, it cannot be a configuration")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    data = parse_yaml(text, str(file))
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{file}: the top level must be a mapping of keys to values")
    return data


def _merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        merged[key] = value
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            same_kind = value.get("kind", old.get("kind")) == old.get("kind")
            merged[key] = _merge(old, value) if same_kind else value
    return merged


def _override(data: dict[str, Any], override: str) -> dict[str, Any]:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"override {override!r} must be key=value, with dots between keys")
    value = parse_yaml(text, f"override {path}")
    copy: dict[str, Any] = json.loads(json.dumps(data))
    node: Any = copy
    *parents, last = path.split(".")
    for key in parents:
        node = _step(node, key, override)
    if isinstance(node, list):
        node[_index(node, last, override)] = value
        return copy
    if not isinstance(node, dict):
        raise ConfigError(f"override {override!r}: {'.'.join(parents)} has no keys")
    if last == "kind" and node.get("kind") != value:
        node.clear()
    node[last] = value
    return copy


def _step(node: Any, key: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, key, override)]
    if not isinstance(node, dict):
        raise ConfigError(f"override {override!r}: there is nothing below {key!r}'s parent")
    if node.get(key) is None:
        node[key] = {}
    return node[key]


def _index(node: list[Any], key: str, override: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) < 7 and int(key) < len(node)):
        raise ConfigError(f"override {override!r}: {key!r} must be 0 to {len(node) - 1}")
    return int(key)


def _explain(fault: Any, model_class: type[BaseModel]) -> str:
    """One sentence for one fault that pydantic found."""
    path, owner = _locate(fault["loc"], model_class)
    kind = fault["type"]
    if kind == "extra_forbidden" and owner is not None:
        legal = list(owner.model_fields)
        key = path.rpartition(".")[2]
        near = difflib.get_close_matches(key, legal, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{path} is unknown; {hint}legal here: {', '.join(legal)}"
    if kind == "missing":
        return f"{path} is missing"
    if kind == "union_tag_invalid":
        context = fault["ctx"]
        tag = context["discriminator"].strip("'")
        return f"{path}.{tag} is {context['tag']!r}, it must be one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"{path}.{fault['ctx']['discriminator'].strip(chr(39))} is missing"
    shown = repr(fault["input"])
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return f"{path or 'the top level'} is {shown}: {fault['msg']}"


def _locate(loc: tuple[int | str, ...], model: Any) -> tuple[str, type[BaseModel] | None]:
    """The dotted path of a fault as the user wrote it, and the model its last key belongs to.

    pydantic puts the tags of unions into its locations; the walk along the types drops them.
    """
    path: list[str] = []
    owner: type[BaseModel] | None = None
    node = model
    for step in loc:
        options = _options(node)
        tagged = [item for item in options if _tag(item) == step or _label(item) == step]
        if len(options) > 1 and tagged:
            node = tagged[0]
            continue
        models = [
            item for item in options if isinstance(item, type) and issubclass(item, BaseModel)
        ]
        path.append(str(step))
        owner = next((item for item in models if step in item.model_fields), None)
        owner = owner or (models[0] if models else None)
        if owner is not None:
            field = owner.model_fields.get(str(step))
            node = field.annotation if field else None
        else:
            node = _element(options)
    return ".".join(path), owner


def _options(node: Any) -> list[Any]:
    """The types a union, optional or annotated type may be."""
    origin = typing.get_origin(node)
    if origin is typing.Annotated:
        return _options(typing.get_args(node)[0])
    if origin in (typing.Union, types.UnionType):
        return [option for part in typing.get_args(node) for option in _options(part)]
    return [] if node is type(None) or node is None else [node]


def _element(options: list[Any]) -> Any:
    """What a list, tuple or mapping holds."""
    for option in options:
        arguments = [item for item in typing.get_args(option) if item is not Ellipsis]
        if arguments:
            return arguments[-1]
    return None


def _tag(option: Any) -> str | None:
    if not (isinstance(option, type) and issubclass(option, BaseModel)):
        return None
    field = option.model_fields.get("kind")
    values = typing.get_args(field.annotation) if field else ()
    return str(values[0]) if values else None


def _label(option: Any) -> str:
    return getattr(option, "__name__", str(option))
