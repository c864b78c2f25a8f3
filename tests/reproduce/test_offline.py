"""`earvoice reproduce` for the offline systems: parts, changed sizes, directions; their recipes."""

import json
from pathlib import Path

import pytest

from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.data.manifest import MANIFEST_NAME
from earvoice.errors import ConfigError, UsageError
from earvoice.models.files import write_manifest
from earvoice.reproduce.corpora import by_direction, digest_of
from earvoice.reproduce.shared import Choice, Shared
from earvoice.reproduce.spec import ArmsClaim, ReproduceConfig
from earvoice.reproduce.trained import Base, arm_recipe, base_recipe, part_recipe
from earvoice.train.checkpoint import newest

RECIPES = Path(__file__).parents[2] / "recipes/reproduce"
CORPORA = [Path("corpus")]


def command(name, corpus, out, *more):
    file = str(RECIPES / f"{name}.yaml")
    places = ["--corpus", str(corpus), "--test", str(corpus), "--out", str(out)]
    return ["reproduce", file, *places, "--seeds", "1", "--steps-scale", "0.1", *more]


def results(out):
    return json.loads((out / "results.json").read_text())


@pytest.mark.slow
def test_lst_to_the_end_and_with_its_parts_given(tiny_corpus, tmp_path):
    out, again = tmp_path / "first", tmp_path / "again"
    assert main(command("lst-tiny", tiny_corpus, out, "--claims", "starts")) == 0
    found = results(out)
    assert found["missing"] == []
    assert set(found["core_minutes"]) == {
        "base", "base-untuned", "base-smaller", "two-stage", "untuned", "smaller",
    }  # fmt: skip
    rows = found["claims"]["starts"]["rows"]
    assert [(row["arm"], row["on"], row["point"]) for row in rows] == [
        (arm, "sentences", "offline") for arm in ("two-stage", "untuned", "smaller")
    ]
    assert all("laal_ms" not in row and "bleu_low" in row for row in rows)
    sizes = {
        arm: json.loads((out / arm / "seed-1/run/model/config.json").read_text())["llm"]["dim"]
        for arm in ("two-stage", "smaller")
    }
    assert sizes == {"two-stage": 48, "smaller": 24}
    assert not list(out.glob("*/seed-*/run/*/step-*"))
    assert (out / "report.png").is_file()
    runs = [out / name / "run" for name in ("base", "base-untuned")]
    given = [word for run in runs for word in ("--base", str(run))]
    more = ["--claims", "starts", *given, "--dry-run"]
    assert main(command("lst-tiny", tiny_corpus, again, *more)) == 0
    file = RECIPES / "lst-tiny.yaml"
    spec = load_yaml(file, ReproduceConfig)
    choice = Choice(("starts",), (1,), (tiny_corpus,), again, (tiny_corpus,), tuple(runs), 0.1)

    def key():
        return Shared(spec, file, choice, ("two-stage",)).arm_task("two-stage", 1).key

    before = key()
    assert key() == before
    stage = spec.take_of("two-stage")["lm.*"]
    found, _ = newest(runs[0] / stage)
    state = json.loads((found.path / "state.json").read_text())
    (found.path / "state.json").write_text(json.dumps({**state, "note": "another run"}))
    write_manifest(found.path)
    assert key() != before, "another run of the same name"


@pytest.mark.slow
def test_llast_to_the_end(tiny_corpus, tmp_path, capsys):
    arguments = command("llast-tiny", tiny_corpus, tmp_path)
    assert main(arguments) == 0
    found = results(tmp_path)
    assert found["missing"] == []
    rows = found["claims"]["lora"]["rows"]
    assert {row["on"] for row in rows if row["arm"] == "dual"} == {"en-de", "en-es", "all"}
    text = (tmp_path / "report.md").read_text()
    assert "en-de: BLEU [bootstrap interval over sentences]:" in text
    assert "| 1.5 |" in text  # the paper's, beside the direction it is for
    learnt = {
        arm: (tmp_path / arm / "seed-1/run/adaptation").is_dir() for arm in ("dual", "no-lora")
    }
    assert learnt == {"dual": True, "no-lora": False}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/result.json")}
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("name", ["lst", "llast"])
def test_the_recipes_that_ship(name):
    file = RECIPES / f"{name}.yaml"
    spec = load_yaml(file, ReproduceConfig)
    base = base_recipe(spec, file, CORPORA, Path("out"), spec.base.changes)
    assert set(spec.base.stages) <= {stage.name for stage in base.stages}
    for part in spec.parts.values():
        planned = part_recipe(part, base_recipe(spec, file, CORPORA, Path("o"), part.changes), 1.0)
        assert tuple(stage.name for stage in planned.stages) == part.names
    used = {
        arm for claim in spec.claims.values() if isinstance(claim, ArmsClaim) for arm in claim.arms
    }
    assert used == set(spec.arms)
    steps = {}
    for arm, config in spec.arms.items():
        recipe = base_recipe(spec, file, CORPORA, Path("out"), (*spec.changes, *config.changes))
        plan = arm_recipe(spec, Base({}, Path(), recipe), arm, 1, 1.0, "")
        assert plan.stages[0].init == spec.take_of(arm)
        assert all(stage.init is None for stage in plan.stages[1:])
        steps[arm] = sum(stage.steps for stage in plan.stages)
    assert steps.pop("no-asr", None) in (None, steps.get("dual", 0) // 2)
    assert len(set(steps.values())) == 1  # the same budget everywhere else


def test_what_lst_compares_is_what_it_says():
    spec = load_yaml(RECIPES / "lst.yaml", ReproduceConfig)
    assert spec.take_of("untuned")["encoder.*"] == "self_supervised"
    assert spec.take_of("untuned")["lm.*"] == spec.base.take["lm.*"]
    assert spec.arms["smaller"].changes == spec.parts["smaller"].changes
    assert spec.parts_of(("two-stage", "one-stage")) == ()
    assert spec.parts_of(("smaller",)) == ("smaller",)


def test_what_llast_adapts_to_is_not_in_its_base():
    file = RECIPES / "llast.yaml"
    spec = load_yaml(file, ReproduceConfig)
    base = base_recipe(spec, file, CORPORA, Path("o"), spec.base.changes).system.directions
    arms = base_recipe(spec, file, CORPORA, Path("o"), spec.changes).system.directions
    assert not {d.partition("-")[0] for d in arms} & {d.partition("-")[0] for d in base}


def corpus(folder, language, *targets):
    folder.mkdir()
    supervision = {"language": language, "custom": {"targets": {target: {} for target in targets}}}
    (folder / MANIFEST_NAME).write_text(json.dumps({"supervisions": [supervision]}) + "\n")
    return folder


def test_folders_serve_directions(tmp_path):
    german = corpus(tmp_path / "a", "de", "en")
    english = corpus(tmp_path / "b", "en", "de", "es")
    found = by_direction([german, english], ["en-es", "de-en", "en-de"], "--corpus")
    assert found == {"en-es": str(english), "de-en": str(german), "en-de": str(english)}
    with pytest.raises(UsageError, match=r"--test: no folder has fr-en \(.*a: de to en; .*b: en"):
        by_direction([german, english], ["fr-en"], "--test")
    assert digest_of([german, english]) == digest_of([english, german]) != digest_of([german])


def test_a_manifest_that_is_none(tmp_path):
    (tmp_path / MANIFEST_NAME).write_text("{}\n")
    with pytest.raises(UsageError, match=r"line 1: no talk with a language"):
        by_direction([tmp_path], ["de-en"], "--corpus")
    with pytest.raises(UsageError, match="no corpus manifest"):
        digest_of([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("arms.smaller.take={lm.*: other}", "arms.smaller: take: no stage 'other'"),
        ("claims.stages.statements.0.on=somewhere", "or a direction such as fr-en"),
    ],
)
def test_names_that_are_not_there(change, message):
    with pytest.raises(ConfigError, match=message):
        load_yaml(RECIPES / "lst-tiny.yaml", ReproduceConfig, [change])


def test_a_part_like_a_stage_that_is_none():
    file = RECIPES / "lst-tiny.yaml"
    spec = load_yaml(file, ReproduceConfig, ["parts.smaller.like={smaller_text: texts}"])
    recipe = base_recipe(spec, file, CORPORA, Path("out"))
    with pytest.raises(UsageError, match="the recipe has no stage 'texts', but text, phones"):
        part_recipe(spec.parts["smaller"], recipe, 1.0)
