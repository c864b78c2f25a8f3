"""Words joined with spaces, but for scripts that have none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.text.spacing import is_spaceless, joined
from earvoice.text.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["We", "will", "meet."], "We will meet."),
        (["我们", "会", "见面。"], "我们会见面。"),
        (["在", "Berlin", "Mitte", "见面，", "好"], "在Berlin Mitte见面，好"),
        (["Guten", "", "Tag"], "Guten Tag"),
        ([], ""),
    ],
)
def test_joined(words: list[str], text: str) -> None:
    assert joined(words) == text


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1)))
def test_no_letter_is_lost(words: list[str]) -> None:
    text = joined(words)
    assert text.replace(" ", "") == "".join(words)
    assert is_spaceless("，")
    assert is_spaceless("中")
    assert not is_spaceless("é")


def test_a_small_alphabet_still_writes_all_chinese() -> None:
    """Characters beyond the limit are bytes: nothing is lost, only longer."""
    texts = [
        "我们会在柏林讨论项目。",
        "We will meet in Berlin.",
        "他们昨天检查了报告，而且很满意。",
    ]
    learned = Tokenizer.train(texts * 20, 330, alphabet_limit=30)
    for text in (*texts, "喀弥罗昨天参观了博物馆？"):
        assert learned.decode(learned.encode(text)) == text
    roomy = Tokenizer.train(texts * 20, 420, alphabet_limit=1000)
    assert len(roomy.encode(texts[2])) < len(learned.encode(texts[2]))


def test_scripts_of_languages_without_spaces_have_none():
    for text in ("สวัสดี", "ສະບາຍດີ", "မင်္ဂလာပါ", "សួស្តី", "བཀྲ་ཤིས", "ｶﾀｶﾅ", "ㄅㄆㄇ"):
        assert all(map(is_spaceless, text))
        assert joined([text, text]) == text + text
