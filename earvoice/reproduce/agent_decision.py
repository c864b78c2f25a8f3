"""When to write: an agent's own decision against fixed chunks and wait-k, on the same weights.

All three translate the same talks without memory and glossary, so that nothing but the moments of
writing differs. Each is a curve:

    learned        the least that is heard before the model is asked, `LEAST_S`
    fixed chunks   everything after every n steps
    wait-k         from k steps on, so many words a step, each translation beginning with what is
                   written; a full window is written to its end
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earvoice.audio import Audio
from earvoice.data.manifest import Talk
from earvoice.data.synth.engines import open_synthesizer
from earvoice.data.synth.render import TalkSpec, render_talk
from earvoice.data.synth.voices import voices
from earvoice.eval.hypotheses import microseconds
from earvoice.eval.references import Segment
from earvoice.eval.runlog import LOG_FILE, RecordingHead, RunLog, read_runlog
from earvoice.eval.score import compute
from earvoice.eval.scored import Scored, items_of_segments
from earvoice.eval.simulate import Recording, simulate
from earvoice.eval.units import default_unit
from earvoice.policies import FixedChunks, PolicySpec, WaitK
from earvoice.session import Request
from earvoice.sessions.agent import AgentInterpreter
from earvoice.units import SAMPLE_RATE

Pair = tuple[str, str]
LEAST_S = (0.96, 1.92, 2.88, 3.84)
CHUNKS = (3, 5, 8, 12)
WAITS = (2, 4, 6, 9)
WORDS_A_STEP = 2
"""Of wait-k: a step of 0.48 s holds one or two words; with one, it would fall behind."""
_TALK_S = 40.0
_PACKET_S = 0.1


@dataclass(frozen=True)
class _Heard:
    """A drawn talk and its samples."""

    talk: Talk
    samples: Any

    @property
    def recording(self) -> Recording:
        """It as the simulation takes it."""

        def packets() -> Iterator[Audio]:
            size = round(_PACKET_S * SAMPLE_RATE)
            for start in range(0, len(self.samples), size):
                yield Audio(self.samples[None, start : start + size], SAMPLE_RATE)

        (target,) = self.talk.sentences[0].targets
        size_us = microseconds(1000 * len(self.samples) / SAMPLE_RATE)
        return Recording(RecordingHead(self.talk.id, size_us, default_unit(target)), packets)

    def segments(self, target: str) -> list[Segment]:
        """Its sentences as references."""
        end_us = round(1e6 * self.talk.sentences[-1].end_s)
        return [
            Segment(
                self.talk.id,
                round(1e6 * one.start_s),
                round(1e6 * (one.end_s - one.start_s)),
                end_us - round(1e6 * one.start_s),
                one.targets[target].text,
                None,
                f"{self.talk.id} sentence {number}",
            )
            for number, one in enumerate(self.talk.sentences, 1)
        ]


def drawn_talks(pair: Pair, count: int, seed: int) -> list[_Heard]:
    """Freshly drawn talks of the test split, of about 40 s, each with its voice."""
    source, target = pair
    found = []
    for index in range(count):
        voice = random.Random(f"{seed}/{index}").choice(voices("espeak", "train", source))
        spec = TalkSpec(seed, index, "test", voice, _TALK_S, (target,), source, "interpreted")
        talk, pcm = render_talk(spec, open_synthesizer("espeak", seed))
        found.append(_Heard(talk, pcm.astype("float32") / 32768.0))
    return found


def decision(
    interpreter: AgentInterpreter, pair: Pair, talks: Sequence[_Heard]
) -> list[dict[str, Any]]:
    """BLEU and LongYAAL at every point of every arm."""
    plain = replace(interpreter.settings, memory_tokens=0)
    embedding_s = interpreter.model.embedding_samples / SAMPLE_RATE
    asked = AgentInterpreter(interpreter.model, plain, rows=len(talks))
    rows = []
    for least_s in LEAST_S:
        waiting = replace(plain, least=max(1, round(least_s / embedding_s)))
        own = AgentInterpreter(interpreter.model, waiting, rows=len(talks))
        rows.append(_row("learned", f"{least_s:g} s", own, None, pair, talks))
    for n in CHUNKS:
        rows.append(_row("fixed chunks", f"n={n}", asked, FixedChunks(n), pair, talks))
    for k in WAITS:
        policy = WaitK(k, WORDS_A_STEP)
        rows.append(_row("wait-k", f"k={k}", asked, policy, pair, talks))
    return rows


def _row(
    arm: str,
    point: str,
    interpreter: AgentInterpreter,
    policy: PolicySpec | None,
    pair: Pair,
    talks: Sequence[_Heard],
) -> dict[str, Any]:
    figures = _scored(interpreter, policy, pair, talks)
    return {"arm": arm, "on": "decision", "point": point, **figures}


def _scored(
    interpreter: AgentInterpreter, policy: PolicySpec | None, pair: Pair, talks: Sequence[_Heard]
) -> dict[str, float]:
    """Runs all talks as one batch and scores them by sentences; a lag of nothing is left out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / LOG_FILE
        recordings = [one.recording for one in talks]
        request = Request(*pair, policy)
        simulate(interpreter, recordings, request, RunLog(path), streams=len(talks))
        hypotheses = read_runlog(path)
    segments = [segment for one in talks for segment in one.segments(pair[1])]
    items = items_of_segments(hypotheses, segments)
    scored = Scored(items, "long", pair[1], hypotheses, segments)
    metrics = compute(scored, ("bleu", "long_yaal")).metrics
    named = {"bleu": metrics["bleu"], "long_yaal_ms": metrics["long_yaal"]}
    return {name: round(value, 2) for name, value in named.items() if value is not None}
