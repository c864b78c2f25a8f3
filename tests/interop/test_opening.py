"""Which policy a model is opened with."""

import pytest

from earvoice.errors import UsageError
from earvoice.policies import FixedChunks, HoldN, WaitK, format_policy
from earvoice.policies.choice import choose_policy
from earvoice.policies.schedule import OFFLINE_K


def test_a_model_that_decides_by_itself_has_no_policy():
    assert choose_policy(None) is None
    assert choose_policy(None, "wait-k", k=4) == WaitK(4)
    assert choose_policy(None, "fixed-chunks:n=4") == FixedChunks(4)
    assert choose_policy(None, "offline") == WaitK(OFFLINE_K)
    with pytest.raises(UsageError, match="--k: this model decides when to write"):
        choose_policy(None, k=3)
    assert format_policy(None) == "own"


def test_what_is_not_said_is_the_models_own():
    assert choose_policy(WaitK(2, 5)) == WaitK(2, 5)
    assert choose_policy(WaitK(2, 5), k=4) == WaitK(4, 5)
    assert choose_policy(WaitK(2, 5), "offline") == WaitK(OFFLINE_K, 5)


def test_options_are_of_the_model_s_own_policy():
    assert choose_policy(HoldN(3), n=2) == HoldN(2)
    with pytest.raises(UsageError, match="this model decides when to write"):
        choose_policy(None, n=6)
    with pytest.raises(UsageError, match="offline hears|offline waits"):
        choose_policy(WaitK(), "offline", k=2)
