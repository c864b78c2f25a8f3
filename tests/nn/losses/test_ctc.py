"""CTC over token embeddings, against a sum over all paths."""

import itertools
import math

import pytest
import torch

from earvoice.nn.losses.ctc import embedding_ctc_loss


def by_paths(speech, table, tokens, blank, temperature):
    """-log of the summed probability of every path that collapses to the tokens, per token."""
    chances = (speech.double() @ table.double().T / temperature).softmax(-1)
    total = 0.0
    for path in itertools.product(range(len(table)), repeat=len(speech)):
        merged = [token for token, _ in itertools.groupby(path) if token != blank]
        if merged == tokens:
            total += math.prod(chances[step, token].item() for step, token in enumerate(path))
    return -math.log(total) / len(tokens)


def test_two_items_of_different_length():
    torch.manual_seed(0)
    speech, table = torch.randn(2, 5, 4), torch.randn(3, 4)
    loss = embedding_ctc_loss(
        speech,
        table,
        torch.tensor([1, 0, 0]),
        torch.tensor([2, 1]),
        blank=2,
        temperature=0.7,
    )
    expected = [
        by_paths(speech[0], table, [1, 0], 2, 0.7),
        by_paths(speech[1], table, [0], 2, 0.7),
    ]
    assert loss.item() == pytest.approx(sum(expected) / 2, abs=1e-5)


def test_a_transcript_that_does_not_fit_changes_nothing():
    speech = torch.randn(1, 2, 4, requires_grad=True)
    tokens, lengths = torch.tensor([0, 1, 0]), torch.tensor([3])
    loss = embedding_ctc_loss(speech, torch.randn(3, 4), tokens, lengths, blank=2, temperature=1.0)
    loss.backward()
    assert loss.item() == 0.0
    assert speech.grad.abs().max().item() == 0.0
