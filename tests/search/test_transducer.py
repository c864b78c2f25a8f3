"""Transducer search: pieces are the whole, many streams are each one, final is final."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.models.transducer import (
    BLANK,
    LstmConfig,
    StatelessConfig,
    Transducer,
    TransducerConfig,
)
from earvoice.search.transducer import TransducerSettings, begin, search

DIM, VOCAB = 6, 9
few = settings(max_examples=15, deadline=None)


def model(kind="lstm", seed=0):
    torch.manual_seed(seed)
    predictor = LstmConfig(dim=8) if kind == "lstm" else StatelessConfig(dim=8, context=2)
    made = Transducer(DIM, VOCAB, TransducerConfig(predictor=predictor, joint=8)).eval()
    made.requires_grad_(False)
    for parameter in made.parameters():
        parameter.mul_(2.5)
    return made


def stream(frames, seed=0):
    return torch.randn(frames, DIM, generator=torch.Generator().manual_seed(seed))


def whole(net, frames, how):
    """Final and last open tokens of one stream, searched in one call."""
    state = begin(net)
    (final,) = search(net, [state], [frames], how)
    return final + state.close()


@pytest.mark.parametrize("kind", ["lstm", "stateless"])
def test_a_step_is_the_training_forward(kind):
    net = model(kind)
    tokens = torch.randint(0, VOCAB, (3, 7), generator=torch.Generator().manual_seed(1))
    tokens[:, 0] = BLANK
    expected = net.predictor(tokens)
    memory, predicted = net.begin(3)
    for place in range(7):
        torch.testing.assert_close(predicted, net.pred_in(expected[:, place]))
        if place < 6:
            memory, predicted = net.step(memory, tokens[:, place + 1])


def by_plain_greedy(net, frames, how):
    tokens, (memory, predicted) = [], net.begin(1)
    for frame in range(len(frames)):
        for _ in range(how.max_symbols):
            logits = net.out(torch.tanh(net.enc_in(frames[frame : frame + 1]) + predicted))[0]
            logits[1:] += how.blank_penalty
            if int(logits.argmax()) == BLANK:
                break
            tokens.append((int(logits.argmax()), frame))
            memory, predicted = net.step(memory, torch.tensor([tokens[-1][0]]))
    return tokens


def by_plain_beam(net, frames, how):
    """Time-synchronous search with dictionaries; predictors run anew from the first token."""

    def logs(frame, key):
        predicted = net.pred_in(net.predictor(torch.tensor([[BLANK, *key]])))[:, -1]
        logits = net.out(torch.tanh(net.enc_in(frames[frame : frame + 1]) + predicted))[0]
        scores = logits.log_softmax(-1)
        scores[1:] += how.blank_penalty
        return scores.tolist()

    beam = {(): 0.0}
    for frame in range(len(frames)):
        growing, ended = dict(beam), {}
        for symbol in range(how.max_symbols + 1):
            longer = {}
            for key, score in growing.items():
                values = logs(frame, key)
                old = ended.get(key, -math.inf)
                ended[key] = math.log(math.exp(old) + math.exp(score + values[BLANK]))
                for token in range(1, VOCAB):
                    longer[(*key, token)] = score + values[token]
            kept = sorted(ended.values(), reverse=True)[: how.beams]
            least = kept[-1] if len(kept) == how.beams else -math.inf
            ranked = sorted(longer, key=lambda key: -longer[key])[: how.beams]
            growing = {key: longer[key] for key in ranked if longer[key] > least}
            if symbol == how.max_symbols or not growing:
                break
        beam = {key: ended[key] for key in sorted(ended, key=lambda key: -ended[key])[: how.beams]}
    return max(beam, key=lambda key: beam[key])


@few
@given(
    seed=st.integers(0, 500),
    frames=st.integers(0, 9),
    cap=st.integers(1, 4),
    penalty=st.sampled_from([0.0, 1.5, -1.0]),
)
def test_greedy_against_a_plain_loop(seed, frames, cap, penalty):
    net, how = model(seed=seed), TransducerSettings(1, cap, penalty)
    x = stream(frames, seed)
    assert [tuple(token) for token in whole(net, x, how)] == by_plain_greedy(net, x, how)


@few
@given(
    seed=st.integers(0, 500),
    frames=st.integers(0, 6),
    beams=st.integers(2, 4),
    cap=st.integers(1, 3),
    penalty=st.sampled_from([0.0, 1.0]),
)
def test_beam_against_plain_dictionaries(seed, frames, beams, cap, penalty):
    net, how = model("stateless", seed), TransducerSettings(beams, cap, penalty)
    x = stream(frames, seed)
    assert tuple(token.id for token in whole(net, x, how)) == by_plain_beam(net, x, how)


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("kind", ["lstm", "stateless"])
def test_pieces_are_the_whole(kind, beams):
    net, how = model(kind), TransducerSettings(beams, 3, 1.0)
    x = stream(40)
    expected = whole(net, x, how)
    assert len(expected) > 5
    for cuts in ([], [1], [7, 8, 30], range(1, 40)):
        state, found = begin(net), []
        for a, b in itertools.pairwise([0, *cuts, 40]):
            found += search(net, [state], [x[a:b]], how)[0]
        assert found + state.close() == expected


@pytest.mark.parametrize("beams", [1, 3])
def test_streams_together_are_the_streams_alone(beams):
    net, how = model(seed=2), TransducerSettings(beams, 3, 1.0)
    streams = [stream(length, length) for length in (25, 0, 40, 1, 13, 33)]
    states = [begin(net) for _ in streams]
    found = [[] for _ in streams]
    for start in range(0, 40, 5):
        parts = [x[start : start + 5] for x in streams]
        for mine, more in zip(found, search(net, states, parts, how), strict=True):
            mine += more
    for x, mine, state in zip(streams, found, states, strict=True):
        assert mine + state.close() == whole(net, x, how)


def test_final_tokens_begin_every_later_hypothesis():
    net, how = model(seed=3), TransducerSettings(4, 3, 1.0)
    state, final = begin(net), []
    for frame in stream(60, 5).split(1):
        final += search(net, [state], [frame], how)[0]
        assert len(state.hypotheses) <= 4
        firsts = {h.tokens[0].id if h.tokens else None for h in state.hypotheses}
        assert len(firsts) > 1 or firsts == {None}, "what all share is final"
    assert final == sorted(final, key=lambda token: token.frame)


def test_no_more_stays_open_than_may():
    net = model(seed=3)
    states = [begin(net), begin(net)]
    x = stream(60, 5)
    search(net, states[:1], [x], TransducerSettings(4, 3, 1.0, max_pending=100))
    for frame in x.split(1):
        search(net, states[1:], [frame], TransducerSettings(4, 3, 1.0, max_pending=2))
        assert len(states[1].open) <= 2
        assert states[1].hypotheses


def test_nothing_stays_open_longer_than_it_may():
    net = model(seed=3)
    states = [begin(net), begin(net)]
    x = stream(60, 5)
    ages = [0, 0]
    for frame in x.split(1):
        for place, most in enumerate((None, 3)):
            how = TransducerSettings(4, 3, 1.0, max_open_frames=most)
            state = states[place]
            search(net, [state], [frame], how)
            if state.open:
                ages[place] = max(ages[place], state.frames - state.open[0].frame)
            assert state.hypotheses
    assert ages[1] <= 3 < ages[0]


def test_the_cap_on_tokens_a_frame():
    net = model(seed=4)
    for beams, cap in itertools.product((1, 3), (1, 2, 5)):
        tokens = whole(net, stream(20, 1), TransducerSettings(beams, cap, 20.0))
        frames = [token.frame for token in tokens]
        assert max(map(frames.count, frames)) <= cap
        assert len(frames) == 20 * cap, "blank is never worth it here"


@pytest.mark.parametrize("beams", [1, 3])
def test_the_last_frame_of_a_stream_has_a_cap_of_its_own(beams):
    net, how = model(seed=4), TransducerSettings(beams, 2, 50.0, max_last=7)
    frames, state = stream(4), begin(net)
    final = search(net, [state], [frames[:1]], how)[0]
    final += search(net, [state], [frames[1:]], how, last=True)[0] + state.close()
    counts = [sum(token.frame == frame for token in final) for frame in range(4)]
    assert counts == [2, 2, 2, 7]


@pytest.mark.parametrize("beams", [1, 4])
def test_a_blank_penalty_writes_more(beams):
    net = model(seed=5)
    counts = [
        len(whole(net, stream(40, 2), TransducerSettings(beams, 3, penalty)))
        for penalty in (-300.0, 0.0, 300.0)
    ]
    assert counts[0] == 0 < counts[2] == 120
    assert counts[0] <= counts[1] <= counts[2]


@pytest.mark.parametrize("field", ["beams", "max_symbols", "max_pending", "max_open_frames"])
def test_settings_that_make_no_sense(field):
    with pytest.raises(ValueError, match=field):
        TransducerSettings(**{field: 0})
