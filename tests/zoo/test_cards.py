import json

import pytest

from earvoice.errors import CheckpointError, UsageError
from earvoice.policies import WaitK
from earvoice.zoo import find_model, list_models, pick_model, read_card

CARD = {"name": "m", "system": "fasst", "src_langs": ["en"], "tgt_langs": ["de"], "params": 1000}


@pytest.fixture
def zoo(tmp_path):
    for name, target in (("fasst-mini-en-de", "de"), ("other-en-es", "es"), ("a-first-de", "de")):
        folder = tmp_path / "zoo" / name
        folder.mkdir(parents=True)
        (folder / "weights.bin").write_bytes(b"\0" * 250_000)
        card = CARD | {"name": name, "tgt_langs": [target]}
        (folder / "model.json").write_text(json.dumps(card))
    (tmp_path / "zoo" / "__pycache__").mkdir()
    return tmp_path / "zoo"


def test_list_and_size(zoo):
    cards = list_models(zoo)
    assert [card.name for card in cards] == ["a-first-de", "fasst-mini-en-de", "other-en-es"]
    assert cards[0].size_mb == 0.25
    assert set(cards[0].to_json()) == {
        "name",
        "system",
        "src_langs",
        "tgt_langs",
        "size_mb",
        "params",
    }


def test_find_by_name_and_by_folder(zoo, tmp_path):
    assert find_model("other-en-es", zoo).path == zoo / "other-en-es"
    assert find_model(zoo / "other-en-es", tmp_path / "none").name == "other-en-es"
    assert find_model(str(zoo / "other-en-es"), tmp_path / "none").name == "other-en-es"


def test_an_unknown_name_gives_the_nearest_and_the_list(zoo):
    with pytest.raises(UsageError, match="did you mean 'fasst-mini-en-de'.*a-first-de, fasst"):
        find_model("fast-mini-ende", zoo)


@pytest.mark.parametrize(
    "name",
    ["../zoo-outside", "..%2fx", "/nowhere/x", "a\0b", "x" * 5000, "", "a/b", "\u2025/x", "~"],
)
def test_names_are_looked_up_and_never_joined(zoo, name, tmp_path, monkeypatch):
    outside = tmp_path / "zoo-outside"
    outside.mkdir()
    (outside / "model.json").write_text(json.dumps(CARD))
    inside = tmp_path / "cwd"
    inside.mkdir()
    monkeypatch.chdir(inside)
    if name == "../zoo-outside":  # an existing folder is a folder; joined to the zoo it is not
        assert find_model(name, zoo).path.resolve() == outside
        monkeypatch.chdir(tmp_path)
    error = UsageError if name else (UsageError, CheckpointError)
    with pytest.raises(error):
        find_model(name, zoo)


def test_pick_by_language(zoo):
    assert pick_model(None, None, zoo).name == "fasst-mini-en-de"
    assert pick_model("en", "de", zoo).name == "fasst-mini-en-de"
    assert pick_model(None, "es", zoo).name == "other-en-es"
    with pytest.raises(UsageError, match=r"any language to fr.*other-en-es: en to es"):
        pick_model(None, "fr", zoo)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", *(json.dumps(CARD | {key: None}) for key in CARD), "\xff"],
)
def test_damaged_cards_are_named(tmp_path, content):
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(CheckpointError, match="model.json"):
        read_card(tmp_path)


def test_a_folder_without_a_card(tmp_path):
    with pytest.raises(CheckpointError, match="is not a model"):
        find_model(tmp_path)


def test_every_model_that_ships_can_be_listed():
    for card in list_models():
        assert find_model(card.name) == card
        assert card.path.name == card.name


def test_a_card_may_name_the_models_own_policy(tmp_path):
    file = tmp_path / "model.json"
    file.write_text(json.dumps(CARD))
    assert read_card(tmp_path).policy == WaitK()
    file.write_text(json.dumps(CARD | {"policy": "wait-k:k=2,n=4"}))
    assert read_card(tmp_path).policy == WaitK(2, 4)
    file.write_text(json.dumps(CARD | {"policy": "own"}))
    assert read_card(tmp_path).policy is None
    file.write_text(json.dumps(CARD | {"policy": "guess"}))
    with pytest.raises(CheckpointError, match=r"model\.json.*policy is 'guess'"):
        read_card(tmp_path)


def several(tmp_path, directions):
    card = CARD | {"src_langs": ["en", "de", "fr"], "tgt_langs": ["de", "en"]}
    (tmp_path / "model.json").write_text(json.dumps(card | {"directions": directions}))
    return read_card(tmp_path)


def test_a_model_for_two_people_is_the_last_that_is_picked(zoo):
    folder = zoo / "a-conversation"
    folder.mkdir()
    card = CARD | {"name": folder.name, "system": "jstar", "tgt_langs": ["de", "es", "it"]}
    (folder / "model.json").write_text(json.dumps(card))
    assert pick_model("en", "es", zoo).name == "other-en-es"
    assert pick_model("en", "it", zoo).name == "a-conversation"


def test_a_direction_is_chosen_by_what_is_said(tmp_path):
    card = several(tmp_path, ["en-de", "de-en", "fr-en"])
    assert card.pair() == ("en", "de")
    assert card.pair("fr") == ("fr", "en")
    assert card.pair(None, "en") == ("de", "en")
    assert card.has("de", "en")
    assert not card.has("fr", "de")
    with pytest.raises(UsageError, match="m does not translate fr to de; it has en to de, de to"):
        card.pair("fr", "de")


def test_without_directions_every_source_goes_into_every_target(zoo):
    card = find_model("other-en-es", zoo)
    assert card.pairs == (("en", "es"),)
    assert card.pair(None, "es") == ("en", "es")


@pytest.mark.parametrize("wrong", [["en-xx"], ["fr"], ["xx-de"], [], "en-de", [3]])
def test_directions_of_other_languages_are_named(tmp_path, wrong):
    with pytest.raises(CheckpointError, match=r"model\.json"):
        several(tmp_path, wrong)
