"""CSV, TSV and TBX, good and bad."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.agent import glossary_files
from earvoice.agent.glossary_files import read_glossary
from earvoice.errors import DataError

TBX = """<?xml version="1.0"?>
<!DOCTYPE martif SYSTEM "TBXcoreStructV02.dtd">
<martif type="TBX"><text><body>
 <termEntry><langSet xml:lang="en-GB"><tig><term>house</term></tig>
  <tig><term>home</term></tig></langSet>
  <langSet xml:lang="de"><ntig><termGrp><term>Haus</term></termGrp></ntig></langSet></termEntry>
 <termEntry><langSet xml:lang="fr"><tig><term>chat</term></tig></langSet></termEntry>
</body></text></martif>"""
TBX3 = TBX.replace("termEntry", "conceptEntry").replace("langSet", "langSec").replace(
    '<martif type="TBX">', '<tbx xmlns="urn:iso:std:iso:30042:ed-2">'
).replace("</martif>", "</tbx>")  # fmt: skip


def write(tmp_path, name, text, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def pairs(path, src="en", tgt="de"):
    return {entry.source: entry.target for entry in read_glossary(path, src, tgt).glossary}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "source,target\nhouse,Haus\nPrague,\n"),
        ("a.csv", "\ufeffhouse,Haus\r\n\r\nPrague\r\n"),
        ("a.csv", "de;en\nHaus;house\nPrague;Prague\n"),
        ("a.csv", 'src,trg\n"house",Haus\nPrague,Prague\n'),
        ("a.tsv", "target\tsource\nHaus\thouse\nPrague\tPrague\n"),
        ("a.tsv", "house\tHaus\ten\tde\nPrague\tPrague\nhouse\tmaison\ten\tfr\n"),
        ("a.txt", "en-GB\tde-AT\tfr\nhouse\tHaus\tmaison\nPrague\tPrague\n"),
    ],
)
def test_tables(tmp_path, name, text):
    assert pairs(write(tmp_path, name, text)) == {"house": "Haus", "Prague": "Prague"}


def test_a_quoted_cell_may_hold_the_sign(tmp_path):
    assert pairs(write(tmp_path, "a.csv", '"a, b","c, d"\n')) == {"a, b": "c, d"}


@pytest.mark.parametrize("text", [TBX, TBX3])
def test_tbx(tmp_path, text):
    assert pairs(write(tmp_path, "a.tbx", text)) == {"house": "Haus", "home": "Haus"}
    assert pairs(write(tmp_path, "a.tbx", text), "de", "en") == {"Haus": "house"}


def test_the_first_of_a_repeated_term_counts(tmp_path):
    found = read_glossary(write(tmp_path, "a.csv", "house,Haus\nHouse,Heim\n"), "en", "de")
    assert found.glossary.get("HOUSE").target == "Haus"
    assert [where.rpartition(" ")[2] for where in found.repeated] == ["2"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "house,Haus\n" + "x" * 90 + ",y\n", "line 2.*90 characters"),
        ("a.csv", "house,Haus\n,x\n", "line 2.*source"),
        ("a.csv", "", "no terms"),
        ("a.csv", "a,b,c,d,e,f\n", "line 1.*columns"),
        ("a.csv", "en,fr\na,b\n", "none is 'de'"),
        ("a.json", "{}", "ends in"),
        ("a.tbx", "<martif><term>", "not XML"),
        ("a.tbx", "<html></html>", "root is 'html'"),
        ("a.tbx", TBX.replace("chat", "&undefined;"), "undefined"),
        ("a.tbx", "<martif>" + "<a>" * 70 + "</a>" * 70 + "</martif>", "deeper than 64"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path, name, text, says):
    with pytest.raises(DataError, match=says):
        pairs(write(tmp_path, name, text))


def test_entities_are_refused_before_they_grow(tmp_path):
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    text = f'<!DOCTYPE martif [<!ENTITY e0 "ha">{levels}]><martif><term>&e11;</term></martif>'
    with pytest.raises(DataError, match="declare and use none"):
        pairs(write(tmp_path, "a.tbx", text))
    text = '<!DOCTYPE martif [<!ENTITY x SYSTEM "file:secret">]><martif><term>&x;</term></martif>'
    with pytest.raises(DataError, match="entity"):
        pairs(write(tmp_path, "a.tbx", text))


def test_what_is_not_utf8_is_named_by_line(tmp_path):
    with pytest.raises(DataError, match="line 2: not UTF-8"):
        pairs(write(tmp_path, "a.csv", "a,b\nä,ö\n", "latin-1"))


def test_large_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(glossary_files, "MAX_FILE_BYTES", 10)
    with pytest.raises(DataError, match="larger than"):
        pairs(write(tmp_path, "a.csv", "house,Haus\n"))


@settings(max_examples=150)
@given(st.binary(max_size=300), st.sampled_from(["csv", "tsv", "tbx"]))
def test_any_bytes_are_a_glossary_or_one_clear_error(tmp_path_factory, raw, suffix):
    path = tmp_path_factory.getbasetemp() / f"fuzz.{suffix}"
    path.write_bytes(raw)
    with contextlib.suppress(DataError):  # any other error would be one
        assert all(entry.source for entry in read_glossary(path, "en", "de").glossary)


def test_a_table_has_as_many_columns_as_its_head(tmp_path):
    head = "id,source,target,domain,note\n1,house,Haus,home,a note\n"
    assert pairs(write(tmp_path, "a.csv", head)) == {"house": "Haus"}
    many = "en,de,fr,es,zh\nhouse,Haus,maison,casa,\n"
    assert pairs(write(tmp_path, "b.csv", many)) == {"house": "Haus"}
    with pytest.raises(DataError, match="line 2: 6 columns"):
        pairs(write(tmp_path, "c.csv", "en,de,fr,es,zh\n1,2,3,4,5,6\n"))


def test_what_parts_columns_does_not_stand_in_quotes(tmp_path):
    table = '"Müller, Hans, Dr.";Miller\nHaus;house\n'
    assert pairs(write(tmp_path, "a.csv", table), "de", "en") == {
        "Müller, Hans, Dr.": "Miller",
        "Haus": "house",
    }


def test_excel_says_what_parts_columns(tmp_path):
    assert pairs(write(tmp_path, "a.csv", "sep=;\r\na, b;c\r\n")) == {"a, b": "c"}


def test_a_quote_that_does_not_end_is_named(tmp_path):
    with pytest.raises(DataError, match="line"):
        pairs(write(tmp_path, "a.csv", '"Smith,Schmidt\nFoo,Bar\n'))


def test_a_head_may_have_fewer_columns_than_its_rows(tmp_path):
    assert pairs(write(tmp_path, "a.csv", "source,target\na,b,\nc,d\n")) == {"a": "b", "c": "d"}
    assert pairs(write(tmp_path, "b.csv", "en;de\na;b;note\n")) == {"a": "b"}


def test_lines_are_counted_with_what_excel_says(tmp_path):
    with pytest.raises(DataError, match="line 4"):
        pairs(write(tmp_path, "a.csv", "\nsep=;\na;b\n;c\n"))
