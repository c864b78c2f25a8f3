"""`earvoice eval curve`: one run per point, a table, JSON and an image; nothing is done twice."""

import json
from pathlib import Path

import numpy as np
import pytest

from earvoice.audio import Audio, Resampler, read, write_wav
from earvoice.cli import main
from tests.exported import export_tiny_lst

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
    (one,) = json.loads((made / "out" / "curve.json").read_text())["curves"]
    assert (one["model"], one["policy"]) == ("fasst-mini-en-de", "wait-k")
    assert [(point["point"], point["policy"]) for point in one["points"]] == [
        ("k=1", "wait-k:k=1,n=4"),
        ("k=2", "wait-k:k=2,n=4"),
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


@pytest.fixture(scope="module")
def several(made, tmp_path_factory):
    """Two models, three curves, with computing measured; the window model has few words."""
    folder = tmp_path_factory.mktemp("several")
    model = export_tiny_lst(folder / "model")
    named = ["--model", str(model), "--policy", "local-agreement:n=2,align-att:frames=2/4,layer=0"]
    named += ["--model", "fasst-mini-en-de", "--ks", "1,3"]
    assert curve(made / "data", folder / "out", *named, "--clock", "wall", "--latency", "laal") == 0
    return folder


def test_several_models_and_policies_are_curves_of_one_plot(several):
    data = json.loads((several / "out" / "curve.json").read_text())
    assert [(one["name"], [p["policy"] for p in one["points"]]) for one in data["curves"]] == [
        ("lst-tiny local-agreement", ["local-agreement:n=2"]),
        ("lst-tiny align-att", ["align-att:frames=2,layer=0", "align-att:frames=4,layer=0"]),
        ("fasst-mini-en-de wait-k", ["wait-k:k=1,n=4", "wait-k:k=3,n=4"]),
    ]
    clocks = {f"long_laal_ca_{clock}" for clock in ("queue", "simuleval", "chunk")}
    for one in data["curves"]:
        for point in one["points"]:
            assert clocks | {"bleu", "long_yaal", "long_laal"} <= point["metrics"].keys()
    lags = [p["metrics"]["long_laal"]["value"] for p in data["curves"][2]["points"]]
    aware = [p["metrics"]["long_laal_ca_queue"]["value"] for p in data["curves"][2]["points"]]
    assert lags[0] < lags[1]
    assert all(ideal < counted for ideal, counted in zip(lags, aware, strict=True))
    assert (several / "out" / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_every_point_of_several_curves_has_its_folder(several):
    runs = {str(path.parent.relative_to(several / "out")) for path in several.rglob("run.json")}
    assert runs == {
        "lst-tiny/local-agreement/n2",
        "lst-tiny/align-att/frames2",
        "lst-tiny/align-att/frames4",
        "fasst-mini-en-de/wait-k/k1",
        "fasst-mini-en-de/wait-k/k3",
    }
    table = (several / "out" / "curve.md").read_text().splitlines()
    assert table[0].startswith("| model and policy | point | bleu |")
    assert [row.split("|")[2].strip() for row in table[2:]] == [
        "n=2", "frames=2", "frames=4", "k=1", "k=3"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--policy", "wait"], "must be one of wait-k"),
        (["--policy", "wait-k:k=1/1"], "names a value twice"),
        (["--model", "fasst-mini-en-de", "--model", "fasst-mini-en-es"], "need one language"),
        (["--policy", "align-att"], "such as LST and LLaST"),
        (["--model", "no-such-model"], "the zoo has"),
    ],
)
def test_what_cannot_be_drawn_is_named(made, tmp_path, options, message, capsys):
    assert curve(made / "data", tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err


def test_a_model_has_its_policies_in_one_place(made, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        curve(made / "data", tmp_path / "out", "--policy", "hold-n", "--policy", "wait-k")
    assert "--policy is given twice for fasst-mini-en-de" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["hold-n", "wait-k:n=3"])
def test_waits_that_no_policy_takes_are_refused(tmp_path, policy, capsys):
    assert curve(tmp_path / "data", tmp_path / "out", "--policy", policy, "--ks", "1,2") == 2
    assert "--ks is '1,2', but no policy is plain wait-k" in capsys.readouterr().err


@pytest.mark.parametrize("ks", ["", "0,1", "a", "2,2"])
def test_waits_must_be_different_numbers(made, ks, capsys):
    assert curve(made / "data", made / "out", "--ks", ks) == 2
    assert "--ks" in capsys.readouterr().err
