"""A server with scripted models on Ray: `python -m tests.serve.ray_server JSON`."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from earvoice.serve.settings import ServeSettings

ROOT = Path(__file__).parents[2]


class RayServer:
    """Such a process; `url` is where it listens, `told` what it logged."""

    def __init__(self, **settings):
        text = ServeSettings(**settings).model_dump_json()
        command = [sys.executable, "-m", "tests.serve.ray_server", text]
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            # Ray gives a process a minute to start, which is short on a machine that is busy.
            "RAY_worker_register_timeout_seconds": "600",
        }
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env)
        self.url = ""
        self.told = []
        self.other = []  # lines that are not the server's own
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.child.stderr:
            found = re.search(r"serving on (http://\S+)", line)
            if found:
                self.url = found[1]
            elif line.startswith("{"):
                self.told.append(json.loads(line))
            else:
                self.other.append(line)

    def all(self, event):
        """The log's lines about one thing."""
        return [line for line in self.told if line["event"] == event]

    def until(self, condition, patience_s=900.0):
        deadline_s = time.monotonic() + patience_s
        while not condition():
            assert self.child.poll() is None, self.other
            assert time.monotonic() < deadline_s, (self.told, self.other)
            time.sleep(0.01)

    def stop(self):
        """Ends it as an operator does. Returns its exit code."""
        if self.child.poll() is None:
            self.child.terminate()
        try:
            return self.child.wait(timeout=60)
        finally:
            self.child.kill()
            self._reader.join(timeout=10)
            self.child.stderr.close()


def main(text):
    """Serve until a signal."""
    from earvoice.serve.app import LiveServer
    from earvoice.serve.cluster.ray_launcher import ray_replicas
    from earvoice.serve.logs import set_up
    from earvoice.serve.server import Address, serve
    from tests.serve.fake_engine import served

    settings = ServeSettings.model_validate_json(text)
    set_up("info")
    serve(LiveServer(ray_replicas(served, settings), settings), Address(port=0))


if __name__ == "__main__":
    main(sys.argv[1])
