"""Every mask, drawn by hand: `x` may attend, `.` may not."""

import pytest
import torch

from earvoice.nn.masks import (
    PADDING,
    PROBE,
    PROMPT,
    SPEECH,
    TEXT,
    Entries,
    block_causal,
    causal,
    consistency,
)

KINDS = {"P": PROMPT, "S": SPEECH, "T": TEXT, "?": PROBE, "_": PADDING}


def entries(layout, orders=None):
    """`"P S1 S2 T2"`: kind and segment of each place, in causal order unless `orders` says."""
    places = layout.split()
    kind = torch.tensor([[KINDS[place[0]] for place in places]])
    segment = torch.tensor([[int(place[1:] or 0) for place in places]])
    order = torch.arange(len(places))[None] if orders is None else torch.tensor([orders])
    return Entries(order, order, kind, segment)


def drawn(mask):
    return ["".join("x" if cell else "." for cell in row) for row in mask.tolist()]


def test_causal():
    x = entries("P S1 T1 _")
    assert drawn(causal(x, x)[0]) == [
        "x...",
        "xx..",
        "xxx.",
        "xxx.",  # nobody sees padding
    ]


def test_causal_is_about_order_not_place():
    x = entries("T1 T2 T3", orders=[20, 0, 10])
    assert drawn(causal(x, x)[0]) == ["xxx", ".x.", ".xx"]


def test_consistency_as_the_cache_grows():
    """2408.09430, eq. 13 and 14, k = 2: speech does not see the text between it."""
    x = entries("P S1 S2 T2 T2 S3 T3 T3 S4")
    assert drawn(consistency(x, x)[0]) == [
        "x........",
        "xx.......",
        "xxx......",
        "xxxx.....",
        "xxxxx....",
        "xxx..x...",  # the third segment sees speech only
        "xxxxxxx..",
        "xxxxxxxx.",
        "xxx..x..x",
    ]


def test_consistency_in_the_training_layout():
    """The same stream, all speech first: text sees the speech that had been heard by then."""
    x = entries("P S1 S2 S3 S4 T2 T2 T3 T3")
    assert drawn(consistency(x, x)[0]) == [
        "x........",
        "xx.......",
        "xxx......",
        "xxxx.....",
        "xxxxx....",
        "xxx..x...",
        "xxx..xx..",
        "xxxx.xxx.",
        "xxxx.xxxx",
    ]


def test_a_probe_sees_like_text_and_is_seen_by_itself_only():
    x = entries("P S1 S2 T1 ?1 ?2 T2", orders=[0, 1, 2, 100, 101, 102, 200])
    assert drawn(consistency(x, x)[0]) == [
        "x......",
        "xx.....",
        "xxx....",
        "xx.x...",
        "xx.xx..",  # "what after T1, knowing segment 1?"
        "xxxx.x.",  # "and knowing segment 2?"
        "xxxx..x",
    ]


def test_a_query_of_a_few_rows_against_a_longer_cache():
    cache, query = entries("P S1 T1 T1 S2 T2 _ _"), entries("S2 T2", orders=[4, 5])
    assert drawn(consistency(query, cache)[0]) == ["xx..x...", "xxxxxx.."]


def test_items_of_a_batch_are_masked_by_their_own_kinds():
    a, b = entries("P S1 T1"), entries("P T0 S1")
    both = Entries(*(torch.cat([getattr(a, n), getattr(b, n)]) for n in vars(a)))
    masks = consistency(both, both)
    assert drawn(masks[0]) == ["x..", "xx.", "xxx"]
    assert drawn(masks[1]) == ["x..", "xx.", "x.x"]


@pytest.mark.parametrize(
    ("left_blocks", "rows"),
    [
        (None, ["xx....", "xx....", "xxxx..", "xxxx..", "xxxxxx", "xxxxxx"]),
        (1, ["xx....", "xx....", "xxxx..", "xxxx..", "..xxxx", "..xxxx"]),
        (0, ["xx....", "xx....", "..xx..", "..xx..", "....xx", "....xx"]),
    ],
)
def test_block_causal(left_blocks, rows):
    frames = torch.arange(6)
    assert drawn(block_causal(frames, frames, 2, left_blocks)) == rows


def test_block_causal_of_a_later_piece():
    assert drawn(block_causal(torch.arange(3, 5), torch.arange(5), 2, 1)) == ["xxxx.", "..xxx"]
