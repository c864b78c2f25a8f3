"""Lines, tables, segmentations and XML: what is read, and which line a complaint names."""

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.data.corpora import reading
from earvoice.data.corpora.markup import read_xml
from earvoice.data.corpora.reading import clean, inside, read_lines, read_text
from earvoice.data.corpora.spans import read_spans
from earvoice.data.corpora.tables import bare_rows, escaped_fields, table_rows
from earvoice.data.corpora.takes import primary_subtag
from earvoice.errors import DataError, UsageError
from tests.data.corpora.miniatures import write_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LINE = TEXT.map(lambda text: text.replace("\n", "").replace("\r", "").removeprefix("\ufeff"))


FEW = settings(max_examples=40)


def fresh(tmp_path_factory, name):
    return tmp_path_factory.getbasetemp() / name  # every example overwrites it


@FEW
@given(st.lists(LINE, max_size=6), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_lines_survive_marks_and_line_ends(tmp_path_factory, items, mark, end, last):
    path = fresh(tmp_path_factory, "lines.txt")
    text = "".join(item + end for item in items)
    if not last and items and items[-1]:
        text = text.removesuffix(end)
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + text.encode())
    assert read_lines(path) == items


def test_lines_are_cut_at_line_feeds_only(tmp_path):
    path = write_text(tmp_path / "t.txt", "one\x85still\u2028one\x0cone\ntwo\n")
    assert len(read_lines(path)) == 2
    assert clean(read_lines(path)[0]) == "one still one one"


def test_a_line_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"fine\nGr\xfc\xdfe\n")
    with pytest.raises(DataError, match=r"t\.txt line 2: byte 2"):
        read_lines(path)
    with pytest.raises(DataError, match=r"t\.txt line 2"):
        read_text(path)


def test_inner_spaces_stay_and_tabs_are_spaces():
    assert clean(" a  b\tc\r") == "a  b c"


@FEW
@given(st.lists(st.lists(LINE, min_size=2, max_size=4), min_size=1, max_size=4))
def test_escaped_fields_come_back(rows):
    for row in rows:
        line = "\t".join(field.replace("\\", "\\\\").replace("\t", "\\\t") for field in row)
        assert escaped_fields(line, "t") == row


@FEW
@given(LINE)
def test_fields_are_those_of_the_csv_module(line):
    # The reader ends a line at \r and \n only, which a line has not; NUL it refuses.
    line = line.replace("\0", "")
    if (len(line) - len(line.rstrip("\\"))) % 2:
        with pytest.raises(DataError, match="backslash|ends in"):
            escaped_fields(line, "t line 3")
        return
    rows = list(
        csv.reader(
            io.StringIO(line, newline="\n"), delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\"
        )
    )
    assert escaped_fields(line, "t") == (rows[0] if rows and rows[0] else [""])


def test_quotation_marks_are_text(tmp_path):
    path = write_text(tmp_path / "t.tsv", 'path\ttext\na\t"Never, he said\nb\t""\n')
    assert [row["text"] for _, row in table_rows(path, ("path", "text"))] == [
        '"Never, he said',
        '""',
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\ttext\na\tx\ty\n", r"line 2: 3 fields \(a tab inside a field\?\), the header has 2"),
        ("path\ttext\na\n", r"line 2: 1 field, the header has 2"),
        ("path\tsentence\na\tb\n", r"line 1: no column 'text'; the header has path, sentence"),
        ("path\ttext\tpath\n", r"line 1: the column 'path' stands there twice"),
        ("path\ttext\na\tx\\\n", r"line 2: ends in \\"),
        ("", r"is empty"),
    ],
)
def test_a_wrong_table_is_named_by_line(tmp_path, text, message):
    path = write_text(tmp_path / "t.tsv", text)
    with pytest.raises(DataError, match=message):
        list(table_rows(path, ("path", "text")))


def test_a_bare_table_counts_its_fields(tmp_path):
    path = write_text(tmp_path / "t.tsv", "1\ta\r\n2\tb\tc\r\n")
    rows = bare_rows(path, 2)
    assert next(rows)[1] == ["1", "a"]
    with pytest.raises(DataError, match="line 2: 3 fields"):
        next(rows)


def test_an_endless_line_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 100)
    path = write_text(tmp_path / "t.tsv", "x" * 101)
    with pytest.raises(DataError, match="line 1: longer than 100 bytes"):
        read_lines(path)


SPANS = st.lists(
    st.tuples(st.integers(0, 10**10), st.integers(0, 10**8), st.from_regex(r"\A[a-z]\w{0,8}\Z")),
    min_size=1,
    max_size=6,
)


@FEW
@given(SPANS, st.booleans())
def test_times_are_exact_to_the_microsecond(tmp_path_factory, spans, flow):
    path = fresh(tmp_path_factory, "t.yaml")
    keys = ("- {{offset: {}, duration: {}, wav: {}.wav, rW: 3}}\n" if flow else
            "- offset: {}\n  duration: {}\n  wav: {}.wav\n")  # fmt: skip
    entries = [
        keys.format(repr(start / 1e6), repr(length / 1e6), name) for start, length, name in spans
    ]
    path.write_text("".join(entries), encoding="utf-8")
    read = read_spans(path)
    assert [(s.start_us, s.end_us, s.wav) for s in read] == [
        (start, start + length, f"{name}.wav") for start, length, name in spans
    ]


@FEW
@given(st.text(max_size=60))
def test_any_text_is_a_segmentation_or_a_named_error(tmp_path_factory, text):
    path = fresh(tmp_path_factory, "t.yaml")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match=r"t\.yaml"):
        read_spans(path)


GOOD = "- {duration: 0.9, offset: 0.0, wav: a.wav}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "- {duration: 0.9, offset: zero, wav: a.wav}\n", "line 2: offset is 'zero'"),
        (GOOD + "- {duration: -1, offset: 0, wav: a.wav}\n", "line 2: duration is -1"),
        (GOOD + "- {duration: .nan, offset: 0, wav: a.wav}\n", "line 2: duration is nan"),
        (GOOD + "- {offset: 0, wav: a.wav}\n", "line 2: duration is None"),
        (GOOD + "- {duration: 1, offset: 0}\n", "line 2: wav is None"),
        (GOOD + "- {duration: 1, offset: 0, offset: 1, wav: a.wav}\n", "line 2: a key stands"),
        (GOOD + GOOD + "- [1, 2\n", r"line 4: not YAML"),
        (GOOD + "- a.wav\n", "line 2: must be a segment"),
        (GOOD + "- {duration: !!python/name:os.system x, offset: 0, wav: a}\n", "line 2"),
        ("a: b\n", "must be a list of segments"),
        ("", "must be a list of segments"),
        ("[" * 1500, "not YAML"),
    ],
)
def test_a_wrong_segmentation_is_named_by_line(tmp_path, text, message):
    path = write_text(tmp_path / "t.yaml", text)
    with pytest.raises(DataError, match=message):
        read_spans(path)


def test_xml_has_lines_and_texts(tmp_path):
    path = write_text(tmp_path / "t.xml", "\ufeff<a>\n <b id='1'>x &amp; y\n&#228;</b>\r\n</a>\n")
    element = next(read_xml(path).all("b"))
    assert (element.text, element.attribute("id")) == ("x & y\nä", "1")
    assert element.where.endswith("t.xml line 2")
    with pytest.raises(DataError, match=r"t\.xml line 2: <b> has no iid"):
        element.attribute("iid")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]>\n<a>&x;</a>', r"line 1: has a document type"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "a.dtd">\n<a/>',
            r"line 2: has a document type",
        ),
        ("<a>\n<b></a>", r"line 2: not XML: mismatched tag"),
        ("<a>R&D</a>", r"line 1: not XML"),
        ("", r"not XML"),
        ("<a>" * 200, r"nested more than 100 deep"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', r"not XML"),
    ],
)
def test_xml_with_dangers_or_faults_is_refused(tmp_path, text, message):
    path = write_text(tmp_path / "t.xml", text)
    with pytest.raises(DataError, match=message):
        read_xml(path)


def test_packed_files_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_UNPACKED_BYTES", 1000)
    path = tmp_path / "t.xml.gz"
    path.write_bytes(gzip.compress(b"<a>" + b" " * 2000 + b"</a>"))
    with pytest.raises(DataError, match="unpacks to more than 1000 bytes"):
        read_xml(path)
    path.write_bytes(gzip.compress(b"<a><b/></a>")[:-9])
    with pytest.raises(DataError, match="cannot read"):
        read_xml(path)


@pytest.mark.parametrize(
    "name", ["../x.wav", "a/../../x.wav", "..\\x.wav", "/etc/x.wav", "", "a\0b"]
)
def test_paths_stay_inside(tmp_path, name):
    with pytest.raises(DataError, match=r"dev\.yaml line 3: .* without '\.\.'"):
        inside(tmp_path, name, "dev.yaml line 3")


def test_paths_below_are_fine(tmp_path):
    assert inside(tmp_path, "a/b.wav", "x") == tmp_path / "a" / "b.wav"


@pytest.mark.parametrize(
    ("code", "primary"), [("zh-CN", "zh"), ("cmn_hans_cn", "zh"), ("sv-SE", "sv"), ("es_419", "es"),
                          ("yue_hant_hk", "yue"), ("de", "de"), ("FIL_ph", "fil")]
)  # fmt: skip
def test_codes_of_corpora(code, primary):
    assert primary_subtag(code) == primary


@pytest.mark.parametrize("code", ["", "german", "1", "d"])
def test_what_is_no_code(code):
    with pytest.raises(UsageError, match="not a language code"):
        primary_subtag(code)
