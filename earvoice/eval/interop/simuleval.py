"""SimulEval 1.1.4's `instances.log`: one JSON object per recording, times in milliseconds.

OmniSTEval 0.1.10 reads the same file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from earvoice.eval.hypotheses import (
    AUDIO_ENDINGS,
    DataError,
    Hypothesis,
    clocks_from_totals,
    microseconds,
    recording_name,
)
from earvoice.eval.lines import milliseconds, not_negative, read_json_lines, text
from earvoice.eval.units import Unit, glued_words, units_of

LOG_NAME = "instances.log"
CONFIG = "source_type: speech\ntarget_type: text\n"
"""What `simuleval --score-only` wants to find as `config.yaml` beside the log."""


def read_simuleval(path: Path, unit: Unit) -> list[Hypothesis]:
    """The recordings of an `instances.log`.

    Files of one name in different folders are known by so much of their paths as tells them apart.
    A last line without its end, the normal result of a kill, is an error like any other.
    Raises: DataError naming file and line.
    """
    lines = list(read_json_lines(path))
    found = [_simuleval(where, data, unit) for where, data in lines]
    files: dict[str, set[PurePath]] = {}
    for one, (_, data) in zip(found, lines, strict=True):
        files.setdefault(one.name, set()).add(_file(data))
    return [
        replace(one, name=_told_apart(one.name, _file(data), files[one.name]))
        for one, (_, data) in zip(found, lines, strict=True)
    ]


def _file(data: Mapping[str, Any]) -> PurePath:
    """The path in an instance; of a text, none."""
    source = data.get("source")
    path = source[0] if isinstance(source, list) and source else source
    return PurePath(path) if isinstance(path, str) and not _is_text(data) else PurePath()


def _told_apart(name: str, file: PurePath, files: Set[PurePath]) -> str:
    """The name, or the end of the path that no other file of this name has.

    Where one path is the end of another they may be one file, which keeps its name.
    """
    depth = min(len(other.parts) for other in files)
    if len(files) == 1 or len({other.parts[-depth:] for other in files}) < len(files):
        return name
    while depth > 1 and len({other.parts[1 - depth :] for other in files}) == len(files):
        depth -= 1
    return "/".join(file.parts[-depth:])


def _simuleval(where: str, data: dict[str, Any], unit: Unit) -> Hypothesis:
    delays = tuple(microseconds(value) for value in milliseconds(where, data, "delays"))
    elapsed = milliseconds(where, data, "elapsed") if data.get("elapsed") else []
    totals: list[int] = []
    if any(elapsed):
        if len(elapsed) != len(delays):
            raise DataError(
                f"{where}: {len(delays)} delays and {len(elapsed)} elapsed; each unit has one of "
                "both, or elapsed is empty"
            )
        totals = [microseconds(e) - d for e, d in zip(elapsed, delays, strict=True)]
    prediction = text(where, data, "prediction")
    counted = _counted(prediction, unit, len(delays))
    kept = [place for place, one in enumerate(counted) if one.strip()]
    if len(kept) < len(counted):  # white space with a time of its own
        delays, totals = (
            tuple(delays[place] for place in kept),
            [totals[place] for place in kept] if totals else [],
        )
    reference = None
    if isinstance(data.get("reference"), str):
        reference = text(where, data, "reference").strip()
    source_us = None
    if data.get("source_length") is not None:
        source_us = microseconds(not_negative(where, data, "source_length"))
    index = data.get("index")
    return Hypothesis(
        name=_source_name(where, data),
        unit=unit,
        units=tuple(counted[place] for place in kept),
        delays_us=delays,
        source_us=source_us,
        where=where,
        clocks=clocks_from_totals(delays, totals) if totals else {},
        reference=reference,
        source_type="text" if _is_text(data) else "speech",
        index=index if isinstance(index, int) and not isinstance(index, bool) else None,
        glued=glued_words(prediction) if unit == "word" else frozenset(),
        spaced=prediction if unit == "char" else None,
    )


def _counted(prediction: str, unit: Unit, count: int) -> list[str]:
    """What the log has a delay for.

    Of characters SimulEval leaves out ASCII spaces alone, and who writes for OmniSTEval none.
    """
    units = units_of(prediction, unit)
    if unit == "char" and len(units) != count:
        for some in (list(prediction.replace(" ", "")), list(prediction)):
            if len(some) == count:
                return some
    return units


def _is_text(data: Mapping[str, Any]) -> bool:
    """SimulEval writes a text as it is, and of a recording its path.

    One word is a text where the source is as long as that; else the name of a recording, as
    OmniSTEval takes it.
    """
    source, length = data.get("source"), data.get("source_length")
    if not isinstance(source, str) or PurePath(source).suffix.lower() in AUDIO_ENDINGS:
        return False
    return len(source.split()) != 1 or length in (1, len(source.strip()))


def _source_name(where: str, data: dict[str, Any]) -> str:
    """A recording is known by the stem of its file; a text by its index."""
    source = data.get("source")
    if isinstance(source, list) and source and isinstance(source[0], str):
        return recording_name(source[0])
    if isinstance(source, str) and not _is_text(data):
        return recording_name(source)
    if "index" in data:
        return str(data["index"])
    raise DataError(f"{where}: neither source nor index says which recording this is")


def write_simuleval(
    path: Path, hypotheses: Sequence[Hypothesis], references: Mapping[str, str]
) -> None:
    """An `instances.log` of speech-to-text. references: by name of the recording.

    `elapsed` is SimulEval's own: audio heard and all computing since the recording began. The
    log has no place for chunks that wrote nothing, so the other two clocks cannot be in it.
    Raises: DataError for a name that is no file name, an unknown length, a missing reference.
    """
    lines = [
        _instance(index, hypothesis, references.get(hypothesis.name))
        for index, hypothesis in enumerate(hypotheses)
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _instance(index: int, hypothesis: Hypothesis, reference: str | None) -> str:
    if hypothesis.source_us is None:
        raise DataError(f"{hypothesis.where}: the length of the source is not known")
    if reference is None:
        raise DataError(f"{hypothesis.where}: {hypothesis.name!r} has no reference")
    times = hypothesis.clocks.get("simuleval", ())
    instance = {
        "index": index,
        "prediction": hypothesis.text,
        "delays": [time / 1000 for time in hypothesis.delays_us],
        "elapsed": [time / 1000 for time in times],
        "prediction_length": len(hypothesis.units),
        # SimulEval counts a reference's spaces, so there must be one between two words.
        "reference": " ".join(reference.split()),
        "source": [wav_name(hypothesis)],
        "source_length": hypothesis.source_us / 1000,
    }
    return json.dumps(instance, ensure_ascii=False)


def wav_name(hypothesis: Hypothesis) -> str:
    """The file name by which other tools know a recording: they take its stem.

    Raises: DataError for a name of which the stem is another.
    """
    name = f"{hypothesis.name}.wav"
    if Path(name).stem != hypothesis.name or hypothesis.name != hypothesis.name.strip():
        raise DataError(
            f"{hypothesis.where}: recording {hypothesis.name!r} cannot be told by a file name; "
            "it must not be empty, nor have / or outer spaces"
        )
    return name
