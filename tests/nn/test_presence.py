"""Losses of terms in windows: what they are least at, and what they do not look at."""

import math

import pytest
import torch

from earvoice.nn.losses.presence import balanced_presence, pointing_loss, two_way_contrast

PRESENT = torch.tensor([[True, False, False], [False, True, False]])


def test_both_kinds_of_pairs_weigh_the_same():
    one = balanced_presence(torch.zeros(2, 3), PRESENT)
    assert one.item() == pytest.approx(math.log(2))
    sure = torch.where(PRESENT, 20.0, -20.0)
    assert balanced_presence(sure, PRESENT).item() < 1e-6


def test_contrast_is_of_differences():
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    moved = two_way_contrast(logits + 7, PRESENT)
    torch.testing.assert_close(two_way_contrast(logits, PRESENT), moved)


def test_a_term_that_looks_good_everywhere_gains_nothing_from_windows():
    # The same for all windows: what a term looks like by itself.
    by_term = torch.tensor([[9.0, 9.0, -9.0]]).expand(2, 3)
    assert two_way_contrast(by_term, PRESENT).item() >= math.log(2) / 2


def test_contrast_leaves_out_other_terms_of_the_window():
    present = torch.tensor([[True, True, False], [False, False, False]])
    logits = torch.tensor([[5.0, 90.0, -50.0], [-50.0, -50.0, -50.0]])
    assert two_way_contrast(logits, present)[()].item() < 1e-6
    assert two_way_contrast(logits, torch.zeros(2, 3, dtype=torch.bool)).item() == 0


def test_letters_point_along_the_term():
    real = torch.tensor([[True, True, True, True, False]])
    spans = torch.tensor([[10, 22]])
    along = torch.full((1, 2, 5, 40), 0.0)
    back = torch.full((1, 2, 5, 40), 0.0)
    for letter in range(4):
        along[:, :, letter, 10 + 3 * letter + 1] = 1.0
        back[:, :, letter, 10 + 3 * (3 - letter) + 1] = 1.0
    assert pointing_loss(along, real, spans).item() < 1e-6
    assert pointing_loss(back, real, spans).item() > 5
    everywhere = torch.full((1, 2, 5, 40), 1 / 40)
    assert pointing_loss(everywhere, real, spans).item() == pytest.approx(
        math.log(8)
    )  # five of forty frames
