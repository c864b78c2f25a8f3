"""Validation of JSTAR while training: word errors and BLEU of both speakers, through sessions."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earvoice.audio import Audio
from earvoice.data.conversation_examples import Piece, tile
from earvoice.data.serialise import TAGS
from earvoice.events import Commit
from earvoice.session import Interpreter, Request
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.conversation_corpora import read_corpora
from earvoice.units import SAMPLE_RATE

_MOST_S = 15.0


class ConversationValidation:
    """Pieces of held-out conversations, heard live by the system as it stands.

    attributed_wer, bleu: each person's words against that person's; words given to somebody who
    says nothing in a piece are not counted.
    """

    def __init__(self, system: Any, tokenizer: Tokenizer, corpus: Path, count: int) -> None:
        self.system, self.tokenizer = system, tokenizer
        recordings = read_corpora([corpus], ("conversations", "talks"), system.config.tgt_lang)
        pieces = itertools.chain.from_iterable(tile(item, _MOST_S) for item in recordings)
        self.pieces = list(itertools.islice(pieces, count))

    def __call__(self, step: int) -> Mapping[str, float]:
        """Scores by name."""
        import jiwer
        import sacrebleu

        interpreter: Interpreter = self.system.interpreter(self.tokenizer)
        said: dict[str, list[str]] = defaultdict(list)
        meant: dict[str, list[str]] = defaultdict(list)
        for piece in self.pieces:
            heard = self._heard(interpreter, piece)
            for speaker in TAGS:
                own = [turn for turn in piece.turns if turn.speaker == speaker]
                if not own:
                    continue
                meant["transcript"].append(" ".join(turn.text for turn in own))
                meant["translation"].append(" ".join(turn.target.text for turn in own))
                for role in ("transcript", "translation"):
                    said[role].append(heard[role, speaker])
        wer = jiwer.wer(meant["transcript"], said["transcript"])
        bleu = sacrebleu.corpus_bleu(said["translation"], [meant["translation"]])
        return {"attributed_wer": 100 * float(wer), "bleu": float(bleu.score)}

    def _heard(self, interpreter: Interpreter, piece: Piece) -> dict[tuple[str, str], str]:
        start = round(piece.start_s * SAMPLE_RATE)
        count = round(piece.end_s * SAMPLE_RATE) - start
        sound = piece.conversation.read_samples(start, count)
        if self.system.microphones == 1:
            sound = sound[:1]
        src, tgt = self._languages(piece)
        session = interpreter.open(Request(src, tgt, transcript=True))
        events = session.push(Audio(sound, SAMPLE_RATE)) + session.finish()
        text: dict[tuple[str, str], str] = defaultdict(str)
        for event in events:
            if isinstance(event, Commit):
                text[event.stream.role, (event.stream.speaker or "self").lower()] += event.text
        return text

    def _languages(self, piece: Piece) -> tuple[str, str]:
        """Of the wearer and the partner, as they speak in the piece."""
        pairs: tuple[tuple[str, str], ...] = self.system.config.pairs
        for turn in piece.turns:
            pair = (turn.language, turn.into)
            wanted = pair if turn.speaker == "self" else pair[::-1]
            if wanted in pairs:
                return wanted
        return pairs[0]
