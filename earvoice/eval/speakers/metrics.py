"""The speaker metrics as entries of the table; they look at `extras["speakers"]` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from earvoice.eval.scored import Metric, Result, Scored
from earvoice.eval.speakers.cp_wer import Errors, cp_errors
from earvoice.eval.speakers.di_cp_wer import di_cp_errors, di_cp_errors_exact
from earvoice.eval.speakers.orc_wer import orc_errors
from earvoice.eval.speakers.speaker_bleu import Bleu, sag_bleu, sat_bleu
from earvoice.eval.speakers.tcp_wer import COLLAR_US, tcp_errors
from earvoice.eval.speakers.utterances import Session, Sessions
from earvoice.eval.speakers.wder import wder_errors
from earvoice.eval.speakers.words import Rules

EXTRA = "speakers"
"""The name under which `Scored.extras` holds `Conversations`."""


@dataclass(frozen=True)
class Conversations:
    """What the speaker metrics need: both sides of every session, and how words are compared."""

    sessions: Sessions
    rules: Rules = Rules()  # noqa: RUF009 - a frozen value
    collar_us: int = COLLAR_US


def _given(scored: Scored) -> Conversations | Result:
    found = scored.extras.get(EXTRA)
    if not isinstance(found, Conversations):
        return Result(None, undefined="no references with speakers; name a file with --speakers")
    if not found.sessions.items:
        return Result(None, [], undefined="there are no sessions")
    return found


def _rate(
    errors: Callable[[Session, Conversations], Errors],
    note: Callable[[Conversations, Sequence[Errors]], str] = lambda given, counts: "",
    of: str = "words",
) -> Callable[[Scored], Result]:
    """A rate: errors of all sessions over words of all sessions; of: what the words are."""

    def compute(scored: Scored) -> Result:
        given = _given(scored)
        if isinstance(given, Result):
            return given
        counts = [errors(session, given) for session in given.sessions.items]
        wrong, words = sum(item.errors for item in counts), sum(item.words for item in counts)
        sizes = f"{_sessions_note(given)}|errors:{wrong}|{of}:{words}"
        signature = "|".join([sizes, str(given.rules), note(given, counts)]).rstrip("|")
        rates = [_ratio(item.errors, item.words) for item in counts]
        reason = "the references have no words" if of == "words" else "no words could be aligned"
        return Result(_ratio(wrong, words), rates, signature, None if words else reason)

    return compute


def _collar(given: Conversations, counts: Sequence[Errors]) -> str:
    return f"collar:{given.collar_us / 1e6:g}s"


def _search(given: Conversations, counts: Sequence[Errors]) -> str:
    searched = sum(not item.exact for item in counts)
    return "exact" if not searched else f"greedy:{searched}/{len(counts)}"


def _ratio(errors: int, words: int) -> float | None:
    return errors / words if words else None


def _sessions_note(given: Conversations) -> str:
    sessions = given.sessions
    empty = f" ({len(sessions.unwritten)} without output)" if sessions.unwritten else ""
    return f"sessions:{len(sessions.items)}{empty}"


def _bleu(
    bleu: Callable[[Sequence[Session], str], Bleu],
) -> Callable[[Scored], Result]:
    def compute(scored: Scored) -> Result:
        given = _given(scored)
        if isinstance(given, Result):
            return given
        if not any(item.text.strip() for s in given.sessions.items for item in s.reference):
            return Result(None, undefined="the references have no words")
        found = bleu(given.sessions.items, scored.language)
        search = f"|search:swaps in {found.searched} sessions" if found.searched else ""
        signature = f"{_sessions_note(given)}|{found.signature}{search}"
        return Result(found.value, list(found.per_session), signature)

    return compute


SPEAKERS: Mapping[str, Metric] = MappingProxyType(
    {
        "cp_wer": Metric(
            _rate(lambda session, given: cp_errors(session, given.rules)),
            "speakers",
            "word errors with the speakers paired for the best",
        ),
        "tcp_wer": Metric(
            _rate(
                lambda session, given: tcp_errors(session, given.rules, given.collar_us),
                _collar,
            ),
            "speakers",
            "cp_wer where words must be near in time",
        ),
        "orc_wer": Metric(
            _rate(lambda session, given: orc_errors(session, given.rules), _search),
            "speakers",
            "word errors whoever spoke: reference utterances on the best streams",
        ),
        "di_cp_wer": Metric(
            _rate(lambda session, given: di_cp_errors(session, given.rules), _search),
            "speakers",
            "cp_wer with each output segment's speaker put right (search)",
        ),
        "di_cp_wer_exact": Metric(
            _rate(lambda session, given: di_cp_errors_exact(session, given.rules), _search),
            "speakers",
            "the same by its definition, not by search",
        ),
        "wder": Metric(
            _rate(lambda session, given: wder_errors(session, given.rules), of="aligned"),
            "speakers",
            "aligned words with the wrong speaker",
        ),
        "sag_bleu": Metric(_bleu(sag_bleu), "speakers", "BLEU of whole sessions, whoever spoke"),
        "sat_bleu": Metric(_bleu(sat_bleu), "speakers", "BLEU per speaker, paired for the best"),
    }
)
