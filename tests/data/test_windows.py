"""Windows cut from talks with known times.

seconds   0         1         2         3         4         5         6         7         8
talk      |    aaaa bbbb ccccccccc       ddddeeeeeeeeefffff         ggggggggghhhhhhhhh      |
               A    B            C          D    F        E,G                        H,I
               0.5                2.4    3.2            5.1         6.0              7.8    8.5
"""

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.manifest import TimedWord
from earvoice.data.synth.silent import silent_talk
from earvoice.data.windows import (
    CONTEXT_WORDS,
    MARGIN_S,
    Cut,
    cut_fresh,
    cut_slid,
    cut_utterances,
)
from earvoice.policies.schedule import write_steps
from tests.talks import FixedRandom, sentence, talk_of, three_sentences


def cut(segments=4, k=2, n=3, *, hold=True, segment_s=1.0):
    return Cut(segments, segment_s, k, n, hold)


def written(window):
    """What is written when: {step: words}."""
    found = {}
    for word, step in zip(window.target, window.steps, strict=True):
        found.setdefault(step, []).append(word)
    return {step: " ".join(words) for step, words in found.items()}


def heard(window):
    return " ".join(word.text for word in window.words)


TALK = three_sentences()
AT_ONCE = FixedRandom(0.0)  # a window starts right at its sentence


def test_sentences_that_overlap_keep_their_sound():
    talk = talk_of(
        [
            sentence([("a", 0.5, 2.0), ("b", 2.0, 4.5)], "A B", (0, 1)),
            sentence([("c", 4.0, 4.4), ("d", 4.4, 6.0)], "C D", (0, 1)),
            sentence([("e", 4.5, 5.0)], "E", (0,)),  # inside the one before it
        ],
        9.0,
    )
    for first, (begin_s, end_s) in enumerate([(0.5, 4.5), (4.0, 6.0), (4.5, 5.0)]):
        for fraction in (0.0, 0.5, 1.0):
            window = cut_utterances(
                talk, "de", cut(segments=9, k=1), FixedRandom(fraction), first, most=1
            )
            assert window.start_s <= begin_s
            assert window.start_s + window.audio_s >= end_s
            said = {word.text for word in talk.sentences[first].words}
            assert said <= set(heard(window).split())
        assert cut_fresh(talk, "de", cut(segments=3, k=1), AT_ONCE, first).start_s <= begin_s


class TestUtterances:
    def test_one_sentence_and_silence(self):
        #  segment   |    1    |    2    |    3    |    4    |
        #  talk      aaaa bbbb ccccccccc ~~~~~~~~~~~~~~~~~~~~   starts at 0.5; ~ is silence
        #  heard     A at 0.4, B at 0.9 | C at 1.9
        #  k = 2               | A B     | C       | room for the flush
        window = cut_utterances(TALK, "de", cut(), AT_ONCE, 0)
        assert window.start_s == 0.5
        assert window.audio_s == pytest.approx(1.95)  # 50 ms after the last word
        assert written(window) == {2: "A B", 3: "C"}
        assert window.supported == (True, True, True)
        assert (window.first_step, window.segments, window.ended) == (2, 4, True)
        assert heard(window) == "a b c"
        assert window.words[2] == TimedWord("c", 1.0, 1.9)
        assert [(p.symbol, p.start_s) for p in window.phones] == [("a", 0), ("e", 0.5), ("s", 1.0)]

    def test_as_many_sentences_as_fit_before_the_flush(self):
        #  segment   |    1    |    2    |    3    |    4    |    5    |    6    |
        #  heard     A B       | C       |         | D       | E F G
        #  k = 2               | A B     | C       |         | D       | E F G
        window = cut_utterances(TALK, "de", cut(6), AT_ONCE, 0)
        assert written(window) == {2: "A B", 3: "C", 5: "D", 6: "E F G"}
        assert window.audio_s == pytest.approx(4.65)
        # One word fewer per step: what is left over at the end is written there all the same.
        window = cut_utterances(TALK, "de", cut(6, n=2), AT_ONCE, 0)
        assert written(window) == {2: "A B", 3: "C", 5: "D", 6: "E F G"}
        # A longer wait needs more room to flush: only one sentence fits.
        window = cut_utterances(TALK, "de", cut(6, k=3), AT_ONCE, 0)
        assert written(window) == {3: "A B", 4: "C"}

    def test_offline_writes_everything_at_the_end(self):
        window = cut_utterances(TALK, "de", cut(5, k=100), AT_ONCE, 0)
        assert written(window) == {5: "A B C D E F G"}
        assert window.first_step == 5
        assert cut_utterances(TALK, "de", cut(4, k=100), AT_ONCE, 0).target == ("A", "B", "C")

    def test_the_paper_writes_by_count(self):
        window = cut_utterances(TALK, "de", cut(5, k=1, n=2, hold=False), AT_ONCE, 0)
        assert written(window) == {1: "A B", 2: "C D", 3: "E F", 4: "G"}
        assert window.ended

    def test_the_window_ends_before_the_next_sentence_begins(self):
        late = FixedRandom(1.0)  # half a second early, 0.3 s after the end
        window = cut_utterances(TALK, "de", cut(6), late, 1)
        assert window.start_s == pytest.approx(2.7)
        assert window.audio_s == pytest.approx(5.1 + 0.3 - 2.7)
        near = dataclasses.replace(
            TALK, sentences=(*TALK.sentences[:2], sentence([("g", 5.2, 5.9)], "H", (0,)))
        )
        window = cut_utterances(near, "de", cut(3, k=1), FixedRandom(1.0), 1)
        assert window.audio_s == pytest.approx(5.2 - 2.7)

    def test_the_start_never_reaches_into_the_sentence_before(self):
        window = cut_utterances(TALK, "de", cut(), FixedRandom(1.0), 0)
        assert window.start_s == 0.0  # the talk's beginning
        tight = talk_of(
            [sentence([("a", 0.0, 1.0)], "A", (0,)), sentence([("b", 1.2, 2.0)], "B", (0,))], 3.0
        )
        assert cut_utterances(tight, "de", cut(), FixedRandom(1.0), 1).start_s == 1.0

    def test_none_when_nothing_fits(self):
        assert cut_utterances(TALK, "de", cut(2), AT_ONCE, 0) is None
        assert cut_utterances(TALK, "de", cut(3, k=100), AT_ONCE, 2) is not None


class TestFresh:
    def test_stops_anywhere(self):
        #  segment   |    1    |    2    |    3    |    4    |
        #  talk      aaaa bbbb ccccccccc      ddddeeeeeeeee|ffff
        #  k = 2               | A B     | C       |         | D: after the window
        window = cut_fresh(TALK, "de", cut(), AT_ONCE, 0)
        assert (window.start_s, window.audio_s, window.ended) == (0.5, 4.0, False)
        assert written(window) == {2: "A B", 3: "C"}
        assert heard(window) == "a b c d e"
        assert window.first_step == 2

    def test_holds_with_a_longer_wait(self):
        window = cut_fresh(TALK, "de", cut(3, k=5), AT_ONCE, 0)
        assert window.target == ()
        assert window.first_step == 3

    def test_none_past_the_end_of_the_talk(self):
        assert cut_fresh(TALK, "de", cut(8), AT_ONCE, 0) is not None
        assert cut_fresh(TALK, "de", cut(9), AT_ONCE, 0) is None


class TestSlid:
    def test_words_of_before_stand_as_history(self):
        #  segment             |    1    |    2    |    3    |    4    |     starts at 1.2
        #  talk      aaaa bb|bb ccccccccc       ddddeeeeeeeeefffff
        #  heard        A      | B       | C       | D       | E F G
        #  k = 2               | A       | B       | C       | D       | E F G: after the window
        #  loss                  no        no: cut   yes       yes
        window = cut_slid(TALK, "de", cut(), FixedRandom((1.2 - 0.5) / 4.0))
        assert window.start_s == pytest.approx(1.2)
        assert written(window) == {1: "A", 2: "B", 3: "C", 4: "D"}
        assert window.supported == (False, False, True, True)
        assert (window.first_step, window.ended, window.audio_s) == (1, False, 4.0)
        assert heard(window) == "c d e f"

    def test_without_a_wait_words_of_before_are_not_written(self):
        window = cut_slid(TALK, "de", cut(k=1), FixedRandom((1.2 - 0.5) / 4.0))
        assert written(window) == {1: "B", 2: "C", 3: "D", 4: "E F G"}

    def test_a_word_cut_by_a_tenth_of_a_second_still_counts(self):
        #  b begins at 1.0
        for start_s, counts in ((1.09, True), (1.11, False)):
            window = cut_slid(TALK, "de", cut(k=1), FixedRandom((start_s - 0.5) / 4.0))
            assert window.target[0] == "B"
            assert window.supported[0] is counts

    def test_none_for_a_short_talk(self):
        assert cut_slid(TALK, "de", cut(7), AT_ONCE) is not None
        assert cut_slid(TALK, "de", cut(8), AT_ONCE) is None


@pytest.mark.parametrize(("end_s", "step"), [(0.96, 1), (0.98, 2), (1.0, 2), (1.96, 2), (1.98, 3)])
def test_a_word_is_heard_thirty_milliseconds_after_its_end(end_s, step):
    talk = talk_of([sentence([("a", 0.0, end_s)], "A", (0,))], 9.0)
    assert cut_fresh(talk, "de", cut(k=1), AT_ONCE, 0).steps == (step,)


def available(talk, language, origin_s, segment_s):
    """After how many segments from `origin_s` each target word's source has been heard."""
    return [
        int((s.words[needed].end_s - origin_s + MARGIN_S) // segment_s) + 1
        for s in talk.sentences
        for needed in s.targets[language].needs
    ]


@given(seed=st.integers(0, 10**6), k=st.integers(1, 5), segments=st.integers(3, 26))
def test_a_slid_window_is_a_piece_of_the_live_stream(seed, k, segments):
    #  live    |--|--|--|--|--|--|--|--|--|--|     from before the talk began
    #  slid                |--|--|--|--|           the same steps, counted from its start
    rng = random.Random(seed)
    talk = silent_talk(rng, 12, "train")
    window = cut_slid(talk, "de", Cut(segments, 0.96, k, 3, True), rng)
    if window is None:
        return
    before = int(window.start_s // 0.96) + 1
    words = [word for s in talk.sentences for word in s.targets["de"].text.split()]
    heard_at = available(talk, "de", window.start_s - before * 0.96, 0.96)
    live = write_steps(heard_at, k, 3, None, hold=True)
    expected = [
        (word, step - before)
        for word, step in zip(words, live, strict=True)
        if 1 <= step - before <= segments
    ]
    assert list(zip(window.target, window.steps, strict=True)) == expected


@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["utterance", "fresh", "slid"]),
    k=st.sampled_from([1, 2, 3, 5, 100]),
    segments=st.integers(3, 26),
    hold=st.booleans(),
)
def test_every_window_is_sound(seed, kind, k, segments, hold):
    rng = random.Random(seed)
    talk = silent_talk(rng, 12, "train")
    shape = Cut(segments, 0.96, k, 3, hold)
    first = rng.randrange(len(talk.sentences))
    window = {
        "utterance": lambda: cut_utterances(talk, "de", shape, rng, first),
        "fresh": lambda: cut_fresh(talk, "de", shape, rng, first),
        "slid": lambda: cut_slid(talk, "de", shape, rng),
    }[kind]()
    if window is None:
        return
    assert len(window.target) == len(window.steps) == len(window.supported)
    assert list(window.steps) == sorted(window.steps)
    assert all(1 <= step <= segments for step in window.steps)
    assert 1 <= window.first_step <= segments
    assert 0 <= window.start_s <= window.start_s + window.audio_s <= talk.duration_s + 1.0
    assert window.audio_s <= segments * 0.96 + 1e-9
    assert all(-0.011 <= w.start_s < w.end_s <= window.audio_s + 0.011 for w in window.words)
    if kind == "utterance":
        # Everything that is said is also written, with time left for the flush.
        assert window.ended
        assert all(window.supported)
        if hold and k < 100:
            assert window.words[-1].end_s <= (segments - k + 1) * 0.96 + 1e-9
    if hold and k < 100 and not window.ended:
        counts = [window.steps.count(step) for step in set(window.steps)]
        assert max(counts, default=0) <= 3


def test_half_of_the_windows_are_told_what_was_written_before():
    told = []
    for number in range(40):
        talk = dataclasses.replace(TALK, id=f"talk-{number}")
        windows = [cut_utterances(talk, "de", cut(k=100), AT_ONCE, 2) for _ in range(2)]
        assert windows[0].context == windows[1].context
        assert windows[0].context in ((), tuple("ABCDEFG"))
        told.append(bool(windows[0].context))
        first = cut_utterances(talk, "de", cut(k=100), AT_ONCE, 0)
        assert first.context == ()
        assert first.target == cut_utterances(TALK, "de", cut(k=100), AT_ONCE, 0).target
    assert 10 < sum(told) < 30


def test_no_more_context_than_a_system_may_take():
    generator = random.Random(0)
    talk = silent_talk(generator, 30, "train")
    found = [cut_utterances(talk, "de", cut(12, 100), generator, first) for first in range(20, 28)]
    contexts = [window.context for window in found if window is not None]
    assert max(map(len, contexts)) == CONTEXT_WORDS
