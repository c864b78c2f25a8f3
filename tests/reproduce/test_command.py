"""`earvoice reproduce` on a toy, to the end and again; what it refuses; the recipe that ships."""

import json
from pathlib import Path

import pytest

from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.errors import ConfigError
from earvoice.reproduce.docs import into_docs
from earvoice.reproduce.spec import ArmsClaim, ReproduceConfig
from earvoice.reproduce.trained import Base, arm_recipe, base_recipe

RECIPES = Path(__file__).parents[2] / "recipes/reproduce"
TINY = str(RECIPES / "fasst-tiny.yaml")


def command(corpus, out, *more):
    return [
        "reproduce",
        TINY,
        "--corpus",
        str(corpus),
        "--test",
        str(corpus),
        "--out",
        str(out),
        *more,
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_corpus):
    out = tmp_path_factory.mktemp("reproduce")
    arguments = command(
        tiny_corpus, out, "--claims", "waco", "--seeds", "1,2", "--steps-scale", "0.25"
    )
    assert main(arguments) == 0
    return out, arguments


def test_everything_is_there(done):
    out, _ = done
    found = json.loads((out / "results.json").read_text())
    assert found["missing"] == []
    assert found["seeds"] == [1, 2]
    assert set(found["core_minutes"]) == {"base", "waco", "ctc"}
    assert {row["arm"] for row in found["claims"]["waco"]["rows"]} == {"waco", "ctc"}
    assert found["claims"]["waco"]["statements"][0]["difference"]["seeds"] == 2
    text = (out / "report.md").read_text()
    assert "| WACO is better than CTC |" in text
    assert str(out) not in text
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.glob("*/seed-*/run/*/step-*"))  # checkpoints are gone, models are not
    assert len(list(out.glob("*/seed-*/run/model/model.safetensors"))) == 4


def test_a_second_time_nothing_is_run(done, capsys):
    out, arguments = done
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/result.json")}
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert " of " not in capsys.readouterr().err


def test_a_dry_run_says_what_is_done(done, capsys):
    _, arguments = done
    assert main([*arguments, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "waco/seed-1: waco 1 steps, wait_k 1 steps (done)" in lines


def test_a_page_takes_the_report(done, tmp_path):
    out, _ = done
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- report fasst-tiny -->\nold\n<!-- end -->\nafter\n")
    found = json.loads((out / "results.json").read_text())
    into_docs(found, page, out / "report.png")
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "old" not in text
    assert (tmp_path / "figures/reproduce-fasst-tiny.png").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--claims", "nothing"], "'nothing' is none of waco, audio_length"),
        (["--seeds", "1,x"], "--seeds is '1,x'"),
        (["--seeds", "1,-2"], "they must be 0 or more"),
        (["--steps-scale", "0"], "must be more than 0"),
        (["--steps-scale", "nan"], "must be more than 0"),
        (["--steps-scale", "inf"], "must be more than 0"),
        (["--model", "fasst-mini-en-de"], "--model belongs to --quick"),
        (["--json"], "--json belongs to --quick"),
        (["--base", "nowhere"], "no whole checkpoint of stage 'text' in nowhere"),
    ],
)
def test_what_is_refused(tiny_corpus, tmp_path, capsys, more, message):
    assert main(command(tiny_corpus, tmp_path / "out", *more, "--dry-run")) != 0
    assert message in capsys.readouterr().err


def test_arms_need_a_corpus(tiny_corpus, tmp_path, capsys):
    arguments = ["reproduce", TINY, "--test", str(tiny_corpus), "--out", str(tmp_path)]
    assert main(arguments) != 0
    assert "--corpus is missing" in capsys.readouterr().err


def test_the_recipe_that_ships():
    file = RECIPES / "fasst.yaml"
    spec = load_yaml(file, ReproduceConfig)
    assert tuple(spec.claims) == ("waco", "recompute", "audio_length", "policy")
    recipe = base_recipe(spec, file, [Path("corpus")], Path("out"))
    assert set(spec.base.stages) <= {stage.name for stage in recipe.stages}
    assert set(spec.base.take.values()) <= set(spec.base.stages)
    plans = {
        arm: arm_recipe(spec, Base({}, Path(), recipe), arm, 1, 1.0, "").stages for arm in spec.arms
    }
    # The later stage has the same budget everywhere, and only its windows differ.
    last = [plan[-1].model_dump_json(exclude={"data", "init"}) for plan in plans.values()]
    assert len(set(last)) == 1
    assert all(plan[0].init == dict(spec.base.take) for plan in plans.values())
    assert plans["short"][0].data.segments == plans["short"][1].data.segments == (4, 7)
    arms = [
        arm for claim in spec.claims.values() if isinstance(claim, ArmsClaim) for arm in claim.arms
    ]
    assert set(arms) == set(spec.arms)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("arms.waco.stages=[other]", "no stage 'other'"),
        ("claims.waco.arms=[waco,other]", "no arm 'other'"),
        ("claims.waco.statements.0.worse=other", "'other' is none of waco, ctc"),
    ],
)
def test_names_that_are_not_there(change, message):
    with pytest.raises(ConfigError, match=message):
        load_yaml(TINY, ReproduceConfig, [change])
