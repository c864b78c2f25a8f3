"""A model on spans of talks, one stream at a time, with computing counted.

Computing is CPU time of this process, on one thread: other programs disturb it little. The clocks
that count it are those of `earvoice eval` (docs/evaluation.md).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from earvoice.audio import Audio
from earvoice.bench.live import TimedInterpreter, noise_segment
from earvoice.data.long import span_talks
from earvoice.data.manifest import Talk, load_talks
from earvoice.errors import UsageError
from earvoice.eval.hypotheses import CLOCKS, microseconds
from earvoice.eval.runlog import LOG_FILE, RecordingHead, RunLog, read_runlog
from earvoice.eval.score import compute
from earvoice.eval.scored import Scored, items_of_sentences
from earvoice.eval.simulate import Recording, simulate
from earvoice.policies import PolicySpec
from earvoice.reproduce.spec import SpansConfig
from earvoice.session import Request
from earvoice.sessions.append import AppendInterpreter
from earvoice.units import SAMPLE_RATE, Seconds

PACKET_S = 0.04
METRICS = ("bleu", "laal", *(f"laal_ca_{clock}" for clock in CLOCKS))


def drawn_spans(test: Path, config: SpansConfig, seed: int) -> list[Talk]:
    """Spans of up to `most_s` seconds, drawn by the seed, in a fixed order.

    Raises: UsageError where there are not enough.
    """
    spans = [span for talk in load_talks(test) for span in span_talks(talk, config.most_s)]
    if len(spans) < config.count:
        raise UsageError(f"{test} has {len(spans)} spans, {config.count} are asked for")
    return random.Random(seed).sample(spans, config.count)


def sentences_of(spans: Sequence[Talk], most_s: Seconds) -> list[Talk]:
    """The beginning of each span, at most so long: streams in which no window slides."""
    most = round(most_s * SAMPLE_RATE)
    return [replace(span, id=f"{span.id}-start", samples=min(span.samples, most)) for span in spans]


def run_spans(
    interpreter: AppendInterpreter, spans: Sequence[Talk], policy: PolicySpec, folder: Path
) -> list[str]:
    """Simulates, one log in `folder`; goes on where it stopped. Returns the texts."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = interpreter.settings
    request = Request(settings.src_lang, settings.tgt_lang, policy)
    log = RunLog(folder / LOG_FILE)
    simulate(
        interpreter,
        [_recording(span) for span in spans],
        request,
        log,
        clock="wall",
        timer_ns=time.process_time_ns,
    )
    return [hypothesis.text for hypothesis in read_runlog(folder / LOG_FILE)]


def scored(folder: Path, spans: Sequence[Talk], language: str) -> dict[str, float | None]:
    """BLEU and LAAL of a log, in milliseconds, by every clock."""
    hypotheses = read_runlog(folder / LOG_FILE)
    references = [" ".join(s.targets[language].text for s in span.sentences) for span in spans]
    items = items_of_sentences(hypotheses, references)
    metrics = compute(Scored(items, "short", language, hypotheses), METRICS).metrics
    rounded = {name: None if v is None else round(v, 2) for name, v in metrics.items()}
    return {"bleu": rounded.pop("bleu")} | {f"{name}_ms": v for name, v in rounded.items()}


def _recording(span: Talk) -> Recording:
    def packets() -> Iterator[Audio]:
        samples, size = span.read_samples(), round(PACKET_S * span.sample_rate)
        for start in range(0, len(samples), size):
            yield Audio(samples[None, start : start + size], span.sample_rate)

    source_us = microseconds(1000 * span.samples / span.sample_rate)
    return Recording(RecordingHead(span.id, source_us, "word"), packets)


def cost_by_age(
    interpreter: AppendInterpreter, ages_s: Sequence[Seconds], seed: int, repetitions: int
) -> list[float]:
    """Milliseconds of CPU that the next segment costs at each age: the least of the repetitions.

    Other programs can only add to it. Each is the mean over the segment that ends at the age and
    one to each side.
    """
    timed = TimedInterpreter(interpreter, rows=1)
    size = timed.inner.segment_samples
    places = [round(age_s / timed.segment_s) for age_s in ages_s]
    runs: list[list[float]] = []
    for repetition in range(repetitions):
        session, costs = timed.open(), []
        for index in range(max(places) + 2):
            cost, _ = timed.push(session, noise_segment(seed + 1000 * repetition, index, size))
            costs.append(1000 * (cost.encoder_s + cost.lm_s))
        runs.append([sum(costs[place - 1 : place + 2]) / 3 for place in places])
        del session
    return [round(min(column), 2) for column in zip(*runs, strict=True)]
