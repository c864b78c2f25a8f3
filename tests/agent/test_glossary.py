"""Glossaries: a value with edits, limits, and nothing unreadable in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.agent import glossary as module
from earvoice.agent.foreign import clean, quoted
from earvoice.agent.glossary import MAX_TERM_CHARS, Entry, Glossary
from earvoice.errors import UsageError
from tests.agent.hostile import STRINGS

names = st.text("abcdeÄß ", min_size=1, max_size=6).filter(str.strip)


def test_a_name_stays_as_it_is():
    assert Entry("Krzysztof") == Entry("Krzysztof", "Krzysztof")


def test_sides_are_cleaned():
    entry = Entry(" ear\tvoice\u200b \x07 span\n", "Spanne\u202e")
    assert (entry.source, entry.target) == ("ear voice span", "Spanne")
    assert Entry("می\u200cخواهم").source == "می\u200cخواهم"


@pytest.mark.parametrize("source", ["", " \t\n", "\x00\x01", "\u200b", "x" * 81])
def test_an_illegal_side_is_refused(source):
    with pytest.raises(UsageError, match="source is"):
        Entry(source)


@pytest.mark.parametrize("text", STRINGS)
def test_hostile_text_is_shown_harmlessly(text):
    assert clean(clean(text)) == clean(text)
    assert not any(char in quoted(text) for char in "<>[]|\n\x00\x1b\u202e\u2028")


@given(
    st.dictionaries(names, names, max_size=8),
    st.lists(st.tuples(names, st.one_of(st.none(), names)), max_size=20),
)
def test_edits_are_those_of_a_dictionary(start, edits):
    glossary = Glossary(Entry(source, target) for source, target in start.items())
    first = list(glossary)
    plain = {entry.key: entry for entry in glossary}
    kept = glossary
    for source, target in edits:
        key = clean(source).casefold()
        if target is not None:
            entry = Entry(source, target)
            plain[key] = entry
            glossary = glossary.edit(add=[entry])
        elif key in plain:
            del plain[key]
            glossary = glossary.edit(remove=[source])
        else:
            with pytest.raises(UsageError, match="no term"):
                glossary.edit(remove=[source])
        assert {entry.key: entry for entry in glossary} == plain
        assert len(glossary) == len(plain)
        assert glossary.get(source) == plain.get(key)
    assert list(kept) == first, "a glossary is a value"


def test_too_many_entries_are_refused(monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 5)
    entries = [Entry(f"t{number}") for number in range(6)]
    with pytest.raises(UsageError, match="6 entries, it may have 5"):
        Glossary(entries)
    five = Glossary(entries[:5])
    with pytest.raises(UsageError, match="6 entries"):
        five.edit(add=entries[5:])
    assert len(five.edit(add=entries[5:], remove=["t0"])) == 5


def test_many_edits_become_a_new_base(monkeypatch):
    monkeypatch.setattr(module, "_MOST_EDITS", 3)
    glossary = Glossary([Entry("a")]).edit(add=[Entry(f"t{n}") for n in range(4)])
    assert not glossary.added
    assert len(glossary) == 5
    assert len("x" * MAX_TERM_CHARS) == 80


def test_a_glossary_is_of_one_pair_of_languages():
    with pytest.raises(UsageError, match="'House' is there for en to de and for en to fr"):
        Glossary([Entry("house", "Haus", "en", "de"), Entry("House", "maison", "en", "fr")])


def test_what_is_no_entry_or_no_text_is_refused_by_name():
    with pytest.raises(UsageError, match="source is 3, it must be a text"):
        Entry(3)
    with pytest.raises(UsageError, match="target is 5"):
        Entry("a", 5)
    with pytest.raises(UsageError, match="entries has 'a', each must be an Entry"):
        Glossary({"a": "b"})
    glossary = Glossary([Entry("ab"), Entry("a"), Entry("b")])
    with pytest.raises(UsageError, match="remove is 'ab', it must be a list"):
        glossary.edit(remove="ab")
    with pytest.raises(UsageError, match="add is Entry.*must be a list"):
        glossary.edit(add=Entry("c"))
