"""TextGrids in both forms and all encodings; what is not one is refused with file and line."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.corpora.textgrid import (
    Interval,
    TextGrid,
    Tier,
    filled,
    parse_textgrid,
    read_textgrid,
    textgrid_text,
)
from earvoice.errors import DataError

FILE = Path("a.TextGrid")
GRID = TextGrid(
    0,
    2_300_000,
    (
        Tier("words", (Interval(0, 1_100_000, 'say "hi"'), Interval(1_100_000, 2_300_000, ""))),
        Tier("phones", (Interval(0, 2_300_000, "spn"),)),
    ),
)

# As Praat writes the long form, with a tier of points, which has no intervals.
LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.3
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.3
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1.1
            text = "say ""hi"""
        intervals [2]:
            xmin = 1.1
            xmax = 2.3
            text = ""
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.3
        points: size = 1
        points [1]:
            number = 0.5
            mark = "click"
    item [3]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 2.3
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.3
            text = "spn"
'''


def short(grid, *, first="ooTextFile"):
    """The short form: only what counts, a line each."""
    rows = [f'File type = "{first}"', '"TextGrid"', ""]
    rows += [grid.start_us / 1e6, grid.end_us / 1e6, "<exists>", len(grid.tiers)]
    for tier in grid.tiers:
        rows += ['"IntervalTier"', quoted(tier.name), grid.start_us / 1e6, grid.end_us / 1e6]
        rows.append(len(tier.intervals))
        for interval in tier.intervals:
            rows += [interval.start_us / 1e6, interval.end_us / 1e6, quoted(interval.text)]
    return "".join(f"{row}\n" for row in rows)


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


@st.composite
def grids(draw):
    text = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12
    ) | st.sampled_from(["<eps>", "", '"', '""', "! no comment", "1.5", "a\nb", "<exists>"])
    tiers = []
    for name in draw(st.lists(text, max_size=3)):
        edges = sorted(draw(st.lists(st.integers(0, 10**9), max_size=6)))
        intervals = [Interval(begin, end, draw(text)) for begin, end in itertools.pairwise(edges)]
        tiers.append(Tier(name, tuple(intervals)))
    return TextGrid(0, 10**9, tuple(tiers))


ENCODINGS = {
    "utf-8": "utf-8",
    "utf-8 with mark": "utf-8-sig",
    "utf-16 with mark": "utf-16",
    "utf-16 big": "utf-16-be",
    "utf-16 little": "utf-16-le",
}


@given(grid=grids(), form=st.sampled_from([textgrid_text, short]))
def test_what_is_written_is_read(grid, form):
    assert parse_textgrid(form(grid), FILE) == grid


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("form", [textgrid_text, short])
def test_any_encoding_is_the_same_grid(tmp_path, encoding, form):
    grid = TextGrid(0, 5, (Tier("Wörter", (Interval(0, 5, "ʃøːn 山 🙂"),)),))
    path = tmp_path / "a.TextGrid"
    path.write_bytes(form(grid).replace("\n", "\r\n").encode(encoding))
    assert read_textgrid(path) == grid


def test_big_endian_with_its_mark(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(b"\xfe\xff" + LONG.encode("utf-16-be"))
    assert read_textgrid(path) == GRID


def test_the_long_form_and_its_lines():
    grid = parse_textgrid(LONG, FILE)
    assert grid == GRID
    assert [tier.line for tier in grid.tiers] == [10, 33]
    assert [interval.line for interval in grid.tiers[0].intervals] == [16, 20]


@pytest.mark.parametrize("first", ["ooTextFile", "ooTextFile short"])
def test_the_short_form(first):
    assert parse_textgrid(short(GRID, first=first), FILE) == GRID


def test_comments_are_no_text():
    text = LONG.replace("xmax = 2.3\ntiers", "xmax = 2.3 ! 4 seconds\ntiers", 1)
    assert parse_textgrid(text, FILE) == GRID


def test_a_grid_without_tiers():
    text = 'File type = "ooTextFile"\nObject class = "TextGrid"\n0\n1\n<absent>\n'
    assert parse_textgrid(text, FILE) == TextGrid(0, 1_000_000, ())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ooTextFile", "text", r"line 1: the file type is 'text', it must be \"ooTextFile\""),
        ('"TextGrid"', '"Pitch"', r"line 2: holds a 'Pitch', it must be a \"TextGrid\""),
        ("<exists>", "<perhaps>", r"line 6: <perhaps> must be <exists> or <absent>"),
        ("size = 3", "size = three", r"line 10: 'IntervalTier' where the number of tiers must be"),
        ("size = 3", "size = 2", r"line 33: 'IntervalTier' comes after the last of 2 tiers"),
        ("size = 3", "size = 4", r"line 42: the end of the file where \"IntervalTier\" must be"),
        ("size = 3", "size = -1", r"line 7: -1 is not a number of tiers"),
        ("size = 3", "size = 1e9", r"line 7: 1e9 is not a number of tiers"),
        ("size = 3", f"size = {'9' * 5000}", r"line 7: 9+ is not a number of tiers"),
        ("TextTier", "PitchTier", r"line 24: a tier is 'PitchTier'"),
        ('"spn"', '"spn', r"line 41: a \" that is not closed"),
        ("xmax = 1.1", "xmax = 1.1.1", r"line 18: 'say \"hi\"' where a time in seconds must be"),
        ("xmax = 1.1", "xmax = 1e999", r"line 17: inf s is no time of a recording"),
        ("xmin = 1.1", "xmin = 2.5", r"line 21: an interval ends at 2.3 s and begins later"),
        ("xmin = 1.1", "xmin = 1.0", r"line 20: an interval of 'words' begins at 1.0 s, before"),
        ("xmin = 0", "xmin = 3", r"line 5: xmax is 2.3, less than xmin, 3.0"),
    ],
)
def test_what_is_not_legal_is_named_with_its_line(old, new, message):
    assert old in LONG
    with pytest.raises(DataError, match=r"a\.TextGrid " + message):
        parse_textgrid(LONG.replace(old, new, 1), FILE)


def test_neighbours_may_overlap_by_rounding():
    text = LONG.replace("xmin = 1.1", "xmin = 1.0995", 1)
    assert parse_textgrid(text, FILE).tiers[0].intervals[1].start_us == 1_099_500


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'File type = "ooTextFile"\n"caf\xe9"', "line 2: byte 29 is not utf-8"),
        (b"\xff\xfe\x00", "line 1: byte 2 is not utf-16"),
        (b"", "line 1: the end of the file where File type"),
    ],
)
def test_bytes_that_are_no_text(tmp_path, raw, message):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        read_textgrid(path)


@given(
    at=st.integers(0, len(LONG)),
    gone=st.integers(0, 40),
    put=st.text(st.sampled_from('"<>!0 9.-ax\n'), max_size=8),
)
def test_damage_is_read_or_named_and_nothing_else(at, gone, put):
    told = ""
    try:
        grid = parse_textgrid(LONG[:at] + put + LONG[at + gone :], FILE)
    except DataError as error:
        told = str(error)
    if told:
        assert told.startswith("a.TextGrid line ")
    else:
        assert parse_textgrid(textgrid_text(grid), FILE) == grid


def test_gaps_are_filled_as_praat_wants_it():
    said = [Interval(2, 3, "a"), Interval(3, 5, "b"), Interval(7, 8, "c")]
    assert [(i.start_us, i.end_us, i.text) for i in filled(said, 0, 9)] == [
        (0, 2, ""), (2, 3, "a"), (3, 5, "b"), (5, 7, ""), (7, 8, "c"), (8, 9, ""),
    ]  # fmt: skip
