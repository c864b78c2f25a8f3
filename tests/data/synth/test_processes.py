"""Work in processes of its own: in order, and errors that say which item it was."""

import os
import time

import pytest

from earvoice.data.synth.processes import in_own_processes
from earvoice.errors import EarvoiceError


def in_reverse(item):
    """The first items take longest, so they get ready last."""
    time.sleep(0.05 * (4 - item))
    return f"{item} {os.getpid()}"


def fail_at_two(item):
    if item == 2:
        raise EarvoiceError("no such voice")
    return str(item)


def die_at_one(item):
    if item == 1:
        os._exit(7)
    return str(item)


def hang_once(folder):
    """Hangs unless an earlier attempt left its mark."""
    mark = folder / "tried"
    if not mark.exists():
        mark.write_text("")
        time.sleep(60)
    return "ready"


def hang(item):
    time.sleep(60)
    return item


def run(work, items, jobs=2, patience_s=30.0):
    return list(in_own_processes(work, items, jobs, (__name__,), lambda i: f"item {i}", patience_s))


def test_results_are_in_order_each_from_its_own_process():
    answers = [answer.split() for answer in run(in_reverse, [0, 1, 2, 3], jobs=4)]
    assert [number for number, _ in answers] == ["0", "1", "2", "3"]
    assert len({process for _, process in answers}) == 4
    assert str(os.getpid()) not in {process for _, process in answers}


def test_an_error_in_a_process_names_the_item():
    with pytest.raises(EarvoiceError, match="item 2: no such voice"):
        run(fail_at_two, [0, 1, 2, 3])


def test_a_process_that_dies_names_the_item_and_the_code():
    with pytest.raises(EarvoiceError, match="rendered item 1 died with exit code 7"):
        run(die_at_one, [0, 1, 2])


def test_a_stuck_item_is_started_once_more(tmp_path):
    assert run(hang_once, [tmp_path], patience_s=2.0) == ["ready"]


def test_an_item_stuck_twice_is_an_error():
    with pytest.raises(EarvoiceError, match="item 0 does not get ready"):
        run(hang, [0], patience_s=0.5)
