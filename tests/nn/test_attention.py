"""Attention over rows of a pool, and rotary positions."""

import math

import pytest
import torch

from earvoice.nn.attention import RowStep, attend, attend_in_full, rotary_angles, rotate

HEADS, KV_HEADS, WIDTH, CAPACITY = 4, 2, 6, 9


@pytest.fixture
def pools():
    torch.manual_seed(0)
    return torch.randn(5, CAPACITY, KV_HEADS, WIDTH), torch.randn(5, CAPACITY, KV_HEADS, WIDTH)


def step(q, rows, lengths, mask=None):
    """The step of rows whose newest entries are the last of their lengths."""
    slots = torch.stack([torch.arange(n - q.shape[2], n) for n in lengths])
    return RowStep(rows, slots, lengths, mask, q)


def by_hand(q, k, v):
    """Softmax attention of one item, head by head. q [H, Tq, Dh]; k, v [Tk, Hkv, Dh]."""
    group = q.shape[0] // k.shape[1]
    heads = []
    for head in range(q.shape[0]):
        keys, values = k[:, head // group], v[:, head // group]
        weights = (q[head] @ keys.T / math.sqrt(q.shape[-1])).softmax(-1)
        heads.append(weights @ values)
    return torch.stack(heads)


@pytest.mark.parametrize("rows", [[0], [3], [0, 1, 2], [2, 1, 0], [4, 0], [1, 3]])
@pytest.mark.parametrize("masked", [False, True])
def test_rows_attend_to_their_own_entries(pools, rows, masked):
    k, v = pools
    q = torch.randn(len(rows), HEADS, 2, WIDTH)
    lengths = [CAPACITY - 2 * place for place in range(len(rows))]
    mask = None
    if masked:
        used = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        mask = used[:, None, None, :].expand(-1, -1, 2, -1)
    found = step(q, rows, lengths, mask).attend(q, k, v)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        expected = by_hand(q[place], k[row, :length], v[row, :length])
        torch.testing.assert_close(found[place], expected, atol=1e-6, rtol=1e-5)


def test_equal_lengths_need_no_mask(pools):
    k, v = pools
    q = torch.randn(2, HEADS, 1, WIDTH)
    found = step(q, [1, 2], [7, 7]).attend(q, k, v)
    torch.testing.assert_close(found[1], by_hand(q[1], k[2, :7], v[2, :7]), atol=1e-6, rtol=1e-5)


def test_a_masked_entry_has_no_weight(pools):
    k, v = (pool[:1, :3].transpose(1, 2) for pool in pools)
    q = torch.randn(1, HEADS, 1, WIDTH)
    mask = torch.tensor([True, False, True])[None, None, None]
    expected = attend(q, k[:, :, [0, 2]], v[:, :, [0, 2]])
    torch.testing.assert_close(attend(q, k, v, mask), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("rows", [[2], [0, 3]])
def test_writing_touches_only_its_slots(pools, rows):
    pool = pools[0].clone()
    slots = torch.stack([torch.arange(3 + place, 5 + place) for place in range(len(rows))])
    values = torch.full((len(rows), 2, KV_HEADS, WIDTH), 7.0)
    lengths = [int(own[-1]) + 1 for own in slots]
    RowStep(rows, slots, lengths, None, values).write(pool, values)
    changed = {
        (int(row), int(slot)) for row, slot in (pool != pools[0]).any(-1).any(-1).nonzero().tolist()
    }
    assert changed == {
        (row, int(slot)) for row, own in zip(rows, slots, strict=True) for slot in own
    }
    assert bool((pool[rows[0], slots[0]] == 7).all())


def rotated(x, position, theta=100.0):
    cos, sin = rotary_angles(torch.as_tensor(position)[None], x.shape[-1], theta)
    return rotate(x, cos, sin)


def test_position_zero_is_the_identity():
    x = torch.randn(1, 1, 2, WIDTH)
    assert torch.equal(rotated(x, [0]), x)


def test_a_rotation_turns_pairs_of_the_two_halves():
    """Pair i of a head turns by position * theta^(-2i/d)."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])[None, None, None]
    found = rotated(x, [3], theta=100.0).flatten()
    for pair, angle in ((0, 3.0), (1, 3.0 / 10.0)):
        a, b = float(x[..., pair]), float(x[..., pair + 2])
        expected = (
            a * math.cos(angle) - b * math.sin(angle),
            b * math.cos(angle) + a * math.sin(angle),
        )
        assert float(found[pair]) == pytest.approx(expected[0], abs=1e-6)
        assert float(found[pair + 2]) == pytest.approx(expected[1], abs=1e-6)


def test_scores_depend_on_the_distance_only():
    q, k = torch.randn(2, 1, 1, 1, WIDTH)
    near = (rotated(q, [12]) * rotated(k, [5])).sum()
    far = (rotated(q, [100_007]) * rotated(k, [100_000])).sum()
    torch.testing.assert_close(near, far, atol=1e-4, rtol=1e-4)


def test_turning_by_the_difference_moves_a_key():
    k = torch.randn(1, 3, 2, WIDTH)
    here, there = [4, 90, 2000], [0, 1, 2]
    moved = rotated(rotated(k, here), [t - h for h, t in zip(here, there, strict=True)])
    torch.testing.assert_close(moved, rotated(k, there), atol=1e-5, rtol=1e-5)


def test_angles_are_exact_after_hours():
    """A day of embeddings at 12.5 a second: float32 angles would be wrong by whole degrees."""
    position = 24 * 3600 * 125 // 10
    cos, _ = rotary_angles(torch.tensor([[position]]), 2, 10000.0)
    assert float(cos[0, 0, 0]) == pytest.approx(math.cos(position), abs=1e-6)


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("masked", ["none", "bool", "added"])
def test_plain_products_give_what_the_fused_kernel_gives(kv_heads, masked):
    torch.manual_seed(1)
    q = torch.randn(2, 4, 9, 8, requires_grad=True)
    k, v = (torch.randn(2, kv_heads, 9, 8, requires_grad=True) for _ in range(2))
    allowed = torch.ones(9, 9, dtype=torch.bool).tril()[None, None]
    hidden = torch.zeros(1, 1, 9, 9).masked_fill(~allowed, float("-inf"))
    mask = {"none": None, "bool": allowed, "added": hidden}[masked]
    ours, theirs = attend_in_full(q, k, v, mask), attend(q, k, v, mask)
    assert torch.allclose(ours, theirs, atol=1e-5)
    weights = torch.randn_like(ours)
    for x in (q, k, v):
        one, other = (torch.autograd.grad((y * weights).sum(), x, retain_graph=True)[0]
                      for y in (ours, theirs))  # fmt: skip
        assert torch.allclose(one, other, atol=1e-5)


def test_learning_in_bfloat16_is_near_what_runs_live():
    torch.manual_seed(1)
    q, k, v = (torch.randn(2, 4, 9, 8, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    mask = torch.ones(9, 9, dtype=torch.bool).tril()[None, None]
    learning = attend(q, k, v, mask)
    with torch.no_grad():
        live = attend(q, k, v, mask)
    assert torch.allclose(learning.float(), live.float(), atol=0.03)
