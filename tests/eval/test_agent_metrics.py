"""Cut-offs, the first letter, and key information, by hand-worked cases."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.errors import DataError
from earvoice.eval.chunks import CHUNKS, ChunkCuts, matched, read_cuts, written_cuts
from earvoice.eval.history import HISTORIES, History, Step
from earvoice.eval.key_information import arrived, denies, names_of
from earvoice.eval.latency import Timed
from earvoice.eval.score import compute
from earvoice.eval.scored import Item, Scored
from earvoice.eval.terms import GLOSSARY, Term
from earvoice.events import Boundary, Commit, Stamped, Stream, dumps

GERMAN = Stream("translation", "de")


def item(text, reference, source=None, delays_us=(1_000_000,), source_us=2_000_000):
    return Item(text, reference, lambda _: Timed(delays_us, source_us, 3), frozenset(), "r", source)


def scored(items=(), **extras):
    return Scored(tuple(items), "long", "de", extras=extras)


def test_cut_offs_close_to_the_references_are_right():
    #            0.1 s off            0.5 s off   nothing there
    cuts = ChunkCuts({"a": [1000, 2000], "b": [500]}, {"a": [1100, 2500], "c": [9]})
    found = compute(scored(**{CHUNKS: cuts}), ["chunk_f1"])
    assert found.metrics["chunk_f1"] == pytest.approx(100 * 2 * 1 / (3 + 2))
    assert compute(scored(), ["chunk_f1"]).undefined["chunk_f1"].endswith("--chunks")


times = st.lists(st.integers(0, 30), max_size=8, unique=True).map(sorted)


@given(times, times, st.integers(0, 3))
def test_the_matching_is_the_largest(reference, written, most):
    def largest(left, right):
        if not left or not right:
            return 0
        skip = largest(left[1:], right)
        near = [i for i, time in enumerate(right) if abs(time - left[0]) <= most]
        return max([skip, *(1 + largest(left[1:], right[:i] + right[i + 1 :]) for i in near)])

    assert matched(reference, written, most) == largest(reference, written)
    assert matched(reference, reference, 0) == len(reference)


def test_cut_offs_of_a_log_and_of_a_file(tmp_path):
    log, chunks = tmp_path / "log.jsonl", tmp_path / "chunks.jsonl"
    events = [Commit(GERMAN, "Guten Tag.", (0.0, 1.2)), Boundary(GERMAN, "chunk")]
    events += [Boundary(GERMAN, "sentence"), Commit(GERMAN, " Ja.", (1.2, 2.0))]
    lines = [json.dumps({"recording": {"name": "r", "source_us": 3_000_000, "unit": "word"}})]
    lines += [
        f'{{"stamped": {dumps(Stamped(n, 2.0, 2.0, event))}, "chunk_us": 0, "total_us": 0}}'
        for n, event in enumerate(events)
    ]
    log.write_text("\n".join([*lines, json.dumps({"end": "r", "total_us": 0})]))
    assert written_cuts(log) == {"r": [1200.0]}
    chunks.write_text('{"recording": "a.wav", "cuts_s": [2, 1.5]}\n')
    assert read_cuts(chunks) == {"a": [1500.0, 2000.0]}
    chunks.write_text('{"recording": "a", "cuts_s": [-1]}\n')
    with pytest.raises(DataError, match="line 1: cuts_s"):
        read_cuts(chunks)
    chunks.write_text('{"recording": "a", "cuts_s": [1]}\n{"recording": "a.wav", "cuts_s": [2]}\n')
    with pytest.raises(DataError, match=r"line 2: recording 'a\.wav' stands twice"):
        read_cuts(chunks)


def test_flal_is_the_mean_of_the_first_letters():
    histories = [
        History("a", "", 9, None, True, [Step(1_000_000, 1_500_000, 0, "Ja")]),
        History("b", "", 9, None, True, [Step(2_000_000, 2_500_000, 0, "Nein")]),
        History("c", "", 9),
    ]
    found = compute(scored(**{HISTORIES: lambda: histories}), ["flal"])
    assert found.metrics["flal"] == pytest.approx(2000.0)
    assert compute(scored(**{HISTORIES: list}), ["flal"]).metrics["flal"] is None


@pytest.mark.parametrize(
    ("language", "yes", "no"),
    [
        ("en", ["It isn't so", "I do not", "No!"], ["a note", "know", "nor"]),
        ("de", ["keinen Plan", "Nicht heute"], ["Keim", "nichtig"]),
        ("es", ["no va", "ninguna casa"], ["nota", "sinfonía"]),
        ("zh", ["我不去"], ["我去"]),
    ],
)
def test_denials(language, yes, no):
    assert all(denies(text, language) for text in yes)
    assert not any(denies(text, language) for text in no)
    assert denies("nem", "hu") is None


def test_names_are_those_of_both_sides():
    one = item("", "Heute kommt Peter nach Prag.", "Today Peter goes to Prague.")
    assert names_of(one) == ["Peter"]
    assert names_of(item("", "Heute kommt Peter.")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Peter hat 12 Häuser nicht gekauft.", True),
        ("Peter hat zwölf Häuser nicht gekauft.", True),
        ("Peter hat 12 Häuser gekauft.", False),
        ("Er hat 12 Häuser nicht gekauft.", False),
        ("Peter hat 13 Häuser nicht gekauft.", False),
        ("Peter hat 12 Hütten nicht gekauft.", False),
        ("", False),
    ],
)
def test_key_information(text, found):
    reference = "Gestern hat Peter 12 Häuser nicht gekauft."
    source = "Yesterday Peter did not buy 12 houses."
    assert arrived(item(text, reference, source), "de", [Term("house", "Häuser")]) is found


def test_what_comes_late_does_not_count_in_time():
    early = item("12 Tage", "12 Tage", delays_us=(7_000_000,))
    late = item("12 Tage", "12 Tage", delays_us=(7_000_001,))
    nothing = item("ja", "ja")
    names = ["key_information", "key_information_5s"]
    found = compute(scored([early, late, nothing]), names)
    assert found.metrics == {"key_information": 100.0, "key_information_5s": 50.0}
    assert found.per_item["key_information_5s"] == [100.0, 0.0, None]
    terms = {GLOSSARY: [Term("x", "Haus")]}
    assert compute(scored([nothing], **terms), names).metrics["key_information"] is None
