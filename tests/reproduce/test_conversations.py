"""`earvoice reproduce` and `earvoice bench` for systems that hear two people."""

import json
from pathlib import Path

import numpy as np
import pytest

from earvoice.audio import Audio, write_wav
from earvoice.bench.conversations import SETS, TurnHeard, Word, _attributed, figures, measure
from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.data.conversations import Conversation, Turn, cut_from_conversation
from earvoice.data.manifest import Target, TimedWord, write_manifest
from earvoice.errors import UsageError
from earvoice.reproduce.spec import ArmsClaim, ReproduceConfig, StatementConfig
from earvoice.reproduce.trained import Base, arm_recipe, base_recipe, part_recipe
from earvoice.reproduce.verdicts import Observation, answer
from tests.tiny import conversation_tokenizer, jstar

RECIPES = Path(__file__).parents[2] / "recipes/reproduce"


def turn(speaker, start_s, end_s, text, translation):
    words = text.split()
    step_s = (end_s - start_s) / len(words)
    times = tuple(
        TimedWord(word, start_s + n * step_s, start_s + (n + 1) * step_s)
        for n, word in enumerate(words)
    )
    src, tgt = ("en", "es") if speaker == "self" else ("es", "en")
    return Turn(speaker, src, start_s, end_s, times, tgt, Target(translation))


TURNS = (
    turn("self", 0.5, 2.0, "Good morning.", "Buenos días."),
    turn("other", 1.5, 3.0, "Buenos días.", "Good morning."),
    turn("self", 4.0, 6.0, "How are you?", "¿Cómo está usted?"),
)


def conversation(folder, name="c0", seconds=7):
    path = folder / f"{name}.wav"
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, seconds * 16000))
    write_wav(path, Audio(noise.astype(np.float32)))
    return Conversation(name, path, 1, 16000, seconds * 16000, TURNS)


def said(line, at_s):
    return [Word(word, at) for word, at in zip(line.split(), at_s, strict=True)]


def test_words_are_cut_at_the_turns_of_whom_they_are_given_to(tmp_path):
    written = {
        ("transcript", "self"): said("good morning, how you", (1.0, 2.0, 5.0, 6.5)),
        ("transcript", "other"): said("buenas días", (2.5, 3.0)),
        ("translation", "self"): said("Buenos días. ¿Cómo está usted?", (2.5, 3.5, 5.5, 6.5, 7.0)),
    }
    heard = _attributed(conversation(tmp_path), written)
    by_text = {item.turn.text: item for item in heard.turns}
    assert [item.errors for item in heard.turns] == [0, 1, 1]
    assert by_text["Good morning."].overlapped
    assert by_text["Buenos días."].overlapped
    assert not by_text["How are you?"].overlapped
    assert by_text["Good morning."].first_s == pytest.approx(2.0)
    assert by_text["How are you?"].last_s == pytest.approx(1.0)
    assert by_text["Buenos días."].first_s is None
    assert [
        word.text for word in by_text["How are you?"].translation
    ] == "¿Cómo está usted?".split()


def test_words_of_somebody_who_says_nothing_are_errors(tmp_path):
    alone = Conversation("a", tmp_path / "a.wav", 1, 16000, 16000, TURNS[:1])
    heard = _attributed(alone, {("transcript", "other"): said("hola hola", (0.1, 0.2))})
    assert heard.spare == 2
    (item,) = heard.turns
    assert isinstance(item, TurnHeard)
    assert item.errors == item.words == 2


def test_many_streams_say_what_each_says_alone(tmp_path):
    interpreter = jstar(both_ways=True).interpreter(conversation_tokenizer(), rows=2)
    items = [conversation(tmp_path, "a", 7), conversation(tmp_path, "b", 8)]
    alone, together = (measure(interpreter, items, batch=size) for size in (1, 2))
    assert alone.heard == together.heard
    assert alone.rtf > 0
    found = {on: figures(alone, on) for on in SETS}
    assert [found[on]["turns"] for on in SETS] == [6, 4, 2]
    assert all(0 <= item["bleu_low"] <= item["bleu_high"] for item in found.values())


def test_a_pair_that_the_model_does_not_have(tmp_path):
    item = conversation(tmp_path)
    interpreter = jstar(src_lang="es", tgt_lang="en").interpreter(conversation_tokenizer())
    with pytest.raises(UsageError, match="c0 is en-es; this model has es-en"):
        measure(interpreter, [item])


def test_less_is_better_for_errors_and_times():
    seen = [
        Observation(arm, seed, "apart", "live", {"wer": wer, "first_ms": 1000.0})
        for seed in (1, 2, 3)
        for arm, wer in (("a", 10.0 + seed), ("b", 20.0 + seed))
    ]
    how = {"says": "s", "better": "a", "worse": "b", "on": "apart"}
    found = answer(StatementConfig(**how, by="wer"), seen)
    assert found.verdict == "shows"
    assert found.difference.value == pytest.approx(10.0)
    assert "has no last_ms" in answer(StatementConfig(**how, by="last_ms"), seen).verdict


def test_the_recipe_that_ships():
    file = RECIPES / "jstar.yaml"
    spec = load_yaml(file, ReproduceConfig)
    base = base_recipe(spec, file, [Path("corpus")], Path("out"))
    named = {stage.name: stage for stage in base.stages}
    part = spec.parts["single"]
    single = part_recipe(part, base_recipe(spec, file, [Path("c")], Path("o"), part.changes), 1.0)
    # One microphone learns what five learn, for as long.
    for like in ("phones", "asr_clean", "asr"):
        own = f"single_{like}"
        (stage,) = [stage for stage in single.stages if stage.name == own]
        same = stage.model_dump(
            exclude={"name", "init", "validate_every_steps", "validate_sentences"}
        )
        assert same == named[like].model_dump(include=same.keys())
    used = {arm for c in spec.claims.values() if isinstance(c, ArmsClaim) for arm in c.arms}
    assert used == set(spec.arms)
    steps = set()
    for arm in spec.arms:
        changes = (*spec.changes, *spec.arms[arm].changes)
        recipe = base_recipe(spec, file, [Path("c")], Path("o"), changes)
        plan = arm_recipe(spec, Base({}, Path(), recipe), arm, 1, 1.0, "")
        steps.add(sum(stage.steps for stage in plan.stages))
    assert len(steps) == 1
    assert spec.take_of("no-mt") == {"*": "asr"}
    assert spec.take_of("single")["*"] == "single_asr"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_toy_to_the_end(tmp_path):
    items = [cut_from_conversation(conversation(tmp_path, name), f"{name}.wav") for name in "ab"]
    write_manifest(tmp_path, items)
    out = tmp_path / "out"
    places = ["--corpus", str(tmp_path), "--test", str(tmp_path), "--out", str(out)]
    command = ["reproduce", str(RECIPES / "jstar-tiny.yaml"), *places, "--seeds", "1"]
    assert main([*command, "--steps-scale", "0.25"]) == 0
    found = json.loads((out / "results.json").read_text())
    assert found["missing"] == []
    rows = found["claims"]["joint"]["rows"]
    assert {row["on"] for row in rows} == set(SETS)
    assert {row["arm"] for row in rows} == {"joint", "cascade"}
    assert all("wer" in row for row in rows)
    assert "speaker-attributed WER" in (out / "report.md").read_text()
    model = out / "joint/seed-1/run/model"
    assert main(["bench", "conversation", "--model", str(model), "--corpus", str(tmp_path)]) == 0


def test_random_weights_of_a_recipe_under_the_stopwatch(capsys):
    recipe = Path(__file__).parents[2] / "recipes/jstar/tiny.yaml"
    command = ["bench", "conversation", "--recipe", str(recipe), "--seconds", "1", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rtf"] > 0
    assert found["microphones"] == 1
    assert main(["bench", "conversation"]) != 0
    assert "either --model or --recipe" in capsys.readouterr().err
