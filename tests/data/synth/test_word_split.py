import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.manifest import PAUSE
from earvoice.data.synth.phones import CONSONANTS, PHONES, VOWELS, from_arpabet, from_espeak
from earvoice.data.synth.word_split import split_phones
from earvoice.errors import AudioError


def cut(said, *citations):
    owners = split_phones(said.split(), [citation.split() for citation in citations])
    words = [[] for _ in citations]
    for phone, owner in zip(said.split(), owners, strict=True):
        words[owner].append(phone)
    return [" ".join(word) for word in words]


@pytest.mark.parametrize(
    ("said", "citations", "expected"),
    [
        ("ih n dh ax", ("ih n", "dh iy"), ["ih n", "dh ax"]),
        ("ax v dh ax", ("aa v", "dh iy"), ["ax v", "dh ax"]),
        ("n dh ax", ("ae n d", "dh iy"), ["n", "dh ax"]),
        # a linking r belongs to the word before it
        ("f ao r ae p ax l z", ("f ao", "ae p l z"), ["f ao r", "ae p ax l z"]),
        # a word that is swallowed still gets a phone where there is one to spare
        ("g ax n ax", ("g ow ih ng", "t uw", "ax"), ["g ax", "n", "ax"]),
        # punctuation gets none
        ("y eh s n ow", ("y eh s", "", "n ow"), ["y eh s", "", "n ow"]),
    ],
)
def test_boundaries(said, citations, expected):
    assert cut(said, *citations) == expected


sounds = st.sampled_from(sorted(VOWELS | CONSONANTS))


@given(st.lists(st.lists(sounds, min_size=1, max_size=6), min_size=1, max_size=6))
def test_citation_forms_split_into_themselves(words):
    said = [phone for word in words for phone in word]
    owners = split_phones(said, words)
    assert len(owners) == len(said)
    assert owners == sorted(owners)
    assert set(owners) == set(range(len(words)))


@given(
    st.lists(sounds, max_size=20),
    st.lists(st.lists(sounds, max_size=4), min_size=1, max_size=6),
)
def test_any_phones_split_in_order_and_leave_no_word_out(said, words):
    owners = split_phones(said, words)
    assert len(owners) == len(said)
    assert owners == sorted(owners)
    spoken = [index for index, word in enumerate(words) if word]
    if len(said) >= len(spoken) and spoken:
        assert set(owners) == set(spoken)


def test_the_inventory_is_arpabet():
    assert PHONES.index(PAUSE) == 40
    assert len(set(PHONES)) == len(PHONES)


def test_other_languages_have_phones_of_their_own():
    assert [from_espeak(name, "de") for name in ("'y:", "C", "_|", "(en)", "U")] == [
        "ue", "hy", None, None, "uh",
    ]  # fmt: skip
    assert [from_espeak(name, "es") for name in ("R2", "**", "n^")] == ["rr", "r", "ny"]
    assert [from_espeak(name, "fr") for name in ("O~", "y", "z2")] == ["on", "ue", "z"]


def test_both_alphabets_fold_into_it():
    assert [from_espeak(name) for name in ("'oU", "0", "D", "t#", "_:", ";", "A@")] == [
        "ow", "aa", "dh", "t", "pau", None, "aa",
    ]  # fmt: skip
    assert [from_arpabet(name) for name in ("ax", "el", "dx", "pau", "H#", "ih1")] == [
        "ax", "l", "t", "pau", "pau", "ih",
    ]  # fmt: skip


def test_an_unknown_phone_is_named():
    with pytest.raises(AudioError, match="'y:'"):
        from_espeak("y:")
    with pytest.raises(AudioError, match="'xx'"):
        from_arpabet("xx")
