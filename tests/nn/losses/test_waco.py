"""The word-aligned contrastive loss, against numbers worked by hand and against plain loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from earvoice.nn.losses.waco import pooled, span_means, waco_loss, word_contrast


def by_loops(speech, text, temperature):
    """The paper's formula (2408.09430 eq. 7), one word at a time, in float64."""

    def cosine(a, b):
        return (a * b).sum() / (a.square().sum().sqrt() * b.square().sum().sqrt())

    speech, text = speech.double(), text.double()
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(speech)):
        scores = [torch.exp(cosine(speech[i], text[j]) / temperature) for j in range(len(text))]
        total = total - torch.log(scores[i] / torch.stack(scores).sum())
    return total / len(speech)


def test_three_words_by_hand():
    # Cosines, by row of speech:   1    0    0      the first word fits exactly
    #                              0.6  0.8  0      the second leans to the first
    #                              0   -1    0      the third is the second's opposite
    speech = torch.tensor([[2.0, 0.0, 0.0], [3.0, 4.0, 0.0], [0.0, -5.0, 0.0]])
    text = torch.eye(3) * torch.tensor([[1.0], [10.0], [0.1]])  # lengths do not matter
    losses = [
        -math.log(math.exp(2) / (math.exp(2) + 2)),
        -math.log(math.exp(1.6) / (math.exp(1.2) + math.exp(1.6) + 1)),
        -math.log(1 / (2 + math.exp(-2))),
    ]
    assert losses == pytest.approx([0.2395, 0.6271, 0.7586], abs=1e-4)
    assert waco_loss(speech, text, 0.5).item() == pytest.approx(sum(losses) / 3, abs=1e-6)


@given(seed=st.integers(0, 10**6), words=st.integers(1, 9), temperature=st.floats(0.05, 2.0))
def test_against_plain_loops(seed, words, temperature):
    generator = torch.Generator().manual_seed(seed)
    speech, text = torch.randn(2, words, 6, generator=generator)
    expected = by_loops(speech, text, temperature).item()
    assert waco_loss(speech, text, temperature).item() == pytest.approx(expected, abs=2e-5)


def test_the_gradient():
    generator = torch.Generator().manual_seed(0)
    speech, text = torch.randn(2, 5, 4, generator=generator)
    assert torch.autograd.gradcheck(
        lambda s, t: by_loops(s, t, 0.2),
        (speech.double().requires_grad_(), text.double().requires_grad_()),
    )
    for ours, theirs in zip(gradients(waco_loss, speech, text), gradients(by_loops, speech, text),
                            strict=True):  # fmt: skip
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def gradients(loss, speech, text):
    speech, text = speech.clone().requires_grad_(), text.clone().requires_grad_()
    loss(speech, text, 0.2).backward()
    return speech.grad, text.grad


def test_repeated_words_are_negatives_of_each_other():
    # As in the authors' code: two equal words share the probability, at best log 2 each.
    word = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert waco_loss(word, word, 0.01).item() == pytest.approx(math.log(2))


def test_one_word_alone_has_nothing_to_learn():
    assert waco_loss(torch.randn(1, 4), torch.randn(1, 4), 0.2).item() == pytest.approx(0.0)


def test_half_precision_comes_in_and_float32_goes_out():
    speech, text = torch.randn(2, 7, 8)
    loss = waco_loss(speech.bfloat16(), text.bfloat16(), 0.2)
    assert loss.dtype == torch.float32
    same = waco_loss(speech.bfloat16().float(), text.bfloat16().float(), 0.2)
    torch.testing.assert_close(loss, same)


def test_products_are_float32_also_where_training_computes_in_bfloat16():
    generator = torch.Generator().manual_seed(1)
    speech, text = torch.randn(2, 7, 64, generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        inside = waco_loss(speech, text, 0.1)
    assert inside.item() == waco_loss(speech, text, 0.1).item()


def test_span_means_by_hand():
    x = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    means = span_means(x, torch.tensor([0, 1, 3]), torch.tensor([1, 3, 3]))
    torch.testing.assert_close(means, torch.tensor([[1.5, 15.0], [3.0, 30.0], [4.0, 40.0]]))


def test_span_means_of_a_long_batch_stay_exact():
    # Sums over the whole batch are subtracted: their rounding must stay far below the means.
    x = torch.randn(8000, 4, generator=torch.Generator().manual_seed(0)) + 1.0
    starts = torch.arange(0, 8000, 7)
    ends = (starts + 4).clamp(max=7999)
    plain = torch.stack([x[a : b + 1].double().mean(0) for a, b in zip(starts, ends, strict=True)])
    torch.testing.assert_close(span_means(x, starts, ends).double(), plain, atol=5e-4, rtol=0)


def test_span_means_pass_gradients_to_their_span_only():
    x = torch.randn(6, 3, requires_grad=True)
    span_means(x, torch.tensor([1]), torch.tensor([3])).sum().backward()
    expected = torch.zeros(6, 3)
    expected[1:4] = 1 / 3
    torch.testing.assert_close(x.grad, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("start", "end"), [(2, 1), (-1, 1), (0, 4), (4, 4)])
def test_an_empty_or_misplaced_span_is_an_error(start, end):
    starts, ends = torch.tensor([0, start]), torch.tensor([1, end])
    with pytest.raises(ValueError, match="empty or outside"):
        span_means(torch.randn(4, 2), starts, ends)


def test_words_of_a_batch_are_compared_at_their_places():
    torch.manual_seed(0)
    speech = torch.randn(2, 5, 4)
    spans = torch.tensor([[0, 0, 1], [1, 2, 2], [1, 3, 4]])
    spoken = torch.stack([speech[0, :2].mean(0), speech[1, 2], speech[1, 3:].mean(0)])
    written = torch.randn(3, 4, requires_grad=True)
    found = word_contrast(speech, spans, written, 0.1)
    torch.testing.assert_close(found.loss, waco_loss(spoken, written, 0.1))
    ratio = spoken.norm(dim=-1).mean() / written.norm(dim=-1).mean()
    torch.testing.assert_close(found.norm_gap, ratio.log() ** 2)
    torch.testing.assert_close(found.with_norm, found.loss + 0.1 * found.norm_gap)
    assert not found.loss.requires_grad  # the text side is not learnt


def test_retrieval_counts_words_that_find_their_own_text():
    written = torch.eye(4)
    speech = torch.stack([written[0], written[2], written[2], 5 * written[3]])[None]
    spans = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 2, 2], [0, 3, 3]])
    assert word_contrast(speech, spans, written, 0.1).retrieval == 0.75
    twice = torch.stack([written[0], written[2], written[2], written[3]])
    assert word_contrast(speech, spans, twice, 0.1).retrieval == 1.0  # a repetition is right


def test_a_word_is_the_mean_of_its_real_pieces():
    pieces = torch.tensor([[[2.0], [4.0]], [[6.0], [100.0]]])
    torch.testing.assert_close(
        pooled(pieces, torch.tensor([[1, 1], [1, 0]])), torch.tensor([[3.0], [6.0]])
    )
