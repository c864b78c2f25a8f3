"""A step of some rows of a pool equals each row by itself, however the rows lie."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from earvoice.nn.attention import RowStep, attend, rotary_angles, rotate

POOL, LAYERS, CAPACITY, HEADS, KV_HEADS, DIM = 9, 2, 12, 4, 2, 8

batches = st.lists(
    st.tuples(st.integers(0, POOL - 1), st.integers(0, CAPACITY - 3)),
    min_size=1,
    max_size=POOL,
    unique_by=lambda item: item[0],
)


def alone(q, k, v, mask):
    """One row [H, T, Dh] over keys [L, Hkv, Dh]."""
    k, v = k.transpose(0, 1)[None], v.transpose(0, 1)[None]
    return attend(q[None], k, v, None if mask is None else mask[None, None])[0]


@given(
    batch=batches,
    ordered=st.booleans(),
    count=st.integers(1, 3),
    masked=st.booleans(),
    layered=st.booleans(),
    by_heads=st.booleans(),
    seed=st.integers(0, 99),
)
def test_rows_together_are_rows_alone(batch, ordered, count, masked, layered, by_heads, seed):
    torch.manual_seed(seed)
    batch = sorted(batch) if ordered else batch
    rows, before = [row for row, _ in batch], [used for _, used in batch]
    slots = torch.tensor(before)[:, None] + torch.arange(count)
    lengths = [used + count for used in before]
    whole = torch.randn(POOL, LAYERS, CAPACITY, KV_HEADS, DIM)
    k_pool = whole[:, 1] if layered else whole[:, 1].clone()
    if by_heads:
        k_pool = k_pool.transpose(1, 2).contiguous().transpose(1, 2)
    v_pool = torch.randn(POOL, CAPACITY, KV_HEADS, DIM)
    q, k, v = (torch.randn(len(rows), count, heads, DIM) for heads in (HEADS, KV_HEADS, KV_HEADS))
    mask = None
    if masked:
        used = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None, None, None]
        mask = (torch.rand(len(rows), 1, count, max(lengths)) < 0.6) & used
        mask[..., 0] = True
    expected_k, expected_v = k_pool.clone(), v_pool.clone()
    for item, row in enumerate(rows):
        expected_k[row, before[item] : lengths[item]] = k[item]
        expected_v[row, before[item] : lengths[item]] = v[item]

    step = RowStep(rows, slots, lengths, mask, q)
    step.write(k_pool, k)
    step.write(v_pool, v)
    found = step.attend(q.transpose(1, 2), k_pool, v_pool)

    assert torch.equal(k_pool, expected_k)
    assert torch.equal(v_pool, expected_v)
    for item, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        own = None if mask is None else mask[item, 0, :, :length]
        one = alone(q[item].transpose(0, 1), k_pool[row, :length], v_pool[row, :length], own)
        torch.testing.assert_close(found[item], one, atol=1e-5, rtol=1e-5)


def test_other_rows_and_layers_are_not_touched():
    whole = torch.zeros(POOL, LAYERS, CAPACITY, KV_HEADS, DIM)
    slots = torch.tensor([[3, 4], [0, 1]])
    RowStep([5, 2], slots, [5, 2], None, whole).write(whole[:, 0], torch.ones(2, 2, KV_HEADS, DIM))
    touched = whole.flatten(3).amax(-1).nonzero().tolist()
    assert touched == [[2, 0, 0], [2, 0, 1], [5, 0, 3], [5, 0, 4]]


def test_neighbours_of_about_the_same_length_are_read_as_one():
    def parts(rows, lengths):
        slots = torch.tensor(lengths)[:, None] - 1
        step = RowStep(rows, slots, lengths, None, torch.zeros(1))
        return [(part.rows.start, part.rows.stop, part.length) for part in step._parts]

    assert parts([0, 1, 2], [9, 9, 8]) == [(0, 3, 9)]
    assert parts([0, 1, 4], [9, 9, 9]) == [(0, 2, 9), (4, 5, 9)]
    assert parts([0, 1], [12, 2]) == [(0, 1, 12), (1, 2, 2)]
    assert parts([1, 0], [5, 5]) == [(1, 2, 5), (0, 1, 5)]


def test_turning_by_nothing_and_back():
    x = torch.randn(2, 3, HEADS, DIM)
    position = torch.tensor([[0, 1, 500], [7, 8, 100_000]])
    cos, sin = rotary_angles(position, DIM, 10000.0)
    back_cos, back_sin = rotary_angles(-position, DIM, 10000.0)
    turned = rotate(x, cos, sin)
    torch.testing.assert_close(turned[0, 0], x[0, 0])
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotate(turned, back_cos, back_sin), x, atol=1e-5, rtol=1e-5)
