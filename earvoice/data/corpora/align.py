"""Word times from an aligner's TextGrids, put into a manifest: `earvoice corpus align`.

A TextGrid belongs to a cut of its name, or to the recording of its name; then all cuts of the
recording take their stretch of it. So one run of the aligner over the talks serves the sentences,
the talks and the spans that `earvoice corpus long` makes of them.

    TextGrid     |  good  morning |        | the  train   is  late |
    cut          |  Good  morning.|        | The  train   is  late.|
    first sample 0                         16800

Only `alignment` changes, and `needs` where the number of words does: everything else of a line of
the manifest stays as it is, to the digit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earvoice.data.corpora.grids import Aligned, Grids, Stretch, TierNames, aligned
from earvoice.data.corpora.matching import letters
from earvoice.data.corpora.result import Tally
from earvoice.data.manifest import MANIFEST_NAME, Talk, load_talks, write_manifest
from earvoice.errors import DataError, UsageError

LEAST_US = 320_000
"""FASST leaves out shorter utterances in training (section 4.2)."""

RECORD_NAME = "align.json"


@dataclass
class Alignment:
    """What came of it. skipped: sentences without word times, by reason, with their places."""

    sentences: int = 0
    words: int = 0
    phones: int = 0
    cuts: int = 0
    skipped: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a manifest, as it stands there and as we understand it."""

    cut: dict[str, Any]
    talk: Talk
    where: str


def manifest_lines(corpus: Path) -> Iterator[Line]:
    """The lines of a corpus. Raises: UsageError for none, and for a line that is not a talk."""
    path = corpus / MANIFEST_NAME if corpus.is_dir() else corpus
    talks = load_talks(path)
    first = next(talks, None)
    if first is None:
        return
    with path.open(encoding="utf-8-sig") as lines:
        talk = first
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield Line(json.loads(line), talk, f"{path} line {number}")
                talk = next(talks, talk)


def unfit(segment: dict[str, Any]) -> str:
    """Why a sentence cannot have word times, whatever the aligner says; "" if it can."""
    if not letters(str(segment["text"])):
        return "nothing to say"
    if round(float(segment["duration"]) * 1_000_000) < LEAST_US:
        return f"shorter than {LEAST_US // 1000} ms"
    return ""


def align_corpus(
    corpus: Path, grids: Grids, names: TierNames, out: Path, *, drop_unaligned: bool
) -> Alignment:
    """Writes OUT/cuts.jsonl with word times, and OUT/align.json with what has none and why.

    drop_unaligned: leaves sentences without word times out, and cuts without sentences.
    Raises: DataError for a TextGrid that is not legal, and when no sentence got word times;
    UsageError where OUT holds a corpus.
    """
    if (out / MANIFEST_NAME).exists():
        raise UsageError(f"there is a corpus in {out} already")
    result = Alignment()
    partial = out / f"{MANIFEST_NAME}.partial"
    try:
        write_manifest(out, _aligned_cuts(corpus, grids, names, out, drop_unaligned, result))
    finally:
        partial.unlink(missing_ok=True)
    record = {
        "tiers": {"words": names.words, "phones": names.phones},
        "cuts": result.cuts,
        "sentences": result.sentences,
        "words": result.words,
        "phones": result.phones,
        "dropped": drop_unaligned,
        "skipped": result.skipped.places,
    }
    text = json.dumps(record, indent=1, ensure_ascii=False)
    (out / RECORD_NAME).write_text(text + "\n", encoding="utf-8")
    return result


def _aligned_cuts(
    corpus: Path, grids: Grids, names: TierNames, out: Path, drop: bool, result: Alignment
) -> Iterator[dict[str, Any]]:
    for line in manifest_lines(corpus):
        kept = []
        for segment in line.cut["supervisions"]:
            found = _align_segment(segment, line, grids, names, result.skipped)
            _put(segment, found)
            result.sentences += found is not None
            if found is not None or not drop:
                kept.append(segment)
        if not kept and line.cut["supervisions"]:
            continue
        line.cut["supervisions"] = kept
        _move(line, out)
        result.cuts += 1
        result.words += sum(len(segment["alignment"]["word"]) for segment in kept)
        result.phones += sum(len(segment["alignment"]["phone"]) for segment in kept)
        yield line.cut
    if not result.sentences:
        told = result.skipped.told("skipped") or f"{corpus} is empty"
        raise DataError(f"no sentence has word times; {told}")


def _align_segment(
    segment: dict[str, Any], line: Line, grids: Grids, names: TierNames, skipped: Tally
) -> Aligned | None:
    reason = unfit(segment)
    where = line.where
    if not reason:
        stretch = Stretch(
            str(segment["text"]),
            round(float(segment["start"]) * 1_000_000),
            round((float(segment["start"]) + float(segment["duration"])) * 1_000_000),
        )
        grid = grids.of(line.talk)
        if grid is not None:
            found = aligned(stretch, grid, names)
            if isinstance(found, Aligned):
                return found
            reason, where = found
        else:
            reason = "no TextGrid"
    skipped.add(reason, where)
    return None


def _put(segment: dict[str, Any], found: Aligned | None) -> None:
    """The times into a sentence. `needs` count words: where these are others, nobody knows it."""
    before = (segment.get("alignment") or {}).get("word") or ()
    words = [] if found is None else [_item(w.text, w.start_us, w.end_us) for w in found.words]
    phones = [] if found is None else [_item(p.text, p.start_us, p.end_us) for p in found.phones]
    segment["alignment"] = {"word": words, "phone": phones}
    if len(before) != len(words):
        for target in ((segment.get("custom") or {}).get("targets") or {}).values():
            target["needs"] = []


def _item(symbol: str, start_us: int, end_us: int) -> list[Any]:
    """A lhotse AlignmentItem: symbol, start, duration, score."""
    return [symbol, start_us / 1_000_000, (end_us - start_us) / 1_000_000, None]


def _move(line: Line, out: Path) -> None:
    """The path of the audio is relative to the manifest, which is in another folder now."""
    assert line.talk.path is not None
    source = line.cut["recording"]["sources"][0]
    source["source"] = os.path.relpath(line.talk.path.resolve(), out.resolve())
