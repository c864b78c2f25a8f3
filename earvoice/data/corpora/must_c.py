"""MuST-C: TED talks, one line of a YAML list and of two text files per segment.

    DIR/en-de/data/SPLIT/wav/ted_1096.wav           SPLIT: train, dev, tst-COMMON, tst-HE
    DIR/en-de/data/SPLIT/txt/SPLIT.{yaml,en,de}

Line i of each text file belongs to entry i of the list. Segments are numbered by time within a
talk. (fairseq sorts the offsets as text, "10.5" before "9.1": its ids name other segments.)
"""

from __future__ import annotations

from pathlib import Path

from earvoice.data.corpora.reading import clean, first_folder, inside, read_lines
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.spans import Span, read_spans
from earvoice.data.corpora.takes import Passage, Take, Wanted, in_time
from earvoice.errors import DataError

LAYOUT = "DIR/en-de/data/SPLIT/{wav/*.wav, txt/SPLIT.yaml, txt/SPLIT.en, txt/SPLIT.de}"


def read_must_c(root: Path, wanted: Wanted, skipped: Tally) -> list[Take]:
    """The talks of a split; DIR may be any folder from the corpus' down to the split's."""
    split = wanted.split
    candidates = [
        root / f"{wanted.src}-{wanted.tgt}" / "data" / split,
        root / "data" / split,
        root / split,
        root,
    ]
    folder = first_folder(candidates, f"txt/{split}.yaml", LAYOUT)
    listed = folder / "txt" / f"{split}.yaml"
    spans = read_spans(listed)
    sources, targets = (
        _parallel(folder / "txt" / f"{split}.{language}", spans, listed)
        for language in (wanted.src, wanted.tgt)
    )
    talks: dict[str, list[Passage]] = {}
    seen: set[tuple[str, int, int]] = set()
    for span, source, target in zip(spans, sources, targets, strict=True):
        key = (span.wav, span.start_us, span.end_us)
        if key in seen:
            skipped.add("segment that is listed twice", span.where)
            continue
        seen.add(key)
        talks.setdefault(span.wav, []).append(
            Passage(
                span.start_us, span.end_us, clean(source), clean(target), span.where, span.speaker
            )
        )
    return [
        Take(
            Path(wav).stem,
            inside(folder / "wav", wav, passages[0].where),
            in_time(passages),
            passages[0].where,
        )
        for wav, passages in talks.items()
    ]


def _parallel(path: Path, spans: list[Span], listed: Path) -> list[str]:
    """The lines of a text, as many as segments. Raises: DataError with the first lonely line."""
    lines = read_lines(path)
    if len(lines) == len(spans):
        return lines
    if len(lines) < len(spans):
        lonely = spans[len(lines)].where
    else:
        lonely = f"{path} line {len(spans) + 1}"
    raise DataError(
        f"{lonely} has no partner: {listed} has {len(spans)} segments, {path} has {len(lines)} "
        "lines"
    )
