"""Batches made in a thread are the same batches, in the same order, and a hung one is given up."""

import threading

import pytest

from earvoice.errors import AudioError, ConfigError
from earvoice.train.batches import SUBSTITUTE, Ahead
from earvoice.train.errors import TrainingError
from tests.train.ranks import Draws, Run, fail, records, same, train, weights


def test_they_come_in_order_and_no_more_than_a_few_wait():
    made = []
    ahead = Ahead(lambda number: made.append(number) or number * 10, range(0, 20, 2), 3)
    assert [ahead(number) for number in range(0, 10, 2)] == [0, 20, 40, 60, 80]
    assert len(made) <= 5 + 3 + 1
    assert ahead(SUBSTITUTE) == SUBSTITUTE * 10
    with pytest.raises(ValueError, match="3 is asked for, 10 is next"):
        ahead(3)
    ahead.close()


def test_an_error_comes_where_its_batch_would_have():
    def make(number):
        if number == 1:
            raise AudioError("x.wav is empty")
        return number

    ahead = Ahead(make, range(3), 3)
    assert ahead(0) == 0
    with pytest.raises(AudioError, match=r"x\.wav is empty"):
        ahead(1)
    assert ahead(2) == 2
    ahead.close()


def test_a_hung_one_is_given_up():
    never = threading.Event()
    ahead = Ahead(lambda number: never.wait(), range(3), 1, hung_s=0.05)
    with pytest.raises(TrainingError, match=r"batch 0 was not there after 0\.05 s"):
        ahead(0)
    never.set()
    ahead.close()


def test_training_is_the_same(tmp_path):
    draws = Draws(bad=(5, 6), error=lambda: AudioError("x.wav is empty"))
    train(Run(tmp_path / "a", draws=draws))
    train(Run(tmp_path / "b", draws=draws, ahead=3))
    train(Run(tmp_path / "c", draws=draws, ahead=2, world=2))
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert same(weights(tmp_path / "a"), weights(tmp_path / "c"))
    assert records(tmp_path / "b")[-1]["bad_batches"] == 2


def test_an_error_ends_the_thread_too(tmp_path):
    draws = Draws(bad=(3,), error=lambda: ConfigError("no window"))
    (message,) = fail(Run(tmp_path, draws=draws, ahead=2))
    assert message.endswith("ConfigError: no window")
