"""The released clients of simulstream and SimulEval against our server, unchanged.

EARVOICE_PEERS=DIR python -m pytest tests/interop -m slow
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from earvoice.data.manifest import load_talks
from earvoice.eval.interop import read_simuleval
from earvoice.eval.runlog import read_runlog

PEERS = os.environ.get("EARVOICE_PEERS")
REFERENCE = Path(__file__).parents[1] / "reference"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not PEERS, reason="EARVOICE_PEERS names no environment"),
]
RECORDINGS = 2
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REFERENCE), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def port():
    """Of `earvoice serve` with the mini model."""
    command = [sys.executable, "-m", "earvoice.cli", "serve", "--port", "0"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        for line in child.stderr:
            found = re.search(r"serving on http://[^:]+:(\d+)", line)
            if found:
                break
        yield int(found[1])
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=40)
        child.stderr.close()


def run(tool, *arguments):
    program = Path(PEERS) / "bin" / tool
    done = subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def lists(data, folder):
    talks = list(load_talks(data))[:RECORDINGS]
    wavs, references = folder / "wavs.txt", folder / "references.txt"
    wavs.write_text("".join(f"{talk.path}\n" for talk in talks))
    lines = [" ".join(s.targets["de"].text for s in talk.sentences) for talk in talks]
    references.write_text("".join(f"{line}\n" for line in lines))
    return wavs, references


def simulated(data, out, size_ms):
    command = [sys.executable, "-m", "earvoice.cli", "eval", "simulate", "--data", data]
    command += ["--out", out, "--items", RECORDINGS, "--segment-size-ms", size_ms]
    subprocess.run(list(map(str, command)), check=True, env=ENVIRONMENT, capture_output=True)
    return read_runlog(out / "log.jsonl")


def test_the_wav_client_of_simulstream(port, tiny_corpus, tmp_path):
    wavs, _ = lists(tiny_corpus, tmp_path)
    uri = f"ws://127.0.0.1:{port}/v1/simulstream"
    said = run(
        *("simulstream_wavs_client", "--uri", uri, "--wav-list-file", wavs),
        *("--src-lang", "en", "--tgt-lang", "de"),
    )
    assert f"All {RECORDINGS} files sent" in said


def test_the_processor_of_simulstream_over_http(port, tiny_corpus, tmp_path):
    wavs, _ = lists(tiny_corpus, tmp_path)
    config = tmp_path / "proxy.yaml"
    module = "simulstream.server.speech_processors.remote.http_proxy_speech_processor"
    config.write_text(
        f"type: {module}.HttpProxySpeechProcessor\nhostname: 127.0.0.1\nport: {port}\n"
        "detokenizer_type: simuleval\nlatency_unit: spm\n"
    )
    log = tmp_path / "metrics.jsonl"
    run(
        *("simulstream_inference", "--speech-processor-config", config, "--wav-list-file", wavs),
        *("--metrics-log-file", log, "--src-lang", "en", "--tgt-lang", "de"),
    )
    tokens: dict[object, list[str]] = {}
    for line in map(json.loads, log.read_text().splitlines()):
        if "generated_tokens" in line:
            assert not line["deleted_tokens"]
            tokens.setdefault(line["id"], []).extend(line["generated_tokens"])
    texts = ["".join(one).replace("\u2581", " ").split() for one in tokens.values()]
    ours = simulated(tiny_corpus, tmp_path / "run", 960)
    assert texts == [list(one.units) for one in ours]


def test_the_remote_evaluation_of_simuleval(port, tiny_corpus, tmp_path):
    wavs, references = lists(tiny_corpus, tmp_path)
    run(
        *("python", REFERENCE / "simuleval_remote.py", "--remote-eval"),
        *("--remote-address", "127.0.0.1", "--remote-port", port),
        *("--source", wavs, "--target", references, "--source-segment-size", 320),
        *("--source-type", "speech", "--target-type", "text", "--output", tmp_path / "se"),
    )
    theirs = read_simuleval(tmp_path / "se" / "instances.log", "word")
    for one, other in zip(simulated(tiny_corpus, tmp_path / "run", 320), theirs, strict=True):
        assert one.units == other.units
        assert one.delays_us == other.delays_us
