"""One role's tokens to the streams of two speakers: tags in the text become labels of events.

tokens   <SELF> ▁good ▁morning <OTHER> ▁buenos ▁días <SELF> ▁how
SELF     "good morning"                              " how"       (a turn ends in between)
OTHER                          "buenos días"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from earvoice.events import Boundary, Commit, Draft, Event, Stream
from earvoice.search.transducer import Token
from earvoice.text.sentences import ends_sentence
from earvoice.text.stream import TextStream
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import Seconds


class SpeakerStreams:
    """What a listener has been told in one role. Text before any tag is the first speaker's."""

    def __init__(
        self, tokenizer: Tokenizer, streams: Mapping[int, Stream], frame_s: Seconds | None
    ) -> None:
        """streams: tag token -> stream of that speaker. frame_s: None where frames have no time."""
        self._tokenizer, self._frame_s = tokenizer, frame_s
        self._streams = dict(streams)
        self._texts = {tag: TextStream(tokenizer) for tag in streams}
        self._speaking = next(iter(streams))
        self._begun: set[int] = set()
        self._open_turn = False
        self._drafted = dict.fromkeys(streams, "")
        self._last_start_s = dict.fromkeys(streams, 0.0)

    def commit(self, tokens: Sequence[Token], heard_s: Seconds) -> list[Event]:
        """Final tokens, in order."""
        events: list[Event] = []
        for tag, turn in self._turns(tokens):
            if tag != self._speaking:
                if self._open_turn:
                    events.append(Boundary(self._streams[self._speaking], "turn"))
                self._open_turn = False
            self._speaking = tag
            events += self._say(tag, turn, heard_s)
        return events

    def draft(self, tokens: Sequence[Token]) -> list[Event]:
        """Open tokens, in order: the drafts that differ from what the listener has seen."""
        texts = dict.fromkeys(self._streams, "")
        for tag, turn in self._turns(tokens):
            ids = [token.id for token in turn]
            text = self._tokenizer.decode(ids)
            spaced = bool(ids) and self._tokenizer.is_word_start(ids[0])
            if spaced and (texts[tag] or tag in self._begun):
                text = f" {text}"
            texts[tag] += text
        events: list[Event] = []
        for tag, text in texts.items():
            if text != self._drafted[tag]:
                self._drafted[tag] = text
                events.append(Draft(self._streams[tag], text))
        return events

    def close(self, heard_s: Seconds) -> list[Event]:
        """What the text streams still hold back; no draft remains."""
        events: list[Event] = []
        for tag, text in self._texts.items():
            span = None if self._frame_s is None else (heard_s, heard_s)
            events += self._committed(tag, text.finish(), span)
        return [*events, *self.draft(())]

    def _turns(self, tokens: Sequence[Token]) -> list[tuple[int, list[Token]]]:
        """The tokens by speaker, in order; other control tokens are left out."""
        turns: list[tuple[int, list[Token]]] = [(self._speaking, [])]
        for token in tokens:
            if token.id in self._streams:
                if token.id != turns[-1][0]:
                    turns.append((token.id, []))
            elif not self._tokenizer.is_special(token.id):
                turns[-1][1].append(token)
        return turns

    def _say(self, tag: int, tokens: Sequence[Token], heard_s: Seconds) -> list[Event]:
        text = self._texts[tag].push(token.id for token in tokens)
        if not text:
            return []
        if self._frame_s is None:
            return self._committed(tag, text, None)
        span = (tokens[0].frame * self._frame_s, (tokens[-1].frame + 1) * self._frame_s)
        return self._committed(tag, text, (min(span[0], heard_s), min(span[1], heard_s)))

    def _committed(self, tag: int, text: str, span: tuple[Seconds, Seconds] | None) -> list[Event]:
        if not text:
            return []
        if span is not None:
            start_s = round(max(span[0], self._last_start_s[tag]), 3)
            span = (start_s, max(start_s, round(span[1], 3)))
            self._last_start_s[tag] = start_s
        self._drafted[tag] = ""
        self._begun.add(tag)
        self._open_turn = True
        events: list[Event] = [Commit(self._streams[tag], text, span)]
        if ends_sentence(text):
            events.append(Boundary(self._streams[tag], "sentence"))
        return events
