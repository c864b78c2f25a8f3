"""The corpus on disk: reproducible, resumable, and what it claims to be."""

import json
import wave

import numpy as np
import pytest

from earvoice.data.lock import FolderLock
from earvoice.data.manifest import load_talks
from earvoice.data.summary import summarise
from earvoice.data.synth import acoustics
from earvoice.data.synth.corpus import render_to_file, synthesise
from earvoice.data.synth.engines import is_installed, open_synthesizer
from earvoice.data.synth.folder import Job
from earvoice.data.synth.grammar import split_of
from earvoice.data.synth.phones import PHONES
from earvoice.data.synth.plan import CorpusSpec, plan_talks
from earvoice.data.synth.render import RULES, render_talk
from earvoice.data.synth.voices import espeak_variants
from earvoice.errors import ConfigError, UsageError

pytestmark = pytest.mark.skipif(not is_installed("espeak"), reason="espeak-ng is not installed")

SMALL = CorpusSpec(
    split="train",
    directions=("en-de", "en-es"),
    hours=0.025,
    seed=3,
    minutes=(0.2, 0.5),
    engines=("espeak",),
)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    seen = []
    record = synthesise(SMALL, folder, jobs=2, report=lambda *progress: seen.append(progress))
    return folder, record, seen


def test_the_record_counts_what_is_there(corpus):
    folder, record, seen = corpus
    talks = list(load_talks(folder))
    assert record["complete"] is True
    assert record["talks"] == len(talks) == len(plan_talks(SMALL)) >= 3
    assert record["sentences"] == sum(len(talk.sentences) for talk in talks)
    assert record["hours"] == pytest.approx(SMALL.hours, rel=0.25)
    assert record["synthesizers"]["espeak"].startswith("espeak-ng 1.")
    assert json.loads((folder / "corpus.json").read_text()) == record
    assert [done for done, _, _ in seen] == list(range(len(talks) + 1))


def test_words_lie_in_order_inside_their_talk(corpus):
    for talk in load_talks(corpus[0]):
        with wave.open(str(talk.path)) as audio:
            assert (audio.getframerate(), audio.getnchannels()) == (16000, 1)
            assert audio.getnframes() == talk.samples
        before_s = 0.0
        for sentence in talk.sentences:
            assert sentence.start_s == sentence.words[0].start_s
            assert sentence.end_s == pytest.approx(sentence.words[-1].end_s, abs=1e-3)
            assert sentence.text.split() == [word.text for word in sentence.words]
            for word in sentence.words:
                assert before_s - 2e-4 <= word.start_s < word.end_s <= talk.duration_s
                before_s = word.end_s
            for target in sentence.targets.values():
                assert len(target.needs) == len(target.text.split())
                assert max(target.needs) < len(sentence.words)
            assert set(sentence.targets) == {"de", "es"}


def test_sound_is_where_words_are_and_silence_between_sentences(tmp_path):
    spec = CorpusSpec("test", ("en-de",), 0.005, 1, (0.3, 0.3))
    (only,) = plan_talks(spec)
    talk, pcm = render_talk(only, open_synthesizer("espeak", 1))
    for sentence, following in zip(talk.sentences, talk.sentences[1:], strict=False):
        said = pcm[round(sentence.start_s * 16000) : round(sentence.end_s * 16000)]
        quiet = pcm[round(sentence.end_s * 16000) + 1200 : round(following.start_s * 16000) - 400]
        assert np.abs(said).max() > 500
        assert np.abs(quiet).max() == 0
        assert 0.15 <= following.start_s - sentence.end_s <= 1.4
    level_db = 20 * np.log10(acoustics.active_rms(pcm.astype(np.float32) / 32768))
    assert -31 < level_db < -17


def test_the_number_of_processes_changes_nothing(corpus, tmp_path):
    synthesise(SMALL, tmp_path, jobs=1)
    assert contents(tmp_path) == contents(corpus[0])


def test_another_seed_is_another_corpus(corpus):
    other = plan_talks(CorpusSpec("train", ("en-de", "en-es"), 0.025, 4, (0.2, 0.5), ("espeak",)))
    assert [talk.voice for talk in other] != [talk.voice for talk in plan_talks(SMALL)]


def test_a_killed_run_is_finished_to_the_same_bytes(corpus, tmp_path):
    synthesise(SMALL, tmp_path, jobs=2)
    manifest = tmp_path / "cuts.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    # As a kill leaves it: a torn line, an audio file of a talk not listed, a leftover.
    manifest.write_bytes(lines[0] + lines[1][: len(lines[1]) // 2])
    (tmp_path / "audio/train-00001.wav").write_bytes(b"RIFF")
    (tmp_path / "corpus.json").write_text(
        json.dumps(json.loads((tmp_path / "corpus.json").read_text()) | {"complete": False})
    )
    untouched = (tmp_path / "audio/train-00000.wav").stat().st_mtime_ns
    seen = []
    synthesise(SMALL, tmp_path, jobs=2, report=lambda done, *_: seen.append(done))
    assert seen[0] == 1
    assert (tmp_path / "audio/train-00000.wav").stat().st_mtime_ns == untouched
    expected = contents(corpus[0])
    expected["corpus.json"] = (tmp_path / "corpus.json").read_bytes()
    assert contents(tmp_path) == expected
    assert json.loads((tmp_path / "corpus.json").read_text()) == corpus[1]


def test_a_truncated_audio_file_is_made_again(corpus, tmp_path):
    synthesise(SMALL, tmp_path, jobs=2)
    audio = tmp_path / "audio/train-00001.wav"
    whole = audio.read_bytes()
    audio.write_bytes(whole[:-10])
    synthesise(SMALL, tmp_path, jobs=2)
    assert audio.read_bytes() == whole


def test_a_folder_with_another_corpus_is_refused(corpus, tmp_path):
    with pytest.raises(UsageError, match="holds a corpus whose arguments are"):
        synthesise(CorpusSpec("train", ("en-de",), 0.01, 3, (0.2, 0.5), ("espeak",)), corpus[0])
    (tmp_path / "cuts.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="did not make"):
        synthesise(SMALL, tmp_path)


@pytest.mark.parametrize("split", sorted(RULES))
def test_splits_keep_their_sentences_and_voices(split):
    engines = ("espeak",) if "espeak" in RULES[split].engines else ()
    if not engines and not any(is_installed(engine) for engine in RULES[split].engines):
        pytest.skip("neither flite nor festival is installed")
    spec = CorpusSpec(split, ("en-de",), 0.1, 5, (0.1, 0.2), engines)
    plan = plan_talks(spec)
    assert {talk.voice.split for talk in plan} <= set(RULES[split].voices)
    assert len({talk.voice.name for talk in plan}) > 3 or not engines
    if engines:
        seed = 1
        talk, _ = render_talk(plan[0], open_synthesizer("espeak", seed))
        assert {split_of(sentence.text.split()) for sentence in talk.sentences} == {
            RULES[split].sentences
        }
        assert bool(talk.condition) == (split == "test-noise") or split == "train"


def test_unseen_voices_are_all_heard_before_one_is_heard_twice():
    spec = CorpusSpec("test-unseen-voices", ("en-de",), 0.05, 1, (0.2, 0.2), ("espeak",))
    variants = [talk.voice.name.partition("+")[2] for talk in plan_talks(spec)]
    count = len(espeak_variants("unseen"))
    assert len(variants) >= count
    assert len(set(variants[:count])) == count


def test_training_uses_flite_for_its_share_and_some_noise():
    pytest.importorskip("earvoice.data.synth.flite")
    spec = CorpusSpec("train", ("en-de",), 20.0, 1, (1.0, 10.0), ("espeak", "flite"))
    plan = plan_talks(spec)
    share = sum(talk.voice.engine == "flite" for talk in plan) / len(plan)
    assert 0.12 < share < 0.25
    assert sum(talk.duration_s for talk in plan) == pytest.approx(20 * 3600, rel=0.01)
    assert min(talk.duration_s for talk in plan) >= 60
    assert max(talk.duration_s for talk in plan) <= 600


def test_noise_has_the_level_it_claims(tmp_path):
    spec = CorpusSpec("test-noise", ("en-de",), 0.012, 2, (0.2, 0.2))
    plan = plan_talks(spec)
    assert json.loads(render_to_file_line(plan[0], tmp_path))["custom"]["condition"] == {
        "noise": "babble",
        "snr_db": 10.0,
    }
    (talk,) = load_lines(render_to_file_line(plan[1], tmp_path), tmp_path)
    samples = talk.read_samples()
    gaps = [
        samples[round((a.end_s + 0.1) * 16000) : round((b.start_s - 0.03) * 16000)]
        for a, b in zip(talk.sentences, talk.sentences[1:], strict=False)
    ]
    noise = acoustics.rms(np.concatenate(gaps))
    loud = acoustics.active_rms(samples)  # speech and noise together
    snr_db = 10 * np.log10((loud**2 - noise**2) / noise**2)
    assert snr_db == pytest.approx(10.0, abs=1.5)


def render_to_file_line(spec, folder):
    (folder / "audio").mkdir(exist_ok=True)
    return render_to_file(Job(spec, folder))


def load_lines(line, folder):
    (folder / "cuts.jsonl").write_text(line + "\n")
    return list(load_talks(folder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "validation"}, "split is 'validation', it must be one of train"),
        (
            {"directions": ("en-it",)},
            "the direction is 'en-it'; it must be two languages of en, de",
        ),
        ({"directions": ("en-en",)}, "the direction is 'en-en'"),
        ({"directions": ()}, "directions are none"),
        ({"hours": 0.0}, "hours is 0.0"),
        ({"minutes": (3.0, 2.0)}, "minutes are 3.0 to 2.0"),
        ({"engines": ("festival",)}, "never spoken by festival"),
        ({"flite_share": 2.0}, "flite_share is 2.0"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    values = {"split": "train", "directions": ("en-de",), "hours": 1.0, "seed": 1}
    with pytest.raises(UsageError, match=message):
        CorpusSpec(**values | changes)


def test_a_summary_adds_up(corpus):
    summary = summarise(load_talks(corpus[0]))
    assert summary["talks"] == corpus[1]["talks"]
    assert summary["sentences_by_target"] == {
        "de": summary["sentences"],
        "es": summary["sentences"],
    }
    assert 1.5 < summary["words_per_s"] < 5.0
    assert summarise([])["talks"] == 0


def test_english_corpora_keep_their_record():
    arguments = CorpusSpec("train", ("en-de", "en-es"), 30.0, 1).as_dict()
    assert list(arguments)[:3] == ["split", "languages", "hours"]
    assert arguments["languages"] == ["de", "es"]
    mixed = CorpusSpec("train", ("en-de", "de-en", "de-fr"), 30.0, 1)
    assert mixed.as_dict()["directions"] == ["en-de", "de-en", "de-fr"]
    assert mixed.targets_of() == {"en": ("de",), "de": ("en", "fr")}


def test_hours_are_divided_among_the_languages_spoken():
    directions = ("en-de", "de-en", "es-en", "fr-en")
    spec = CorpusSpec("train", directions, 12.0, 1, (1.0, 3.0), ("espeak", "flite"))
    spoken_s = dict.fromkeys(("en", "de", "es", "fr"), 0.0)
    for talk in plan_talks(spec):
        spoken_s[talk.source] += talk.duration_s
        assert talk.languages == (("de",) if talk.source == "en" else ("en",))
        assert talk.voice.engine == "espeak" or talk.source == "en"
        if talk.source != "en":
            assert talk.voice.name.startswith(talk.source)
    assert list(spoken_s.values()) == pytest.approx([3 * 3600] * 4, abs=240)


def test_only_espeak_speaks_other_languages():
    spec = CorpusSpec("train", ("de-en",), 0.1, 1, (0.2, 0.5), ("flite",))
    with pytest.raises(UsageError, match="only espeak speaks de, not flite"):
        plan_talks(spec)


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_talks_in_other_languages_have_times_of_words_and_phones(language, tmp_path):
    spec = CorpusSpec("train", (f"{language}-en",), 0.02, 4, (0.5, 0.5), ("espeak",))
    (only,) = plan_talks(spec)[:1]
    line = render_to_file_line(only, tmp_path)
    assert {item["language"] for item in json.loads(line)["supervisions"]} == {language}
    (talk,) = load_lines(line, tmp_path)
    assert talk.language == language
    for sentence in talk.sentences:
        assert set(sentence.targets) == {"en"}
        assert split_of(sentence.targets["en"].text.split()) == "train"
        assert [word.text for word in sentence.words] == sentence.text.split()
        assert all(word.start_s < word.end_s for word in sentence.words)
        assert {phone.symbol for phone in sentence.phones} <= set(PHONES)
        times = [phone.start_s for phone in sentence.phones]
        assert times == sorted(times)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, "seed is -1, it must be 0 or more"),
        ({"hours": float("nan")}, "hours is nan"),
        ({"hours": float("inf")}, "hours is inf"),
        ({"minutes": (1.0, float("inf"))}, "minutes are 1.0 to inf"),
    ],
)
def test_odd_numbers_are_refused(changes, words):
    with pytest.raises(UsageError, match=words):
        CorpusSpec(**{"split": "dev", "directions": ("en-de",), "hours": 1.0, "seed": 1} | changes)


def test_one_process_makes_a_folder(tmp_path):
    with FolderLock(tmp_path), pytest.raises(ConfigError, match="in use by another job"):
        synthesise(SMALL, tmp_path, jobs=1)
