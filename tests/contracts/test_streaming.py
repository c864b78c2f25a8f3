"""What holds for every streaming module (see streaming_cases.py for the list).

Offline is streaming from an empty state: one `forward` is the whole stream, and any cut of it.
"""

import itertools
import random

import pytest
import torch

from earvoice.models.features import WaveformFrontend, log_mel_frontend
from earvoice.models.wav2vec2 import Wav2Vec2
from tests.contracts.streaming_cases import (
    BLOCK,
    CASES,
    MEL20,
    MEL40,
    encoder,
    wav2vec2_config,
    waveform,
)

CHUNKINGS = 50


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request):
    return request.param


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


def run(case, state, row, x, cuts=()):
    """A stream fed to one row in pieces; all it gives, without the flush."""
    edges = [0, *sorted(cuts), x.shape[1]]
    pieces = [case.module(x[:, a:b], state, [row]) for a, b in itertools.pairwise(edges)]
    return torch.cat(pieces, dim=1)


def finished(case, state, row, x, cuts=()):
    """The same, flushed."""
    return torch.cat([run(case, state, row, x, cuts), case.module.flush(state, [row])], dim=1)


def assert_same(found, expected):
    assert found.shape == expected.shape
    scale = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    torch.testing.assert_close(found, expected, atol=1e-5 * scale, rtol=0)


def test_any_chunking_gives_the_offline_output(case):
    rng = random.Random(case.name)
    lengths = [case.inputs, case.inputs * 2 // 3 + 1, case.module.rate.stride, 1, 0]
    streams = [case.stream(length) for length in lengths]
    offline = [case.module(x) for x in streams]
    state = case.module.init_state(1, streams[0])
    for _ in range(CHUNKINGS):
        which = rng.choices(range(len(lengths)), weights=[8, 4, 1, 1, 1])[0]
        x = streams[which]
        cuts = [rng.randint(0, x.shape[1]) for _ in range(rng.choice((0, 1, 3, 9)))]
        assert_same(finished(case, state, 0, x, cuts), offline[which])
        state.reset([0])


def test_one_input_at_a_time(case):
    x = case.stream(min(case.inputs, 2 * case.step + 7))
    piece = 1 if case.dim is not None else 97
    state = case.module.init_state(1, x)
    found = finished(case, state, 0, x, range(piece, x.shape[1], piece))
    assert_same(found, case.module(x))


def test_the_number_of_outputs_is_the_declared_rate(case):
    for inputs in {0, 1, case.module.rate.stride, case.step, case.inputs - 1, case.inputs}:
        assert case.module(case.stream(inputs)).shape[1] == case.outputs(inputs)
    if not case.missing:
        assert case.outputs(3 * case.step) * case.module.rate.stride == 3 * case.step


def seen_by(case):
    """Per output, the first and the last input its gradient touches."""
    with torch.inference_mode(False), torch.enable_grad():
        x = case.stream(case.inputs).clone().requires_grad_()
        y = case.module(x)
        torch.manual_seed(1)
        score = (y * torch.randn(y.shape[-1])).sum(-1)[0]
        outputs = len(score)
        last = range(max(0, outputs - 2 * BLOCK - 2), outputs)
        for j in sorted({0, outputs // 2, *last}):
            (grad,) = torch.autograd.grad(score[j], x, retain_graph=True)
            size = grad[0].abs().reshape(case.inputs, -1).sum(-1)
            touched = (size > case.rounding * size.max()).nonzero()
            yield j, int(touched.min()), int(touched.max())


def test_nothing_is_seen_ahead_of_the_rate_or_outside_its_window(case):
    rate = case.module.rate
    ahead, width = [], []
    for j, first, last in seen_by(case):
        own = (j + 1) * rate.stride - 1 + case.missing
        ahead.append(last - own)
        width.append(own + rate.lookahead - first + 1)
    assert max(ahead) <= rate.lookahead, "sees what has not been heard"
    assert max(width) <= rate.window, "sees what should be forgotten"
    if case.exact:
        assert max(ahead) == rate.lookahead - case.faint, "the look-ahead is overstated"
    if case.exact and case.bounded:
        assert max(width) == rate.window - case.faint, "the window is overstated"


def test_rows_are_independent(case):
    """Batched in any order, interleaved, one ahead of the others: each is its stream alone."""
    module, third = case.module, case.inputs // 3
    x = {row: case.stream(case.inputs, seed=row) for row in (3, 0, 2)}
    x[4] = case.stream(case.inputs + case.step, seed=4)
    state = module.init_state(5, x[0])
    untouched = state.save_row(1)
    given = {row: [] for row in x}

    def feed(rows, a, b):
        y = module(torch.cat([x[row][:, a:b] for row in rows]), state, rows)
        for row, part in zip(rows, y, strict=True):
            given[row].append(part)

    def feed_row_4(a, b):
        given[4].append(module(x[4][:, a:b], state, [4])[0])

    feed([3, 0, 2, 4], 0, third)
    feed([0], third, third + 5)
    feed_row_4(third, 2 * third + case.step)
    feed([2, 3], third, 2 * third)
    feed([0], third + 5, 2 * third)
    rest = {row: stream[:, -(case.inputs - 2 * third) :] for row, stream in x.items()}
    rows = [4, 2, 3, 0]
    y = module(torch.cat([rest[row] for row in rows]), state, rows)
    owed = module.flush(state, rows)
    for place, row in enumerate(rows):
        found = torch.cat([*given[row], y[place], owed[place]])
        assert_same(found[None], module(x[row]))
    after = state.save_row(1)
    assert all(torch.equal(after[name], value) for name, value in untouched.items())


def test_a_fork_goes_its_own_way(case):
    half = case.inputs // 2 + 3
    a, b = case.stream(case.inputs, seed=1), case.stream(case.inputs, seed=2)
    b[:, :half] = a[:, :half]
    state = case.module.init_state(3, a)
    run(case, state, 2, case.stream(17, seed=3))  # what row 2 held before does not matter
    begun = run(case, state, 0, a[:, :half])
    state.fork(0, 2)
    rest_a = finished(case, state, 0, a[:, half:])
    rest_b = finished(case, state, 2, b[:, half:], [5])
    assert_same(torch.cat([begun, rest_a], dim=1), case.module(a))
    assert_same(torch.cat([begun, rest_b], dim=1), case.module(b))


def test_a_reset_row_is_a_new_stream(case):
    state = case.module.init_state(2, case.stream(0))
    finished(case, state, 1, case.stream(case.inputs - 1, seed=1))
    state.reset([1])
    x = case.stream(case.inputs, seed=2)
    assert_same(finished(case, state, 1, x, [11]), case.module(x))


def test_a_saved_row_goes_on_elsewhere(case):
    x, half = case.stream(case.inputs), case.inputs // 2 + 3
    state = case.module.init_state(1, x)
    begun = run(case, state, 0, x[:, :half], [7])
    flat = state.save_row(0)
    run(case, state, 0, case.stream(29, seed=9))  # the saved row is a copy
    other = case.module.init_state(3, x)
    other.load_row(2, flat)
    found = torch.cat([begun, finished(case, other, 2, x[:, half:])], dim=1)
    assert_same(found, case.module(x))


def test_a_saved_row_of_another_shape_is_refused(case):
    state = case.module.init_state(1, case.stream(0))
    flat = state.save_row(0)
    name = next(iter(flat))
    with pytest.raises(ValueError, match="shape"):
        state.load_row(0, {**flat, name: torch.zeros(9, 9, 9, 9)})
    del flat[name]
    with pytest.raises(KeyError):
        state.load_row(0, flat)


def test_rows_can_be_added_in_the_middle_of_a_stream(case):
    x, half = case.stream(case.inputs), case.inputs // 2 + 3
    state = case.module.init_state(1, x)
    begun = run(case, state, 0, x[:, :half])
    state.resize(3)
    assert state.rows == 3
    assert_same(finished(case, state, 2, x), case.module(x))
    rest = finished(case, state, 0, x[:, half:])
    assert_same(torch.cat([begun, rest], dim=1), case.module(x))


def test_a_flush_owes_nothing_afterwards(case):
    x = case.stream(case.inputs)
    state = case.module.init_state(2, x)
    assert case.module.flush(state).shape[:2] == (2, 0), "nothing was heard"
    run(case, state, 1, x)
    case.module.flush(state, [1])
    assert case.module.flush(state, [1]).shape[:2] == (1, 0)


def test_rows_of_different_phase_are_refused(case):
    if case.module.rate.stride == 1 and case.step == 1:
        pytest.skip("every input gives an output: there is only one phase")
    state = case.module.init_state(2, case.stream(0))
    run(case, state, 0, case.stream(1))
    assert state.phase(0) != state.phase(1)
    with pytest.raises(ValueError, match="rows of one call differ"):
        case.module(torch.cat([case.stream(case.step)] * 2), state)


def test_bytes_do_not_grow_in_an_hour(case):
    x = case.stream(0)
    state = case.module.init_state(1, x)
    size, minutes = state.nbytes(), 60
    outputs = 0
    for minute in range(minutes if case.hour else 0):
        outputs += run(case, state, 0, case.stream(case.hour // minutes, seed=minute)).shape[1]
    outputs += case.module.flush(state).shape[1]
    assert outputs == case.outputs(case.hour)
    assert state.nbytes() == size
    saved = state.save_row(0).values()
    assert sum(value.numel() * value.element_size() for value in saved) == size


@pytest.mark.parametrize(
    ("module", "frames_per_s"),
    [
        (WaveformFrontend(waveform()), 50),
        (log_mel_frontend(MEL20, 8), 50),
        (log_mel_frontend(MEL40, 8), 25),
        (Wav2Vec2(wav2vec2_config(waveform())), 50),
        (Wav2Vec2(wav2vec2_config(MEL40)), 25),
    ],
    ids=["waveform", "log-mel-20", "log-mel-40", "wav2vec2-waveform", "wav2vec2-log-mel"],
)
def test_seconds_give_whole_frames(module, frames_per_s):
    for seconds in (1, 2, 3):
        assert module(torch.zeros(1, 16000 * seconds)).shape[1] == frames_per_s * seconds


def test_without_padding_a_frame_is_missing():
    module = WaveformFrontend(waveform(left_pad=False))
    counts = [module(torch.zeros(1, 16000 * seconds)).shape[1] for seconds in (1, 2, 3)]
    assert counts == [49, 99, 149]


def test_unlimited_context_is_bounded_in_a_live_stream():
    module = encoder(left_blocks=None, max_blocks=4)
    state = module.init_state(1, torch.zeros(0))
    x = torch.randn(1, 4 * BLOCK, 16)
    assert_same(module(x, state), module(x))
    more = torch.randn(1, 5 * BLOCK, 16)
    bounded = encoder(left_blocks=3)  # itself and three: what a state of four blocks holds
    bounded.load_state_dict(module.state_dict())
    assert_same(module(more, state), bounded(torch.cat([x, more], dim=1))[:, 4 * BLOCK :])
    state.reset([0])
    module(x[:, :-1], state)
    module.flush(state)  # an incomplete block fits as well


def test_a_bidirectional_encoder_does_not_stream():
    module = encoder(bidirectional=True)
    with pytest.raises(ValueError, match="no streaming state"):
        module(torch.zeros(1, BLOCK, 16), module.init_state(1, torch.zeros(0)))


def test_a_block_sees_itself_and_its_left_blocks_only():
    """Frame 5 of blocks of 6 sees 0 ... 5, frame 6 sees 0 ... 11, frame 18 no longer 0 ... 5."""
    mask_only = [(5, 0, 5), (6, 0, 11), (17, 0, 17), (18, 6, 23), (23, 6, 23)]
    with torch.inference_mode(False), torch.enable_grad():
        one_layer = encoder(left_blocks=2)
        del one_layer.layers[1:]
        kernel = one_layer.position.kernel
        x = torch.randn(1, 24, 16, requires_grad=True)
        y = one_layer(x)
        for frame, first, last in mask_only:
            (grad,) = torch.autograd.grad(y[0, frame, 0], x, retain_graph=True)
            touched = grad[0].abs().sum(-1).nonzero()
            assert int(touched.max()) == last
            assert int(touched.min()) == max(0, first - kernel + 1)
