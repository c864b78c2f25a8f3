"""A server with scripted models as a process of its own: `python -m tests.faults.serving JSON`."""

import os
import re
import subprocess
import sys
from pathlib import Path

from earvoice.serve.app import LiveServer
from earvoice.serve.server import Address, serve
from earvoice.serve.settings import ServeSettings

ROOT = Path(__file__).parents[2]


def main(text):
    """Serve until a signal."""
    from tests.serve.running import ENGINE

    settings = ServeSettings.model_validate_json(text)
    command = [*ENGINE, "--settings", settings.engine.model_dump_json()]
    serve(LiveServer(command, settings), Address(port=0))


class Process:
    """Such a process; `url` is where it listens."""

    def __init__(self, **settings):
        text = ServeSettings(**settings).model_dump_json()
        command = [sys.executable, "-m", "tests.faults.serving", text]
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.url = ""
        for line in self.child.stderr:
            found = re.search(r"serving on (http://\S+)", line)
            if found:
                self.url = found[1]
                return
        raise RuntimeError("the server did not start")

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    def engine_pid(self):
        """Its only child."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        return int(children.split()[0])

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(timeout=20)
        self.child.stderr.close()


def memory_mib(pid=None):
    """What a process keeps in memory."""
    lines = Path(f"/proc/{pid or os.getpid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def alive(pid):
    """Whether a process runs (and is no zombie)."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1])
