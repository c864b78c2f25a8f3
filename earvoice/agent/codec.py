"""Prompts and turns of an agent in token ids.

    <s> <mem> context words <st> translations <sp_start> E1 .. En <sp_end>
        <term> source <is> target .. <do_st> <live> <cot> <from_en> <to_de>   ->   a turn

The order is CLASI's (2407.21646, 2.2): memory, speech, knowledge, instruction. Everything between
the control tokens is text of others and is encoded as such (`earvoice.agent.foreign`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from earvoice.agent.foreign import clean, quoted
from earvoice.agent.turns import ASR, END, OTHER, ST, Piece, Turn
from earvoice.text.prompt import Prompt
from earvoice.text.tokenizer import SPECIALS, Tokenizer

Task = Literal["asr", "mt", "st"]
_MARKS = ("<mem>", "<term>", "<is>", "<asr>", "<st>", "<live>", "<whole>", "<cot>", "<direct>")
_TASKS = ("<do_asr>", "<do_mt>", "<do_st>")


def control_tokens(languages: Sequence[str], most_embeddings: int) -> tuple[str, ...]:
    """The control tokens a vocabulary needs besides the usual ones."""
    named = [f"<{way}_{code}>" for code in languages for way in ("from", "to")]
    cuts = [f"<cut_{k}>" for k in range(most_embeddings + 1)]
    return (*_MARKS, *_TASKS, *named, *cuts)


@dataclass(frozen=True)
class Ask:
    """What is asked of the model in a turn.

    whole: translate all there is; otherwise only what is finished. cot: write the words first.
    """

    src_lang: str
    tgt_lang: str
    task: Task = "st"
    whole: bool = False
    cot: bool = True


@dataclass(frozen=True)
class Known:
    """What stands in the prompt besides the audio: memory and retrieved terms."""

    context: str = ""
    transcript: str = ""
    translation: str = ""
    terms: tuple[tuple[str, str], ...] = ()


class AgentCodec:
    """Encodes prompts and answers, decodes turns; for one vocabulary. Immutable.

    Errors: `CheckpointError` for a vocabulary without the control tokens.
    """

    def __init__(self, tokenizer: Tokenizer, most_embeddings: int) -> None:
        self.tokenizer, self.most_embeddings = tokenizer, most_embeddings
        self._id = tokenizer.special_id
        self._cuts = [self._id(f"<cut_{k}>") for k in range(most_embeddings + 1)]
        self._mark = {token: k for k, token in enumerate(self._cuts)}
        self._mark |= {self._id("<asr>"): ASR, self._id("<st>"): ST, tokenizer.eos_id: END}

    @property
    def cut_ids(self) -> tuple[int, ...]:
        """The ids of `<cut_0>` and all others."""
        return tuple(self._cuts)

    def count(self, text: str) -> int:
        """Tokens of a text in a prompt."""
        return len(self.text(text))

    def text(self, text: str) -> list[int]:
        """Text of others as ids: no control token, no mark of a chat template."""
        return self.tokenizer.encode(quoted(text))

    def prompt(self, known: Known, ask: Ask) -> Prompt:
        """Token ids around the speech."""
        before = [self._id(SPECIALS.bos)]
        if known.context or known.transcript or known.translation:
            before += [self._id("<mem>"), *self.text(known.context), *self.text(known.transcript)]
            before += [self._id("<st>"), *self.text(known.translation)]
        after = [self._id(SPECIALS.sp_end)]
        for source, target in known.terms:
            after += [self._id("<term>"), *self.text(source), self._id("<is>"), *self.text(target)]
        after += [self._id(f"<do_{ask.task}>"), self._id("<whole>" if ask.whole else "<live>")]
        after += [self._id("<cot>" if ask.cot else "<direct>")]
        after += [self._id(f"<from_{ask.src_lang}>"), self._id(f"<to_{ask.tgt_lang}>")]
        return Prompt((*before, self._id(SPECIALS.sp_start)), tuple(after))

    def answer(
        self, ask: Ask, cut: int, words: str = "", tail: str = "", translation: str = ""
    ) -> tuple[int, ...]:
        """The turn that a training example asks for, end token included."""
        encode, end = self.tokenizer.encode, self.tokenizer.eos_id
        written = [self._id("<asr>"), *encode(words)] if ask.cot or ask.task == "asr" else []
        if ask.task == "asr":
            return (*written, end) if ask.whole else (*written, self._cuts[cut], end)
        said = [self._id("<st>"), *encode(translation)]
        if ask.whole:
            return (*written, *said, end)
        if not translation:
            return (self._cuts[cut], end)
        if ask.cot:
            return (*written, self._cuts[cut], *encode(tail), *said, end)
        return (self._cuts[cut], *said, end)

    def pieces(self, tokens: Sequence[int]) -> list[Piece]:
        """What the tokens of a turn are."""
        return [Piece(self.mark(token), token) for token in tokens]

    def mark(self, token: int) -> int | None:
        """The mark of one token, None for text."""
        if token in self._mark:
            return self._mark[token]
        return OTHER if self.tokenizer.is_special(token) else None

    def legal(self, marks: frozenset[int], most_cut: int | None, *, text: bool) -> list[int]:
        """Ids of all tokens of these kinds; most_cut: None for no cut-off."""
        found = [token for token, mark in self._mark.items() if mark in marks]
        if most_cut is not None:
            found += self._cuts[: most_cut + 1]
        if text:
            found += [t for t in range(self.tokenizer.vocab_size) if self.mark(t) is None]
        return found

    def words(self, turn: Turn) -> tuple[str, str]:
        """Transcript of the finished part and translation, as text to show and to remember."""
        decode = self.tokenizer.decode
        return clean(decode(turn.words)), clean(decode(turn.translation))
