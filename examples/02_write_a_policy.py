"""A policy of one's own: wait longer at the start, then follow closely.

A policy is a pure function from what has been read and written to Read or Write(n); it needs no
memory, so it can be tested without a model.

Usage: python examples/02_write_a_policy.py [talk.wav]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import earvoice
from earvoice.audio import stream_file
from earvoice.driver import IdealClock, drive
from earvoice.events import Commit
from earvoice.policies import Action, Read, View, WaitK, Write


@dataclass(frozen=True)
class LateStart:
    """Reads `first` segments, then writes as wait-1 does."""

    first: int = 5
    needs_draft = False

    def decide(self, view: View) -> Action:
        """Reads while it is early; then as wait-1."""
        if not view.source_finished and view.segments_read < self.first:
            return Read()
        return WaitK(k=1, n=4).decide(view)


assert LateStart().decide(View(segments_read=2, words_written=0)) == Read()
assert LateStart().decide(View(segments_read=6, words_written=0)) == Write(4)

talk = sys.argv[1] if len(sys.argv) > 1 else Path(earvoice.__file__).parent / "assets/talk-en.wav"
interpreter = earvoice.load("fasst-mini-en-de")
for policy in (WaitK(k=3, n=4), LateStart()):
    session = interpreter.open(earvoice.Request("en", "de", policy))
    events = list(drive(session, stream_file(talk, packet_s=0.1), IdealClock()))
    words = [stamped for stamped in events if isinstance(stamped.event, Commit)]
    text = "".join(stamped.event.text for stamped in words)
    first_s = f"{words[0].heard_s:.2f} s" if words else "never"
    print(f"{policy}: first words at {first_s}\n    {text[:100]}...")
