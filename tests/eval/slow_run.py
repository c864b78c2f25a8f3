"""A simulation that takes its time, to be killed: `slow_run.py LOG`."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from earvoice.eval.runlog import RecordingHead, RunLog
from earvoice.eval.simulate import Recording, simulate
from earvoice.session import Request
from earvoice.testing import FakeInterpreter, scripted
from tests.eval.sounds import packets

WORDS = [(0.3 * i, f"Wort{i}" * 40) for i in range(12)]

if __name__ == "__main__":
    recordings = [
        Recording(RecordingHead(f"talk-{n}", 3_600_000, "word"), lambda: packets(3.6))
        for n in range(40)
    ]
    simulate(
        FakeInterpreter(scripted(WORDS), on_step=lambda: time.sleep(0.001)),
        recordings,
        Request("en", "de"),
        RunLog(Path(sys.argv[1])),
    )
