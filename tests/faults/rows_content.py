"""Rows about what is inside: files that are bombs, weights, terms, words in logs and on screens."""

import io
import json
import logging
import pickle
import re
import shutil
import struct
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import soundfile

from earvoice import captions
from earvoice.agent.foreign import quoted
from earvoice.cli.terminal import printable
from earvoice.config import Config, load_yaml
from earvoice.errors import EarvoiceError
from earvoice.events import Commit, Stamped, Stream
from earvoice.serve.logs import JsonLines
from earvoice.text.tokenizer import Tokenizer
from earvoice.zoo import DEFAULT_MODEL, find_model
from tests.faults.outcome import Outcome, client_of, open_raw
from tests.faults.rows_streams import last_words
from tests.faults.serving import memory_mib
from tests.serve.running import collect, packets, running, sound


def _bombs():
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros(16_000 * 900, np.int16), 16_000, format="FLAC")
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    head = b"RIFF\xf0\xff\xff\xffWAVEfmt \x10\0\0\0"
    return {
        "flac": silence.getvalue(),
        "lying": head + form + b"data\xf0\xff\xff\xff" + bytes(64),
        "rate": head
        + form.replace(b"\x80\x3e\0\0", b"\xff\xff\xff\xff")
        + b"data\x10\0\0\0"
        + bytes(16),
        "zip": b"PK\x03\x04" + bytes(1000),
        "gzip": b"\x1f\x8b\x08" + bytes(1000),
        "large": bytes(3_000_000),
        "empty": b"",
    }


async def a8(server, tries):
    """uploads that are bombs or lie about their size"""
    passed, slowest_s = 0, 0.0
    bombs = list(_bombs().items())[:tries]
    with running(max_upload_bytes=2_000_000, limits={"max_session_s": 60}) as own:
        before_mib = memory_mib()
        async with httpx.AsyncClient(timeout=30) as client:
            for name, data in bombs:
                began_s = time.monotonic()
                answer = await client.post(
                    f"{own.url}/v1/audio/translations",
                    data={"model": "plain"},
                    files={"file": ("a.wav", data)},
                )
                slowest_s = max(slowest_s, time.monotonic() - began_s)
                # A header that promises more than there is still has 32 samples to play.
                legal = (200, 400) if name == "lying" else (400, 413)
                passed += answer.status_code in legal
        grew_mib = memory_mib() - before_mib
    figure = f"{slowest_s:.1f} s at most, {grew_mib:+.0f} MiB"
    return Outcome(passed if grew_mib < 64 else 0, len(bombs), figure)


class _Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


async def a9(server, tries):
    """weights and settings that would run code or overlap"""
    import earvoice

    passed = tried = 0
    with tempfile.TemporaryDirectory() as root:
        folder, fired = Path(root) / "model", Path(root) / "fired"
        evil = pickle.dumps(_Canary(str(fired)))
        size = struct.pack("<Q", 1 << 40)
        overlap = {
            name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in ("a", "b")
        }
        head = json.dumps(overlap).encode()
        payloads = {
            "model.safetensors": [
                evil,
                size + bytes(64),
                b"",
                struct.pack("<Q", len(head)) + head + bytes(8),
            ],
            "config.json": [evil, b'{"__reduce__": "os.system"}', b"!!python/object/new:os.system"],
            "tokenizer.json": [evil, b"{}"],
            "manifest.json": [evil, b"{}", b'{"files": {"../../etc/passwd": {}}}'],
        }
        cases = [
            (name, data, keeps)
            for name, datas in payloads.items()
            for data in datas
            for keeps in (True, False)
        ]
        for name, data, keeps in cases[: tries - 2]:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(find_model(DEFAULT_MODEL).path, folder)
            (folder / name).write_bytes(data)
            if not keeps and name != "manifest.json":
                (folder / "manifest.json").unlink()
            tried += 1
            try:
                earvoice.load(str(folder))
            except EarvoiceError:
                passed += not fired.exists()
        for text in (f"!!python/object/apply:open ['{fired}', 'w']", "a: !!python/name:os.system"):
            settings = Path(root) / "serve.yaml"
            settings.write_text(text)
            tried += 1
            try:
                load_yaml(settings, Config)
            except EarvoiceError:
                passed += not fired.exists()
    return Outcome(passed, tried, "0 canaries fired" if passed == tried else "")


async def a11(server, tries):
    """terms that spell a template's marks or hide letters"""
    tokenizer = Tokenizer.load(find_model(DEFAULT_MODEL).path / "tokenizer.json")
    special = {i for i in range(tokenizer.vocab_size) if tokenizer.is_special(i)}
    marks = ["<|im_start|>system", "[INST]", "</s>", "<s>", "<pad>", "<|user|>", "\u202egnirts"]
    marks += [tokenizer.decode([i]) or "<unk>" for i in sorted(special)] + ["\0", "a\nb", "\u200bx"]
    passed = 0
    for number in range(tries):
        text = f"{marks[number % len(marks)]} {number} {marks[(number * 7 + 3) % len(marks)]}"
        said = quoted(text)
        ids = tokenizer.encode(said)
        clean = not any(char in said for char in "<>[]|\n\0\u202e\u200b")
        passed += clean and special.isdisjoint(ids) and len(said) <= len(text)
    return Outcome(passed, tries)


async def a13(server, tries):
    """words, tokens and paths in logs, errors and metrics"""
    canary, token = "CANARYWORD", "CANARYTOKEN-of-thirty-characters"
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(JsonLines().format(record))

    keep, root = Keep(), logging.getLogger()
    level = root.level
    loggers = [logging.getLogger(name) for name in ("earvoice", "uvicorn", "websockets", "asyncio")]
    before = [logger.level for logger in loggers[:1]]
    loggers[0].setLevel("DEBUG")
    root.addHandler(keep)
    shown: list[str] = []
    try:
        with running(tokens=(token,)) as own:
            header = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(headers=header) as client:
                for number in range(tries):
                    bad = [
                        {"model": canary},
                        {"tgt_lang": canary},
                        {"audio": {"encoding": canary}},
                        {canary: canary},
                    ][number % 4]
                    line = await open_raw(own, additional_headers=header)
                    await line.send(json.dumps({"type": "start", **bad}))
                    await last_words(line, 5)
                    files = {"file": (f"{canary}.wav", canary.encode())}
                    where = f"{own.url}/v1/audio/translations?token={token}"
                    answer = await client.post(where, data={"model": "plain"}, files=files)
                    shown.append(answer.text)
                shown.append((await client.get(f"{own.url}/metrics")).text)
            try:
                failing = client_of(own.url, "failing")
                failing._token = token
                await collect(failing, packets(sound(0.5) + 0.95))
            except EarvoiceError as error:
                shown.append(str(error))
    finally:
        root.removeHandler(keep)
        loggers[0].setLevel(before[0])
        root.setLevel(level)
    bad_lines = [t for t in lines if canary in t or token in t or "SECRET" in t]
    bad_texts = [t for t in shown if canary in t or token in t or "SECRET" in t or "/work" in t]
    figure = f"{len(lines)} lines of log, {len(bad_lines)} hits; {len(bad_texts)} to clients"
    return Outcome(tries if not bad_lines and not bad_texts else 0, tries, figure)


_ESCAPES = ("\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\b\b", "\x1b[8m", "\u202e")
_PAGES = ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</c><b>", "-->", "&lt;")


async def a14(server, tries):
    """markup and terminal codes in what a model says"""
    passed = 0
    for number in range(tries):
        text = f"a {_ESCAPES[number % len(_ESCAPES)]} {_PAGES[number % len(_PAGES)]} {number}"
        event = Commit(Stream("translation", "de"), text, (0.0, 1.0))
        cues = captions.captions_of(captions.words_of([Stamped(0, 1.0, 1.0, event)]))
        vtt, shell = captions.format_vtt(cues), printable(text)
        body = vtt.replace(" --> ", "")
        quiet = not any(char in shell for char in "\x1b\x9b\x07\r\b\u202e")
        plain = not re.search(r"<[/a-zA-Z]|[\x1b\x9b]", captions.format_srt(cues))
        passed += quiet and plain and not any(char in body for char in "<>\x1b\x9b")
    return Outcome(passed, tries, "captions and terminal; the page: tests/serve")


ROWS = {
    "A8": (a8, 7),
    "A9": (a9, 26),
    "A11": (a11, 200),
    "A13": (a13, 12),
    "A14": (a14, 70),
}
