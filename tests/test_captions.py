import itertools
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.captions import (
    LINE_COLUMNS,
    MAX_S,
    MIN_S,
    captions_of,
    format_srt,
    format_vtt,
    words_of,
)
from earvoice.captions import _columns as columns
from earvoice.events import Commit, Draft, Finished, Stamped, Stream

DE = Stream("translation", "de")


def stamp(commits):
    """Commits `(text, span)` as a driver would give them."""
    return [
        Stamped(seq, span[1] if span else float(seq), 0.0, Commit(DE, text, span))
        for seq, (text, span) in enumerate(commits)
    ]


def test_a_plain_sentence():
    events = stamp(
        [("Guten", (0.2, 0.6)), (" Tag,", (0.6, 1.0)), (" meine Damen und Herren.", (1.0, 2.4))]
    )
    assert format_srt(captions_of(words_of(events))) == (
        "1\n00:00:00,200 --> 00:00:02,400\nGuten Tag, meine Damen und Herren.\n"
    )


def test_vtt_has_its_header_and_escapes_markup():
    text = format_vtt(
        captions_of(words_of(stamp([("<b>1 & 2 --> 3</b>\x1b[31m", (3661.5, 3663))])))
    )
    assert text.startswith("WEBVTT\n\n01:01:01.500 --> 01:01:03.000\n")
    assert "&lt;b&gt;1 &amp; 2 --&gt; 3&lt;/b&gt;[31m" in text
    assert "\x1b" not in text


def test_nothing_said():
    assert format_srt([]) == ""
    assert format_vtt([]) == "WEBVTT\n"
    assert words_of([Stamped(0, 0, 0, Finished())]) == []


def test_sentences_get_their_own_captions():
    events = stamp([("Das ist eins.", (0, 2)), (" Das ist zwei.", (2, 4))])
    assert [caption.lines for caption in captions_of(words_of(events))] == [
        ("Das ist eins.",),
        ("Das ist zwei.",),
    ]


def test_short_sentences_stay_together():
    events = stamp([("Ja.", (0, 0.3)), (" Nein.", (0.3, 0.6))])
    assert [caption.lines for caption in captions_of(words_of(events))] == [("Ja. Nein.",)]


def test_long_text_is_balanced_over_two_lines():
    text = "Wir haben heute eine lange Reise vor uns und gehen früh los"
    (caption,) = captions_of(words_of(stamp([(text, (0, 4))])))
    assert caption.lines == ("Wir haben heute eine lange", "Reise vor uns und gehen früh los")


def test_a_word_in_two_commits_stays_whole():
    (word,) = words_of(stamp([("zusam", (0, 1)), ("men", (1, 2))]))
    assert (word.text, word.start_s, word.end_s) == ("zusammen", 0, 2)


def test_wide_characters_count_twice_and_break_anywhere():
    text = "今天天气很好我们一起去公园散步吧然后再去吃饭喝茶看电影"
    captions = captions_of(words_of(stamp([(text, (0, 5))])))
    lines = [line for caption in captions for line in caption.lines]
    assert len(lines) == 2
    assert "".join(lines) == text
    assert max(map(columns, lines)) <= LINE_COLUMNS


def test_a_pause_ends_a_caption():
    events = stamp([("eins", (0, 1.2)), (" zwei", (4, 5.2))])
    first, second = captions_of(words_of(events))
    assert (first.end_ms, second.start_ms) == (1200, 4000)


def test_other_streams_and_drafts_are_left_out():
    english = Stream("transcript", "en")
    events = [
        Stamped(0, 1, 1, Commit(english, "hello", (0, 1))),
        Stamped(1, 1, 1, Draft(DE, "vielleicht")),
        Stamped(2, 2, 2, Commit(DE, "hallo", (0, 1))),
    ]
    assert [word.text for word in words_of(events)] == ["hallo"]
    assert [word.text for word in words_of(events, english)] == ["hello"]


def test_without_spans_the_time_of_hearing_counts():
    events = [Stamped(0, 2.0, 9, Commit(DE, "eins")), Stamped(1, 5.0, 9, Commit(DE, " zwei"))]
    assert [(word.start_s, word.end_s) for word in words_of(events)] == [(0, 2), (2, 5)]


commits = st.lists(
    st.tuples(
        st.text(max_size=12)
        | st.sampled_from([" Haus", " ist.", "x" * 100, " -->", "\n\n", " 好好好", " 1\n2"]),
        st.none()
        | st.tuples(st.floats(0, 1e5), st.floats(0, 30)).map(lambda p: (p[0], p[0] + p[1])),
    ),
    max_size=25,
)
SRT_TIME = r"(\d\d+):([0-5]\d):([0-5]\d),(\d\d\d)"


@given(commits)
def test_captions_are_legal_whatever_was_said(said):
    captions = captions_of(words_of(stamp(said)))
    free_ms = 0
    for caption in captions:
        assert caption.start_ms >= free_ms
        assert MIN_S * 1000 <= caption.end_ms - caption.start_ms <= MAX_S * 1000
        free_ms = caption.end_ms
        assert 1 <= len(caption.lines) <= 2
        for line in caption.lines:
            assert line.strip()
            assert columns(line) <= LINE_COLUMNS
            assert "\n" not in line
    blocks = format_srt(captions).strip("\n").split("\n\n") if captions else []
    assert len(blocks) == len(captions)
    for number, block in enumerate(blocks, start=1):
        head, times, *_ = block.split("\n")
        assert head == str(number)
        assert re.fullmatch(f"{SRT_TIME} --> {SRT_TIME}", times)


@given(commits)
def test_no_text_is_lost(said):
    shown = "".join("".join(c.lines) for c in captions_of(words_of(stamp(said))))
    spoken = "".join(text for text, _ in said)
    assert re.sub(r"\s", "", shown) == re.sub(r"[\s\x00-\x1f\x7f-\x9f]", "", spoken)


@pytest.mark.parametrize("count", [3000])
def test_an_hour_of_words_is_quick(count):
    said = [(f" Wort{index}", (index * 1.2, index * 1.2 + 1)) for index in range(count)]
    captions = captions_of(words_of(stamp(said)))
    assert captions[-1].end_ms >= (count - 1) * 1200


def test_long_text_without_spaces_is_cut_between_letters_and_in_time():
    thai = "สวัสดีครับวันนี้ผมจะพูดถึงเทคโนโลยีการแปลภาษาแบบเรียลไทม์ซึ่งกำลังได้รับความนิยม" * 2
    captions = captions_of(words_of(stamp([(thai, (0.0, 12.0))])))
    lines = [line for caption in captions for line in caption.lines]
    assert "".join(lines) == thai
    assert not any(line[0] in "ะาำ" or unicodedata.category(line[0]) == "Mn" for line in lines)
    for before, after in itertools.pairwise(captions):  # the time goes to the letters
        assert before.end_ms == after.start_ms
        share = len("".join(before.lines)) / len(thai)
        assert before.end_ms - before.start_ms == pytest.approx(12_000 * share, abs=20)


def test_what_belongs_together_is_not_torn_apart():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    lines = [line for c in captions_of(words_of(stamp([(family * 40, None)]))) for line in c.lines]
    assert len(lines) > 1
    assert all(line == family * (len(line) // len(family)) for line in lines)
    marks = "a" + "\u0903" * 200  # spacing marks: one letter that fits no line
    for caption in captions_of(words_of(stamp([(marks, None)]))):
        assert all(columns(line) <= LINE_COLUMNS for line in caption.lines)


def test_srt_shows_what_players_would_take_for_tags():
    said = stamp([(" a <i>b</i> <font color=red>x {\\an8}y 1<2 --> 3", (0.0, 4.0))])
    text = " ".join(format_srt(captions_of(words_of(said))).strip().split("\n")[2:])
    assert "".join(text.split("\u200b")) == "a <i>b</i> <font color=red>x {\\an8}y 1<2 → 3"
    assert not re.search(r"<[/a-zA-Z]|\{\\", text)
