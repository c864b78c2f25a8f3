import itertools

import pytest

from earvoice.data.synth.engines import ENGINES
from earvoice.data.synth.voices import (
    ACCENTS,
    ACCENTS_OF,
    espeak_variants,
    family_split,
    spoken_language,
    voices,
)

SPLITS = ("train", "dev", "unseen", "other")


def test_no_voice_is_in_two_splits():
    for first, second in itertools.combinations(SPLITS, 2):
        for engine in ENGINES:
            ours = {voice.name for voice in voices(engine, first)}
            assert not ours & {voice.name for voice in voices(engine, second)}


def test_an_unseen_variant_is_unseen_in_every_accent():
    unseen = {voice.name for voice in espeak_variants("unseen")}
    assert {
        name.partition("+")[2] for name in (v.name for v in voices("espeak", "unseen"))
    } == unseen
    assert len(voices("espeak", "unseen")) == len(unseen) * len(ACCENTS)
    trained = {voice.name.partition("+")[2] for voice in voices("espeak", "train")}
    assert not trained & unseen


# Moving a voice would put test voices into training: this list may only ever grow.
def test_the_unseen_voices_are_these_for_ever():
    unseen = {voice.name for voice in espeak_variants("unseen")}
    assert unseen == {"f2", "f5", "f3", "m3", "m4", "Jacky", "UniRobot", "klatt4", "pablo"}
    dev = {voice.name for voice in espeak_variants("dev")}
    assert dev == {"f1", "m1", "Storm", "victor", "announcer"}
    assert {voice.name for voice in voices("flite", "other")} == {"slt", "awb"}


def test_both_sexes_everywhere_and_klatt_voices_in_training():
    for split in ("train", "dev", "unseen"):
        assert {voice.sex for voice in espeak_variants(split)} == {"f", "m"}
    assert len(espeak_variants("train")) > 70
    assert {"klatt", "klatt2"} <= {voice.name for voice in espeak_variants("train")}


def test_festival_is_never_in_training():
    assert voices("festival", "other")
    assert not any(voices("festival", split) for split in ("train", "dev", "unseen"))


def test_the_rule_needs_no_table():
    assert family_split("somebody new") in ("train", "dev", "unseen")
    assert family_split("m3") == "unseen"


def test_accents_are_drawn_with_probabilities():
    assert sum(ACCENTS.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("language", sorted(ACCENTS_OF))
def test_a_voice_keeps_its_split_in_every_language(language):
    assert sum(ACCENTS_OF[language].values()) == pytest.approx(1.0)
    for split in ("train", "dev", "unseen"):
        spoken = voices("espeak", split, language)
        assert {voice.name.partition("+")[2] for voice in spoken} == {
            variant.name for variant in espeak_variants(split)
        }
        assert {spoken_language(voice.name) for voice in spoken} == {language}
    foreign = language != "en"
    assert not (
        foreign and (voices("flite", "train", language) + voices("festival", "other", language))
    )


def test_voices_without_an_accent_speak_english():
    assert spoken_language("rms") == "en"
    assert spoken_language("es-419+f3") == "es"
