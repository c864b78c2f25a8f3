import json

import pytest

from earvoice.cli import main
from earvoice.zoo import list_models


def test_models_json(capsys):
    assert main(["models", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert list(value) == ["models"]
    assert [model["name"] for model in value["models"]] == [card.name for card in list_models()]


def test_models_text(capsys):
    assert main(["models"]) == 0
    assert capsys.readouterr().out.strip()


def test_doctor_json(capsys):
    code = main(["doctor", "--json"])
    value = json.loads(capsys.readouterr().out)
    assert value["ok"] == (code == 0)
    checks = {check["name"]: check for check in value["checks"]}
    assert {"python", "torch", "ffmpeg", "espeak-ng", "models"} <= set(checks)
    assert checks["torch"]["ok"]
    assert all(set(check) == {"name", "ok", "detail", "needed"} for check in checks.values())


@pytest.mark.parametrize("missing", [True, False])
def test_doctor_says_what_is_missing(capsys, monkeypatch, missing):
    import earvoice.cli.doctor as doctor

    found = doctor.Check("models", not missing, "the zoo", needed=True)
    monkeypatch.setattr(doctor, "_models", lambda: found)
    assert main(["doctor"]) == int(missing)
    out = capsys.readouterr().out
    assert ("MISSING  models" in out) == missing
    assert ("Ready to translate." in out) == (not missing)
