"""How fast a long recording's output is cut at its references, and whether each word lands alike.

Beside the segmenter of `earvoice eval score` runs a plain one, written cell by cell from the
published definition (Polak et al. 2025, 2509.17349), and where asked OmniSTEval, in an environment
of its own. The material is about an hour of made-up talks: seeded words with Zipf's frequencies,
the output a translator's that drops, changes and adds words and now and then a whole sentence.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.bench.live import Progress, silent_progress
from earvoice.bench.machine import describe
from earvoice.bench.resegment_plain import plain_segmenter
from earvoice.errors import EarvoiceError
from earvoice.eval.longform import Segmenter, soft_segmenter
from earvoice.eval.mwer import mwer_segmenter
from earvoice.units import Seconds

VOCABULARY = 2500
PEER = """\
import importlib.metadata, json, sys, time
from omnisteval.alignment import Word, align_sequences, process_alignment
from omnisteval.tokenization import tokenize_words
talks, owners, start_s = json.load(sys.stdin), [], time.process_time()
for references, written in talks:
    ref = [[Word(word, seq_id=n) for n, line in enumerate(references) for word in line]]
    hyp = [[Word(word) for word in written]]
    pair = align_sequences(tokenize_words(ref, None)[0], tokenize_words(hyp, None)[0], False)
    owners.append([word.seq_id for word in process_alignment(*pair, False)])
spent_s = time.process_time() - start_s
version = importlib.metadata.version("omnisteval")
print(json.dumps({"version": version, "seconds": spent_s, "owners": owners}))
"""


@dataclass(frozen=True)
class Talk:
    """One recording: the words of each reference segment, and the words written."""

    references: list[list[str]]
    written: list[str]


@dataclass(frozen=True)
class ResegmentSettings:
    """How much material, how often ours runs, and the interpreter that has OmniSTEval."""

    talks: int = 5
    segments: int = 468
    rounds: int = 3
    seed: int = 1
    against: Path | None = None
    timeout_s: Seconds = 3600.0


def run(settings: ResegmentSettings, progress: Progress = silent_progress) -> dict[str, Any]:
    """Measures; the keys of `earvoice bench resegment --json`. CPU seconds.

    Raises: EarvoiceError when the peer cannot be run.
    """
    talks = made_talks(settings.talks, settings.segments, settings.seed)
    progress("earvoice")
    runs = [_timed(soft_segmenter, talks) for _ in range(settings.rounds)]
    ours_s, ours = statistics.median(seconds for seconds, _ in runs), runs[0][1]
    mwer_s = statistics.median(_timed(mwer_segmenter, talks)[0] for _ in range(settings.rounds))
    progress("the plain algorithm, cell by cell")
    plain_s, plain = _timed(plain_segmenter, talks)
    found = {
        "benchmark": "resegment",
        **describe(),
        "seed": settings.seed,
        "talks": settings.talks,
        "segments": settings.segments,
        "reference_words": sum(len(line) for talk in talks for line in talk.references),
        "written_words": sum(len(talk.written) for talk in talks),
        "ours_s": round(ours_s, 4),
        "mwer_s": round(mwer_s, 4),
        "plain_s": round(plain_s, 4),
        "speedup": round(plain_s / ours_s, 2),
        "identical": ours == plain,
    }
    if settings.against is not None:
        progress("OmniSTEval")
        peer = _peer(settings.against, talks, settings.timeout_s)
        found |= {
            "peer": f"omnisteval {peer['version']}",
            "peer_s": round(peer["seconds"], 4),
            "peer_speedup": round(peer["seconds"] / ours_s, 2),
            "peer_identical": ours == peer["owners"],
        }
        found["identical"] = found["identical"] and found["peer_identical"]
    return found


def made_talks(talks: int, segments: int, seed: int) -> list[Talk]:
    """Talks with as many segments in all, as even as can be; the same for the same seed."""
    rng = random.Random(seed)
    words = _vocabulary(rng)
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    counts = [segments // talks + (number < segments % talks) for number in range(talks)]

    def draw(count: int) -> list[str]:
        return rng.choices(words, weights, k=count)

    return [_talk(rng, draw, count) for count in counts]


def _vocabulary(rng: random.Random) -> list[str]:
    letters = "eeeeennniiisssrrraattddhhuullccggmmoobbwwffkzpvjüäöß"
    words = {
        "".join(rng.choices(letters, k=min(2 + int(rng.expovariate(0.25)), 14)))
        for _ in range(VOCABULARY)
    }
    return sorted(words, key=len)


def _talk(rng: random.Random, draw: Callable[[int], list[str]], segments: int) -> Talk:
    references, written = [], []
    for _ in range(segments):
        line = draw(max(1, round(rng.gauss(16.5, 8))))
        line[0], line[-1] = line[0].capitalize(), f"{line[-1]}{rng.choice('.,.?.')}"
        references.append(line)
        if rng.random() > 0.03:
            written += _said(rng, draw, line)
    return Talk(references, written)


def _said(rng: random.Random, draw: Callable[[int], list[str]], line: Sequence[str]) -> list[str]:
    """What a translator makes of a line: three words in five as they are, others changed."""
    said: list[str] = []
    for word in line:
        chance = rng.random()
        if chance < 0.6:
            said.append(word)
        elif chance < 0.75:
            said.append(word[: max(1, len(word) - 2)] + rng.choice(("en", "er", "t", "")))
        elif chance < 0.9:
            said += draw(1)
        if rng.random() < 0.1:
            said += draw(1)
    return said


def _timed(segmenter: Segmenter, talks: Sequence[Talk]) -> tuple[Seconds, list[list[int | None]]]:
    start_s = time.process_time()
    owners = [segmenter(talk.references, talk.written, "word") for talk in talks]
    return time.process_time() - start_s, owners


def _peer(python: Path, talks: Sequence[Talk], timeout_s: Seconds) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [str(python), "-c", PEER],
            input=json.dumps([[talk.references, talk.written] for talk in talks]),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EarvoiceError(f"--against {python}: {error}") from None
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise EarvoiceError(f"--against {python}: code {done.returncode}: {reason}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
