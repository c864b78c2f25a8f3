"""Cross entropy of tokens."""

import torch

from earvoice.nn.losses.tokens import token_losses


def test_loss_and_accuracy_by_hand():
    logits = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]], requires_grad=True)
    losses = token_losses(logits, torch.tensor([0, 0, 0]))
    expected = torch.log1p(torch.exp(torch.tensor([0.0, -3.0, 3.0]))).mean()
    torch.testing.assert_close(losses["loss"], expected)
    torch.testing.assert_close(losses["token_accuracy"], torch.tensor(2 / 3))
    assert losses["nll"] == losses["loss"]
    assert not losses["nll"].requires_grad
    assert losses["loss"].requires_grad
