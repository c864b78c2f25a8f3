"""CLASI's network: what is trained is what runs live; sizes; the text that stands for speech."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from earvoice.agent.codec import Ask, Known
from earvoice.agent.turns import read_turn
from earvoice.audio import Audio
from earvoice.config import parse
from earvoice.errors import ConfigError, UsageError
from earvoice.models.splice import Answer, splice
from earvoice.policies import WaitK
from earvoice.session import Request
from earvoice.systems.clasi import ClasiConfig
from earvoice.train.agent_mixture import AgentMixture
from earvoice.train.agent_turns import AgentExamples, grid_of
from earvoice.train.export import export_model
from earvoice.train.stage import RecipeConfig
from earvoice.zoo import read_card
from tests.exported import STAGES
from tests.systems.clasi_tiny import clasi, clasi_config, tokenizer


def noise(samples, seed=0):
    return (0.3 * np.random.default_rng(seed).uniform(-1, 1, samples)).astype("f4")


def test_training_and_live_give_the_same_logits():
    system = clasi(least_s=9.0)  # nothing is asked while the window grows
    interpreter = system.interpreter(tokenizer())
    session = interpreter.open(Request("en", "de", context="About gardens."))
    sound = noise(1600 * 15)
    for piece in np.split(sound, 10):
        session.push(Audio(piece[None]))
    count = len(session.window)
    heard = system.hear(torch.from_numpy(sound)[None], None)[1]
    torch.testing.assert_close(session.window.speech(count), heard[0, :count], atol=1e-5, rtol=1e-4)

    session.end = count
    ask = Ask("en", "de")
    answer = system.bound.answer(ask, 4, "we go", "to the", "wir gehen")
    prompt = system.bound.prompt(Known("About gardens."), ask)
    row = splice(system.lm, heard, [count], [prompt], [Answer(answer, len(answer))])
    hidden = system.lm(row.x, row.entries)[0]
    first = len(prompt.before) + count + len(prompt.after) - 1
    with torch.inference_mode():
        interpreter._cache.reset([0])
        live = interpreter._prefill(session, session.ask(), 0)
    torch.testing.assert_close(live, hidden[first], atol=1e-4, rtol=1e-4)
    assert row.labels[0, first] == answer[0]
    assert (row.labels[0] >= 0).sum() == len(answer)


def examples(system, **changes):
    mixture = AgentMixture(source="text", batch=8, **changes)
    return AgentExamples(mixture, grid_of(system), system.bound, [], None, seed=1, stage="s")


def test_a_batch_is_a_function_of_its_step():
    system = clasi()
    one, again = examples(system).batch(3), examples(system).batch(3)
    assert (one.prompts, one.answers, one.slots) == (again.prompts, again.answers, again.slots)
    assert one.answers != examples(system).batch(4).answers


def test_examples_are_legal_turns_within_the_window():
    system = clasi(window_s=2.4)
    codec = system.bound
    whole_id = tokenizer().special_id("<whole>")
    empty = 0
    for step in range(12):
        batch = examples(system, asr=0.0).batch(step)
        for item, answer in enumerate(batch.answers):
            whole = whole_id in batch.prompts[item].after
            count = len(batch.slots[item])
            turn = read_turn(codec.pieces(answer.ids), count, whole=whole)
            assert turn.fault is None, turn
            assert whole or turn.cut <= count <= system.config.most_embeddings
            empty += not turn.cut
    assert empty, "some turns have nothing to say yet"


def test_text_stands_where_it_is_spoken():
    system = clasi()
    batch = examples(system, asr=0.0, mt=0.0, st=1.0, whole=0.0).batch(0)
    for words, slots, speech in zip(batch.words, batch.slots, system._speech(batch), strict=True):
        assert len(speech) == len(slots)
        assert max(slots) <= len(words)
        pause = system.lm.embed(torch.tensor(tokenizer().pad_id))
        for slot, vector in zip(slots, speech, strict=True):
            assert torch.equal(vector, pause) == (slot == 0)


def test_losses_are_finite_for_every_task():
    system = clasi().requires_grad_(True)
    for task in ("asr", "mt", "st"):
        weights = {"asr": 0.0, "mt": 0.0, "st": 0.0, task: 1.0}
        losses = system.agent_turn_objective(examples(system, **weights).batch(0))
        losses["loss"].backward()
        assert torch.isfinite(losses["loss"])


def test_what_is_written_is_not_heard():
    system = clasi()
    text = examples(system, asr=0.0, mt=0.0, st=1.0).batch(0)
    samples = torch.from_numpy(np.stack([noise(38400, seed) for seed in range(8)]))
    words = (None, *text.words[1:7], None)
    batch = replace(text, samples=samples, words=words, leads=(2,) * 8, counts=(5,) * 8)
    found = system._speech(batch)
    heard = system.hear(samples, None)[1]
    for item in (0, 7):
        assert torch.allclose(found[item], heard[item, 2:7], atol=1e-5)
    assert torch.equal(found[1], system._speech(text)[1])


def test_it_takes_no_policy():
    with pytest.raises(UsageError, match="decides"):
        clasi().interpreter(tokenizer(), policy=WaitK())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"directions": ["en"]}, "two language codes"),
        ({"directions": ["en-qq"]}, "qq"),
        ({"encoder": {"bidirectional": True}}, "bidirectional"),
        ({"terms": 0}, "terms"),
    ],
)
def test_bad_configurations_are_refused(change, says):
    with pytest.raises(ConfigError, match=says):
        parse({"kind": "clasi", **change}, ClasiConfig)


def test_the_grid_of_cut_offs():
    config = clasi_config(window_s=2.4)
    assert config.embedding_s == pytest.approx(0.08)
    assert config.most_embeddings == 30
    assert "<cut_30>" in config.control_tokens


def test_its_card_has_no_policy_for_it_decides_by_itself(tmp_path):
    recipe = RecipeConfig(name="clasi-tiny-en-de", system=clasi_config(), stages=STAGES)
    folder = export_model(clasi(), tokenizer(), recipe, tmp_path / "model")
    assert read_card(folder).policy is None
