"""Logs that are legal and unusual: what other tools write now and then, scored as they do."""

import itertools
import json
import unicodedata

import numpy as np
import pytest

from earvoice.cli import main
from earvoice.eval.chunks import read_cuts
from earvoice.eval.history import history_of_simulstream, settle
from earvoice.eval.hypotheses import clocks_from_totals
from earvoice.eval.interop import read_simuleval, read_simulstream
from earvoice.eval.latency import Timed, average_token_delay
from earvoice.eval.numbers import numbers_in
from earvoice.eval.references import read_segments
from earvoice.eval.stats import randomisation_p
from earvoice.eval.sums import Sums, _Percentile
from earvoice.eval.terms import occurrences, read_glossary
from tests.eval.test_interop import INSTANCE, chunk, log


@pytest.fixture
def scores(tmp_path, monkeypatch, capsys):
    """Scores `instances.log` in this process; gives the object of `--json`."""
    monkeypatch.chdir(tmp_path)

    def run(log_format, language, *more):
        command = ["eval", "score", "--log", "instances.log", "--log-format", log_format]
        assert main([*command, "--tgt-lang", language, *more, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def instance(**changes):
    return INSTANCE | {"elapsed": []} | changes


def words(text, times, **more):
    return instance(prediction=text, reference=text, delays=times, source_length=2000, **more)


# ------------------------------------------------------------------ computing


def test_word_by_word_after_the_end_costs_computing_each_time():
    # As an agent that is asked again and again once the source is over.
    heard = [1_000_000, *[2_000_000] * 4]
    totals = [100_000, 400_000, 700_000, 1_000_000, 1_300_000]
    clocks = clocks_from_totals(heard, totals)
    assert clocks["queue"] == (1_100_000, 2_300_000, 2_600_000, 2_900_000, 3_200_000)
    assert clocks["chunk"] == (1_100_000, *[2_300_000] * 4)
    # ... and words of one chunk share it.
    assert clocks_from_totals(heard, [100_000, *[400_000] * 4])["queue"][1:] == (2_300_000,) * 4


def test_an_item_without_computing_has_no_computation_aware_latency(tmp_path, scores):
    log(
        tmp_path,
        words("eins zwei", [1000, 2000], elapsed=[1250, 2250]),
        words("drei vier", [1000, 2000], source=["b.wav"]),
    )
    found = scores("simuleval", "de", "--metrics", "start_offset,start_offset_ca_queue")
    assert found["per_item"]["start_offset"] == [1000, 1000]
    assert found["per_item"]["start_offset_ca_queue"] == [1250, None]
    assert "items:1/2" in found["signature"]["start_offset_ca_queue"]


def test_times_of_a_real_clock_are_never_before_what_was_heard():
    # A log whose `elapsed` is when a word came, not audio and all computing so far.
    clocks = clocks_from_totals([1000, 2000, 3000], [200, 150, 180])
    assert clocks["simuleval"] == (1200, 2150, 3180)
    assert clocks["queue"] == (1200, 2000, 3030)
    assert clocks["chunk"] == (1200, 2000, 3030)


# ------------------------------------------------------------------ which line is whose


@pytest.mark.parametrize(
    ("source", "length", "name", "kind"),
    [
        ("talks/2022.acl-long.110.WAV", 2000, "2022.acl-long.110", "speech"),
        (["2022.acl-long.110"], 2000, "2022.acl-long.110", "speech"),
        ("2022.acl-long.110", 2000, "2022.acl-long.110", "speech"),  # as OmniSTEval takes it
        ("talks/ted_1096", None, "ted_1096", "speech"),
        ("talk.m4a", 2000, "talk", "speech"),
        ("Hallo", 1, "0", "text"),
        ("今天", 2, "0", "text"),
        ("Guten Tag", 2, "0", "text"),
    ],
)
def test_a_recording_is_known_by_its_file(tmp_path, source, length, name, kind):
    path = log(tmp_path, instance(source=source, source_length=length))
    (found,) = read_simuleval(path, "word")
    assert (found.name, found.source_type) == (name, kind)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["/d/x/1.wav", "/d/y/1.wav", "/d/y/2.wav"], ["x/1.wav", "y/1.wav", "2"]),
        (["/d/x/z/1.wav", "/d/y/z/1.wav"], ["x/z/1.wav", "y/z/1.wav"]),
        (["x/1.wav", "/d/x/1.wav"], ["1", "1"]),  # may be one file
        (["1.wav", "1.wav"], ["1", "1"]),
        (["a/x/1.wav", "a/x/1.flac"], ["1.wav", "1.flac"]),
    ],
)
def test_files_of_one_name_in_different_folders_are_told_apart(tmp_path, files, names):
    path = log(tmp_path, *(instance(source=[file]) for file in files))
    assert [one.name for one in read_simuleval(path, "word")] == names


def test_a_number_is_no_ending_of_a_file(tmp_path):
    talk = "2022.acl-long.110"
    (tmp_path / "terms.tsv").write_text(f"house\tHaus\t{talk}\n")
    assert read_glossary(tmp_path / "terms.tsv")[0].recording == talk
    (tmp_path / "cuts.jsonl").write_text(json.dumps({"recording": talk, "cuts_s": [1]}) + "\n")
    assert list(read_cuts(tmp_path / "cuts.jsonl")) == [talk]
    (tmp_path / "refs.txt").write_text("eins\n" * 2)
    lines = [f"- {{offset: {at}.0, duration: 1.0, wav: {talk}}}\n" for at in range(2)]
    (tmp_path / "segments.yaml").write_text("".join(lines))
    segments = read_segments(tmp_path / "segments.yaml", tmp_path / "refs.txt")
    assert {segment.recording for segment in segments} == {talk}


def test_shards_that_were_put_together_find_their_references(tmp_path, scores):
    texts = ["eins zwei drei vier", "fünf sechs sieben acht", "neun zehn elf zwölf"]
    (tmp_path / "refs.txt").write_text("".join(f"{text}\n" for text in texts))
    lines = [
        instance(
            index=i, prediction=texts[i], delays=[1000] * 4, reference="x", source=[f"{i}.wav"]
        )
        for i in (1, 2, 0)
    ]
    log(tmp_path, *lines)
    found = scores("simuleval", "de", "--references", "refs.txt", "--metrics", "bleu")
    assert found["per_item"]["bleu"] == pytest.approx([100.0] * 3)


def test_one_index_twice_is_an_error_where_lines_are_found_by_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "refs.txt").write_text("eins\nzwei\n")
    log(tmp_path, instance(), instance(source=["b.wav"]))
    command = ["eval", "score", "--log", "instances.log", "--log-format", "simuleval"]
    assert main([*command, "--tgt-lang", "de", "--references", "refs.txt"]) == 7
    assert "line 2: index 0 was already in instances.log line 1" in capsys.readouterr().err


def test_an_id_of_simulstream_is_given_again_to_another_recording(tmp_path):
    heads = [{"id": 7, "metadata": {"wav_name": name}} for name in ("a.wav", "b.wav")]
    said = [chunk(1.0, 0.1, [word], key=7) for word in ("Guten", "Tag")]
    path = log(tmp_path, heads[0], said[0], heads[1], said[1])
    assert [(one.name, one.units) for one in read_simulstream(path, "word")] == [
        ("a", ("Guten",)),
        ("b", ("Tag",)),
    ]
    assert [settle(one, "word").units for one in history_of_simulstream(path)] == [
        ("Guten",),
        ("Tag",),
    ]


# ------------------------------------------------------------------ spaces and pieces


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("日本\u3000語", [1000, 1000, 1500, 2000]),  # SimulEval leaves out ASCII spaces only
        ("日 本\u3000語", [1000, 1000, 1500, 2000]),
        ("日本 語", [1000, 1000, 1500, 2000]),  # who writes for OmniSTEval leaves out none
        ("日本 語", [1000, 1000, 2000]),
    ],
)
def test_a_character_is_no_white_space_whatever_has_a_time(tmp_path, scores, text, times):
    log(tmp_path, words(text, times))
    found = scores("simuleval", "ja", "--metrics", "end_offset,start_offset,units")
    assert found["metrics"] == {"end_offset": 0, "start_offset": 1000, "units": 3}


def test_spaces_inside_characters_stay_in_the_text_that_is_compared(tmp_path, scores):
    text = "我们用 Deep Learning 模型 很好"
    log(tmp_path, instance(prediction=text, reference=text, delays=[1000] * 19))
    found = scores("simuleval", "zh", "--metrics", "bleu,ter,units")["metrics"]
    assert found == {"bleu": pytest.approx(100.0), "ter": 0.0, "units": 19}
    found = scores("simuleval", "de", "--unit", "char", "--metrics", "wer,cer")["metrics"]
    assert found == {"wer": 0.0, "cer": 0.0}


@pytest.mark.parametrize("tokens", [list("用 AB C"), ["▁用", "▁A", "B", "▁C"]])
def test_spaces_between_characters_of_simulstream_stay_in_the_text(tmp_path, tokens):
    path = log(tmp_path, {"id": 0, "metadata": {"wav_name": "a.wav"}}, chunk(1.0, 0.1, tokens))
    (found,) = read_simulstream(path, "char")
    assert (found.written, found.units) == ("用 AB C", tuple("用ABC"))


def test_long_form_needs_no_length_of_the_source(tmp_path, scores):
    entry = words("eins zwei", [1000, 2000])
    del entry["source_length"]
    log(tmp_path, entry)
    (tmp_path / "segments.yaml").write_text("- {offset: 0.0, duration: 2.0, wav: a.wav}\n")
    (tmp_path / "refs.txt").write_text("eins zwei\n")
    more = ("--segments", "segments.yaml", "--references", "refs.txt", "--metrics", "long_laal")
    assert scores("simuleval", "de", *more)["metrics"]["long_laal"] == 1000.0


def test_no_break_spaces_join_words_in_stream_laal_as_in_simulstream(tmp_path, scores):
    # simulstream 1.0.0 with mweralign says 275 ms of this log.
    said = [
        (0.2, "Bonjour\u00a0!"),
        (0.5, "Mes\u00a0amis"),
        (1.4, "ça\u00a0va\u00a0?"),
        (2.0, "Oui\u00a0!"),
    ]
    lines = [chunk(at, 0.1, [text]) for at, text in said]
    log(tmp_path, {"id": 0, "metadata": {"wav_name": "a.wav"}}, *lines)
    parts = "".join(f"- {{offset: {at}, duration: 1.0, wav: a.wav}}\n" for at in (0.0, 1.0))
    (tmp_path / "segments.yaml").write_text(parts)
    (tmp_path / "refs.txt").write_text(
        "Bonjour\u00a0! Mes\u00a0amis\nça\u00a0va\u00a0? Oui\u00a0!\n"
    )
    more = ("--segments", "segments.yaml", "--references", "refs.txt", "--metrics", "stream_laal")
    assert scores("simulstream", "fr", *more)["metrics"]["stream_laal"] == pytest.approx(275.0)


def test_pieces_of_words_are_no_words_in_what_was_withdrawn(tmp_path, scores):
    log(
        tmp_path,
        {"id": 0, "metadata": {"wav_name": "a.wav"}},
        chunk(1.0, 0.1, ["▁Guten", "▁Mor"]),
        chunk(2.0, 0.1, ["▁Tag", "▁zu", "sam", "men", "!"], ["▁Mor"]),
    )
    (tmp_path / "refs.txt").write_text("Guten Tag zusammen!\n")
    found = scores("simulstream", "de", "--references", "refs.txt", "--metrics", "erasure,units")
    assert found["metrics"] == {"erasure": pytest.approx(1 / 3), "units": 3}


def test_pieces_of_a_byte_level_vocabulary_are_warned_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    log(tmp_path, words("Gut en \u0120Tag", [1000, 1000, 2000]))
    command = ["eval", "score", "--log", "instances.log", "--log-format", "simuleval"]
    assert main([*command, "--tgt-lang", "de", "--metrics", "bleu"]) == 0
    assert "looks like a piece of a byte-level vocabulary" in capsys.readouterr().err
    assert main([*command, "--tgt-lang", "mt", "--metrics", "bleu"]) == 0
    assert "byte-level" not in capsys.readouterr().err


@pytest.mark.parametrize(("said", "wanted"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_another_form_of_unicode_is_warned_of(tmp_path, monkeypatch, capsys, said, wanted):
    monkeypatch.chdir(tmp_path)
    texts = [unicodedata.normalize(form, "für Äpfel") for form in (said, wanted)]
    log(tmp_path, instance(prediction=texts[0], reference=texts[1], delays=[1000, 2000]))
    command = ["eval", "score", "--log", "instances.log", "--log-format", "simuleval"]
    assert main([*command, "--tgt-lang", "de", "--metrics", "bleu"]) == 0
    assert ("another form of Unicode than NFC" in capsys.readouterr().err) == (said != wanted)


# ------------------------------------------------------------------ languages


@pytest.mark.parametrize("tag", ["zh", "ZH", "zh_CN", "cmn", "cmn-Hans-CN"])
def test_a_language_has_many_tags(tmp_path, scores, tag):
    text = "我们今天去学校看书"
    log(tmp_path, instance(prediction=text + "了", reference=text + "吧", delays=[1000] * 10))
    found = scores("simuleval", tag, "--metrics", "bleu,ter,cer,wer")
    assert "tok:zh" in found["signature"]["bleu"]
    assert found["metrics"]["ter"] == pytest.approx(10.0)  # one character of ten
    assert found["metrics"]["wer"] is None


def test_bleu_without_spaces_counts_characters(tmp_path, scores):
    text = "วันนี้เราไปโรงเรียน"
    log(tmp_path, instance(prediction=text, reference=text + "ๆ", delays=[1000] * len(text)))
    found = scores("simuleval", "th", "--metrics", "bleu,ter")
    assert "tok:char" in found["signature"]["bleu"]
    assert found["metrics"]["bleu"] > 80
    assert found["metrics"]["ter"] is None
    assert "no spaces between words" in found["undefined"]["ter"]


# ------------------------------------------------------------------ text to text, huge numbers


def test_average_token_delay_from_text_to_text(tmp_path, scores):
    # A word after each word: every target word ends one after its source word (SimulEval: 1.0).
    log(tmp_path, instance(prediction="a b c", delays=[1, 2, 3], source="x y z", source_length=3))
    found = scores("simuleval", "de", "--metrics", "atd")
    assert found["metrics"]["atd"] == 1.0
    assert found["signature"]["atd"].endswith("|words")


def test_average_token_delay_of_a_huge_delay_costs_nothing():
    late = 1_700_000_000_000_000
    assert average_token_delay(Timed([late, late], 2_000_000, 2)) == pytest.approx(
        late / 1000 - 450
    )  # two tokens of 300 ms: mean end 450 ms


@pytest.mark.parametrize("text", ["1" * 5000, "零" * 5000, "tausend" * 1500, "9" * 41])
@pytest.mark.parametrize("language", ["de", "en", "zh"])
def test_what_a_model_repeats_is_no_number(text, language):
    assert numbers_in(f"{text} 12", language, ambiguous=True)[-1:] == [12]


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u202f", "'", ".", ""])
def test_thin_spaces_part_thousands(space):
    assert numbers_in(f"1{space}250 Menschen in 12\u00a0Städten", "de") == [1250, 12]


@pytest.mark.parametrize(
    ("text", "count"), [("कीमत", 0), ("मती", 0), ("मत दो, मत", 2), ("की मत", 1)]
)
def test_vowel_signs_are_part_of_a_word(text, count):
    assert occurrences("मत", text, "hi") == count


# ------------------------------------------------------------------ tests of percentiles


def median(values):
    ordered, counts = np.unique(values, return_inverse=True)
    return Sums(np.eye(len(ordered))[counts], _Percentile(ordered, 50))


@pytest.mark.parametrize("seed", range(6))
def test_p_of_a_median_is_that_of_all_swaps(seed):
    rng = np.random.default_rng(seed)
    ours, theirs = (rng.integers(0, 9, 7).astype(float) for _ in range(2))
    seen = abs(np.median(ours) - np.median(theirs))
    apart = []
    for swap in itertools.product((False, True), repeat=7):
        left, right = np.where(swap, theirs, ours), np.where(swap, ours, theirs)
        apart.append(abs(np.median(left) - np.median(right)))
    expected = np.mean(np.array(apart) >= seen - 1e-9)
    found = randomisation_p(median(ours), median(theirs), range(7))
    assert found == pytest.approx(expected)


def test_runs_of_which_one_wrote_nothing_at_times_can_be_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, empty in (("one", {0, 3}), ("two", set())):
        lines = [
            instance(
                prediction="" if i in empty else "eins",
                delays=[] if i in empty else [1000 + 10 * i],
                reference="eins",
                source=[f"{i}.wav"],
            )
            for i in range(6)
        ]
        log(tmp_path, *lines).rename(tmp_path / f"{name}.log")
    command = ["eval", "compare", "one.log", "two.log", "--log-format", "simuleval"]
    assert main([*command, "--tgt-lang", "de", "--metrics", "first_output", "--json"]) == 0
    (difference,) = json.loads(capsys.readouterr().out)["differences"]
    assert difference["difference"]["value"] == pytest.approx(1025 - 1030)
    assert 0 < difference["p_randomisation"] <= 1
