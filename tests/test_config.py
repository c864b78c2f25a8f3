import contextlib
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from earvoice.config import Config, load_yaml, parse, parse_yaml
from earvoice.errors import ConfigError


class Adam(Config):
    kind: Literal["adam"] = "adam"
    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)


class Sgd(Config):
    kind: Literal["sgd"] = "sgd"
    momentum: float = 0.0


class Stage(Config):
    name: str
    steps: int = 10
    optimiser: Annotated[Adam | Sgd, Field(discriminator="kind")] = Adam()


class Recipe(Config):
    seed: int = 0
    src_lang: str = "en"
    folder: Path | None = None
    shuffle: bool = True
    stages: tuple[Stage, ...] = ()
    sizes: dict[str, int] = {}


@pytest.fixture
def load(tmp_path):
    def _load(text, overrides=(), **others):
        for name, content in others.items():
            (tmp_path / f"{name}.yaml").write_text(content)
        path = tmp_path / "recipe.yaml"
        path.write_text(text)
        return load_yaml(path, Recipe, overrides)

    return _load


FULL = """
seed: 7
src_lang: no
folder: data/x
stages:
  - name: one
    steps: 100
    optimiser: {kind: adam, rate: 3e-4, betas: [0.9, 0.95]}
  - name: two
    optimiser: {kind: sgd, momentum: 1}
sizes: {a: 1, b: 2}
"""


def test_values_and_types(load):
    recipe = load(FULL)
    assert recipe.src_lang == "no"
    assert recipe.folder == Path("data/x")
    assert recipe.stages[0].optimiser == Adam(rate=3e-4, betas=(0.9, 0.95))
    assert recipe.stages[1].optimiser == Sgd(momentum=1.0)
    assert load("") == Recipe()


def test_frozen(load):
    with pytest.raises(ValidationError, match="frozen"):
        load("").seed = 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed: 3", r"sed is unknown; did you mean 'seed'\? legal here: seed, src_lang, folder"),
        ("zzz: 3", r"zzz is unknown; legal here: seed"),
        ("stages: [{name: a, step: 3}]", r"stages\.0\.step is unknown; did you mean 'steps'"),
        (
            "stages: [{name: a, optimiser: {kind: adam, momentum: 1.0}}]",
            r"stages\.0\.optimiser\.momentum is unknown; legal here: kind, rate, betas",
        ),
        (
            "stages: [{name: a, optimiser: {kind: adm}}]",
            r"stages\.0\.optimiser\.kind is 'adm', it must be one of 'adam', 'sgd'",
        ),
        ("stages: [{name: a, optimiser: {rate: 1.0}}]", r"stages\.0\.optimiser\.kind is missing"),
        ("stages: [{steps: 1}]", r"stages\.0\.name is missing"),
        ("seed: 'true'", r"seed is 'true'"),
        ("seed: true", r"seed is True"),
        ("seed: '3'", r"seed is '3'"),
        ("seed: 1.5", r"seed is 1\.5"),
        ("seed: 1:30", r"seed is '1:30'"),
        ("shuffle: yes", r"shuffle is 'yes'"),
        ("shuffle: 1", r"shuffle is 1"),
        ("sizes: {a: x}", r"sizes\.a is 'x'"),
        ("seed: 1\nseed: 2", r"key 'seed' appears twice"),
        ("seed: &a 1", r"anchors"),
        ("seed: !!python/object/apply:os.system ['true']", r"could not determine a constructor"),
        ("1: 2", r"key 1 is not text"),
        ("- 1", r"top level must be a mapping"),
        ("a: [", r"line 1"),
        ("extends: 3", r"extends is 3"),
        ("extends: none.yaml", r"cannot read"),
    ],
)
def test_faults_are_named(load, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(text)
    assert "\n" not in str(caught.value)


def test_all_faults_come_together(load):
    with pytest.raises(ConfigError, match=r"seed is 'x'.*; wrong is unknown"):
        load("seed: x\nwrong: 1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1.5e+3", 1500.0),
        ("3", 3),
        ("-12", -12),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("no", "no"),
        ("on", "on"),
        ("True", "True"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        ("1e", "1e"),
        ("'3'", "3"),
    ],
)
def test_scalars(text, value):
    parsed = parse_yaml(text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_python_writes_is_read_as_a_float(value):
    assert parse_yaml(repr(value)) == value
    assert isinstance(parse_yaml(repr(value)), float)


def test_extends_merges_mappings_and_replaces_the_rest(load):
    recipe = load(
        "extends: base.yaml\nsizes: {b: 5}\nstages: [{name: three}]",
        base=FULL,
    )
    assert recipe.sizes == {"a": 1, "b": 5}
    assert [stage.name for stage in recipe.stages] == ["three"]
    assert recipe.seed == 7


def test_extends_is_one_level(load):
    with pytest.raises(ConfigError, match="one level"):
        load("extends: base.yaml", base="extends: other.yaml")


class Holder(Config):
    optimiser: Annotated[Adam | Sgd, Field(discriminator="kind")] = Adam()


def test_a_changed_kind_drops_the_fields_of_the_former(tmp_path):
    (tmp_path / "base.yaml").write_text("optimiser: {kind: adam, rate: 0.1}")
    (tmp_path / "top.yaml").write_text("extends: base.yaml\noptimiser: {kind: sgd}")
    assert load_yaml(tmp_path / "top.yaml", Holder).optimiser == Sgd()
    changed = load_yaml(
        tmp_path / "base.yaml", Holder, ["optimiser.kind=sgd", "optimiser.momentum=2"]
    )
    assert changed.optimiser == Sgd(momentum=2.0)


@pytest.mark.parametrize(
    ("override", "check"),
    [
        ("seed=9", lambda recipe: recipe.seed == 9),
        ("stages.1.steps=5", lambda recipe: recipe.stages[1].steps == 5),
        ("stages.0.optimiser.rate=3e-5", lambda recipe: recipe.stages[0].optimiser.rate == 3e-5),
        ("stages.0.optimiser.betas=[0.5, 0.6]", lambda r: r.stages[0].optimiser.betas[1] == 0.6),
        ("sizes.c=3", lambda recipe: recipe.sizes["c"] == 3),
        ("folder=a=b", lambda recipe: recipe.folder == Path("a=b")),
        ("folder=null", lambda recipe: recipe.folder is None),
    ],
)
def test_overrides(load, override, check):
    assert check(load(FULL, [override]))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "key=value"),
        ("=3", "key=value"),
        ("seeds=3", "did you mean 'seed'"),
        ("seed.x=3", "seed has no keys"),
        ("stages.2.steps=3", "0 to 1"),
        ("stages.x.steps=3", "0 to 1"),
        ("seed=[", "override seed"),
    ],
)
def test_bad_overrides(load, override, message):
    with pytest.raises(ConfigError, match=message):
        load(FULL, [override])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["seed", "stages", "name", "kind", "x"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_data_gives_a_config_or_a_config_error(data):
    try:
        assert isinstance(parse(data, Recipe), Recipe)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017


@given(st.text(max_size=60))
def test_any_text_gives_data_or_a_config_error(text):
    with contextlib.suppress(ConfigError):
        parse_yaml(text)
