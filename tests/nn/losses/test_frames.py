"""Cross entropy of labelled frames."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from earvoice.nn.losses.frames import UNKNOWN, frame_loss, phone_losses, with_phones


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


def heard():
    torch.manual_seed(0)
    head = torch.nn.Linear(4, 5)
    return head, torch.randn(2, 3, 4), torch.tensor([[4, UNKNOWN, 0], [1, 3, 2]])


def test_a_head_beside_an_objective_adds_its_share():
    head, frames, labels = heard()
    phones, accuracy = frame_loss(head(frames), labels)
    losses = {"loss": torch.tensor(2.0), "nll": torch.tensor(1.5)}
    found = with_phones(losses, head, 0.3, frames, SimpleNamespace(phones=labels))
    assert set(found) == {"loss", "nll", "phone_accuracy"}
    torch.testing.assert_close(found["loss"], 2.0 + 0.3 * phones)
    assert (found["nll"], found["phone_accuracy"]) == (1.5, accuracy)


@pytest.mark.parametrize(("has_head", "weight"), [(True, 0.0), (False, 0.3)])
def test_without_a_head_or_a_weight_an_objective_is_as_it_was(has_head, weight):
    head, frames, _ = heard()
    losses = {"loss": torch.tensor(2.0)}
    batch = SimpleNamespace()  # of a stage without phonemes
    assert with_phones(losses, head if has_head else None, weight, frames, batch) == losses


def test_the_objective_asks_for_a_head():
    _, frames, labels = heard()
    with pytest.raises(RuntimeError, match="set `phones`"):
        phone_losses(None, frames, labels)


def test_only_frames_with_both_sides_count():
    head, frames, labels = heard()
    whole = phone_losses(head, frames[:, :2], labels[:, :2])
    assert phone_losses(head, frames[:, :2], labels) == whole
    assert phone_losses(head, frames, labels[:, :2]) == whole
