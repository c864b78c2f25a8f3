"""Speech embeddings between the tokens of a prompt: the input of an offline speech LLM.

    item 1   b b S S S S a a a t t t          b, a: prompt before and after, S: speech, t: target
    item 2   b b S S a a a t t . . .          compact: everything moves up, padding is at the end
    item 2   b b S S . . a a a t t .          gap: the speech is padded to the longest

With gaps the positions count through the padding, so that the text of a short item stands further
from its speech than it would alone. That is how LLaST's published code trains (2407.15415); it
decodes one item at a time, without gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from earvoice.models.llm import LanguageModel
from earvoice.nn.masks import PADDING, PROMPT, SPEECH, TEXT, Entries
from earvoice.text.prompt import Prompt

IGNORED = -100


@dataclass(frozen=True)
class Answer:
    """Target ids, of which the first `learnt` are predicted; empty where one is to be written."""

    ids: tuple[int, ...] = ()
    learnt: int = 0


@dataclass(frozen=True)
class Spliced:
    """A batch ready for a language model.

    x [B, T, D]; entries, [B, T] each; ids [B, T], `IGNORED` where no token stands;
    labels [B, T]: the id that the hidden state of this place has to predict, `IGNORED` elsewhere;
    last [B]: the place of each item's last entry.
    """

    x: Tensor
    entries: Entries
    ids: Tensor
    labels: Tensor
    last: Tensor


def splice(
    lm: LanguageModel,
    speech: Tensor,
    counts: Sequence[int],
    prompts: Sequence[Prompt],
    answers: Sequence[Answer],
    *,
    gap: bool = False,
) -> Spliced:
    """Puts each item's speech into its prompt, its answer after it.

    Args: speech [B, N, D], of which the first counts[i] of item i are real.
    """
    rows = [
        _row(prompt, answer, count, speech.shape[1] if gap else count)
        for prompt, answer, count in zip(prompts, answers, counts, strict=True)
    ]
    ids, kind, labels = (
        pad_sequence([row[place] for row in rows], batch_first=True, padding_value=padding)
        for place, padding in enumerate((IGNORED, PADDING, IGNORED))
    )
    x = lm.embed(ids.clamp(min=0).to(speech.device)).to(speech.dtype)
    item, place = (kind == SPEECH).nonzero(as_tuple=True)
    first = torch.tensor([len(prompt.before) for prompt in prompts])
    spoken = speech[item.to(speech.device), (place - first[item]).to(speech.device)]
    x = x.index_put((item.to(x.device), place.to(x.device)), spoken)
    order = torch.arange(ids.shape[1]).expand(len(rows), -1)
    entries = Entries(order=order, position=order, kind=kind, segment=torch.zeros_like(order))
    last = torch.tensor([len(row[0]) - 1 for row in rows])
    return Spliced(x, entries, ids, labels, last)


def _row(prompt: Prompt, answer: Answer, count: int, room: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, kinds and labels of one item whose speech takes `room` places."""
    before, after, target = len(prompt.before), len(prompt.after), len(answer.ids)
    ids = [*prompt.before, *[IGNORED] * room, *prompt.after, *answer.ids]
    kind = [PROMPT] * before + [SPEECH] * count + [PADDING] * (room - count)
    kind += [PROMPT] * after + [TEXT] * target
    labels = [IGNORED] * len(ids)
    first = before + room + after - 1  # this place predicts the answer's first token
    labels[first : first + answer.learnt] = answer.ids[: answer.learnt]
    return torch.tensor(ids), torch.tensor(kind), torch.tensor(labels)
