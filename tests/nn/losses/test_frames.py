"""Cross entropy of labelled frames."""

import torch
import torch.nn.functional as F

from earvoice.nn.losses.frames import UNKNOWN, frame_loss


def test_frames_that_are_unknown_do_not_count():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5)
    labels = torch.tensor([[4, UNKNOWN, 0], [UNKNOWN, UNKNOWN, 2]])
    loss, accuracy = frame_loss(logits, labels)
    known = torch.stack([logits[0, 0], logits[0, 2], logits[1, 2]])
    torch.testing.assert_close(loss, F.cross_entropy(known, torch.tensor([4, 0, 2])))
    right = (known.argmax(-1) == torch.tensor([4, 0, 2])).float().mean()
    assert accuracy == right


def test_a_batch_without_times_changes_nothing():
    logits = torch.randn(2, 3, 5, requires_grad=True)
    loss, accuracy = frame_loss(logits, torch.full((2, 3), UNKNOWN))
    assert (loss, accuracy) == (0, 0)
    loss.backward()
    assert torch.equal(logits.grad, torch.zeros_like(logits))
