"""Four streams of a conversation, as `earvoice translate` shows them."""

import io

from rich.console import Console

from earvoice.captions import captions_of_all, format_srt
from earvoice.cli.sinks import make_sink
from earvoice.cli.terminal import LiveView
from earvoice.cli.turns import TurnLines
from earvoice.driver import IdealClock
from earvoice.events import Boundary, Commit, Draft, Finished, Stamped, Stream, loads

SELF = Stream("transcript", "en", "SELF")
SELF_ES = Stream("translation", "es", "SELF")
OTHER = Stream("transcript", "es", "OTHER")
OTHER_EN = Stream("translation", "en", "OTHER")
EVENTS = [
    Commit(SELF, "Good", (0.0, 0.3)),
    Draft(SELF, " mor"),
    Commit(SELF, " morning.", (0.3, 0.8)),
    Boundary(SELF, "sentence"),
    Commit(OTHER, "Buenos\x1b[2J", (0.9, 1.3)),
    Commit(SELF_ES, "Buenos días.", (0.2, 1.4)),
    Boundary(SELF_ES, "sentence"),
    Commit(SELF, " And", (1.4, 1.6)),
    Commit(OTHER, " días", (1.3, 1.7)),
    Boundary(OTHER, "turn"),
    Draft(OTHER_EN, "Good"),
    Commit(OTHER_EN, "Good morning", (1.0, 2.2)),
    Finished(),
]
STAMPED = [Stamped(seq, 0.2 * seq, 0.2 * seq, event) for seq, event in enumerate(EVENTS)]
LINES = [
    "SELF (en): Good morning.",
    "SELF → es: Buenos días.",
    "OTHER (es): Buenos[2J días",
    "SELF (en): And",
    "OTHER → en: Good morning",
]


def written(form):
    file = io.StringIO()
    sink = make_sink(form, file)
    for stamped in STAMPED:
        sink.take(stamped)
    sink.close()
    return file.getvalue()


def test_text_has_a_line_a_turn():
    assert written("text").splitlines() == LINES


def test_jsonl_keeps_every_label():
    events = [loads(line).event for line in written("jsonl").splitlines()]
    assert events == EVENTS


def test_captions_name_who_speaks():
    assert written("srt") == (
        "1\n00:00:00,200 --> 00:00:01,400\nSELF: Buenos días.\n\n"
        "2\n00:00:01,000 --> 00:00:02,200\nOTHER: Good morning\n"
    )
    assert written("vtt").startswith("WEBVTT")


def test_a_named_speaker_fits_on_the_line():
    events = [Commit(SELF_ES, " palabra" * 60, (0.0, 30.0))]
    cues = captions_of_all([Stamped(0, 30.0, 30.0, events[0])])
    assert len(cues) > 3
    assert all(cue.lines[0].startswith("SELF: ") for cue in cues)
    assert all(len(line) <= 42 for cue in cues for line in cue.lines)
    assert format_srt(cues)


def test_what_grows_is_shown_with_its_draft():
    lines = TurnLines()
    for event in EVENTS[:2]:
        lines.take(event)
    assert lines.growing() == [("SELF (en): Good", " mor")]
    assert not lines.takes(Commit(Stream("translation", "de"), "Tag"))


def test_a_live_view_scrolls_whole_turns():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=60, color_system=None)

    class Session:
        lag_s = 0.0

    with LiveView(console, Session(), IdealClock(), "m en → es", 4.0) as view:
        for stamped in STAMPED:
            view.show(stamped)
    text = out.getvalue()
    places = [text.index(line) for line in LINES]
    assert places[0] < places[1] < places[2]
