"""Moses tokens before SoftSegmenter: as OmniSTEval's, where sacremoses is installed."""

import importlib.util
import json
from functools import partial
from pathlib import Path

import pytest

from earvoice.errors import UsageError
from earvoice.eval.longform import soft_segmenter
from earvoice.eval.soft_segmenter import normalised
from earvoice.eval.tokens import _segment, moses, moses_segmenter

ANSWERS = json.loads((Path(__file__).parent / "omnisteval_moses.json").read_text(encoding="utf-8"))
there = pytest.mark.skipif(
    importlib.util.find_spec("sacremoses") is None, reason="sacremoses is not installed"
)


@there
@pytest.mark.parametrize("language", ["de", "en", "es"])
def test_tokens_are_omnistevals(language):
    tokenize = moses(language)
    for word, tokens in ANSWERS["tokens"][language].items():
        assert tokenize(normalised(word)) == tokens


@there
def test_segments_are_omnistevals():
    for language, references, written, owners in ANSWERS["cases"]:
        assert moses_segmenter(language)(references, written, "word") == owners


def test_segments_are_omnistevals_on_its_tokens():
    """The same without sacremoses: its tokens from the file."""
    for language, references, written, owners in ANSWERS["cases"]:
        tokens = {normalised(word): t for word, t in ANSWERS["tokens"][language].items()}
        assert _segment(tokens.__getitem__, references, written, "word") == owners


def test_whole_words_are_the_segmenter_without_a_tokenizer():
    plain = partial(_segment, lambda word: [word])
    for _, references, written, _ in ANSWERS["cases"]:
        assert plain(references, written, "word") == soft_segmenter(references, written, "word")


def test_a_word_belongs_where_its_first_token_does():
    cut = partial(_segment, lambda word: word.split("-"))
    assert cut([["a"], ["b"]], ["a-b"], "word") == [0]
    assert cut([["a"]], [""], "word") == [0]
    assert partial(_segment, lambda word: word.split())([["a"]], [" "], "word") == [None]


def test_languages_without_spaces_are_not_cut():
    assert moses("zh-CN")("我们去") == ["我们去"]
    assert moses_segmenter("ja")([["は"], ["の"]], ["は", "の"], "char") == [0, 1]


def test_without_sacremoses_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sacremoses", None)
    with pytest.raises(UsageError, match="needs the package sacremoses; .*none"):
        moses_segmenter("de")
