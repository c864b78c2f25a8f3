"""Two jobs in one folder: the second is refused, and a dead job's lock is free."""

import subprocess
import sys

import pytest

from earvoice.data.lock import FolderLock
from earvoice.errors import ConfigError

HOLD = """
import sys
from pathlib import Path
from earvoice.data.lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_in_one_process_is_refused(tmp_path):
    with FolderLock(tmp_path):
        with pytest.raises(ConfigError, match=f"out: {tmp_path} is in use by another job"):
            FolderLock(tmp_path).__enter__()
        (tmp_path / "b").mkdir()
        with FolderLock(tmp_path / "b"):
            pass
    with FolderLock(tmp_path):
        pass


def test_an_error_inside_frees_the_folder(tmp_path):
    with pytest.raises(RuntimeError), FolderLock(tmp_path):
        raise RuntimeError
    with FolderLock(tmp_path):
        pass


def test_another_process_is_refused_until_it_is_killed(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="in use by another job"):
            FolderLock(tmp_path).__enter__()
    finally:
        holder.kill()
        holder.communicate()
    with FolderLock(tmp_path):
        pass
