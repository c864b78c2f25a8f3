"""Rows about who and what gets in: tokens, addresses, options, names."""

import argparse
import asyncio
import json
import socket
import threading
import time

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from earvoice.cli import serve as command
from earvoice.errors import UsageError
from earvoice.serve.auth import subprotocol_of
from tests.faults.outcome import Outcome
from tests.faults.rows_streams import last_words
from tests.faults.serving import memory_mib
from tests.serve.running import running

TOKEN = "the-right-token-of-31-characters"


async def _status(url, **options):
    try:
        async with connect(url, compression=None, **options):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


async def a1(server, tries):
    """no token, wrong ones, nearly right ones"""
    wrong = ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "Bearer", "\u00e9" * 20, "x" * 4000]
    passed = 0
    with running(tokens=(TOKEN,)) as own:
        for number in range(tries):
            token = wrong[number % len(wrong)]
            url = f"ws://127.0.0.1:{own.port}/v1/stream"
            if number % 3 == 0:
                options = {"subprotocols": [subprotocol_of(token)] if token else None}
            else:
                value = f"Bearer {token}".encode().decode("latin-1")
                options = {"additional_headers": {"Authorization": value} if token else {}}
            passed += await _status(url, **options) == 401
        taken = len(own.sessions.live)
    return Outcome(passed - taken, tries, f"{taken} sessions taken")


async def a2(server, tries):
    """a token in the address"""
    passed = 0
    with running(tokens=(TOKEN,)) as own:
        for number in range(tries):
            name = ("token", "access_token", "api_key")[number % 3]
            url = f"ws://127.0.0.1:{own.port}/v1/stream?{name}={TOKEN}"
            passed += await _status(url) == 401
    return Outcome(passed, tries, "not taken; see A13 for the logs")


async def a4(server, tries):
    """addresses open to others without token or TLS"""
    hosts = ("0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "example.org")
    matrix = [(host, token, False) for host in hosts for token in (False, True)]
    matrix += [(host, False, True) for host in hosts] + [("127.0.0.1", False, False)]
    passed = 0
    for host, token, insecure in matrix[:tries]:
        parser = argparse.ArgumentParser()
        command.add_parser(parser.add_subparsers())
        given = ["serve", "--host", host] + ["--insecure"] * insecure
        given += ["--token-file", __file__] * token
        try:
            command._check_exposure(parser.parse_args(given))
            starts = True
        except UsageError:
            starts = False
        passed += starts == (insecure or host == "127.0.0.1")
    return Outcome(passed, len(matrix[:tries]))


async def a6(server, tries):
    """options that do not exist or are out of bounds"""
    kinds = [
        lambda n: {"beams": 10**9 + n},
        lambda n: {"policy": f"wait-k:k={10**7 + n}"},
        lambda n: {"policy": f"hold-n:n=-{n + 1}"},
        lambda n: {"model": f"model-{n}"},
        lambda n: {"max_tokens": n},
        lambda n: {"tgt_lang": f"x{chr(97 + n % 26)}"},
        lambda n: {"glossary": [{"source": "a" * (81 + n)}]},
        lambda n: {"transcript": n + 2},
    ]
    passed, before_mib = 0, memory_mib()
    for number in range(tries):
        start = {"type": "start", "model": "plain", **kinds[number % len(kinds)](number)}
        line = await connect(f"ws://127.0.0.1:{server.port}/v1/stream", compression=None)
        await line.recv()
        await line.send(json.dumps(start))
        code, close = await last_words(line, 5)
        passed += code in ("start_invalid", "request_refused") and close == 4400
    grew_mib = memory_mib() - before_mib
    return Outcome(passed, tries, f"{tries} different values, {grew_mib:+.1f} MiB")


_PATHS = ("../../../../etc/passwd", "..\\..\\etc\\passwd", "/etc/passwd", "....//etc/passwd")
_PATHS += ("%2e%2e/%2e%2e/etc/passwd", "..%2fetc%2fpasswd", "..%c0%afetc", "a/../../etc/passwd")
_PATHS += ("\u2024\u2024/etc/passwd", "file:///etc/passwd", "x\0y", ".", "..", "~root", "$HOME")


async def a7(server, tries):
    """paths in the names of models, sessions, rooms, languages and pages"""
    passed = tried = 0
    for path in _PATHS:
        for where in ("model", "room", "src_lang", "page", "session"):
            if tried == tries:
                break
            tried += 1
            if where in ("page", "session"):
                prefix = "/" if where == "page" else "/v1/stream/"
                target = (prefix + path).encode("utf-8").replace(b"\0", b"%00").replace(b" ", b"")
                answer = await asyncio.to_thread(_raw_get, server.port, target)
                passed += b"root:" not in answer and b" 500 " not in answer.split(b"\r\n")[0]
                continue
            line = await connect(f"ws://127.0.0.1:{server.port}/v1/stream", compression=None)
            await line.recv()
            await line.send(json.dumps({"type": "start", where: path}))
            code, close = await last_words(line, 5)
            passed += code in ("start_invalid", "request_refused") and close == 4400
    return Outcome(passed, tried)


def _raw_get(port, target):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := line.recv(65_536):
            data += piece
    return data


async def a10(server, tries):
    """addresses where a model or a file is expected"""
    hits = []
    canary = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{canary.getsockname()[1]}/audio.wav"

    def watch():
        try:
            while True:
                hits.append(canary.accept())
        except OSError:
            return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    refused = 0
    async with httpx.AsyncClient() as client:
        for number in range(tries):
            where = f"{server.url}/v1/audio/translations"
            if number % 3 == 0:
                files = {"file": ("a.m3u8", f"#EXTM3U\n{url}\n".encode())}
                answer = await client.post(where, data={"model": "plain"}, files=files)
            elif number % 3 == 1:
                files = {"file": ("a.wav", url.encode())}
                answer = await client.post(where, data={"model": url}, files=files)
            else:
                fields = {"session_id": "a", "waveform": url}
                answer = await client.post(f"{server.url}/process_chunk", json=fields)
            refused += 400 <= answer.status_code < 500
    time.sleep(0.05)
    canary.close()
    return Outcome(refused if not hits else 0, tries, f"{len(hits)} requests to the address")


ROWS = {
    "A1": (a1, 1000),
    "A2": (a2, 30),
    "A4": (a4, 16),
    "A6": (a6, 2000),
    "A7": (a7, 60),
    "A10": (a10, 30),
}
