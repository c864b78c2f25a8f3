"""Run logs by hypothesis: chunks through one queue, some of which say something."""

from hypothesis import strategies as st

from earvoice.eval.runlog import Logged, RecordingHead
from earvoice.eval.written import Recorded
from earvoice.events import Boundary, Commit, Draft, Finished, Note, Stamped, Stream

TEXT = st.text(alphabet="abc ▁ß你.\u3000", max_size=6)
STREAM = Stream("translation", "de")
EVENTS = st.one_of(
    TEXT.map(lambda text: Commit(STREAM, text)),
    TEXT.map(lambda text: Draft(STREAM, text)),
    TEXT.map(lambda text: Commit(Stream("transcript", "en"), text)),
    st.just(Boundary(STREAM, "sentence")),
    st.just(Note("guard", {"n": 1})),
)
CHUNKS = st.lists(
    st.tuples(st.integers(1, 2_000_000), st.integers(0, 3_000_000), st.lists(EVENTS, max_size=3)),
    max_size=12,
)


@st.composite
def recorded(draw, name="a", settled=("commit", "shown")):
    """A recording as a simulation on the wall clock logs it."""
    heard_us = free_us = total_us = 0
    events = []
    chunks = draw(CHUNKS)
    for number, (more_us, took_us, said) in enumerate(chunks):
        heard_us += more_us
        free_us = max(heard_us, free_us) + took_us
        total_us += took_us
        if number == len(chunks) - 1 and draw(st.booleans()):
            said = [*said, Finished()]
        for event in said:
            stamped = Stamped(len(events), heard_us / 1e6, free_us / 1e6, event)
            events.append(Logged(stamped, took_us, total_us))
    head = RecordingHead(name, heard_us, "word", settled=draw(st.sampled_from(settled)))
    return Recorded(head, events, total_us, "here")
