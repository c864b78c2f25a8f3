"""DI-cpWER: cpWER with the speaker of every segment of the hypothesis put right.

von Neumann et al. 2025 (arXiv 2508.02112). ORC-WER with the roles changed: each segment of the
hypothesis goes, whole and in order of start times, to the speaker of the reference where errors
are fewest. cpWER minus DI-cpWER is what wrong speakers cost.

`di_cp_errors` searches as meeteval's `greedy_dicpwer` does, to the same figure, and may stop
early: where two speakers' turns must change places at once, no single move helps.
`di_cp_errors_exact` is the definition.
"""

from __future__ import annotations

from earvoice.eval.speakers.cp_wer import Errors
from earvoice.eval.speakers.orc_wer import (
    EXACT_STEPS,
    fewest_errors,
    numbered_segments,
    numbered_streams,
)
from earvoice.eval.speakers.utterances import Session
from earvoice.eval.speakers.words import Rules, Vocabulary


def di_cp_errors(session: Session, rules: Rules) -> Errors:
    """The errors after the greedy search."""
    return di_cp_errors_exact(session, rules, exact_steps=-1)


def di_cp_errors_exact(session: Session, rules: Rules, exact_steps: int = EXACT_STEPS) -> Errors:
    """The fewest errors; those of the greedy search where the exact one is too long."""
    vocabulary = Vocabulary()
    segments, speakers = numbered_segments(session.hypothesis, vocabulary, rules)
    streams = numbered_streams(session.reference, vocabulary, rules)
    errors, exact = fewest_errors(segments, speakers, streams, exact_steps)
    return Errors(errors, sum(len(line) for line in streams), exact)
