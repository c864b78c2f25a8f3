"""`earvoice eval curve`: one run per k, a table, JSON and an image; nothing is done twice."""

import json
from pathlib import Path

import numpy as np
import pytest

from earvoice.audio import Audio, Resampler, read, write_wav
from earvoice.cli import main

TALK = Path(__file__).parents[2] / "earvoice/assets/talk-en.wav"


def corpus(folder):
    """The first seconds of the bundled talk, as one recording of two segments."""
    folder.mkdir()
    resampler = Resampler()
    samples = np.concatenate([resampler.push(read(TALK)), resampler.flush()])[: 16000 * 8]
    write_wav(folder / "talk.wav", Audio.of(samples))
    sentence = {"duration": 4.0, "custom": {"targets": {"de": {"text": "Guten Tag."}}}}
    cut = {
        "id": "talk",
        "start": 0.0,
        "duration": 8.0,
        "supervisions": [
            sentence | {"id": "a", "start": 0.0, "text": "Hello."},
            sentence | {"id": "b", "start": 4.0, "text": "Hello."},
        ],
        "recording": {
            "id": "talk",
            "sampling_rate": 16000,
            "sources": [{"type": "file", "channels": [0], "source": "talk.wav"}],
        },
    }
    (folder / "cuts.jsonl").write_text(json.dumps(cut) + "\n")
    return folder


def curve(data, out, *more):
    return main(["eval", "curve", "--data", str(data), "--out", str(out), *more])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curve")
    data = corpus(folder / "data")
    assert curve(data, folder / "out", "--ks", "1,2", "--streams", "2") == 0
    return folder


def test_every_k_is_a_run_with_its_policy(made):
    points = json.loads((made / "out" / "curve.json").read_text())["points"]
    assert [(point["k"], point["policy"]) for point in points] == [
        (1, "wait-k:k=1,n=4"),
        (2, "wait-k:k=2,n=4"),
    ]
    for k in (1, 2):
        note = json.loads((made / "out" / f"k{k}" / "run.json").read_text())
        assert note["policy"] == f"wait-k:k={k},n=4"


def test_the_table_and_the_image_show_the_points(made):
    table = (made / "out" / "curve.md").read_text().splitlines()
    assert table[0].startswith(
        "| k | bleu | chrf | long_yaal (s) | long_laal (s) | stream_laal (s) |"
    )
    assert [row.split("|")[1].strip() for row in table[2:]] == ["1", "2"]
    assert (made / "out" / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_what_is_done_is_not_done_again(made):
    logs = [made / "out" / f"k{k}" / "log.jsonl" for k in (1, 2)]
    before = [path.stat().st_mtime_ns for path in logs]
    assert curve(made / "data", made / "out", "--ks", "1,2", "--streams", "2") == 0
    assert [path.stat().st_mtime_ns for path in logs] == before


@pytest.mark.parametrize("ks", ["", "0,1", "a", "2,2"])
def test_waits_must_be_different_numbers(made, ks, capsys):
    assert curve(made / "data", made / "out", "--ks", ks) == 2
    assert "--ks" in capsys.readouterr().err
