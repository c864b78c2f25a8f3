import json

import pytest

from earvoice.cli import main


def bench(capsys, *arguments):
    code = main(["bench", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_growth_prints_one_object(capsys):
    code, out, err = bench(
        capsys, "growth", "--sizes", "tiny", "--elapsed", "3,8", "--recompute", "3",
        "--periods", 1, "--json",
    )  # fmt: skip
    assert code == 0
    found = json.loads(out)
    assert found["benchmark"] == "growth"
    assert found["model"] == "random weights, sizes tiny"
    assert "recomputing 3 s of audio" in err


QUALITY = ("quality", "--corpus", "nowhere")
CONVERSATION = ("conversation", "--recipe", "recipes/jstar/tiny.yaml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("growth", "--sizes", "tiny", "--seed", "-1"), "--seed is -1, it must be 0 or more"),
        ((*QUALITY, "--seed", "-1"), "--seed is -1, it must be 0 or more"),
        ((*QUALITY, "--batch", "0"), "--batch is 0, it must be 1 or more"),
        ((*QUALITY, "--plot", "x.foo"), "it must end in one of .png, .svg, .pdf"),
        ((*QUALITY, "--plot", "nowhere/x.png"), "there is no folder nowhere"),
        ((*CONVERSATION, "--seconds", "nan"), "--seconds is nan, it must be more than 0"),
        ((*CONVERSATION, "--most", "-1"), "--most is -1, it must be 0 (all) or more"),
        (("conversation", "--recipe", "recipes/fasst/tiny.yaml"), "it must be of jstar"),
        (("growth", "--elapsed", "10,60", "--recompute", "30"), "30 s is none of --elapsed 10,60"),
    ],
)
def test_values_that_cannot_be_measured(capsys, words, message):
    code, _, err = bench(capsys, *words)
    assert code == 2
    assert message in err


def test_batch_as_a_table(capsys):
    code, out, _ = bench(
        capsys, "batch", "--sizes", "tiny", "--streams", "1,2", "--seconds", 4, "--rounds", 1
    )
    assert code == 0
    assert "speedup" in out
    assert "identical text" in out
    assert "torch" in out


@pytest.mark.slow
def test_startup(capsys):
    code, out, _ = bench(capsys, "startup", "--sizes", "tiny", "--runs", 1, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["imports_torch"] is False
    for key in ("first_caption_s", "first_caption_cpu_s", "import_s", "help_s"):
        assert found[key] > 0
    steps = ["python_s", "import_torch_s", "import_earvoice_s", "load_s", "first_steps_s"]
    assert list(found["split"]) == steps
    assert all(value > 0 for value in found["split"].values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("growth", "--elapsed", "soon"), "soon"),
        (("growth", "--elapsed", "0"), "0"),
        (("growth", "--periods", "0"), "--periods"),
        (("batch", "--streams", "1,-4"), "--streams"),
        (("batch", "--talk", "nowhere.wav"), "nowhere.wav"),
        (("batch", "--sizes", "huge"), "huge"),
        (("startup", "--runs", "-1"), "--runs"),
        (("growth", "--model", "a", "--sizes", "mini"), "--sizes"),
    ],
)
def test_wrong_usage_is_one_line(capsys, arguments, said):
    code, out, err = bench(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert said in err.splitlines()[-1]


@pytest.mark.parametrize("name", ["growth", "batch", "startup"])
def test_help_teaches(capsys, name):
    with pytest.raises(SystemExit) as stopped:
        bench(capsys, name, "--help")
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "--json" in out
    assert "docs/performance.md" in out
