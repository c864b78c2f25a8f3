"""Translates a recording while it "plays", and prints each word with the moment it came.

Usage: python examples/01_translate_a_file.py [talk.wav]
"""

import sys
from pathlib import Path

import earvoice
from earvoice.audio import stream_file
from earvoice.driver import IdealClock, drive
from earvoice.events import Commit

talk = sys.argv[1] if len(sys.argv) > 1 else Path(earvoice.__file__).parent / "assets/talk-en.wav"
interpreter = earvoice.load("fasst-mini-en-de")  # weights: loaded once, shared by all streams
session = interpreter.open(earvoice.Request("en", "de"))  # one listener's stream

for stamped in drive(session, stream_file(talk, packet_s=0.1), IdealClock()):
    if isinstance(stamped.event, Commit):
        print(f"{stamped.heard_s:6.2f} s  {stamped.event.text.strip()}")
