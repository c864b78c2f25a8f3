"""`earvoice bench beam`: the two searches find the same; no figure is checked here."""

import json
import sys

import pytest

from earvoice.bench import beam
from earvoice.cli import main

pytest.importorskip("transformers")
BRIEF = ["--sizes", "tiny", "--streams", "1,4", "--rounds", "1", "--tokens", "20"]


def test_both_find_the_same(capsys):
    assert main(["bench", "beam", *BRIEF, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["identical"] is True
    assert [row["streams"] for row in result["streams"]] == [1, 4]
    assert result["speedup"] == result["streams"][0]["speedup"] > 0
    assert result["speedup_4"] == result["streams"][1]["speedup"]
    many = result["streams"][1]
    assert 0 < many["ended_share"] < 1, "some hypotheses end by themselves, some are cut"
    assert many["lengths"] > 2


def test_a_difference_is_seen(monkeypatch, capsys):
    theirs = beam._theirs

    def other(lm, prompts, settings):
        found = theirs(lm, prompts, settings)
        found[0][0], found[0][1] = found[0][1], found[0][0]
        return found

    monkeypatch.setattr(beam, "_theirs", other)
    assert main(["bench", "beam", *BRIEF, "--streams", "1"]) == 0
    assert "NOT identical" in capsys.readouterr().out


def test_without_transformers_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert main(["bench", "beam", *BRIEF]) == 2
    assert "extra 'hf'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--streams", "0"], "--streams is '0'"),
        (["--streams", "1,x"], "--streams is '1,x'"),
        (["--beams", "0"], "--beams is 0"),
        (["--prompt-tokens", "0"], "--prompt-tokens is 0"),
        (["--sizes", "huge"], "--sizes is 'huge', it must be one of mini, tiny"),
    ],
)
def test_wrong_options(options, message, capsys):
    assert main(["bench", "beam", *options]) == 2
    assert message in capsys.readouterr().err
