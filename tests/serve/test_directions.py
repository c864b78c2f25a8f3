"""Languages that are asked for meet a direction that a model has, not any two of its languages."""

import pytest

from earvoice.serve.engine import ServedModel, _describe
from earvoice.serve.errors import Fault
from earvoice.serve.line import _model
from earvoice.serve.protocol import Start
from earvoice.testing.interpreter import FakeInterpreter
from tests.serve.here import rooms

MANY = (("en", "de"), ("de", "en"), ("zh-Hant", "en"))


@pytest.fixture(scope="module")
def sessions():
    fake = FakeInterpreter(lambda _second: "", src_langs=("en", "de"), tgt_langs=("de", "en"))
    sources, targets = ("en", "de", "zh-Hant"), ("de", "en")
    served = {
        "multi": ServedModel("multi", fake, sources, targets, directions=MANY),
        "every": ServedModel("every", fake, ("fr", "es"), ("it", "pt")),
    }
    found, engine = rooms(served)
    yield found
    engine.close()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ("multi", "en", "de")),
        ({"tgt_lang": "en"}, ("multi", "de", "en")),
        ({"src_lang": "de"}, ("multi", "de", "en")),
        ({"src_lang": "zh"}, ("multi", "zh-Hant", "en")),
        ({"src_lang": "en-GB"}, ("multi", "en-GB", "de")),
        ({"src_lang": "es", "tgt_lang": "it"}, ("every", "es", "it")),
        ({"tgt_lang": "pt"}, ("every", "fr", "pt")),
    ],
)
def test_a_direction_is_found(sessions, asked, found):
    model, *languages = sessions._choose(Start(**asked))
    assert (model.name, *languages) == found


def test_two_languages_of_a_model_are_not_yet_a_direction(sessions):
    with pytest.raises(Fault, match="multi: en to de, de to en, zh-Hant to en; every: fr/es to it"):
        sessions._choose(Start(src_lang="zh-Hant", tgt_lang="de"))


def test_directions_come_from_the_engine():
    fake = FakeInterpreter(lambda _second: "")
    told = _describe(ServedModel("multi", fake, ("en", "de"), ("de", "en"), directions=MANY[:2]))
    assert _model(told).pairs == MANY[:2]
    plain = _describe(ServedModel("plain", fake, ("en",), ("de", "es")))
    assert _model(plain).pairs == (("en", "de"), ("en", "es"))
