"""Long utterances out of short ones: the MuST-C-Long construction of FASST (section 4.1).

Neighbouring utterances of a talk are joined as long as the span, from the first start to the last
end, is shorter than 30 s. The span is contiguous audio: gaps between utterances stay in it. Texts
are joined by a space; word times and the source positions of target words are shifted.

    utterances   |--a--|  |-b-|     |---c---|        max 12 s
    seconds      0     3  4   6     9       13
    spans        |------a b---|     |---c---|        a b c would last 13 s
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from earvoice.data.manifest import (
    MANIFEST_NAME,
    SpokenSentence,
    Talk,
    Target,
    TimedPhone,
    TimedWord,
    cut_from_talk,
    load_talks,
    write_manifest,
)
from earvoice.errors import UsageError
from earvoice.text.spacing import joined
from earvoice.units import Seconds

MAX_S = 30.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """A piece of a talk. Its start and end are in the talk's time, its words' in its own."""

    talk_id: str
    start_s: Seconds
    end_s: Seconds
    text: str
    targets: Mapping[str, Target]
    words: tuple[TimedWord, ...] = ()
    phones: tuple[TimedPhone, ...] = ()


def join_utterances(utterances: Iterable[Utterance], max_s: Seconds = MAX_S) -> list[Utterance]:
    """The long spans, sorted by (talk, start). An utterance of `max_s` or more stays alone."""
    if max_s <= 0:
        raise UsageError(f"the longest span is {max_s} s, it must be more than 0")
    ordered = sorted(utterances, key=lambda u: (u.talk_id, u.start_s))
    spans: list[list[Utterance]] = []
    for utterance in ordered:
        span = spans[-1] if spans else None
        if (
            span is not None
            and span[0].talk_id == utterance.talk_id
            and utterance.end_s - span[0].start_s < max_s
        ):
            span.append(utterance)
        else:
            spans.append([utterance])
    return [_joined(span) for span in spans]


def _joined(span: Sequence[Utterance]) -> Utterance:
    first = span[0]
    words: list[TimedWord] = []
    phones: list[TimedPhone] = []
    for utterance in span:
        shift_s = utterance.start_s - first.start_s
        words += [
            replace(w, start_s=w.start_s + shift_s, end_s=w.end_s + shift_s)
            for w in utterance.words
        ]
        phones += [
            replace(p, start_s=p.start_s + shift_s, end_s=p.end_s + shift_s)
            for p in utterance.phones
        ]
    return Utterance(
        talk_id=first.talk_id,
        start_s=first.start_s,
        end_s=max(utterance.end_s for utterance in span),
        text=joined(utterance.text for utterance in span),
        targets=_joined_targets(span),
        words=tuple(words),
        phones=tuple(phones),
    )


def _joined_targets(span: Sequence[Utterance]) -> dict[str, Target]:
    """Only languages that every piece has; `needs` only where every piece has them."""
    found: dict[str, Target] = {}
    for language in span[0].targets:
        if not all(language in utterance.targets for utterance in span):
            continue
        needs: list[int] = []
        known = True
        before = 0
        for utterance in span:
            target = utterance.targets[language]
            known = known and (bool(target.needs) or not target.text)
            needs += [need + before for need in target.needs]
            before += len(utterance.words) or len(utterance.text.split())
        words = [word for utterance in span for word in utterance.targets[language].words]
        found[language] = Target.of_words(words, needs if known else ())
    return found


def utterances_of(talk: Talk) -> Iterator[Utterance]:
    """The sentences of a talk as utterances."""
    for sentence in talk.sentences:
        shift_s = sentence.start_s
        yield Utterance(
            talk_id=talk.id,
            start_s=sentence.start_s,
            end_s=sentence.end_s,
            text=sentence.text,
            targets=sentence.targets,
            words=tuple(
                replace(w, start_s=w.start_s - shift_s, end_s=w.end_s - shift_s)
                for w in sentence.words
            ),
            phones=tuple(
                replace(p, start_s=p.start_s - shift_s, end_s=p.end_s - shift_s)
                for p in sentence.phones
            ),
        )


def span_talks(talk: Talk, max_s: Seconds = MAX_S) -> Iterator[Talk]:
    """The long spans of a talk, each as a talk of one sentence over the same recording."""
    for number, span in enumerate(join_utterances(utterances_of(talk), max_s)):
        first = round(span.start_s * talk.sample_rate)
        last = min(talk.samples, round(span.end_s * talk.sample_rate))
        yield replace(
            talk,
            id=f"{talk.id}-long-{number:04d}",
            samples=last - first,
            first_sample=talk.first_sample + first,
            sentences=(
                SpokenSentence(
                    start_s=0.0,
                    end_s=(last - first) / talk.sample_rate,
                    words=span.words,
                    phones=span.phones,
                    text=span.text,
                    targets=span.targets,
                    topic=talk.sentences[0].topic,
                ),
            ),
        )


def lengthen_corpus(corpus: Path, out: Path, max_s: Seconds = MAX_S) -> tuple[int, Seconds]:
    """Writes the long version of a corpus to `out`, which refers to the same audio files.

    Returns the number of spans and their mean length.
    """
    if (Path(out) / MANIFEST_NAME).exists():
        raise UsageError(f"there is a corpus in {out} already")
    spans = [span for talk in load_talks(corpus) for span in span_talks(talk, max_s)]
    if not spans:
        raise UsageError(f"the corpus {corpus} has no sentence")
    write_manifest(Path(out), (cut_from_talk(span, _source(span, Path(out))) for span in spans))
    return len(spans), sum(span.duration_s for span in spans) / len(spans)


def _source(talk: Talk, folder: Path) -> str:
    if talk.path is None:
        raise UsageError(f"the talk {talk.id} has no audio")
    return os.path.relpath(talk.path.resolve(), folder.resolve())
