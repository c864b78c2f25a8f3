"""Terms and numbers: what counts as the same, in each kind of script."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.eval.hypotheses import DataError
from earvoice.eval.latency import Timed
from earvoice.eval.numbers import numbers_in
from earvoice.eval.score import Item, Scored, compute
from earvoice.eval.terms import GLOSSARY, Term, occurrences, read_glossary


def item(reference, text, source=None, recording="a"):
    return Item(text, reference, lambda clock: Timed((), 1, 1), frozenset(), recording, source)


def figure(name, items, terms=(), language="de"):
    scored = Scored(items, "short", language, source_language="en", extras={GLOSSARY: terms})
    found = compute(scored, [name])
    return found.metrics[name], found


@pytest.mark.parametrize(
    ("term", "text", "language", "count"),
    [
        ("Netz", "Das Netz, ein NETZ und Netze.", "de", 2),
        ("neuronales Netz", "ein neuronales  Netz", "de", 1),
        ("C++", "In C++ und C.", "de", 1),
        ("ＡＰＩ", "die API", "de", 1),
        ("Straße", "STRASSE", "de", 1),
        ("神经网络", "深度 神经 网络和神经网络", "zh", 2),
        ("ニューラル", "ニューラルネット", "ja", 1),
    ],
)
def test_what_counts_as_an_occurrence(term, text, language, count):
    assert occurrences(term, text, language) == count


def test_recall_is_micro_averaged_and_clipped():
    terms = [Term("net", "Netz"), Term("mesh", "Netz"), Term("layer", "Schicht")]
    items = [item("Netz Netz Schicht", "Netz Schicht Schicht"), item("Netz", "")]
    value, found = figure("term_recall", items, terms)
    assert value == 2 / 4
    assert found.per_item["term_recall"] == [pytest.approx(2 / 3), 0]
    assert "found:2/4" in found.signature["term_recall"]


def test_a_term_that_is_said_in_one_place_counts_there():
    items = [item("Netz", "Netz"), item("Netz", ""), item("Netz", "", recording="b")]
    assert figure("term_recall", items, [Term("net", "Netz", "a", 2)])[0] == 0
    assert figure("term_recall", items, [Term("net", "Netz", "b", 1)])[0] == 0
    assert figure("term_recall", items, [Term("net", "Netz", None, 1)])[0] == 1
    assert figure("term_recall", items, [Term("net", "Netz", "a")])[0] == 1 / 2


def test_a_use_is_false_where_the_term_was_not_said():
    terms = [Term("net", "Netz")]
    items = [
        item("Das Netz", "Netz", "the net"),
        item("Das Gewebe", "Netz", "the net"),  # said, in other words of the reference
        item("Der Fisch", "Netz Netz", "the fish"),
    ]
    value, found = figure("term_false_use", items, terms)
    assert value == 2 / 4
    assert found.per_item["term_false_use"] == [0, 0, 1]
    assert "said:source+reference" in found.signature["term_false_use"]


def test_without_a_glossary_or_numbers_there_is_a_reason():
    assert "--terms" in figure("term_recall", [item("a", "a")])[1].undefined["term_recall"]
    terms = [Term("net", "Netz")]
    assert figure("term_recall", [item("a", "a")], terms)[0] is None
    assert "in the output" in str(figure("term_false_use", [item("a", "a")], terms)[1].undefined)
    assert "no numbers" in str(figure("number_recall", [item("a", "a")])[1].undefined)


@pytest.mark.parametrize(
    "lines",
    [
        '{"src": "net", "trg": "Netz"}\n'
        '{"src": "a", "trg": "b", "recording": "x.wav", "segment": 2}',
        "net\tNetz\na\tb\tx.wav\t2",
        "src\ttrg\trecording\tsegment\nnet\tNetz\n\na\tb\tx\t2\n",
        "src\ttrg\tsegment\trecording\nnet\tNetz\na\tb\t2\tx",
    ],
)
def test_a_glossary_is_json_lines_or_a_table(tmp_path, lines):
    path = tmp_path / "terms"
    path.write_text(lines)
    assert read_glossary(path) == [Term("net", "Netz"), Term("a", "b", "x", 2)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("net", "line 1: 1 columns"),
        ("a\tb\nnet\t \t", "line 2: .*neither may be empty"),
        ("a\tb\tc\tsoon", "line 1: segment is 'soon', it must be a number from 1"),
        ('{"src": "a", "trg": 3}', "line 1: trg is 3"),
        ('{"src": "a", "trg": "b", "segment": 0}', "segment is 0"),
        ('{"src": "a", "trg": "b", "segmant": 1}', "'segmant' is none of src, trg"),
        ("", "no terms"),
    ],
)
def test_a_wrong_glossary_is_named(tmp_path, lines, words):
    path = tmp_path / "terms"
    path.write_text(lines)
    with pytest.raises(DataError, match=words):
        read_glossary(path)


@pytest.mark.parametrize(
    ("text", "language", "values"),
    [
        ("1,250 people, 3.5 percent", "en", [1250, "3.5"]),
        ("1.250 Menschen, 3,5 Prozent, 3.5 auch", "de", [1250, "3.5", "3.5"]),
        ("am 12.05.2020", "de", [12, 5, 2020]),
        ("two hundred and five thousand and three", "en", [205003]),
        ("twenty-three and forty", "en", [23, 40]),
        ("three four five", "en", [3, 4, 5]),
        ("a hundred, and then some", "en", [100]),
        ("3.5 million", "en", [3500000]),
        ("two million three hundred thousand", "en", [2300000]),
        ("einundzwanzig und zweihundertdreiundvierzig", "de", [21, 243]),
        ("neunzehnhundertvierundachtzig", "de", []),  # a year: not known
        ("zweitausendvierundzwanzig, dreißig", "de", [2024, 30]),
        ("eintausend, hundertfünf, eins", "de", [1000, 105, 1]),
        ("drei Millionen zweihunderttausend", "de", [3200000]),
        ("3 Millionen", "de", [3000000]),
        ("treinta y uno, doscientos cinco mil, veintidós", "es", [31, 205000, 22]),
        ("tres millones y dos mil", "es", [3002000]),
        ("mil quinientos", "es", [1500]),
        ("ein Haus, the one", "de", []),
        ("the one", "en", []),
        ("三万二千零五和二零二四年", "zh", [32005, 2024]),
        ("3.5亿,3万", "zh", [350000000, 30000]),
        ("一个人", "zh", []),
        ("２５人", "ja", [25]),
        ("plats 7", "sv", [7]),
        ("sechs sieben", "de", [6, 7]),
        ("Hundertwasser und Unfug", "de", []),
        ("12 m² und ½ Liter H₂O", "de", [12]),
    ],
)
def test_numbers(text, language, values):
    assert numbers_in(text, language) == [Fraction(value) for value in values]


def test_a_word_that_may_be_a_number_fulfils_one_but_asks_for_none():
    assert figure("number_recall", [item("1 Haus", "ein Haus")])[0] == 1
    assert figure("number_recall", [item("ein Haus", "1 Haus")])[0] is None
    value, _ = figure("number_recall", [item("23 von 40", "dreiundzwanzig von 50")])
    assert value == 1 / 2


@given(st.text(max_size=60), st.sampled_from(["en", "de", "es", "zh", "ja", "fr"]))
def test_any_text_has_numbers_and_itself_recalls_them_all(text, language):
    found = numbers_in(text, language)
    assert all(value >= 0 for value in found)
    if found:
        assert figure("number_recall", [item(text, text)], language=language)[0] > 0


@given(st.integers(0, 999_999))
def test_grouped_digits_are_one_number(number):
    assert numbers_in(f"es sind {number:,}".replace(",", "."), "de") == [number]
    assert numbers_in(f"there are {number:,}.", "en") == [number]
