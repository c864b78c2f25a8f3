"""A replica with scripted models, without Ray: `python -m tests.serve.replica_process DIAL`."""

import json
import subprocess
import sys
import threading
from pathlib import Path

from earvoice.serve.cluster.replica import Dial, Replica
from tests.serve.fake_engine import served

ROOT = Path(__file__).parents[2]


class Launcher:
    """Starts as many as it is told to, and none for those that die."""

    host = "127.0.0.1"

    def __init__(self, count, settings):
        self._count, self._settings = count, settings
        self.children = {}
        self.dial = None

    def deploy(self, dial):
        self.dial = dial
        for _ in range(self._count):
            self.add()

    def add(self):
        dial = [self.dial.host, self.dial.port, self.dial.secret]
        text = json.dumps([dial, self._settings.model_dump_json()])
        command = [sys.executable, "-m", "tests.serve.replica_process", text]
        child = subprocess.Popen(command, cwd=ROOT)
        self.children[child.pid] = child

    def trouble(self):
        return "none was started"

    def end(self):
        for child in self.children.values():
            child.kill()
            child.wait(timeout=20)


if __name__ == "__main__":
    dial, settings = json.loads(sys.argv[1])
    replica = Replica(served, settings, Dial(*dial))
    threading.Event().wait()
