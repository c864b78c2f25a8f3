"""The retriever's parts: letters, spans, padding, and that it can learn."""

import pytest
import torch

from earvoice.models.retriever import Retriever, RetrieverConfig

CONFIG = RetrieverConfig(
    dim=16, heads=2, layers=1, key_layers=2, vector=8, alphabet=128, window_frames=24,
    hop_frames=6, spans=(4, 8), span_hop=2, candidates=4,
)  # fmt: skip


def retriever():
    torch.manual_seed(1)
    return Retriever(CONFIG, 12)


def test_letters_in_one_case():
    spelt = retriever().spell(["Ab", "a", "x" * 99])
    assert spelt[0].tolist()[:3] == [97, 98, -1]
    assert spelt.shape == (3, 32)


def test_padding_changes_nothing():
    net = retriever().eval()
    frames = torch.randn(2, 20, 12)
    terms = ["go", "garden", "extraordinary"]
    together = net.keys(net.spell(terms))
    for number, term in enumerate(terms):
        alone = net.keys(net.spell([term]))
        torch.testing.assert_close(net.key_vectors(*alone)[0], net.key_vectors(*together)[number])
        torch.testing.assert_close(
            net.score(frames, *alone)[:, 0], net.score(frames, *together)[:, number]
        )


def test_the_two_halves_differ():
    net = retriever().eval()
    stop, pots = net.key_vectors(*net.keys(net.spell(["stop", "pots"])))
    assert not torch.allclose(stop, pots)
    frames = torch.randn(1, 8, 12)
    there, back = net.spans(frames, 8), net.spans(frames.flip(1), 8)
    assert not torch.allclose(there[0, -1], back[0, -1])


def test_spans_are_means_of_halves():
    net = retriever().eval()
    frames = torch.randn(1, 10, 12)
    spans = net.spans(frames, 2)
    assert spans.shape == (1, 2, 8)  # one of each length ends in the last two frames
    halves = torch.cat([frames[0, 2:6].mean(0), frames[0, 6:10].mean(0)])
    expected = torch.nn.functional.normalize(net.span_vector(halves), dim=-1)
    torch.testing.assert_close(spans[0, 1], expected)
    assert net.spans(frames[:, :3], 3).shape == (1, 0, 8)


def test_it_learns_which_term_is_in_which_window():
    net = retriever()
    generator = torch.Generator().manual_seed(0)
    terms = ["alpha", "beta", "gamma", "delta"]
    voices = torch.randn(4, 12, generator=generator)
    optim = torch.optim.Adam(net.parameters(), 1e-2)
    present = torch.eye(4, dtype=torch.bool)
    said = present[..., None] * torch.tensor([8, 16])
    first = None
    for _ in range(150):
        frames = 0.3 * torch.randn(4, 24, 12, generator=generator)
        frames[:, 8:16] += voices[:, None]
        losses = net.losses(frames, terms, present, said)
        first = losses["loss"].item() if first is None else first
        optim.zero_grad()
        losses["loss"].backward()
        optim.step()
    assert losses["retrieval"] >= 0.75
    assert losses["loss"].item() < first / 2


@pytest.mark.parametrize(
    "changes", [{"heads": 3}, {"spans": (80,)}, {"spans": (5,)}, {"hop_frames": 7}]
)
def test_sizes_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValueError):
        RetrieverConfig(**{"span_hop": 4, **changes})
