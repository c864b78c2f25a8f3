"""Several policies in one text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.errors import UsageError
from earvoice.policies import AlignAtt, HoldN, LocalAgreement, WaitK, policy_kinds
from earvoice.policies.sweep import SWEPT, parse_sweeps


def test_every_kind_has_its_usual_values():
    assert set(SWEPT) == set(policy_kinds())
    for kind in policy_kinds():
        (sweep,) = parse_sweeps(kind)
        assert sweep.kind == kind
        assert len(sweep.policies) == len(SWEPT[kind][1]) > 1


def test_values_of_one_option_and_the_rest_as_the_model_has_it():
    (sweep,) = parse_sweeps("wait-k:k=1/3", WaitK(5, 7))
    assert sweep.policies == (WaitK(1, 7), WaitK(3, 7))
    assert [sweep.label(policy) for policy in sweep.policies] == ["k=1", "k=3"]


def test_commas_part_kinds_and_options():
    found = parse_sweeps("align-att:frames=2/8,layer=1,hold-n:n=3,local-agreement")
    assert [sweep.kind for sweep in found] == ["align-att", "hold-n", "local-agreement"]
    assert found[0].policies == (AlignAtt(2, 1), AlignAtt(8, 1))
    assert found[1].policies == (HoldN(3),)
    assert found[2].policies[0] == LocalAgreement(2)


def test_another_option_can_be_swept():
    (sweep,) = parse_sweeps("align-att:frames=4,layer=0/1")
    assert sweep.policies == (AlignAtt(4, 0), AlignAtt(4, 1))
    assert [sweep.label(policy) for policy in sweep.policies] == ["layer=0", "layer=1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be one of"),
        ("wait", "must be one of wait-k"),
        ("wait-k,wait-k:k=1", "named twice"),
        ("wait-k:k=1/2,n=1/2", "only one option"),
        ("wait-k:k=1/1", "a value twice"),
        ("wait-k:k=1/x", "name=number"),
        ("wait-k:k=", "name=number"),
        ("hold-n:k=1/2", "no option 'k'"),
        ("align-att:frames=0/2", "frames is 0"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(UsageError, match=message):
        parse_sweeps(text)


@given(st.text("waitk-:=,/0123n aligf", max_size=30))
def test_any_text_is_policies_or_one_error(text):
    try:
        sweeps = parse_sweeps(text)
    except UsageError:
        return
    assert all(sweep.policies for sweep in sweeps)
