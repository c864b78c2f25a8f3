"""Conversations for tests, in few words."""

from hypothesis import strategies as st

from earvoice.eval.speakers.utterances import Session, Utterance, paired


def said(speaker, text, start_s=0.0, end_s=None, session="s"):
    end_s = start_s + 1 if end_s is None else end_s
    return Utterance(session, speaker, round(start_s * 1e6), round(end_s * 1e6), text, "here")


def turns(*lines):
    """Turns of a second each, one after the other: ("A", "some words")."""
    return [said(speaker, text, float(index)) for index, (speaker, text) in enumerate(lines)]


def session(reference, hypothesis):
    """Both sides by start time. Either may be empty."""
    if not reference:
        hypothesis = sorted(hypothesis, key=lambda item: item.start_us)
        return Session("s", (), tuple(hypothesis))
    return paired(reference, hypothesis).items[0]


@st.composite
def sides(draw, speakers=3, most=4):
    """Utterances of up to so many speakers; some are empty, some overlap."""
    words = st.lists(st.sampled_from("abcd"), max_size=3).map(" ".join)
    name = st.sampled_from([f"s{i}" for i in range(speakers)])
    line = st.tuples(name, words, st.integers(0, 8), st.integers(0, 3))
    lines = draw(st.lists(line, max_size=most))
    return [said(who, text, start, start + length) for who, text, start, length in lines]
