"""LST's network: normalisation, padding, markers, and training equal to decoding."""

import pytest
import torch
import torch.nn.functional as F

from earvoice.config import parse
from earvoice.data.collate import TargetWords
from earvoice.errors import ConfigError
from earvoice.models.splice import IGNORED, Answer
from earvoice.nn.masks import PROMPT, Entries, causal
from earvoice.session import Request
from earvoice.systems.lst import LstConfig
from earvoice.train.freeze import freeze
from tests.tiny import lst, lst_config, tokenizer

UTTERANCES = [9600, 7200, 14001]


def audio(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [0.1 * torch.randn(count, generator=generator) for count in UTTERANCES]


def test_loudness_and_offset_do_not_matter():
    system = lst()
    plain = system.encode(audio())
    changed = system.encode([3 * samples + 0.5 for samples in audio()])
    for a, b in zip(plain, changed, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    raw = lst(normalise=False)
    assert not torch.allclose(raw.encode(audio())[0], raw.encode([3 * audio()[0]])[0], atol=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 5, 8, 9])
def test_the_length_adapter_is_padded_on_both_sides(frames):
    """As a plain convolution with padding on both sides, which the published code has."""
    system = lst("waveform")
    x = torch.randn(1, frames, 32)
    expected = x.transpose(1, 2)
    for member in system.adapter.convs.members:
        weight, bias = member.conv.weight, member.conv.bias
        expected = F.glu(F.conv1d(expected, weight, bias, stride=2, padding=1), dim=1)
    expected = system.adapter.linear(expected.transpose(1, 2))[0]
    torch.testing.assert_close(system.adapted(x[0]), expected)
    assert len(expected) == -(-frames // 4)


@pytest.mark.parametrize("samples", [0, 1, 300, 1599])
def test_very_short_audio_has_embeddings(samples):
    for frontend in ("log_mel", "waveform"):
        (found,) = lst(frontend).encode([torch.zeros(samples)])
        assert len(found) >= 1
        assert found.isfinite().all()


@pytest.mark.parametrize("frontend", ["log_mel", "waveform"])
def test_there_are_at_most_the_embeddings_that_are_reckoned_with(frontend):
    system = lst(frontend)
    for samples in (1, 1600, 16000, 16001, 40000):
        assert len(system.encode([torch.zeros(samples)])[0]) <= system.embeddings_of(samples)


def test_training_gives_the_logits_of_decoding():
    system = lst()
    system.markers.add_(torch.randn_like(system.markers))
    texts = [(7 + 256, 20, 300), (300, 301), (310, 305, 320, 315)]
    answers = [Answer((*text, tokenizer().eos_id), len(text) + 1) for text in texts]
    speech = system.encode(audio())
    hidden, labels = system.training_forward(speech, answers)
    prompt = system.prompt(tokenizer())
    for item, text in enumerate(texts):
        cache = system.lm.init_state(1, 200)
        x = torch.cat(
            [
                system.embed(torch.tensor(prompt.before)),
                speech[item],
                system.embed(torch.tensor(prompt.after)),
            ]
        )
        place = torch.arange(len(x))[None]
        entries = Entries(place, place, torch.full_like(place, PROMPT), torch.zeros_like(place))
        states = [system.lm(x[None], entries, cache, [0], causal)[0, -1]]
        for number, token in enumerate(text):
            where = torch.tensor([[len(x) + number]])
            entries = Entries(where, where, torch.full_like(where, PROMPT), where * 0)
            states.append(system.lm(system.embed(torch.tensor([[token]])), entries, cache)[0, 0])
        counted = labels[item] != IGNORED
        assert labels[item][counted].tolist() == [*text, tokenizer().eos_id]
        torch.testing.assert_close(hidden[item][counted], torch.stack(states), atol=2e-5, rtol=1e-4)


def test_stage_1_leaves_the_language_model_alone():
    system = lst()
    names = freeze(system, ("adapter.*", "markers"))
    answers = [Answer((300, tokenizer().eos_id), 2)] * 3
    hidden, labels = system.training_forward(system.encode(audio()), answers)
    counted = labels != IGNORED
    F.cross_entropy(system.lm.logits(hidden[counted]), labels[counted]).backward()
    moved = {n for n, p in system.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == set(names)


def test_markers_begin_as_the_mean_of_all_embeddings():
    system = lst()
    system.set_markers()
    mean = system.lm.embedding.weight.mean(0)
    ids = torch.tensor([tokenizer().sp_start_id, 300, tokenizer().sp_end_id])
    found = system.embed(ids)
    torch.testing.assert_close(found[0], mean)
    torch.testing.assert_close(found[1], system.lm.embedding.weight[300])
    torch.testing.assert_close(found[2], mean)


def test_the_prompt_names_the_language_and_the_context():
    changes = {"before_speech": "<s>{context}<sp_start>", "after_speech": "<sp_end>{tgt_lang}"}
    prompt = lst_config().prompt.model_copy(update=changes)
    system = lst(prompt=prompt)
    found = system.prompt(tokenizer(), "ein Haus")
    text = tokenizer()
    assert list(found.before) == [text.bos_id, *text.encode("ein Haus"), text.sp_start_id]
    assert list(found.after) == [text.sp_end_id, *text.encode("German")]


def told_lst(words):
    changes = {"before_speech": "<s>{context}<sp_start>", "after_speech": "<sp_end>"}
    prompt = lst_config().prompt.model_copy(update=changes)
    return lst(prompt=prompt, context_words=words)


def test_training_tells_what_a_live_window_is_told():
    """The same layout, hence the same loss, as a prompt built by hand with the last words."""
    system = told_lst(2)
    speech = system.encode(audio())
    text = tokenizer()
    said = [text.encode("ein Garten")] * 3
    contexts = (("das", "ist", "ein", "Haus"), (), ("Haus",))
    targets = [TargetWords([w], (1,), (True,), 1, 1, 100, 3, True, context=c)
               for w, c in zip(said, contexts, strict=True)]  # fmt: skip
    loss = system._translation_loss(speech, targets)["loss"]
    answers = [Answer((*ids, text.eos_id), len(ids) + 1) for ids in said]
    hidden, labels = system.training_forward(speech, answers, ["ein Haus", "", "Haus"])
    counted = labels != IGNORED
    torch.testing.assert_close(
        loss, F.cross_entropy(system.lm.logits(hidden[counted]), labels[counted])
    )
    session = system.interpreter(text).open(Request("en", "de"))
    session.tokens, session.end = text.encode("das ist ein Haus"), 0
    session.begin_next_window()
    assert " ".join(session.context) == system._told(contexts[0]) == "ein Haus"


def test_a_system_that_is_told_nothing_trains_as_before():
    system = told_lst(0)
    speech = system.encode(audio())
    ids = tokenizer().encode("ein Garten")
    losses = [
        system._translation_loss(
            speech, [TargetWords([ids], (1,), (True,), 1, 1, 100, 3, True, context=context)] * 3
        )["loss"]
        for context in ((), ("ein", "Haus"))
    ]
    torch.testing.assert_close(*losses)


def test_unknown_slots_are_refused():
    with pytest.raises(ConfigError, match="no slot 'speaker', there are src_lang"):
        parse({"prompt": {"after_speech": "<sp_end>{speaker}"}}, LstConfig)
