import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.units import Rate

WAV2VEC2 = [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]

convs = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 4)), min_size=1, max_size=4)


def brute_outputs(n_inputs, layers):
    """Output count by counting the window positions of every layer."""
    for kernel, stride in layers:
        n_inputs = sum(1 for start in range(0, n_inputs, stride) if start + kernel <= n_inputs)
    return n_inputs


def brute_field(layers, index):
    """First and last input that output `index` is computed from, traced back layer by layer."""
    first = last = index
    for kernel, stride in reversed(layers):
        first, last = first * stride, last * stride + kernel - 1
    return first, last


@given(convs, st.integers(0, 400))
def test_outputs_are_what_the_convolutions_give(layers, n_inputs):
    assert Rate.of_convs(layers).outputs(n_inputs) == brute_outputs(n_inputs, layers)


@given(convs, st.integers(0, 5))
def test_window_and_stride_are_the_traced_field(layers, index):
    rate = Rate.of_convs(layers)
    first, last = brute_field(layers, index)
    assert first == index * rate.stride
    assert last - first + 1 == rate.window


@given(convs, st.integers(0, 12), st.data())
def test_padding_gives_one_output_per_stride(layers, n_outputs, data):
    rate = Rate.of_convs(layers)
    low, high = rate.left_pad(), max(rate.left_pad(), rate.max_left_pad())
    pad = data.draw(st.integers(low, high))
    n_inputs = n_outputs * rate.stride
    # With no input at all the padding alone must not make an output either.
    assert brute_outputs(n_inputs + pad, layers) == n_outputs


@given(convs)
def test_padding_bounds_are_tight(layers):
    rate = Rate.of_convs(layers)
    n_inputs = 7 * rate.stride
    assert brute_outputs(n_inputs + rate.max_left_pad() + 1, layers) == 8
    if rate.window > rate.stride:
        assert brute_outputs(n_inputs + rate.left_pad() - 1, layers) == 6


rates = st.builds(Rate, st.integers(1, 9), st.integers(1, 9), st.integers(0, 9))


@given(rates, rates, rates)
def test_then_is_associative_with_a_neutral_rate(a, b, c):
    assert a.then(b).then(c) == a.then(b.then(c))
    assert Rate().then(a) == a == a.then(Rate())


@given(rates, rates)
def test_lookahead_composes_to_the_last_input_seen(a, b):
    # Output 0 sees second-stage input up to stride + lookahead - 1, which sees that much input.
    last_middle = b.stride + b.lookahead - 1
    last_input = (last_middle + 1) * a.stride + a.lookahead - 1
    both = a.then(b)
    assert both.stride + both.lookahead - 1 == last_input


def test_wav2vec2():
    rate = Rate.of_convs(WAV2VEC2)
    assert (rate.stride, rate.window, rate.lookahead) == (320, 400, 0)
    assert (rate.left_pad(), rate.max_left_pad()) == (80, 399)


@pytest.mark.parametrize("seconds", [1, 2, 5, 10, 30])
@pytest.mark.parametrize("pad", [80, 200, 399])
def test_wav2vec2_gives_fifty_frames_a_second(seconds, pad):
    rate = Rate.of_convs(WAV2VEC2)
    assert rate.outputs(16000 * seconds) == 50 * seconds - 1
    assert rate.outputs(16000 * seconds + pad) == 50 * seconds
    assert rate.outputs(16000 * seconds + pad) == (16000 * seconds + pad - 400) // 320 + 1


@pytest.mark.parametrize("bad", [{"stride": 0}, {"window": 0}, {"lookahead": -1}, {"stride": 1.5}])
def test_nonsense_is_refused(bad):
    with pytest.raises(ValueError, match="must be an integer"):
        Rate(**bad)
