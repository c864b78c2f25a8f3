"""`earvoice doctor`: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import ctypes.util
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
from dataclasses import asdict, dataclass
from typing import Any

from earvoice import __version__
from earvoice.errors import EarvoiceError
from earvoice.zoo import list_models

_OPTIONAL = {
    "espeakng_loader": "a bundled synthesizer: pip install earvoice[synth]",
    "tensorboard": "training curves: pip install earvoice[track]",
    "transformers": "models of other makers: pip install earvoice[hf]",
}


@dataclass(frozen=True)
class Check:
    """One finding. `needed`: translating does not work without it."""

    name: str
    ok: bool
    detail: str
    needed: bool = False


def add_parser(subparsers: Any) -> None:
    """Add the options of `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what is installed and what is missing",
        description="Checks the installation. The exit code is 1 if something needed is missing.",
    )
    parser.add_argument(
        "--json", action="store_true", help='machine-readable: {"ok": ..., "checks": [...]}'
    )


def run(args: argparse.Namespace) -> int:
    """Check and report."""
    checks = [
        Check("earvoice", True, __version__, needed=True),
        Check("python", True, platform.python_version(), needed=True),
        _torch(),
        *(_package(name) for name in ("safetensors", "tokenizers", "soundfile", "soxr")),
        _models(),
        _program("ffmpeg", "reads formats other than WAV, FLAC, Ogg, MP3"),
        _espeak(),
        _program("flite", "a second synthesizer for synthetic corpora"),
        *(_optional(name, use) for name, use in _OPTIONAL.items()),
    ]
    ok = all(check.ok for check in checks if check.needed)
    if args.json:
        print(json.dumps({"ok": ok, "checks": [asdict(check) for check in checks]}))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            mark = "ok     " if check.ok else "MISSING" if check.needed else "absent "
            print(f"{mark}  {check.name:{width}}  {check.detail}")
        print("Ready to translate." if ok else "Not ready: see MISSING above.")
    return 0 if ok else 1


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library it links against is missing
        return Check("torch", False, f"cannot be imported: {error}", needed=True)
    device = "no GPU"
    if torch.cuda.is_available():
        device = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    detail = f"{torch.__version__}, {torch.get_num_threads()} threads on {cores} cores, {device}"
    return Check("torch", True, detail, needed=True)


def _package(name: str) -> Check:
    try:
        return Check(name, True, importlib.metadata.version(name), needed=True)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, f"pip install {name}", needed=True)


def _optional(module: str, use: str) -> Check:
    found = importlib.util.find_spec(module) is not None
    return Check(module, found, "installed" if found else f"optional, for {use}")


def _program(name: str, use: str) -> Check:
    path = shutil.which(name)
    return Check(name, path is not None, path or f"optional, {use}")


def _espeak() -> Check:
    library = ctypes.util.find_library("espeak-ng")
    if library:
        return Check("espeak-ng", True, library)
    if importlib.util.find_spec("espeakng_loader") is not None:
        return Check("espeak-ng", True, "from the package espeakng-loader")
    return Check("espeak-ng", False, "optional, the synthesizer for synthetic corpora")


def _models() -> Check:
    try:
        names = [card.name for card in list_models()]
    except EarvoiceError as error:
        return Check("models", False, str(error), needed=True)
    return Check("models", bool(names), ", ".join(names) or "the zoo is empty", needed=True)
