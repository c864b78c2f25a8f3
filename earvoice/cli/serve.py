"""`earvoice serve`: live translation for browsers and programs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.errors import UsageError
from earvoice.zoo import DEFAULT_MODEL, find_model

if TYPE_CHECKING:
    from earvoice.serve.engines import Connect
    from earvoice.serve.settings import ServeSettings

_EPILOG = """\
examples:
  earvoice serve                                     page and socket on http://127.0.0.1:8787
  earvoice serve --model fasst-mini-en-de --model fasst-mini-en-es
  earvoice serve --host 0.0.0.0 --token-file tokens.txt --tls-cert c.pem --tls-key k.pem
  earvoice serve --config serve.yaml --set limits.idle_s=60
  earvoice serve --ray --set ray.replicas=4          engines on the machines of a Ray cluster
  earvoice serve --schema                            the protocol as JSON Schema
"""


def add_parser(subparsers: Any) -> None:
    """Add the options of `serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="serve live translation to browsers and programs",
        description="Serves models over a web socket (docs/protocol.md) with a page to speak to.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", metavar="NAME|DIR", action="append", help=f"again for more; {DEFAULT_MODEL}")
    add("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    add("--port", type=int, default=8787, help="0 takes any free one (default: 8787)")
    add("--max-sessions", type=int, metavar="N", help="sessions at once (default: 64)")
    add("--token-file", type=Path, metavar="FILE", help="tokens that clients must have, one a line")
    add("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    add("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    add("--insecure", action="store_true", help="allow other machines without token or TLS")
    add("--config", type=Path, metavar="FILE", help="settings in YAML (docs/serving.md)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, a.b=value")
    add("--threads", type=int, default=1, help="processor threads of the engine (default: 1)")
    add("--ray", action="store_true", help="engines on a Ray cluster (settings ray.*), extra `ray`")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    add("--schema", action="store_true", help="print the protocol's JSON Schema and end")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    try:
        from earvoice.serve.app import LiveServer
        from earvoice.serve.auth import read_tokens
        from earvoice.serve.logs import set_up
        from earvoice.serve.protocol import schema
        from earvoice.serve.server import Address, serve
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; pip install 'earvoice[serve]' brings it"
        ) from None
    if args.schema:
        print(json.dumps(schema(), indent=2, ensure_ascii=False))
        return 0
    settings = _settings(args)
    _check_exposure(args)
    tokens = read_tokens(args.token_file) if args.token_file is not None else ()
    tls = (args.tls_cert, args.tls_key) if args.tls_cert is not None else None
    choose: Callable[..., Sequence[str] | Connect] = _on_ray if args.ray else engine_command
    engines = choose(args.model or [DEFAULT_MODEL], settings, args.threads)
    set_up(args.log_level)
    serve(LiveServer(engines, settings, tokens), Address(args.host, args.port, tls))
    return 0


def engine_command(models: Sequence[str], settings: ServeSettings, threads: int = 1) -> list[str]:
    """What starts an engine process with these models. Errors: `UsageError` for an unknown one."""
    _check_models(models, threads)
    command = [sys.executable, "-m", "earvoice.cli.serve_engine"]
    for model in models:
        command += ["--model", str(model)]
    command += ["--rows", str(_rows(settings)), "--threads", str(threads)]
    return [*command, "--settings", settings.engine.model_dump_json()]


def _on_ray(models: Sequence[str], settings: ServeSettings, threads: int) -> Connect:
    """Replicas with these models. A model's folder is at the same place on every machine."""
    _check_models(models, threads)
    try:
        from earvoice.serve.cluster.ray_launcher import ray_replicas
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; pip install 'earvoice[ray]' brings it"
        ) from None
    from earvoice.cli.serve_engine import load_models

    names = [str(Path(model).resolve()) if Path(model).is_dir() else model for model in models]
    return ray_replicas(partial(load_models, names, _rows(settings), threads), settings)


def _check_models(models: Sequence[str], threads: int) -> None:
    names = [find_model(model).name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--model {twice[0]} is given twice")
    if threads < 1:
        raise UsageError(f"--threads is {threads}, it must be 1 or more")


def _rows(settings: ServeSettings) -> int:
    """Streams that an engine makes room for at once."""
    return min(settings.max_sessions, settings.engine.max_batch)


def _settings(args: argparse.Namespace) -> ServeSettings:
    from earvoice.config import load_yaml, parse
    from earvoice.serve.settings import ServeSettings

    overrides = list(args.set)
    if args.max_sessions is not None:
        overrides.append(f"max_sessions={args.max_sessions}")
    if args.config is not None:
        return load_yaml(args.config, ServeSettings, overrides)
    return parse(_overridden(overrides), ServeSettings, "settings")


def _overridden(overrides: Sequence[str]) -> dict[str, Any]:
    from earvoice.config import parse_yaml

    data: dict[str, Any] = {}
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path:
            raise UsageError(f"--set {override!r} must be key=value, with dots between keys")
        *parents, last = path.split(".")
        node = data
        for key in parents:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise UsageError(f"--set {override!r}: {key!r} has no keys")
        node[last] = parse_yaml(text, f"--set {path}")
    return data


def _check_exposure(args: argparse.Namespace) -> None:
    """Other machines get in with a token and over TLS, or because someone said so."""
    from earvoice.serve.auth import is_loopback

    if not 0 <= args.port <= 65_535:
        raise UsageError(f"--port is {args.port}, it must be 0 to 65535")
    if (args.tls_cert is None) != (args.tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    for option in ("tls_cert", "tls_key"):
        file = getattr(args, option)
        if file is not None and not os.access(file, os.R_OK):
            raise UsageError(f"--{option.replace('_', '-')} {file} cannot be read")
    if is_loopback(args.host) or args.insecure:
        return
    missing = [
        name
        for name, there in (("--token-file", args.token_file), ("--tls-cert", args.tls_cert))
        if there is None
    ]
    if missing:
        raise UsageError(
            f"--host {args.host} can be reached from other machines: give {' and '.join(missing)}, "
            "or --insecure if something in front of this server does it"
        )
