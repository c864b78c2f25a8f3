import pytest

from earvoice.errors import UsageError
from earvoice.policies import (
    AlignAtt,
    HoldN,
    LocalAgreement,
    Read,
    View,
    WaitK,
    Write,
    drafts_after,
    format_policy,
    parse_policy,
    policy_kinds,
)


def test_wait_k_timeline():
    #  segment   1      2      3         4         5 (last)
    policy = WaitK(k=3, n=2)
    actions = [policy.decide(View(segment, 0)) for segment in (1, 2, 3, 4)]
    assert actions == [Read(), Read(), Write(2), Write(2)]
    assert policy.decide(View(5, 4, source_finished=True)) == Write(None)


def test_wait_k_writes_all_of_a_short_talk():
    assert WaitK(k=5).decide(View(2, 0, source_finished=True)) == Write(None)


def test_hold_n_keeps_the_end_back():
    policy = HoldN(n=2)
    assert policy.decide(View(1, 0, candidate=("Ich", "habe", "das", "Haus"))) == Write(2)
    assert policy.decide(View(1, 0, candidate=("Ich", "habe"))) == Read()
    assert policy.decide(View(1, 0, candidate=())) == Read()
    assert policy.decide(View(1, 0, source_finished=True)) == Write(None)


@pytest.mark.parametrize("policy", [HoldN(), LocalAgreement()])
def test_what_needs_a_draft_says_so(policy):
    with pytest.raises(ValueError, match=rf"{policy.kind} needs View\.candidate: .* has to draft"):
        policy.decide(View(1, 0))


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("wait-k", WaitK()),
        ("wait-k:k=5", WaitK(k=5)),
        ("wait-k:k=5,n=1", WaitK(5, 1)),
        ("hold-n:n=0", HoldN(0)),
        ("local-agreement", LocalAgreement(2)),
        ("local-agreement:n=3", LocalAgreement(3)),
        ("align-att", AlignAtt()),
        ("align-att:frames=8", AlignAtt(8)),
        ("align-att:frames=8,layer=0", AlignAtt(8, 0)),
    ],
)
def test_parse(text, policy):
    assert parse_policy(text) == policy
    assert parse_policy(format_policy(policy)) == policy


def test_options_win_unless_none():
    assert parse_policy("wait-k:k=5,n=2", k=1, n=None) == WaitK(1, 2)


def test_what_is_not_said_is_as_the_model_has_it():
    own = WaitK(2, 4)
    assert parse_policy("wait-k", own) == own
    assert parse_policy("wait-k", own, k=5) == WaitK(5, 4)
    assert parse_policy("wait-k:n=1", own) == WaitK(2, 1)
    assert parse_policy("hold-n", own) == parse_policy("hold-n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wait", "must be one of wait-k, hold-n"),
        ("", "must be one of"),
        ("wait-k:q=1", "no option 'q', it has k, n"),
        ("wait-k:k", "name=number"),
        ("wait-k:k=-1", "name=number"),
        ("wait-k:k=³", "name=number"),
        ("wait-k:k=9999999999", "name=number"),
        ("wait-k:k=1,k=5", "'k' is there twice"),
        ("wait-k:k=0", "k is 0, it must be 1 or more"),
        ("hold-n:k=1", "no option 'k', it has n"),
        ("local-agreement:n=1", "n is 1, it must be 2 or more"),
        ("align-att:frames=0", "frames is 0, it must be 1 or more"),
        ("align-att:n=2", "no option 'n', it has frames, layer"),
    ],
)
def test_parse_names_what_is_wrong(text, message):
    with pytest.raises(UsageError, match=message):
        parse_policy(text)


def test_every_kind_has_defaults():
    assert [parse_policy(kind).kind for kind in policy_kinds()] == list(policy_kinds())


def test_writing_nothing_is_not_an_action():
    with pytest.raises(ValueError, match="1 or more"):
        Write(0)


def test_local_agreement_writes_what_drafts_share():
    policy = LocalAgreement()
    now = ("Ich", "habe", "das", "Haus")
    before = ("Ich", "habe", "ein", "Haus")
    assert policy.decide(View(1, 0, candidate=now)) == Read()
    assert policy.decide(View(2, 0, candidate=now, previous=(before,))) == Write(2)
    assert policy.decide(View(2, 0, candidate=now, previous=(("Du",),))) == Read()
    assert policy.decide(View(2, 0, candidate=now, previous=((),))) == Read()
    assert policy.decide(View(2, 0, source_finished=True)) == Write(None)
    assert LocalAgreement(3).decide(View(2, 0, candidate=now, previous=(before,))) == Read()
    with pytest.raises(ValueError, match=r"View\.candidate"):
        policy.decide(View(2, 0))


def test_drafts_lose_the_words_that_were_written():
    before = drafts_after(("a", "b", "c"), (), 1)
    assert before == (("b", "c"),)
    assert drafts_after(("b", "d"), before, 1) == (("d",), ("c",))


def test_align_att_writes_up_to_the_first_piece_that_attends_to_the_end():
    #  frames 0 to 9; 8 and 9 are off limits
    words = ("Ich", "habe", "das", "Haus", "da")
    attended = ((1,), (3, 5), (6,), (7, 8), (2,))
    view = View(3, 0, candidate=words, attended=attended, frames=10)
    assert AlignAtt(2).decide(view) == Write(3), "'Haus' has a piece at frame 8, 'da' is behind it"
    assert AlignAtt(1).decide(view) == Write(5)
    assert AlignAtt(3).decide(view) == Write(3)
    assert AlignAtt(4).decide(view) == Write(2)
    assert AlignAtt(9).decide(view) == Read()
    assert AlignAtt(10).decide(view) == Read()
    assert AlignAtt().decide(view) == Write(2), "four frames where nobody says otherwise"


def test_align_att_at_the_ends_of_a_stream():
    assert AlignAtt(2).decide(View(0, 0, candidate=(), attended=(), frames=0)) == Read()
    assert AlignAtt(2).decide(View(1, 0, candidate=(), attended=(), frames=9)) == Read()
    assert AlignAtt(2).decide(View(1, 0, source_finished=True)) == Write(None)
    with pytest.raises(ValueError, match=r"View\.attended"):
        AlignAtt(2).decide(View(1, 0, candidate=("Ich",)))


def test_what_align_att_leaves_to_the_model_is_not_written_down():
    assert format_policy(AlignAtt()) == "align-att"
    assert format_policy(AlignAtt(layer=2)) == "align-att:layer=2"
    assert parse_policy("align-att", AlignAtt(8, 1)) == AlignAtt(8, 1)
    assert parse_policy("align-att", layer=3) == AlignAtt(layer=3)
