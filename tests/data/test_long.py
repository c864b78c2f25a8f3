import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.long import Utterance, join_utterances, lengthen_corpus, span_talks
from earvoice.data.manifest import (
    SpokenSentence,
    Talk,
    Target,
    TimedWord,
    cut_from_talk,
    load_talks,
    write_manifest,
)
from earvoice.errors import UsageError


def utterance(talk, start_s, end_s, text, needs=None):
    words = text.split()
    step_s = (end_s - start_s) / len(words)
    return Utterance(
        talk_id=talk,
        start_s=start_s,
        end_s=end_s,
        text=text,
        targets={"de": Target(text.upper(), tuple(range(len(words))) if needs is None else needs)},
        words=tuple(TimedWord(w, i * step_s, (i + 1) * step_s) for i, w in enumerate(words)),
    )


def test_the_drawing_in_the_module():
    #  |--a--|  |-b-|     |---c---|
    #  0     3  4   6     9       13
    spans = join_utterances(
        [
            utterance("x", 4.0, 6.0, "b"),
            utterance("x", 9.0, 13.0, "c"),
            utterance("x", 0.0, 3.0, "a"),
        ],
        max_s=12.0,
    )
    assert [(span.text, span.start_s, span.end_s) for span in spans] == [
        ("a b", 0.0, 6.0),
        ("c", 9.0, 13.0),
    ]


def test_a_span_of_exactly_the_limit_is_too_long():
    pair = [utterance("x", 0.0, 10.0, "a"), utterance("x", 20.0, 30.0, "b")]
    assert [span.text for span in join_utterances(pair, max_s=30.0)] == ["a", "b"]
    assert [span.text for span in join_utterances(pair, max_s=30.001)] == ["a b"]


def test_talks_do_not_mix_and_a_long_utterance_stays_whole():
    spans = join_utterances(
        [
            utterance("y", 1.0, 2.0, "d"),
            utterance("x", 0.0, 1.0, "a"),
            utterance("x", 2.0, 50.0, "b"),
            utterance("x", 51.0, 52.0, "c"),
        ]
    )
    assert [(span.talk_id, span.text) for span in spans] == [
        ("x", "a"),
        ("x", "b"),
        ("x", "c"),
        ("y", "d"),
    ]


def test_word_times_and_needs_are_shifted():
    (span,) = join_utterances(
        [utterance("x", 100.0, 102.0, "one two"), utterance("x", 105.0, 106.0, "three")]
    )
    assert [(w.text, w.start_s, w.end_s) for w in span.words] == [
        ("one", 0.0, 1.0),
        ("two", 1.0, 2.0),
        ("three", 5.0, 6.0),
    ]
    assert span.targets == {"de": Target("ONE TWO THREE", (0, 1, 2))}


def test_unknown_needs_stay_unknown_and_a_missing_language_goes():
    first = utterance("x", 0.0, 1.0, "a", needs=())
    second = utterance("x", 2.0, 3.0, "b")
    (span,) = join_utterances([first, second])
    assert span.targets == {"de": Target("A B", ())}
    bare = Utterance("x", 2.0, 3.0, "b", {})
    (span,) = join_utterances([first, bare])
    assert span.targets == {}


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 40)), min_size=1, max_size=30))
def test_every_span_is_short_maximal_and_nothing_is_lost(pieces):
    utterances, now_s = [], 0.0
    for number, (gap_s, length_s) in enumerate(pieces):
        now_s += gap_s
        utterances.append(utterance("x", now_s, now_s + length_s, str(number)))
        now_s += length_s
    spans = join_utterances(utterances, max_s=30.0)
    assert " ".join(span.text for span in spans).split() == [str(n) for n in range(len(pieces))]
    for span in spans:
        assert span.end_s - span.start_s < 30.0 or len(span.text.split()) == 1
    for before, after in itertools.pairwise(spans):
        following = utterances[int(after.text.split()[0])]
        assert following.end_s - before.start_s >= 30.0


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(UsageError, match="longest span is 0"):
        join_utterances([], max_s=0)


def sentence(start_s, end_s, text):
    words = (TimedWord(text, start_s, end_s),)
    return SpokenSentence(start_s, end_s, words, (), text, {"de": Target(text, (0,))})


def test_a_corpus_of_spans_refers_to_the_same_audio(tmp_path):
    talk = Talk(
        id="t",
        path=tmp_path / "short/audio/t.wav",
        sample_rate=16000,
        samples=16000 * 60,
        voice="v",
        engine="e",
        sentences=(sentence(1.0, 2.0, "a"), sentence(3.0, 29.0, "b"), sentence(40.0, 41.0, "c")),
    )
    assert [span.id for span in span_talks(talk)] == ["t-long-0000", "t-long-0001"]
    write_manifest(tmp_path / "short", [cut_from_talk(talk, "audio/t.wav")])
    count, mean_s = lengthen_corpus(tmp_path / "short", tmp_path / "deep" / "long")
    assert (count, mean_s) == (2, pytest.approx((28.0 + 1.0) / 2))
    first, second = load_talks(tmp_path / "deep" / "long")
    assert first.path.resolve() == talk.path.resolve()
    assert (first.first_sample, first.samples) == (16000, 28 * 16000)
    (joined,) = first.sentences
    assert (joined.start_s, joined.end_s, joined.text) == (0.0, 28.0, "a b")
    assert [(w.start_s, w.end_s) for w in joined.words] == [(0.0, 1.0), (2.0, 28.0)]
    assert second.first_sample == 40 * 16000
    with pytest.raises(UsageError, match="there is a corpus in"):
        lengthen_corpus(tmp_path / "short", tmp_path / "deep" / "long")
