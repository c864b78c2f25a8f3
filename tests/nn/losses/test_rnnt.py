"""The transducer loss against every path written out, and against plain loops over all scores."""

import functools
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.nn.losses.rnnt import (
    Band,
    Lattice,
    Windows,
    additive_lattice,
    lattice,
    plain_lattice,
    pruning_band,
    restrict,
    rnnt_loss,
)

JOINT, VOCAB = 5, 6


def made(seed, batch, frames, tokens, dtype=torch.float64):
    """A joiner's inputs: enc, pred, weight, bias with gradients, and targets."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(batch, frames, JOINT), (batch, tokens + 1, JOINT), (VOCAB, JOINT), (VOCAB,)]
    inputs = [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
    targets = torch.randint(1, VOCAB, (batch, tokens), generator=generator)
    return [value.requires_grad_() for value in inputs], targets


def all_scores(inputs):
    enc, pred, weight, bias = inputs
    return (torch.tanh(enc[:, :, None] + pred[:, None]) @ weight.T + bias).log_softmax(-1)


def by_paths(scores, targets, frames, tokens, allowed=lambda t, u: True):
    """-log of the sum over every order of `frames` blanks and `tokens` tokens, blank last."""
    paths = []
    for places in itertools.combinations(range(frames + tokens - 1), tokens):
        t = u = 0
        total, legal = 0.0, True
        for step in range(frames + tokens):
            if step in places:
                legal = legal and allowed(t, u)
                total = total + scores[t, u, targets[u]]
                u += 1
            else:
                total = total + scores[t, u, 0]
                t += 1
        if legal:
            paths.append(total)
    return -torch.stack(paths).logsumexp(0)


def by_loops(scores, targets, frames, tokens):
    """The textbook recursion, a cell at a time."""

    @functools.cache
    def alpha(t, u):
        if t == u == 0:
            return scores.new_zeros(())
        ways = []
        if t:
            ways.append(alpha(t - 1, u) + scores[t - 1, u, 0])
        if u:
            ways.append(alpha(t, u - 1) + scores[t, u - 1, targets[u - 1]])
        return torch.stack(ways).logsumexp(0)

    return -(alpha(frames - 1, tokens) + scores[frames - 1, tokens, 0])


def gradients(loss, inputs):
    return torch.autograd.grad(loss, inputs, retain_graph=True)


def assert_equal_gradients(ours, theirs, inputs, tolerance):
    assert ours.item() == pytest.approx(theirs.item(), abs=tolerance)
    for mine, other in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        torch.testing.assert_close(mine, other, atol=tolerance, rtol=0)


@pytest.mark.parametrize(("frames", "tokens"), [(1, 0), (1, 3), (4, 0), (4, 3), (3, 5), (6, 2)])
def test_value_and_gradients_against_all_paths(frames, tokens):
    inputs, targets = made(frames * 10 + tokens, 1, frames, tokens)
    counts = torch.tensor([frames]), torch.tensor([tokens])
    arcs = lattice(*inputs, targets, slice_numbers=2 * (tokens + 1) * VOCAB)
    expected = by_paths(all_scores(inputs)[0], targets[0], frames, tokens)
    assert_equal_gradients(rnnt_loss(arcs, *counts)[0], expected, inputs, 1e-9)


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 5)), min_size=1, max_size=3),
    slices=st.sampled_from([1, 60, 10**9]),
)
def test_a_padded_batch_against_plain_loops(seed, sizes, slices):
    longest, most = max(t for t, _ in sizes), max(u for _, u in sizes)
    inputs, targets = made(seed, len(sizes), longest, most)
    frames, tokens = (torch.tensor(part) for part in zip(*sizes, strict=True))
    ours = rnnt_loss(lattice(*inputs, targets, slice_numbers=slices), frames, tokens)
    scores = all_scores(inputs)
    theirs = torch.stack([by_loops(scores[b], targets[b], *sizes[b]) for b in range(len(sizes))])
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=0)
    weights = torch.arange(1.0, len(sizes) + 1, dtype=torch.float64)
    assert_equal_gradients((ours * weights).sum(), (theirs * weights).sum(), inputs, 1e-9)


def test_the_plain_form_is_the_same():
    inputs, targets = made(3, 2, 9, 4)
    counts = torch.tensor([9, 6]), torch.tensor([4, 2])
    ours = rnnt_loss(lattice(*inputs, targets, slice_numbers=100), *counts).sum()
    plain = rnnt_loss(plain_lattice(*inputs, targets), *counts).sum()
    assert_equal_gradients(ours, plain, inputs, 1e-12)


def test_long_targets_stay_exact_in_float32():
    inputs, targets = made(5, 1, 120, 40, torch.float32)
    double = [value.detach().double().requires_grad_() for value in inputs]
    counts = torch.tensor([120]), torch.tensor([40])
    ours = rnnt_loss(lattice(*inputs, targets), *counts)[0]
    theirs = by_loops(all_scores(double)[0], targets[0], 120, 40)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    for mine, other in zip(gradients(ours, inputs), gradients(theirs, double), strict=True):
        torch.testing.assert_close(mine.double(), other, atol=2e-4, rtol=1e-3)


def test_half_precision_scores_are_normalised_in_float32():
    inputs, targets = made(6, 2, 8, 3, torch.float32)
    half = [value.detach().bfloat16().requires_grad_() for value in inputs[:2]]
    arcs = lattice(*half, *inputs[2:], targets)
    assert arcs.blank.dtype == torch.float32
    counts = torch.tensor([8, 8]), torch.tensor([3, 3])
    exact = rnnt_loss(lattice(*inputs, targets), *counts)
    loss = rnnt_loss(arcs, *counts)
    torch.testing.assert_close(loss, exact, atol=0.2, rtol=0)
    loss.sum().backward()
    assert half[0].grad.dtype == torch.bfloat16


@settings(max_examples=20)
@given(
    seed=st.integers(0, 1000),
    ends=st.lists(st.integers(0, 4), min_size=1, max_size=3).map(sorted),
    before=st.integers(0, 2),
    behind=st.integers(0, 2),
)
def test_restricted_alignments_against_the_paths_that_are_left(seed, ends, before, behind):
    frames, tokens = 5, len(ends)
    inputs, targets = made(seed, 1, frames, tokens)
    counts = torch.tensor([frames]), torch.tensor([tokens])
    at = torch.tensor([ends])

    def allowed(t, u):
        return max(0, ends[u] - before) <= t <= min(frames - 1, ends[u] + behind)

    expected = by_paths(all_scores(inputs)[0], targets[0], frames, tokens, allowed)
    windows = Windows.around(at, at, before, behind, counts[0])
    whole = restrict(lattice(*inputs, targets), windows)
    assert_equal_gradients(rnnt_loss(whole, *counts)[0], expected, inputs, 1e-9)
    cells = windows.cells(*counts, frames)
    narrow = restrict(lattice(*inputs, targets, cells=cells, slice_numbers=20), windows)
    assert_equal_gradients(rnnt_loss(narrow, *counts)[0], expected, inputs, 1e-9)


def test_windows_compute_little():
    ends = torch.arange(3, 63, 3)[None]
    frames, tokens = torch.tensor([70]), torch.tensor([20])
    cells = Windows.around(ends, ends, 2, 2, frames).cells(frames, tokens, 80)
    assert cells.shape == (1, 80, 21)
    assert cells.sum(-1).max() <= 3
    assert not cells[:, 70:].any(), "padding"


@settings(max_examples=20)
@given(
    seed=st.integers(0, 1000),
    spans=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=4),
)
def test_windows_from_known_to_due(seed, spans):
    """A token may come as soon as it and all before it are known, until it is due; in a batch."""
    frames, tokens = 6, len(spans)
    starts, ends = (list(itertools.accumulate(part, max)) for part in zip(*spans, strict=True))
    inputs, targets = made(seed, 2, frames + 2, tokens)
    counts = torch.tensor([frames, 1]), torch.tensor([tokens, 0])
    known, due = (torch.tensor([part, part]) for part in zip(*spans, strict=True))
    windows = Windows.around(known, due, 1, 0, counts[0])
    cells = windows.cells(*counts, frames + 2)
    found = rnnt_loss(restrict(lattice(*inputs, targets, cells=cells), windows), *counts)

    def allowed(t, u):
        low = min(max(0, starts[u] - 1), frames - 1)
        return low <= t <= max(low, min(ends[u], frames - 1))

    expected = by_paths(all_scores(inputs)[0], targets[0], frames, tokens, allowed)
    assert_equal_gradients(found[0], expected, inputs, 1e-9)


def test_a_band_forbids_what_is_outside():
    inputs, targets = made(1, 1, 4, 3)
    band = Band(torch.tensor([[0, 0, 1, 2]]), 2)

    def allowed(t, u):
        return band.first[0, t] <= u < band.first[0, t] + 1

    arcs = lattice(*inputs, targets, cells=band.cells(4), slice_numbers=20)
    found = rnnt_loss(arcs, torch.tensor([4]), torch.tensor([3]))[0]
    expected = by_paths(all_scores(inputs)[0], targets[0], 4, 3, allowed)
    assert_equal_gradients(found, expected, inputs, 1e-9)


def test_an_additive_joiner_against_plain_loops():
    generator = torch.Generator().manual_seed(0)
    enc = torch.randn(2, 6, VOCAB, generator=generator, dtype=torch.float32, requires_grad=True)
    pred = torch.randn(2, 4, VOCAB, generator=generator, dtype=torch.float32, requires_grad=True)
    targets = torch.randint(1, VOCAB, (2, 3), generator=generator)
    ours = rnnt_loss(
        additive_lattice(enc, pred, targets), torch.tensor([6, 6]), torch.tensor([3, 3])
    )
    scores = (enc[:, :, None] + pred[:, None]).log_softmax(-1)
    theirs = torch.stack([by_loops(scores[b], targets[b], 6, 3) for b in range(2)])
    torch.testing.assert_close(ours.float(), theirs, atol=1e-5, rtol=0)
    for mine, other in zip(
        gradients(ours.sum(), [enc, pred]), gradients(theirs.sum(), [enc, pred]), strict=True
    ):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=0)


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 8)), min_size=1, max_size=3),
    width=st.integers(2, 5),
)
def test_a_pruned_lattice_always_has_a_path(seed, sizes, width):
    """... unless there are fewer frames than the width can step over."""
    frames, tokens = (torch.tensor(part) for part in zip(*sizes, strict=True))
    longest, most = int(frames.max()), int(tokens.max())
    generator = torch.Generator().manual_seed(seed)
    arcs = Lattice(*(3 * torch.randn(2, len(sizes), longest, most + 1, generator=generator)))
    band = pruning_band(arcs, frames, tokens, width)
    for item, (t, u) in enumerate(sizes):
        first = band.first[item, :t].tolist()
        assert first[0] == 0
        assert all(b - a >= 0 for a, b in itertools.pairwise(first))
        if (t - 1) * (band.width - 1) + band.width >= u + 1:
            assert all(b - a <= band.width - 1 for a, b in itertools.pairwise(first))
            assert first[-1] <= u < first[-1] + band.width
    inputs, targets = made(seed, len(sizes), longest, most)
    loss = rnnt_loss(
        lattice(*inputs, targets, cells=band.cells(targets.shape[1] + 1)), frames, tokens
    )
    full = rnnt_loss(lattice(*inputs, targets), frames, tokens)
    enough = [(t - 1) * (band.width - 1) + band.width >= u + 1 for t, u in sizes]
    assert torch.isfinite(loss)[torch.tensor(enough)].all()
    assert (loss >= full - 1e-9).all(), "pruning only takes paths away"


def test_a_wide_band_prunes_nothing():
    inputs, targets = made(4, 2, 7, 3)
    counts = torch.tensor([7, 5]), torch.tensor([3, 2])
    band = pruning_band(plain_lattice(*inputs, targets), *counts, 9)
    assert band.width == 4
    pruned = rnnt_loss(lattice(*inputs, targets, cells=band.cells(targets.shape[1] + 1)), *counts)
    torch.testing.assert_close(pruned, rnnt_loss(lattice(*inputs, targets), *counts))


def test_fastemit_scales_the_gradients_of_tokens_only():
    blank, label = (torch.randn(1, 4, 3, dtype=torch.float64).requires_grad_() for _ in range(2))
    counts = torch.tensor([4]), torch.tensor([2])
    plain = gradients(rnnt_loss(Lattice(blank, label), *counts).sum(), [blank, label])
    fast = gradients(rnnt_loss(Lattice(blank, label), *counts, fastemit=0.25).sum(), [blank, label])
    torch.testing.assert_close(fast[0], plain[0])
    torch.testing.assert_close(fast[1], 1.25 * plain[1])


def test_passes_of_arcs_count_frames_and_tokens():
    blank, label = (torch.randn(1, 5, 4, dtype=torch.float64).requires_grad_() for _ in range(2))
    loss = rnnt_loss(Lattice(blank, label), torch.tensor([5]), torch.tensor([3])).sum()
    by_blank, by_label = gradients(loss, [blank, label])
    assert -by_blank.sum().item() == pytest.approx(5)
    assert -by_label.sum().item() == pytest.approx(3)
    torch.testing.assert_close(-by_blank.sum(-1)[0], torch.ones(5, dtype=torch.float64))


def test_no_path_is_infinite_and_changes_nothing():
    blank = torch.zeros(1, 2, 2, dtype=torch.float64, requires_grad=True)
    label = torch.full((1, 2, 2), -math.inf, dtype=torch.float64).requires_grad_()
    loss = rnnt_loss(Lattice(blank, label), torch.tensor([2]), torch.tensor([1]))
    assert loss.item() == math.inf
    for grad in gradients(loss.sum(), [blank, label]):
        assert grad.abs().max().item() == 0.0
