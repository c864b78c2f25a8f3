"""Four listeners share one model: one step of each is one batch.

Usage: python examples/03_many_streams_in_one_batch.py
"""

from collections.abc import Sequence
from pathlib import Path

import earvoice
from earvoice.audio import stream_file
from earvoice.events import Commit, Event

talk = Path(earvoice.__file__).parent / "assets/talk-en.wav"
packets = list(stream_file(talk, packet_s=0.5))

interpreter = earvoice.load("fasst-mini-en-de", rows=4)
sessions = [interpreter.open(earvoice.Request("en", "de")) for _ in range(4)]
texts = ["" for _ in sessions]


def collect(found: Sequence[Sequence[Event]]) -> None:
    """Adds what each stream committed."""
    for index, events in enumerate(found):
        texts[index] += "".join(event.text for event in events if isinstance(event, Commit))


for packet in packets:
    for session in sessions:
        session.feed(packet)  # buffers only
    collect(interpreter.advance(sessions))  # one segment of each stream that has one
while any(session.lag_s >= 1 for session in sessions):
    collect(interpreter.advance(sessions))
collect([session.finish() for session in sessions])

assert len(set(texts)) == 1, "batched or alone, a stream says the same"
print(texts[0])
