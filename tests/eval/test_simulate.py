"""`earvoice eval simulate` with a model of random weights: resuming, errors, the two clocks."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earvoice.cli import main
from earvoice.cli.eval_run_folder import note_run
from earvoice.errors import AudioError, UsageError
from earvoice.eval.runlog import RecordingHead, RunLog, read_recordings, read_runlog
from earvoice.eval.simulate import Recording, simulate
from earvoice.session import Request
from earvoice.testing import FakeInterpreter, scripted
from tests.eval.made_corpus import arguments, corpus, simulated
from tests.eval.sounds import packets

KILLS = 50


def test_streams_together_write_the_same_text(model, tmp_path):
    data = corpus(tmp_path / "data")
    one = simulated(data, tmp_path / "one", "--model", model)
    three = simulated(data, tmp_path / "three", "--model", model, "--streams", "3")
    assert (one / "log.jsonl").read_bytes() == (three / "log.jsonl").read_bytes()


def test_an_offline_policy_writes_at_the_end(model, tmp_path):
    run = simulated(
        corpus(tmp_path / "data"), tmp_path / "run", "--model", model, "--policy", "offline"
    )
    for found in read_runlog(run / "log.jsonl"):
        assert set(found.delays_us) == {found.source_us}


def test_larger_segments_change_times_only(model, tmp_path):
    data = corpus(tmp_path / "data", (2.9,))
    (fine,) = read_runlog(simulated(data, tmp_path / "fine", "--model", model) / "log.jsonl")
    coarse = simulated(data, tmp_path / "coarse", "--model", model, "--segment-size-ms", "1000")
    (coarse,) = read_runlog(coarse / "log.jsonl")
    assert fine.text == coarse.text
    up = [min(-(-delay // 1_000_000) * 1_000_000, 2_900_000) for delay in fine.delays_us]
    assert list(coarse.delays_us) == up


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--k", "2"), "policy was"),
        (("--clock", "wall"), "clock was 'ideal' and is 'wall'"),
        (("--segment-size-ms", "80"), "packet_ms was 40 and is 80"),
        (("--model", "lst-mini-en-de"), "model was"),
    ],
)
def test_a_run_does_not_go_on_as_another(model, tmp_path, capsys, more, words):
    data, run = corpus(tmp_path / "data", (0.5,)), tmp_path / "run"
    simulated(data, run, "--model", model)
    before = (run / "log.jsonl").read_bytes()
    assert main(arguments(data, run, "--model", model, *more)) == 2
    assert words in capsys.readouterr().err
    assert (run / "log.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--clock", "wall", "--streams", "2"), "--streams is 2, with --clock wall it must be 1"),
        (("--pauses", "energy"), "--pauses is for models that read windows"),
        (("--segment-size-ms", "0"), "--segment-size-ms is 0, it must be 1 or more"),
        (("--agent-options", "x"), "--agent-options belongs to --agent"),
        (("--processor-config", "x"), "--processor-config belongs to --processor"),
    ],
)
def test_what_is_refused_leaves_no_folder(model, tmp_path, capsys, more, words):
    data, run = corpus(tmp_path / "data", (0.5,)), tmp_path / "run"
    assert main(arguments(data, run, "--model", model, *more)) == 2
    assert words in capsys.readouterr().err
    assert not run.exists()


def test_a_file_is_no_folder_for_a_run(model, tmp_path, capsys):
    (tmp_path / "run").write_text("")
    data = corpus(tmp_path / "data", (0.5,))
    assert main(arguments(data, tmp_path / "run", "--model", model)) == 2
    assert "a file; it must be a folder" in capsys.readouterr().err


def test_other_data_is_another_run(model, tmp_path, capsys):
    run = simulated(corpus(tmp_path / "data", (0.5,)), tmp_path / "run", "--model", model)
    assert main(arguments(corpus(tmp_path / "other", (0.6,)), run, "--model", model)) == 2
    assert "data_sha256 was" in capsys.readouterr().err


def test_a_run_goes_on_in_its_language_and_with_its_glossary(tmp_path):
    (tmp_path / "cuts.jsonl").write_text("{}\n")
    first = {"model": "m", "src_lang": "en", "tgt_lang": "de", "glossary_sha256": "1"}
    note_run(tmp_path, tmp_path, first)
    note_run(tmp_path, tmp_path, first)
    with pytest.raises(UsageError, match="tgt_lang was 'de' and is 'es'"):
        note_run(tmp_path, tmp_path, first | {"tgt_lang": "es"})
    with pytest.raises(UsageError, match="glossary_sha256 was '1' and is None"):
        note_run(tmp_path, tmp_path, {k: v for k, v in first.items() if "glossary" not in k})


def test_a_run_that_does_not_say_its_languages_goes_on(tmp_path):
    (tmp_path / "cuts.jsonl").write_text("{}\n")
    note_run(tmp_path, tmp_path, {"model": "m"})
    note_run(tmp_path, tmp_path, {"model": "m", "src_lang": "en", "tgt_lang": "de"})


def test_no_recordings(model, tmp_path, capsys):
    assert main(arguments(corpus(tmp_path / "data", ()), tmp_path / "run", "--model", model)) == 2
    assert "has no recordings" in capsys.readouterr().err


def test_two_recordings_of_one_name(model, tmp_path, capsys):
    data = corpus(tmp_path / "data", (0.5,))
    manifest = data / "cuts.jsonl"
    manifest.write_text(manifest.read_text() * 2)
    assert main(arguments(data, tmp_path / "run", "--model", model)) == 7
    assert "'talk-0' is there twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "there is no file"),
        (lambda path: path.write_bytes(b"RIFF"), "is not a WAV"),
        (lambda path: path.write_bytes(os.urandom(200_000)), "is not a WAV"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "bytes, the manifest needs"),
    ],
)
@pytest.mark.parametrize("streams", ["1", "3"])
def test_bad_audio_is_named_and_the_others_are_done(model, tmp_path, capsys, spoil, words, streams):
    data, run = corpus(tmp_path / "data", (0.5, 0.4, 0.6)), tmp_path / "run"
    good = (data / "talk-1.wav").read_bytes()
    spoil(data / "talk-1.wav")
    assert (
        main(arguments(data, run, "--model", model, "--streams", streams)) == AudioError.exit_code
    )
    message = capsys.readouterr().err
    assert "recording talk-1: " in message
    assert words in message
    assert "1 of 3 recordings failed" in message
    assert [item.head.name for item in read_recordings(run / "log.jsonl")] == ["talk-0", "talk-2"]
    (data / "talk-1.wav").write_bytes(good)
    simulated(data, run, "--model", model, "--streams", streams)
    assert len(read_recordings(run / "log.jsonl")) == 3


def test_audio_that_fails_halfway(tmp_path):
    def broken():
        yield from packets(0.5)
        raise AudioError("the disk is gone")

    heads = [RecordingHead(name, 500_000, "word") for name in "abc"]
    makers = [lambda: packets(0.5), broken, lambda: packets(0.5)]
    for clock, streams in (("ideal", 1), ("ideal", 3), ("wall", 1)):
        log = RunLog(tmp_path / f"{clock}{streams}.jsonl")
        failed = simulate(
            FakeInterpreter(scripted([(0.1, "Tag")])),
            [Recording(head, maker) for head, maker in zip(heads, makers, strict=True)],
            Request("en", "de"),
            log,
            clock=clock,
            streams=streams,
        )
        assert [item.name for item in failed] == ["b"]
        assert log.done == ["a", "c"]


def test_the_wall_clock_is_one_queue(tmp_path):
    """Packets of 0.5 s that cost 0.7 s each: the k-th is done at 0.5 + 0.7 k."""
    now_ns = 0

    def spend():
        nonlocal now_ns
        now_ns += 700_000_000

    words = [(0.25, "a"), (0.75, "b"), (1.25, "c"), (1.75, "d")]
    fake = FakeInterpreter(scripted(words), chunk_samples=8000, on_step=spend)
    head = RecordingHead("a", 2_000_000, "word")
    simulate(
        fake,
        [Recording(head, lambda: packets(2.0, packet_s=0.5))],
        Request("en", "de"),
        RunLog(tmp_path / "log.jsonl"),
        clock="wall",
        timer_ns=lambda: now_ns,
    )
    (found,) = read_runlog(tmp_path / "log.jsonl")
    assert found.delays_us == (500_000, 1_000_000, 1_500_000, 2_000_000)
    # The last packet is processed, and then the empty end, which this fake charges too.
    assert found.clocks["queue"] == (1_200_000, 1_900_000, 2_600_000, 4_000_000)
    assert found.clocks["simuleval"] == (1_200_000, 2_400_000, 3_600_000, 5_500_000)
    assert found.clocks["chunk"] == (1_200_000, 1_700_000, 2_200_000, 3_400_000)


def test_the_wall_clock_does_not_pile_up_when_computing_is_fast(tmp_path):
    now_ns = 0

    def spend():
        nonlocal now_ns
        now_ns += 100_000_000

    fake = FakeInterpreter(scripted([(1.75, "d")]), chunk_samples=8000, on_step=spend)
    recording = Recording(RecordingHead("a", 2_500_000, "word"), lambda: packets(2.5, packet_s=0.5))
    log = RunLog(tmp_path / "log.jsonl")
    simulate(fake, [recording], Request("en", "de"), log, clock="wall", timer_ns=lambda: now_ns)
    (found,) = read_runlog(tmp_path / "log.jsonl")
    assert found.clocks["queue"] == (2_100_000,)
    assert found.clocks["simuleval"] == (2_400_000,)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills_change_nothing(tmp_path):
    """A simulation killed again and again, at random moments, ends as one that never was."""
    script = Path(__file__).with_name("slow_run.py")

    def start(out):
        return subprocess.Popen([sys.executable, str(script), str(out)])

    began = time.monotonic()
    assert start(tmp_path / "whole.jsonl").wait() == 0
    whole_s = time.monotonic() - began
    rng = random.Random(5)
    broken, kills, sizes = tmp_path / "broken.jsonl", 0, set()
    while kills < KILLS:
        began = time.monotonic()
        process = start(broken)
        try:
            process.wait(rng.uniform(0.2, 0.9) * whole_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            sizes.add(broken.stat().st_size if broken.exists() else 0)
        else:  # done before the kill came: begin anew, and sooner if the machine has grown faster
            assert broken.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
            broken.unlink()
            whole_s = min(whole_s, time.monotonic() - began)
    assert start(broken).wait() == 0
    assert broken.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert len(sizes) > KILLS // 5  # the kills came while it wrote
