"""`earvoice bench rnnt`: both forms run, agree, and the sliced one holds less."""

import json

import pytest

from earvoice.cli import main


def test_small_sizes(capsys):
    sizes = ["--batch", "2", "--frames", "150", "--tokens", "20", "--vocabulary", "1500"]
    assert main(["bench", "rnnt", *sizes, "--joint", "16", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["loss_difference"] < 1e-5
    assert found["gradient_difference"] < 1e-3
    assert found["memory_ratio"] < 1
    assert found["plain_s"] > 0
    assert found["time_ratio"] > 0


@pytest.mark.parametrize("option", ["--batch", "--vocabulary"])
def test_sizes_there_cannot_be(option, capsys):
    assert main(["bench", "rnnt", option, "0"]) == 2
    assert f"{option} is 0" in capsys.readouterr().err
