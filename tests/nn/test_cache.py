"""The entry cache: what it remembers of each entry, and what is left after a window slides."""

import numpy as np
import pytest
import torch

from earvoice.nn.cache import PINNED, init_entry_cache, init_ring
from earvoice.nn.masks import PADDING, PROMPT, SPEECH, TEXT, Entries, causal


def entries(kinds, segments, first=0):
    position = torch.arange(first, first + len(kinds))[None]
    return Entries(position, position, torch.tensor([kinds]), torch.tensor([segments]))


@pytest.fixture
def cache():
    """Row 1 of three: P P | S1 S1 | T1 | S2 S2 | T2 T2; each key is its own slot number."""
    cache = init_entry_cache(3, 2, 12, 1, 4, torch.zeros(0))
    slots = cache.append([1], entries([PROMPT] * 2 + [SPEECH] * 2 + [TEXT], [0, 0, 1, 1, 1]))
    assert slots.tolist() == [[0, 1, 2, 3, 4]]
    cache.append([1], entries([SPEECH] * 2 + [TEXT] * 2, [2] * 4, first=5))
    cache.k[1] = torch.arange(12.0)[None, :, None, None].expand(2, 12, 1, 4)
    cache.v[1] = cache.k[1] + 100
    return cache


def test_a_heads_entries_lie_one_after_the_other_also_when_rows_are_added():
    cache = init_entry_cache(2, 3, 12, 2, 4, torch.zeros(0))
    assert cache.k.shape == (2, 3, 12, 2, 4)
    cache.resize(5)
    for pool in (cache.k, cache.v):
        assert pool[:, :, :, 1].stride()[2:] == (4, 1)
        assert pool[0].transpose(1, 2).is_contiguous()


def test_append_gives_consecutive_slots_and_remembers_what_they_hold(cache):
    assert cache.length.tolist() == [0, 9, 0]
    found = cache.entries([1], 9)
    assert found.kind.tolist() == [[PROMPT] * 2 + [SPEECH] * 2 + [TEXT] + [SPEECH] * 2 + [TEXT] * 2]
    assert found.segment.tolist() == [[0, 0, 1, 1, 1, 2, 2, 2, 2]]
    assert found.position.tolist() == found.order.tolist() == [list(range(9))]


def test_rows_of_a_batch_append_at_their_own_ends(cache):
    slots = cache.append([2, 1], Entries(*[torch.zeros(2, 2, dtype=torch.long)] * 4))
    assert slots.tolist() == [[0, 1], [9, 10]]
    assert cache.length.tolist() == [0, 11, 2]


def test_slots_beyond_a_rows_end_are_padding(cache):
    cache.append([0], entries([TEXT], [7]))
    found = cache.entries([0, 1], 9)
    assert found.kind[0].tolist() == [TEXT] + [PADDING] * 8


def test_full_is_an_error_and_changes_nothing(cache):
    with pytest.raises(ValueError, match=r"cache of 12 entries is full \(9 used, 4 more\)"):
        cache.append([1], entries([TEXT] * 4, [3] * 4))
    assert cache.length.tolist() == [0, 9, 0]
    cache.append([1], entries([TEXT] * 3, [3] * 3))  # just fits


def test_pop(cache):
    cache.pop(1, 2)
    assert cache.length[1] == 7
    assert cache.append([1], entries([TEXT], [5])).tolist() == [[7]]
    with pytest.raises(ValueError, match="cannot pop 9 of 8"):
        cache.pop(1, 9)


def test_oldest(cache):
    assert cache.oldest(1, SPEECH) == 1
    assert cache.oldest(1, TEXT) == 1
    assert cache.oldest(0, SPEECH) == PINNED


def test_what_survives_a_slide(cache):
    assert cache.slots_from(1, 1).tolist() == list(range(9))
    assert cache.slots_from(1, 2).tolist() == [0, 1, 5, 6, 7, 8]
    assert cache.slots_from(1, 3).tolist() == [0, 1]


def test_pinned_entries_outlive_every_window(cache):
    cache.pin(1, 7)
    assert cache.slots_from(1, 99).tolist() == [0, 1, 7, 8]
    assert cache.oldest(1, TEXT) == 1
    assert cache.entries([1], 9).kind[0, 7] == TEXT, "pinned text is still text"


def test_renumber(cache):
    keep, position = np.array([0, 1, 5, 7, 8]), np.array([0, 1, 2, 2, 3])
    cache.renumber(1, keep, position, lambda keys: keys * 2)
    assert cache.length[1] == 5
    found = cache.entries([1], 5)
    assert found.kind.tolist() == [[PROMPT, PROMPT, SPEECH, TEXT, TEXT]]
    assert found.segment.tolist() == [[0, 0, 2, 2, 2]]
    assert found.position.tolist() == [position.tolist()]
    for layer in range(2):
        assert cache.k[1, layer, :5, 0, 0].tolist() == [0, 2, 10, 14, 16]
        assert cache.v[1, layer, :5, 0, 0].tolist() == [100, 101, 105, 107, 108]


def test_visible(cache):
    new = entries([TEXT], [3], first=9)
    slots = cache.append([1], new)
    assert cache.visible([1], slots, new, None) is None, "one row in use from end to end"
    assert cache.visible([1], slots, new, causal).tolist() == [[[[True] * 10]]]
    other = cache.append([0], new)
    both = Entries(*(torch.cat([getattr(new, name)] * 2) for name in vars(new)))
    shown = cache.visible([0, 1], torch.cat([other, slots]), both, None)
    assert shown.shape == (2, 1, 1, 10)
    assert shown.sum(-1).flatten().tolist() == [1, 10]


def test_reset_and_fork(cache):
    cache.fork(1, 2)
    cache.reset([1])
    assert cache.length.tolist() == [0, 0, 9]
    assert cache.oldest(1, SPEECH) == PINNED
    cache.append([1], entries([TEXT], [8]))
    assert cache.slots_from(2, 2).tolist() == [0, 1, 5, 6, 7, 8]
    assert torch.equal(cache.k[2, 0, :, 0, 0], torch.arange(12.0))


def test_bytes_are_those_of_the_docstring():
    rows, layers, capacity, kv_heads, head_dim = 3, 2, 50, 2, 8
    cache = init_entry_cache(rows, layers, capacity, kv_heads, head_dim, torch.zeros(0))
    per_row = capacity * (2 * layers * kv_heads * head_dim * 4 + 24)
    assert cache.nbytes() == rows * (per_row + 8)  # and its length
    ring = init_ring(rows, 2, capacity, head_dim, torch.zeros(0))
    assert ring.nbytes() == rows * 2 * 2 * capacity * head_dim * 4
