"""Validation of JSTAR while training: word errors and BLEU of both speakers, through sessions."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jiwer
import sacrebleu

from earvoice.audio import Audio
from earvoice.events import Commit
from earvoice.session import Interpreter, Request
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.conversations import Passage, passages, read_recordings
from earvoice.units import SAMPLE_RATE

_AIM_S, _LONGEST_S, _MARGIN_S = 12.0, 30.0, 0.3


class ConversationValidation:
    """Passages of held-out conversations, heard live by the system as it stands.

    attributed_wer, bleu: each person's words against that person's; words given to somebody who
    says nothing in a passage are not counted.
    """

    def __init__(self, system: Any, tokenizer: Tokenizer, corpus: Path, count: int) -> None:
        self.system, self.tokenizer = system, tokenizer
        recordings = read_recordings([corpus], ("conversations", "talks"), system.config.tgt_lang)
        found = (passages(item, _AIM_S, _LONGEST_S, _MARGIN_S) for item in recordings)
        self.passages = list(itertools.islice(itertools.chain.from_iterable(found), count))

    def __call__(self, step: int) -> Mapping[str, float]:
        """Scores by name."""
        interpreter: Interpreter = self.system.interpreter(self.tokenizer)
        said: dict[str, list[str]] = defaultdict(list)
        meant: dict[str, list[str]] = defaultdict(list)
        for item in self.passages:
            heard = self._heard(interpreter, item)
            for speaker in ("self", "other"):
                own = [turn for turn in item.turns if turn.speaker == speaker]
                for role in ("transcript", "translation"):
                    text = " ".join(t.text if role == "transcript" else t.target.text for t in own)
                    if text:
                        meant[role].append(text)
                        said[role].append(heard.get((role, speaker), ""))
        return {
            "attributed_wer": 100 * float(jiwer.wer(meant["transcript"], said["transcript"])),
            "bleu": float(sacrebleu.corpus_bleu(said["translation"], [meant["translation"]]).score),
        }

    def _heard(self, interpreter: Interpreter, item: Passage) -> dict[tuple[str, str], str]:
        rate = item.recording.conversation.sample_rate
        start = round(item.start_s * rate)
        sound = item.recording.read_samples(start, round(item.end_s * rate) - start)
        src, tgt = self._languages(item)
        session = interpreter.open(Request(src, tgt, transcript=True))
        events = session.push(Audio(sound, SAMPLE_RATE)) + session.finish()
        text: dict[tuple[str, str], str] = defaultdict(str)
        for event in events:
            if isinstance(event, Commit):
                text[event.stream.role, (event.stream.speaker or "self").lower()] += event.text
        return text

    def _languages(self, item: Passage) -> tuple[str, str]:
        pairs = self.system.config.pairs
        for turn in item.turns:
            pair = (turn.language, turn.into)
            wanted = pair if turn.speaker == "self" else pair[::-1]
            if wanted in pairs:
                return wanted
        return pairs[0]
