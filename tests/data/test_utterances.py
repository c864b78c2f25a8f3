"""The multilingual mixture: exact ratios, passes that can be resumed anywhere."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.manifest import SpokenSentence, Talk, Target
from earvoice.data.utterances import Epochs, asr_augmented
from earvoice.errors import ConfigError


def talk(name, sentences, *languages):
    targets = {language: Target(f"{name} in {language}") for language in languages}
    spoken = tuple(
        SpokenSentence(2.0 * n, 2.0 * n + 1.5, (), (), f"{name} {n}", targets)
        for n in range(sentences)
    )
    return Talk(name, None, 16000, 32000 * sentences, "v", "e", spoken)


INTO = [("fr", "en"), ("es", "en"), ("de", "en"), ("it", "en"), ("zh", "en"), ("ja", "en")]
OUT = [("en", "ja"), ("en", "de"), ("en", "zh")]


def papers(sizes):
    """The nine directions, of so many sentences each; the English ones share their audio."""
    return {
        (src, tgt): [talk(f"{src}-{tgt}", size, tgt)]
        for (src, tgt), size in zip([*INTO, *OUT], sizes, strict=True)
    }


def test_the_papers_ratios_are_exact():
    found = asr_augmented(papers([5, 6, 7, 8, 9, 10, 12, 12, 12]))
    counts = Counter((one.task, one.src_lang, one.tgt_lang) for one in found)
    for (src, _), size in zip(INTO, [5, 6, 7, 8, 9, 10], strict=True):
        assert counts["translate", src, "en"] == counts["transcribe", src, src] == size
    assert sum(counts["translate", "en", tgt] for _, tgt in OUT) == 36
    assert counts["transcribe", "en", "en"] == 12  # 1 : 3
    assert sum(counts.values()) == 2 * 45 + 36 + 12


def test_english_is_transcribed_from_the_last_direction():
    found = asr_augmented(papers([1] * 6 + [2, 3, 4]))
    english = {one.talk.id for one in found if one.task == "transcribe" and one.src_lang == "en"}
    assert english == {"en-zh"}


def test_without_transcripts():
    found = asr_augmented(papers([1] * 9), transcripts=False)
    assert {one.task for one in found} == {"translate"}
    assert len(found) == 9


def test_what_is_to_be_written():
    found = asr_augmented({("fr", "en"): [talk("a", 1, "en", "de")]})
    assert [(one.task, one.text) for one in found] == [
        ("translate", "a in en"),
        ("transcribe", "a 0"),
    ]


def test_a_talk_without_the_language_is_named():
    with pytest.raises(ConfigError, match=r"'a', sentence 1 has no 'en' side; it has \['de'\]"):
        asr_augmented({("fr", "en"): [talk("a", 1, "de")]})


def test_no_utterances_are_named():
    with pytest.raises(ConfigError, match="no utterances"):
        Epochs([], 1, "translate")


@given(st.integers(1, 20), st.integers(0, 3), st.lists(st.integers(0, 79), max_size=20))
def test_every_pass_has_everything_once_and_any_place_can_be_asked_first(size, seed, places):
    utterances = asr_augmented({("fr", "en"): [talk("a", size, "en")]}, transcripts=False)
    epochs = Epochs(utterances, seed, "stage")
    whole = [epochs[place].number for place in range(4 * size)]
    for number in range(4):
        assert sorted(whole[number * size : (number + 1) * size]) == list(range(size))
    resumed = Epochs(utterances, seed, "stage")
    for place in places:
        if place < len(whole):
            assert resumed[place].number == whole[place]


def test_passes_and_stages_differ():
    utterances = asr_augmented({("fr", "en"): [talk("a", 30, "en")]})
    first, other = Epochs(utterances, 1, "a"), Epochs(utterances, 1, "b")
    drawn = [first[place] for place in range(120)]
    assert drawn[:60] != drawn[60:]
    assert drawn[:60] != [other[place] for place in range(60)]
