"""FASST's training layout and its masks, against tables written by hand (2408.09430, 3.3-3.4).

The case: four segments of two embeddings, k = 2, n = 2, five words of one token each.

    segment      1      2      3      4
    speech     e0 e1  e2 e3  e4 e5  e6 e7
    written           A B    C D    E </s>        the source ends with segment 4

    layout   <s> [  e0 e1 e2 e3 e4 e5 e6 e7  ]  A  B  C  D  (E)        [ <sp_start>, ] <sp_end>
    predicts                                 A  B  C  D  E  </s>       (E) is a probe
"""

import pytest
import torch

from earvoice.nn.masks import PADDING, PROBE, PROMPT, SPEECH, TEXT, Entries, consistency
from earvoice.sessions.layout import (
    SteppedTarget,
    TrainingPrompt,
    stepped_target,
    training_layout,
)
from earvoice.text.prompt import Prompt
from tests.tiny import fasst, tokenizer

BOS, START, END, ASSISTANT, EOS, PAD = 1, 8, 9, 7, 2, 0
A, B, C, D, E = 21, 22, 23, 24, 25
BOUND = TrainingPrompt({2: Prompt((BOS, START), (END,))}, eos_id=EOS, pad_id=PAD)
PROMPT_TOKENS, SPEECH_ROWS = 2, 8


def example(**changes):
    arguments = {
        "words": [[A], [B], [C], [D], [E]],
        "steps": [2, 2, 3, 3, 4],
        "supported": [True] * 5,
        "first_step": 2,
        "last_step": 4,
        "k": 2,
        "n": 2,
        "ended": True,
        "hold": False,
    }
    arguments |= changes
    words, steps, supported = (arguments.pop(name) for name in ("words", "steps", "supported"))
    return stepped_target(words, steps, supported, **arguments)


def layout_of(*targets, bound=BOUND):
    return training_layout(targets, bound, PROMPT_TOKENS, SPEECH_ROWS)


def rows_of(layout, item=0):
    """(id, label, position, kind, segment) of every row."""
    entries = layout.entries
    columns = (layout.ids, layout.labels, entries.position, entries.kind, entries.segment)
    table = torch.stack(columns, dim=-1)[item]
    return [tuple(row) for row in table.tolist()]


def test_the_table_of_the_drawing():
    layout = layout_of(example())
    assert rows_of(layout) == [
        # id   label position kind  may see up to segment
        (END, A, 2, TEXT, 2),  # the position of e0, which follows <s> [
        (A, B, 3, TEXT, 2),
        (B, C, 4, TEXT, 3),  # the last token of a group belongs to the next: it is fed again
        (C, D, 5, TEXT, 3),
        (D, E, 6, TEXT, 4),
        (E, EOS, 7, PROBE, 4),
    ]
    order = layout.entries.order[0]
    assert order[0] > PROMPT_TOKENS + SPEECH_ROWS - 1, "text comes after all speech"
    assert (order.diff() > 0).all()


def test_text_in_time_stands_after_what_it_has_heard():
    """The same drawing; [ heard ] counts two embeddings a segment, the prompt has two tokens."""
    heard = [0, 2, 4, 6, 8]
    layout = training_layout([example()], BOUND, PROMPT_TOKENS, SPEECH_ROWS, heard)
    assert [(row[0], row[2]) for row in rows_of(layout)] == [
        (END, 2 + 4),  # two segments heard
        (A, 2 + 5),
        (B, 2 + 6),  # fed again in the third
        (C, 2 + 7),
        (D, 2 + 8),
        (E, 2 + 9),  # the probe follows in the same step
    ]
    held = example(steps=[2, 4, 4, 4, 4], hold=True, n=4)
    layout = training_layout([held], BOUND, PROMPT_TOKENS, SPEECH_ROWS, heard)
    probes = [(row[0], row[2]) for row in rows_of(layout) if row[3] == PROBE]
    assert probes == [
        (A, 2 + 5),  # "nothing more" after A, still in the second step
        (A, 2 + 6),  # A is fed again in the third, and nothing comes
        (E, 2 + 12),
    ]


# Who may see whom, as papers and code have it: group g sees the first (k + g) segments.
#        <s> [  e0 e1 e2 e3 e4 e5 e6 e7  ]  A  B  C  D  E?
MASK = """
<s>       1  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
[         1  1  .  .  .  .  .  .  .  .  .  .  .  .  .  .
e0        1  1  1  .  .  .  .  .  .  .  .  .  .  .  .  .
e1        1  1  1  1  .  .  .  .  .  .  .  .  .  .  .  .
e2        1  1  1  1  1  .  .  .  .  .  .  .  .  .  .  .
e3        1  1  1  1  1  1  .  .  .  .  .  .  .  .  .  .
e4        1  1  1  1  1  1  1  .  .  .  .  .  .  .  .  .
e5        1  1  1  1  1  1  1  1  .  .  .  .  .  .  .  .
e6        1  1  1  1  1  1  1  1  1  .  .  .  .  .  .  .
e7        1  1  1  1  1  1  1  1  1  1  .  .  .  .  .  .
]         1  1  1  1  1  1  .  .  .  .  1  .  .  .  .  .
A         1  1  1  1  1  1  .  .  .  .  1  1  .  .  .  .
B         1  1  1  1  1  1  1  1  .  .  1  1  1  .  .  .
C         1  1  1  1  1  1  1  1  .  .  1  1  1  1  .  .
D         1  1  1  1  1  1  1  1  1  1  1  1  1  1  1  .
E?        1  1  1  1  1  1  1  1  1  1  1  1  1  1  1  1
"""


def drawn(text):
    rows = [line.split()[1:] for line in text.strip().splitlines()]
    return torch.tensor([[cell == "1" for cell in row] for row in rows])


def whole(layout):
    """The entries of prompt, speech and text together."""
    count = PROMPT_TOKENS + SPEECH_ROWS
    index = torch.arange(count)[None]
    kind = torch.tensor([[PROMPT] * PROMPT_TOKENS + [SPEECH] * SPEECH_ROWS])
    segment = torch.tensor([[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]])
    head = Entries(index, index, kind, segment)
    return Entries(
        *(
            torch.cat([getattr(head, name)[:1], getattr(layout.entries, name)[:1]], dim=1)
            for name in ("order", "position", "kind", "segment")
        )
    )


def test_the_mask_of_the_drawing():
    entries = whole(layout_of(example()))
    assert torch.equal(consistency(entries, entries)[0], drawn(MASK))


# A model that holds: at 2 it writes A, at 3 nothing, at 4 B and the end.
#        <s> [  e0 e1 e2 e3 e4 e5 e6 e7  ]  A  A? A? B?
HOLDING = """
]         1  1  1  1  1  1  .  .  .  .  1  .  .  .  .
A         1  1  1  1  1  1  1  1  1  1  1  1  .  .  .
A?        1  1  1  1  1  1  .  .  .  .  1  .  1  .  .
A?        1  1  1  1  1  1  1  1  .  .  1  .  .  1  .
B?        1  1  1  1  1  1  1  1  1  1  1  1  .  .  1
"""


def test_probes_see_the_past_and_nobody_sees_probes():
    layout = layout_of(example(words=[[A], [B]], steps=[2, 4], supported=[True] * 2, hold=True))
    assert rows_of(layout) == [
        (END, A, 2, TEXT, 2),
        (A, B, 3, TEXT, 4),
        (A, EOS, 3, PROBE, 2),  # one of two words was written at step 2: nothing more
        (A, EOS, 3, PROBE, 3),
        (B, EOS, 4, PROBE, 4),
    ]
    entries = whole(layout)
    assert torch.equal(consistency(entries, entries)[0, -5:], drawn(HOLDING))


def test_words_of_several_tokens_stay_together():
    layout = layout_of(example(words=[[A, B], [C], [D, E]], steps=[2, 2, 3], supported=[True] * 3))
    assert [(row[0], row[1], row[4]) for row in rows_of(layout)] == [
        (END, A, 2),
        (A, B, 2),
        (B, C, 2),
        (C, D, 3),
        (D, E, 3),
        (E, EOS, 4),
    ]


def test_what_stands_between_speech_and_text_is_read_with_the_first_group():
    bound = TrainingPrompt({2: Prompt((BOS, START), (END, ASSISTANT))}, EOS, PAD)
    layout = layout_of(example(words=[[A]], steps=[3], supported=[True], ended=False), bound=bound)
    # <sp_end> and ASSISTANT have the limit of group 0; the row that predicts A belongs to A.
    assert rows_of(layout) == [(END, -100, 2, TEXT, 2), (ASSISTANT, A, 3, TEXT, 3)]


def test_history_without_its_source_carries_no_loss():
    layout = layout_of(example(supported=[False, False, True, True, True]))
    assert layout.labels[0].tolist() == [-100, -100, C, D, E, EOS]
    assert layout.ids[0].tolist() == [END, A, B, C, D, E]


def test_a_source_that_goes_on_has_no_end():
    layout = layout_of(example(ended=False))
    assert [row[:2] for row in rows_of(layout)] == [(END, A), (A, B), (B, C), (C, D), (D, E)]


def test_an_empty_target_only_ends_or_holds():
    empty = {"words": [], "steps": [], "supported": []}
    assert rows_of(layout_of(example(**empty))) == [
        (END, -100, 2, TEXT, 2),
        (END, EOS, 2, PROBE, 4),
    ]
    holding = layout_of(example(**empty, hold=True))
    assert [row[1] for row in rows_of(holding)] == [-100, EOS, EOS, EOS]
    assert [row[4] for row in rows_of(holding)] == [2, 2, 3, 4]


def test_shorter_items_are_padded():
    layout = layout_of(example(), example(words=[[A]], steps=[2], supported=[True]))
    assert layout.ids.shape == (2, 6)
    assert rows_of(layout, 1)[2:] == [(PAD, -100, 0, PADDING, 0)] * 4
    visible = consistency(layout.entries, layout.entries)
    assert not visible[1, :, 2:].any(), "nobody sees padding"


def test_stepped_target_counts_tokens():
    target = example(words=[[A, B], [C], [D, E]], steps=[2, 4, 4], supported=[True, False, True],
                     hold=True)  # fmt: skip
    assert target == SteppedTarget(
        ids=[A, B, C, D, E],
        steps=[2, 2, 4, 4, 4],
        supported=[True, True, False, True, True],
        holds=[(2, 2), (2, 3), (5, 4)],
        first_step=2,
        last_step=4,
        k=2,
    )


@pytest.fixture(scope="module")
def system():
    return fasst(faithful=True)


def test_the_network_lays_out_its_own_prompt(system):
    prompt = system.training_prompt.prompts[2]
    assert prompt.before == (tokenizer().bos_id, tokenizer().sp_start_id)
    assert prompt.after == (tokenizer().sp_end_id,)
    per_segment = system.segment_samples // system.rate.stride
    segments = system.segment_of(3 * per_segment)
    assert segments.tolist() == [1] * per_segment + [2] * per_segment + [3] * per_segment


def test_a_row_hears_its_own_segments_and_no_later_ones(system):
    # D, at step 3, must not change when segment 4 does; E, at step 4, must.
    per_segment = system.segment_samples // system.rate.stride
    speech = torch.randn(1, 4 * per_segment, system.config.llm.dim)
    other = speech.clone()
    other[:, 3 * per_segment :] += 1.0
    with torch.no_grad():
        before, _ = system.training_forward(speech, [example()])
        after, _ = system.training_forward(other, [example()])
    changed = (before - after).abs().amax(-1)[0] > 1e-5
    assert changed.tolist() == [False, False, False, False, True, True]


def test_loss_is_counted_on_labelled_rows_only(system):
    per_segment = system.segment_samples // system.rate.stride
    speech = torch.randn(1, 4 * per_segment, system.config.llm.dim)
    target = example(supported=[False, False, True, True, True])
    with torch.no_grad():
        hidden, layout = system.training_forward(speech, [target])
        logits = system.lm.logits(hidden[0])
    wanted = [(2, C), (3, D), (4, E), (5, tokenizer().eos_id)]
    by_hand = -sum(logits[row].log_softmax(-1)[token] for row, token in wanted) / 4
    assert [row for row, label in enumerate(layout.labels[0].tolist()) if label >= 0] == [
        2,
        3,
        4,
        5,
    ]

    class Words:
        words = ((A,), (B,), (C,), (D,), (E,))
        steps, supported = (2, 2, 3, 3, 4), (False, False, True, True, True)
        first_step, last_step, k, n, ended = 2, 4, 2, 2, True
        missed = frozenset()

    with torch.no_grad():
        loss = system._translation_loss(speech, [Words])["loss"]
    torch.testing.assert_close(loss, by_hand, atol=1e-5, rtol=1e-5)
