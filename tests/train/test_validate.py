"""Validation while training takes a direction that system and held-out talks share."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from earvoice.data.manifest import load_talks
from earvoice.errors import ConfigError
from earvoice.testing import FakeInterpreter, scripted
from earvoice.train.validate import Validation


@pytest.fixture(scope="module")
def talks(tiny_corpus):
    """English talks, translated into German and Spanish."""
    return list(load_talks(tiny_corpus))


def validation(talks, pairs):
    config = SimpleNamespace(pairs=pairs, src_lang=pairs[0][0], tgt_lang=pairs[0][1], n=3)
    languages = [code for pair in pairs for code in pair]
    fake = FakeInterpreter(scripted([(0.0, "ja")]), languages, languages)
    system = SimpleNamespace(interpreter=lambda tokenizer: fake)
    return Validation(system, None, talks, config, 3)


def test_the_first_direction_that_the_talks_have(talks):
    found = validation(talks, (("de", "en"), ("en", "es"), ("en", "de")))
    assert found.pair == ("en", "es")
    assert len(found.utterances) == 3
    assert set(found(1)) == {"bleu_offline", "bleu_k3"}


def test_other_talks_are_refused_before_training(talks):
    german = [replace(talk, language="fr") for talk in talks]
    with pytest.raises(ConfigError, match="dev_corpus: no talk .* of de-en, en-de"):
        validation(german, (("de", "en"), ("en", "de")))
