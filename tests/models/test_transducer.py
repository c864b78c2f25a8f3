"""A transducer learns a small task, in every form of its loss."""

import pytest
import torch

from earvoice.models.transducer import LstmConfig, StatelessConfig, Transducer, TransducerConfig
from earvoice.search.transducer import TransducerSettings, begin, search

TOKENS = [[1, 2, 3], [3, 3], [2]]


def task():
    """Each token is a frame of its own between frames of nothing. Frames, counts, ends."""
    frames, ends = torch.zeros(3, 8, 4), []
    for item, tokens in enumerate(TOKENS):
        ends.append([2 * place + 1 for place in range(len(tokens))])
        for token, frame in zip(tokens, ends[-1], strict=True):
            frames[item, frame, token] = 1.0
    return frames, torch.tensor([8, 6, 4]), ends


FORMS = {
    "whole": {},
    "stateless": {"predictor": StatelessConfig(dim=16)},
    "aligned": {"align_before": 0, "align_behind": 1},
    "pruned": {"prune": 3},
    "fastemit": {"fastemit": 0.01},
}


@pytest.mark.parametrize("form", FORMS)
def test_it_learns_what_it_hears(form):
    torch.manual_seed(0)
    options = {"predictor": LstmConfig(dim=16), "joint": 24, **FORMS[form]}
    net = Transducer(4, 5, TransducerConfig(**options))
    frames, counts, ends = task()
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    losses = []
    for _ in range(80):
        optimiser.zero_grad()
        loss = net.loss(frames, counts, TOKENS, ends).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    states = [begin(net.eval()) for _ in TOKENS]
    with torch.no_grad():
        heard = [row[:count] for row, count in zip(frames, counts, strict=True)]
        found = search(net, states, heard, TransducerSettings(2, 4))
    said = [final + state.close() for final, state in zip(found, states, strict=True)]
    assert [[token.id for token in tokens] for tokens in said] == TOKENS


def test_padding_changes_nothing():
    torch.manual_seed(1)
    net = Transducer(4, 5, TransducerConfig(predictor=LstmConfig(dim=8), joint=8))
    frames, counts, _ = task()
    together = net.loss(frames, counts, TOKENS)
    for item, tokens in enumerate(TOKENS):
        alone = net.loss(frames[item : item + 1, : counts[item]], counts[item : item + 1], [tokens])
        torch.testing.assert_close(together[item], alone[0])
