"""An hour of audio through `earvoice translate`: memory stays flat, the subtitles are legal."""

import functools
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.exported import export_tiny_llast, export_tiny_lst
from tests.srt import validated_srt

RATE = 16000
MIB = 1 << 20
GROWTH_MIB = 12
"""An hour of float audio would be 220 MiB, of 16-bit audio 110."""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2\n00:00:00,000 --> 00:00:01,000\na\n", "numbered '2'"),
        ("1\n00:00:01,000 --> 00:00:01,000\na\n", "ends before"),
        ("1\n00:00:00,000 --> 00:00:61,000\na\n", "times are"),
        ("1\n00:00:00,000 --> 00:00:01,000\n \n", "an empty line"),
        ("1\n00:00:00,000 --> 00:00:01,000\n", "0 lines"),
        (
            "1\n00:00:00,000 --> 00:00:02,000\na\n\n2\n00:00:01,999 --> 00:00:03,000\nb\n",
            "overlaps",
        ),
    ],
)
def test_the_validator_sees_faults(text, message):
    with pytest.raises(AssertionError, match=message):
        validated_srt(text)
    assert validated_srt("1\n00:00:00,000 --> 01:00:01,500\na\nb\n") == [(0.0, 3601.5, "a b")]


def write_speechlike(path: Path, seconds: int) -> None:
    """Bursts of noise with a pause of 0.4 s every 5 s, written second by second."""
    generator = np.random.default_rng(0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for second in range(seconds):
            loud = generator.uniform(0.05, 0.3, 8).repeat(RATE // 8)
            samples = loud * generator.standard_normal(RATE)
            if second % 5 == 4:
                samples[: round(0.4 * RATE)] = 0
            file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())


def translated(audio: Path, model: Path, out: Path, *options: str) -> float:
    """Runs the command; the highest resident memory of its process in MiB.

    Models of random weights never stop talking, so a window has less room for text than usual.
    """
    code = (
        "import resource, sys\n"
        "from earvoice.cli import main\n"
        "from earvoice.sessions.window import WindowSettings\n"
        "WindowSettings.max_tokens = 2\n"
        "code = main(sys.argv[1:])\n"
        "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "raise SystemExit(code)\n"
    )
    command = [sys.executable, "-c", code, "translate", str(audio), "--model", str(model)]
    run = subprocess.run(
        [*command, "--output", str(out), *options],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
    )
    assert run.returncode == 0, run.stderr
    return float(run.stdout.split()[-1]) / 1024


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident memory as Linux counts it")
@pytest.mark.parametrize(
    ("export", "options"),
    [
        (export_tiny_lst, []),
        (export_tiny_lst, ["--policy", "align-att", "--frames", "2"]),
        (functools.partial(export_tiny_llast, max_tokens=12, seed=1), []),
    ],
    ids=["lst", "lst-align-att", "llast"],
)
def test_an_hour_takes_the_memory_of_five_minutes(tmp_path, export, options):
    model = export(tmp_path / "model")
    peaks = {}
    for seconds in (300, 3600):
        audio, out = tmp_path / f"{seconds}.wav", tmp_path / f"{seconds}.srt"
        write_speechlike(audio, seconds)
        peaks[seconds] = translated(audio, model, out, *options)
        captions = validated_srt(out.read_text("utf-8"))
        assert len(captions) > seconds / 20
        assert captions[-1][0] < seconds
        assert captions[-1][1] > seconds - 30, "the last words are there"
        audio.unlink()
    assert peaks[3600] - peaks[300] < GROWTH_MIB, peaks
