"""The table of a run: minutes without interruptions, figures of the first and last steps."""

import json

import pytest

from earvoice.errors import UsageError
from earvoice.train.summary import summarise, table


def log(folder, records):
    folder.mkdir(parents=True)
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "log.jsonl").write_text(text)


def record(step, time_s, **values):
    return {"step": step, "time_s": time_s, **values}


def test_minutes_leave_interruptions_out_and_repeated_steps_count_once(tmp_path):
    log(
        tmp_path / "a",
        [
            record(100, 1000.0, nll=4.0),
            record(200, 1060.0, nll=9.0),
            record(0, 8000.0, note="resumed"),
            record(200, 8100.0, nll=2.0),
            record(300, 8160.0, nll=1.0),
        ],
    )
    (found,) = summarise(tmp_path, [("a", "wait_k"), ("not_run", "wait_k")])
    assert (found.steps, found.minutes, found.first, found.last) == (300, 2.0, 4.0, 1.0)
    assert found.figure == "nll"


def test_each_objective_has_its_figure_and_a_torn_line_is_left_out(tmp_path):
    log(tmp_path / "p", [record(50, 0.0, loss=2.0, retrieval=0.1)])
    log(tmp_path / "w", [record(50, 0.0, loss=2.0, retrieval=0.1)])
    with (tmp_path / "p" / "log.jsonl").open("a") as file:
        file.write('{"step": 60, "ti')
    found = summarise(tmp_path, [("p", "phones"), ("w", "waco")])
    assert [(item.figure, item.last) for item in found] == [("loss", 2.0), ("retrieval", 0.1)]
    assert "| `w` | 50 | 0 | retrieval | 0.10 | 0.10 |  |  |  |  |" in table(found)


def test_throughput_and_memory(tmp_path):
    rates = {"audio_per_s": 100.0, "tokens_per_s": 800.0, "mfu": 0.25, "memory_gib": 3.0}
    later = {**rates, "audio_per_s": 200.0, "memory_gib": 2.0}
    log(tmp_path / "a", [record(10, 0.0, nll=1.0, **rates), record(20, 60.0, nll=1.0, **later)])
    shown = table(summarise(tmp_path, [("a", "wait_k")])).splitlines()
    assert shown[0].endswith("| audio s/s | tokens/s | MFU | GiB |")
    assert shown[2].endswith("| 150.0 | 800 | 25.0 % | 3.0 |")
    assert {line.count("|") for line in shown} == {11}


def test_a_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no log of a stage"):
        summarise(tmp_path, [("a", "wait_k")])


def test_an_objective_without_words_shows_its_loss(tmp_path):
    (tmp_path / "ctc").mkdir()
    lines = [{"step": s, "time_s": float(s), "loss": 3.0 - s / 100, "ctc": 1.0} for s in (10, 20)]
    (tmp_path / "ctc/log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = summarise(tmp_path, [("ctc", "ctc")])
    assert (found.figure, found.steps) == ("loss", 20)
    assert found.first == pytest.approx(2.85)
