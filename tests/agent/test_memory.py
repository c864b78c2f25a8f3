"""The memory keeps to its budget, drops the oldest, keeps their terms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.agent.memory import Memory, Remembered
from earvoice.errors import UsageError

text = st.text("ab ", max_size=60)
turns = st.builds(
    Remembered, text, text, st.lists(st.tuples(st.text("xyz", min_size=1), text), max_size=3)
)


def count(text):
    return len(text.split())


@given(st.integers(0, 60), text, st.lists(turns, max_size=30))
def test_it_never_exceeds_its_budget(budget, context, said):
    memory = Memory(budget, count, context)
    for turn in said:
        memory.add(turn)
        assert memory.tokens <= budget
        assert count(memory.context) + count(memory.transcript) <= budget


def test_the_oldest_turns_go_and_their_terms_stay():
    memory = Memory(16, count)
    memory.add(Remembered("she is Ada", "sie ist Ada", (("Ada", "Ada"),)))
    memory.add(Remembered("a b c", "d e f"))
    assert memory.transcript == "she is Ada a b c"
    memory.add(Remembered("g h i", "j k l"))
    assert memory.transcript == "a b c g h i"
    assert memory.translation == "d e f j k l"
    assert memory.terms == (("Ada", "Ada"),)
    assert memory.dropped == 1


def test_the_latest_terms_stay():
    memory = Memory(16, count)
    for name in "abc":
        memory.add(Remembered(name, name, ((name, name),)))
        memory.add(Remembered("x " * 8, "y " * 8))
    assert memory.terms == (("c", "c"),)


def test_a_context_is_cut_at_a_word():
    memory = Memory(10, count, "one two three four five six seven")
    assert memory.context == "one two three four five"
    assert Memory(4, len, "漢字漢字").context == "漢字"


def test_a_context_is_bounded():
    with pytest.raises(UsageError, match="at most"):
        Memory(10, count, "x" * 100_001)


def test_turns_are_joined_as_their_script_is_written():
    memory = Memory(100, len)
    memory.add(Remembered("我们去", "we go"))
    memory.add(Remembered("Berlin。", "to Berlin."))
    assert memory.transcript == "我们去Berlin。"
    assert memory.translation == "we go to Berlin."
