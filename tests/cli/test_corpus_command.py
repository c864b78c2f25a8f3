import json

import pytest

from earvoice.cli import main
from earvoice.data.synth.engines import is_installed


@pytest.mark.skipif(not is_installed("espeak"), reason="espeak-ng is not installed")
def test_synth_info_and_long(tmp_path, capsys):
    out, spans = str(tmp_path / "small"), str(tmp_path / "long")
    made = ["corpus", "synth", "--langs", "en-de", "--hours", "0.01", "--split", "dev"]
    made += ["--minutes-min", "0.2", "--minutes-max", "0.6", "--jobs", "2", "--out", out]
    assert main(made) == 0
    assert "espeak-ng" in capsys.readouterr().out
    assert main(["corpus", "info", out, "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["sentences_by_target"] == {"de": info["sentences"]}
    assert main(["corpus", "long", out, "--max-s", "12", "--out", spans]) == 0
    assert "spans" in capsys.readouterr().out
    assert main(["corpus", "info", spans]) == 0
    printed = capsys.readouterr().out
    assert f"{info['words']}" in printed


def test_errors_are_one_line(tmp_path, capsys):
    assert main(["corpus", "info", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "there is no corpus manifest" in error
    assert error.count("\n") == 1
    wrong = ["corpus", "synth", "--hours", "1", "--jobs", "0", "--out", str(tmp_path)]
    assert main(wrong) == 2
    assert "--jobs is 0" in capsys.readouterr().err
