"""The released tools themselves, in the environment that scripts/peers.sh makes.

EARVOICE_PEERS=DIR python -m pytest tests/interop -m slow
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from earvoice.data.manifest import load_talks
from earvoice.eval.interop import read_simuleval, read_simulstream
from earvoice.eval.runlog import read_runlog
from tests.eval.made_corpus import corpus
from tests.interop.made_run import make

PEERS = os.environ.get("EARVOICE_PEERS")
REFERENCE = Path(__file__).parents[1] / "reference"
AGENT = Path(__file__).parents[2] / "earvoice" / "interop" / "simuleval_agent.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not PEERS, reason="EARVOICE_PEERS names no environment"),
]
RECORDINGS = 2
PROCESSOR = """\
type: earvoice.interop.simulstream_processor.EarvoiceProcessor
speech_chunk_size: 0.96
model: fasst-mini-en-de
policy: {policy}
drafts: {drafts}
detokenizer_type: simuleval
latency_unit: {unit}
"""


def run(tool, *arguments, cwd=None):
    """The output of a tool of the environment."""
    environment = {**os.environ, "PYTHONPATH": str(REFERENCE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(Path(PEERS) / "bin" / tool), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def simulated(data, out, *more):
    count = ("--items", RECORDINGS)
    run("earvoice", "eval", "simulate", "--data", data, "--out", out, *count, *more)
    return read_runlog(out / "log.jsonl")


def lists(data, folder):
    """The files of recordings and references that the tools read."""
    talks = list(load_talks(data))[:RECORDINGS]
    wavs, references = folder / "wavs.txt", folder / "references.txt"
    wavs.write_text("".join(f"{talk.path}\n" for talk in talks))
    lines = [" ".join(s.targets["de"].text for s in talk.sentences) for talk in talks]
    references.write_text("".join(f"{line}\n" for line in lines))
    return wavs, references


def simulstream(config, wavs, log):
    run(
        *("simulstream_inference", "--speech-processor-config", config, "--wav-list-file", wavs),
        *("--metrics-log-file", log, "--src-lang", "en", "--tgt-lang", "de"),
    )
    return read_simulstream(log, "word")


def same(ours, theirs):
    """Text, delays and length of every recording are equal."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.name == other.name
        assert one.units == other.units
        assert one.delays_us == other.delays_us
        assert one.source_us == other.source_us
    assert sum(len(one.units) for one in ours) > 0


@pytest.mark.parametrize(
    ("policy", "size"), [("wait-k:k=2,n=3", 40), ("wait-k:k=2,n=3", 960), ("offline", 500)]
)
def test_simuleval_runs_our_model(tiny_corpus, tmp_path, policy, size):
    wavs, references = lists(tiny_corpus, tmp_path)
    kind, _, options = policy.partition(":")
    more = [f"--{item[0]}={item[2:]}" for item in options.split(",") if item]
    ours = simulated(
        *(tiny_corpus, tmp_path / "run", "--segment-size-ms", size, "--policy", kind, *more)
    )
    run(
        *("simuleval", "--agent", AGENT, "--model", "fasst-mini-en-de", "--policy", policy),
        *("--source", wavs, "--target", references, "--source-segment-size", size),
        *("--output", tmp_path / "se"),
    )
    same(ours, read_simuleval(tmp_path / "se" / "instances.log", "word"))


@pytest.mark.parametrize(("unit", "drafts"), [("spm", "false"), ("word", "false"), ("spm", "true")])
def test_simulstream_runs_our_model(tiny_corpus, tmp_path, unit, drafts):
    wavs, _ = lists(tiny_corpus, tmp_path)
    policy, more = "wait-k:k=2,n=3", ("--k", 2, "--n", 3)
    if drafts == "true":
        policy, more = "hold-n:n=3", ("--policy", "hold-n", "--n", 3)
    config = tmp_path / "processor.yaml"
    config.write_text(PROCESSOR.format(policy=policy, unit=unit, drafts=drafts))
    theirs = simulstream(config, wavs, tmp_path / "metrics.jsonl")
    ours = simulated(tiny_corpus, tmp_path / "run", "--segment-size-ms", 960, *more)
    if drafts == "false":
        same(ours, theirs)
    else:  # a draft that was right counts from when it was shown
        for one, other in zip(ours, theirs, strict=True):
            assert one.units == other.units
            assert all(a >= b for a, b in zip(one.delays_us, other.delays_us, strict=True))
    scored = ("--log-file", tmp_path / "metrics.jsonl", "--eval-config", config)
    run("simulstream_stats", *scored)


def test_a_toy_agent_gives_the_public_example(tmp_path):
    data = corpus(tmp_path / "data", (3.7, 4.0))
    wavs, references = lists(data, tmp_path)
    agent = f"{REFERENCE / 'toy_agent.py'}:ToyAgent"
    ours = simulated(
        data, tmp_path / "run", "--agent", agent, "--tgt-lang", "de", "--segment-size-ms", 500
    )
    assert [one.delays_us for one in ours] == [
        (1_000_000, 1_000_000, 2_000_000, end_us, end_us) for end_us in (3_700_000, 4_000_000)
    ]
    run(
        *("simuleval", "--agent", REFERENCE / "toy_agent.py", "--source-segment-size", 500),
        *("--source", wavs, "--target", references, "--output", tmp_path / "se"),
    )
    same(ours, read_simuleval(tmp_path / "se" / "instances.log", "word"))


@pytest.mark.parametrize("packet_ms", [100, 500])
def test_a_toy_processor_may_withdraw_words(tmp_path, packet_ms):
    data = corpus(tmp_path / "data", (3.7, 4.0))
    config = tmp_path / "toy.yaml"
    config.write_text(
        "type: toy_processor.ToyProcessor\nspeech_chunk_size: 0.5\n"
        "detokenizer_type: simuleval\nlatency_unit: word\n"
    )
    theirs = simulstream(config, lists(data, tmp_path)[0], tmp_path / "metrics.jsonl")
    ours = simulated(
        *(data, tmp_path / "run", "--segment-size-ms", packet_ms, "--tgt-lang", "de"),
        *("--processor", "toy_processor:ToyProcessor", "--processor-config", config),
    )
    same(ours, theirs)


def test_the_scores_of_our_exports(tmp_path):
    made = make(tmp_path / "run")
    for tool in ("simuleval", "simulstream"):
        run("earvoice", "eval", "export", made, "--to", tool, "--out", tmp_path / tool)
    script = REFERENCE / "peer_scores.py"
    found = json.loads(run("python", script, tmp_path / "simuleval", tmp_path / "simulstream"))
    kept = json.loads(Path(__file__).with_name("peer_scores.json").read_text(encoding="utf-8"))
    assert found == kept
