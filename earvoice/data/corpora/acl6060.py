"""ACL 60/60: conference talks in English with translations into ten languages.

    DIR/2/acl_6060/SPLIT/full_wavs/2022.acl-long.110.wav          SPLIT: dev, eval
    DIR/2/acl_6060/SPLIT/segmented_wavs/gold/sent_7.wav           seg id 7
    DIR/2/acl_6060/SPLIT/text/xml/ACL.6060.SPLIT.en-xx.de.xml     doc@docid > seg@id

The texts have no times. They come from a segmentation (`--segments`, or the only YAML file in
SPLIT), whose entries of a talk are in the order of its segs; without one, from finding each
sentence's samples in its talk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earvoice.data.corpora.aligned import Said, read_times, segmentation, timed
from earvoice.data.corpora.located import find_samples, microseconds, samples_of
from earvoice.data.corpora.markup import read_xml
from earvoice.data.corpora.reading import clean, first_folder, inside, only_file
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.takes import Passage, Take, Wanted, in_time
from earvoice.errors import DataError, UsageError

LAYOUT = (
    "DIR/2/acl_6060/SPLIT/{full_wavs/*.wav, text/xml/ACL.6060.SPLIT.en-xx.{en,de}.xml, and for "
    "times segmented_wavs/gold/sent_*.wav or a YAML file}"
)
_Texts = dict[str, dict[str, tuple[str, str]]]


def read_acl6060(root: Path, wanted: Wanted, skipped: Tally) -> list[Take]:
    """The talks of a split."""
    split = wanted.split
    candidates = [root / "2" / "acl_6060" / split, root / "acl_6060" / split, root / split, root]
    folder = first_folder(candidates, "text/xml", LAYOUT)
    sources, targets = (
        _texts(only_file(folder / "text" / "xml", [f"*.{split}.*.{language}.xml"], "text"))
        for language in (wanted.src, wanted.tgt)
    )
    listed = segmentation(wanted.segments, folder, "name one with --segments")
    times = {} if listed is None else read_times(listed)
    takes = []
    for talk, segs in targets.items():
        where = next(iter(segs.values()))[1]
        said = _paired(talk, sources.get(talk, {}), segs)
        audio = inside(folder / "full_wavs", f"{talk}.wav", where)
        if listed is not None:
            passages = timed(talk, list(said.values()), times, listed)
        else:
            passages = _located(folder / "segmented_wavs" / "gold", audio, said, skipped)
        takes.append(Take(talk, audio, passages, where))
    return takes


def _texts(path: Path) -> _Texts:
    """(text, where) by talk and seg id."""
    texts: _Texts = {}
    for doc in read_xml(path).all("doc"):
        talk = doc.attribute("docid")
        if talk in texts:
            raise DataError(f"{doc.where}: the talk {talk!r} is there twice")
        segs = texts[talk] = {}
        for seg in doc.all("seg"):
            name = seg.attribute("id")
            if name in segs:
                raise DataError(f"{seg.where}: the seg {name!r} of {talk} is there twice")
            segs[name] = (clean(seg.text), seg.where)
        if not segs:
            raise DataError(f"{doc.where}: the talk {talk!r} has no seg")
    if not texts:
        raise DataError(f"{path}: has no <doc> with <seg>")
    return texts


def _paired(
    talk: str, sources: dict[str, tuple[str, str]], targets: dict[str, tuple[str, str]]
) -> dict[str, Said]:
    """By seg id, in the target's order. Raises: DataError for one that has no partner."""
    for name, (_, where) in [*targets.items(), *sources.items()]:
        if name not in sources or name not in targets:
            raise DataError(f"{where}: the seg {name!r} of {talk} is not in the other language")
    return {name: Said(sources[name][0], text, where) for name, (text, where) in targets.items()}


def _located(gold: Path, audio: Path, said: dict[str, Said], skipped: Tally) -> tuple[Passage, ...]:
    """The sentences whose samples are found in the talk."""
    if not gold.is_dir():
        raise UsageError(
            f"the texts have no times: name a segmentation with --segments, or unpack {gold}; "
            f"expected layout: {LAYOUT}"
        )
    talk = samples_of(audio)
    if talk is None:
        return _without_times(list(said.values()), audio, skipped)
    passages: list[Passage] = []
    start = 0
    for name, text in said.items():
        own = samples_of(inside(gold, f"sent_{name}.wav", text.where))
        found = None if own is None else find_samples(talk, own, start)
        if own is None or found is None:
            reason = "missing or unlike sentence audio" if own is None else "sentence not in talk"
            skipped.add(reason, text.where)
            continue
        start = found  # and not the end, because neighbours overlap
        end_us = microseconds(found + len(own) // 2)
        passages.append(Passage(microseconds(found), end_us, text.source, text.target, text.where))
    return in_time(passages)


def _without_times(said: Sequence[Said], audio: Path, skipped: Tally) -> tuple[Passage, ...]:
    if audio.is_file():
        raise UsageError(f"{audio} is not mono 16 kHz 16-bit WAV; name times with --segments")
    for text in said:
        skipped.add("missing audio", text.where)
    return ()
