"""Imports point downward only, files stay small, and nothing prints: read from the syntax trees."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "earvoice"

# What each part may import of the package. Two parts may never import each other.
BASE = {"errors", "units", "audio", "events", "session", "config"}
WORDS = {"text", "policies", "agent"}
NETS = {"nn", "models", "search"}
MAY_IMPORT = {
    "errors": set(),
    "units": set(),
    "audio": {"errors", "units"},
    "events": {"errors", "units"},
    "config": {"errors"},
    "session": {"audio", "errors", "events", "units"},
    "driver": {"audio", "events", "session", "units"},
    "captions": {"events", "text", "units"},
    "text": BASE,
    "policies": BASE,
    "agent": BASE | {"text"},
    "zoo": BASE | {"policies"},  # a card names the model's own policy
    "testing": BASE | WORDS | {"driver"},
    "nn": {"errors", "units"},
    "models": BASE | {"nn", "text"},
    "search": BASE | {"nn", "models", "text"},
    "sessions": BASE | WORDS | NETS,
    "systems": BASE | WORDS | NETS | {"sessions", "data"},
    "data": BASE | {"text", "policies"},  # training imitates a policy's schedule
    "train": BASE | WORDS | NETS | {"data", "systems"},
    "loading": BASE | WORDS | {"models", "systems", "zoo"},
    "eval": BASE | WORDS | {"captions", "driver"},
    "interop": BASE | WORDS | {"eval", "loading", "zoo"},  # and the tools it meets
    "serve": BASE | WORDS | {"captions", "driver"},
    "bench": BASE
    | WORDS
    | NETS
    | {"data", "driver", "eval", "loading", "serve", "sessions", "systems", "testing", "zoo"},
    "reproduce": BASE
    | WORDS
    | NETS
    | {"bench", "data", "eval", "loading", "sessions", "train", "zoo"},
}
# A system trains on batches; it may know their type and nothing else of the data.
NARROW = {("systems", "data"): {"earvoice.data.collate", "earvoice.data.windows"}}

TORCH_FREE = BASE | WORDS | {"captions", "driver", "errors", "eval", "serve", "testing", "zoo"}
HEAVY = {"torch", "transformers", "torchaudio", "peft", "accelerate"}
TORCH_IN_DATA = {"data/collate.py", "data/augment.py"}

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
LONG_FUNCTIONS: dict[str, str] = {}  # "file.py:name" -> why it is better in one piece

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(file):
    """`earvoice/text/stream.py` belongs to `text`, `earvoice/units.py` to `units`."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(file):
    return str(file.relative_to(PACKAGE))


def trees():
    return [(file, ast.parse(file.read_text(encoding="utf-8"))) for file in FILES]


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports_of(tree, *, at_import_only=False):
    """Modules a file imports; those for typing only do not count."""
    found = []
    stack = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            found += [f"{module}.{alias.name}" for alias in node.names]
        if is_type_checking(node):
            stack += node.orelse
        elif not (at_import_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            stack += list(ast.iter_child_nodes(node))
    return found


def inner_part(module):
    """The part of the package a module belongs to, None for others' and for `earvoice` itself."""
    first, _, rest = module.partition(".")
    if first != "earvoice" or not rest:
        return None
    part = rest.partition(".")[0]
    known = (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").is_file()
    return part if known else None


def test_every_part_has_its_place():
    parts = {part_of(file) for file in FILES}
    assert parts - set(MAY_IMPORT) - {"__init__", "cli"} == set()


def test_no_two_parts_may_import_each_other():
    for part, below in MAY_IMPORT.items():
        for other in below - {part}:
            assert part not in MAY_IMPORT[other], f"{part} and {other} may import each other"


def test_imports_point_downward():
    wrong = []
    for file, tree in trees():
        part = part_of(file)
        if part not in MAY_IMPORT:
            continue
        for module in imports_of(tree):
            target = inner_part(module)
            if target is None or target == part:
                continue
            narrow = NARROW.get((part, target))
            fine = target in MAY_IMPORT[part] and (
                narrow is None or any(module.startswith(name) for name in narrow)
            )
            if not fine:
                wrong.append(f"{name_of(file)} imports {module}")
    assert wrong == []


def test_systems_do_not_import_each_other():
    wrong = []
    for file, tree in trees():
        if part_of(file) != "systems" or file.name == "__init__.py":
            continue
        own = f"earvoice.systems.{file.stem}"
        wrong += [
            f"{name_of(file)} imports {module}"
            for module in imports_of(tree)
            if module.startswith("earvoice.systems.") and not module.startswith(own)
        ]
    assert wrong == []


def test_torch_stays_out_of_the_torch_free_layers():
    wrong = []
    for file, tree in trees():
        part, name = part_of(file), name_of(file)
        lazily_is_fine = part in ("cli", "__init__")
        if not (part in TORCH_FREE or lazily_is_fine or part == "data") or name in TORCH_IN_DATA:
            continue
        for module in imports_of(tree, at_import_only=lazily_is_fine):
            if module.partition(".")[0] in HEAVY:
                wrong.append(f"{name} imports {module}")
    assert wrong == []


def test_commands_import_nothing_heavy_before_they_run():
    wrong = []
    for file, tree in trees():
        if part_of(file) != "cli":
            continue
        for module in imports_of(tree, at_import_only=True):
            if inner_part(module) in NETS | {
                "systems",
                "sessions",
                "train",
                "loading",
                "reproduce",
            }:
                wrong.append(f"{name_of(file)} imports {module}")
    assert wrong == []


def test_files_are_small():
    lengths = {name_of(file): len(file.read_text("utf-8").splitlines()) for file in FILES}
    assert {name: count for name, count in lengths.items() if count > MAX_FILE_LINES} == {}


def test_functions_are_small():
    long = {}
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                key = f"{name_of(file)}:{node.name}"
                if count > MAX_FUNCTION_LINES and key not in LONG_FUNCTIONS:
                    long[key] = count
    assert long == {}


def test_only_commands_print():
    wrong = [
        f"{name_of(file)}:{node.lineno}"
        for file, tree in trees()
        if part_of(file) != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert wrong == []


def test_no_names_that_say_nothing():
    wrong = [name_of(file) for file in FILES if file.stem in ("utils", "helpers", "misc", "common")]
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and re.search(
                r"(Manager|Handler|Helper)$", node.name
            ):
                wrong.append(f"{name_of(file)}:{node.name}")
    assert wrong == []


def test_no_absolute_paths():
    wrong = []
    for file, tree in trees():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            if re.match(
                r"(/(home|root|work|tmp|usr|opt|mnt|data|etc|var)(/|$)|[A-Z]:\\)", node.value
            ):
                wrong.append(f"{name_of(file)}:{node.lineno}: {node.value}")
    assert wrong == []


@pytest.mark.parametrize("line", (ROOT / "constraints.txt").read_text("utf-8").splitlines())
def test_constraints_are_names_and_versions(line):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*", line)
