"""Tasks: done once, gone on with, left to others, never mixed up."""

import json

import pytest

from earvoice.data.lock import FolderLock
from earvoice.errors import ConfigError
from earvoice.reproduce.tasks import Task


def task(folder, calls, key="k", error=None):
    def work(place):
        calls.append(place)
        if error is not None:
            raise error
        return {"rows": [len(calls)]}

    return Task(folder / "arm" / "seed-1", {"key": key}, work)


def test_a_finished_task_is_not_run_again(tmp_path):
    calls = []
    assert task(tmp_path, calls).run()
    assert task(tmp_path, calls).run()
    assert len(calls) == 1
    assert task(tmp_path, calls).result()["rows"] == [1]
    assert task(tmp_path, calls).name == "arm/seed-1"


def test_a_broken_off_task_is_tried_again_and_its_cost_counts(tmp_path):
    calls = []
    broken = task(tmp_path, calls, error=RuntimeError("stop"))
    with pytest.raises(RuntimeError):
        broken.run()
    assert broken.result() is None
    cost = tmp_path / "arm/seed-1/cost.json"
    cost.write_text(json.dumps({"cpu_s": 100.0}))
    assert task(tmp_path, calls).run()
    assert task(tmp_path, calls).cost_s() >= 100.0


def test_what_another_process_holds_is_left_to_it(tmp_path):
    calls = []
    mine = task(tmp_path, calls)
    mine.folder.mkdir(parents=True)
    with FolderLock(mine.folder):
        assert not mine.run()
    assert calls == []
    assert mine.run()


def test_an_error_of_the_work_is_not_taken_for_a_busy_folder(tmp_path):
    with pytest.raises(ConfigError, match="of the work"):
        task(tmp_path, [], error=ConfigError("of the work")).run()


def test_a_result_of_another_configuration_is_refused(tmp_path):
    task(tmp_path, []).run()
    with pytest.raises(ConfigError, match="another configuration"):
        task(tmp_path, [], key="other").result()
