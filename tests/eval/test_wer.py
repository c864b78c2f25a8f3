"""Error rates: jiwer's own figures, pooled; what is normalised is said."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.eval.latency import Timed
from earvoice.eval.score import Item, Scored, compute
from earvoice.eval.wer import NORMALISE, normalised


def scored(pairs, language="de", **extras):
    items = [
        Item(text, reference, lambda clock: Timed((), 1, 1), frozenset())
        for reference, text in pairs
    ]
    return Scored(items, "short", language, extras=extras)


def test_pooled_and_not_averaged():
    found = compute(scored([("a b c d", "a b c d"), ("e", "f g")]), ["wer"])
    assert found.metrics["wer"] == 2 / 5
    assert found.per_item["wer"] == [0, 2]
    assert (
        "pooled|errors:2|words:5|norm:none|case:mixed|punct:kept|jiwer:" in (found.signature["wer"])
    )


def test_an_empty_reference_counts_its_insertions():
    found = compute(scored([("a b", "a b"), ("", "c")]), ["wer", "cer"])
    assert found.metrics["wer"] == 1 / 2
    assert found.per_item["wer"] == [0, None]
    assert compute(scored([("", "c")]), ["wer"]).undefined == {"wer": "the references are empty"}


TEXT = st.text(alphabet="aBc,.! ä", max_size=20)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6)


@given(PAIRS)
def test_parity_with_jiwer_called_directly(pairs):
    found = compute(scored(pairs), ["wer", "cer"]).metrics
    references = [" ".join(reference.split()) for reference, _ in pairs]
    texts = [" ".join(text.split()) for _, text in pairs]
    if not any(references):
        assert found == {"wer": None, "cer": None}
        return
    assert found["wer"] == pytest.approx(jiwer.wer(references, texts), abs=1e-9)
    assert found["cer"] == pytest.approx(jiwer.cer(references, texts), abs=1e-9)


def test_case_and_punctuation_when_asked():
    pairs = [("Guten Tag, Ｆrau Meier!", "guten tag frau meier")]
    assert compute(scored(pairs), ["wer"]).metrics["wer"] == 1
    basic = compute(scored(pairs, **{NORMALISE: "basic"}), ["wer"])
    assert basic.metrics["wer"] == 0
    assert "norm:basic|nfkc|case:folded|punct:removed" in basic.signature["wer"]
    assert normalised(" a\t b ", "none") == "a b"


def test_a_language_without_spaces_has_characters_only():
    found = compute(scored([("你好 世界", "你好世")], "zh"), ["wer", "cer"])
    assert found.undefined["wer"] == "zh has no spaces between words; use cer"
    assert found.metrics["cer"] == 1 / 4
    assert "spaces:removed" in found.signature["cer"]
