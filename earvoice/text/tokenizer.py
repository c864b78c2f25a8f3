"""Text to token ids and back, so that any text encodes and no text can reach a control token.

A byte-pair vocabulary over pieces that carry their word boundary in front (`▁Haus`), as in
SentencePiece; characters outside the vocabulary fall back to their UTF-8 bytes (`<0xE2>`). Or one
over bytes, each written as a character (`ĠHaus`), as GPT-2, Llama 3 and Qwen have it.
Control tokens (`<s>`, `<sp_start>` ...) are known by id only: the text `"</s>"` encodes as the
four characters it is, so neither a glossary nor a transcript can end a prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from earvoice.errors import CheckpointError, UsageError
from earvoice.text.spacing import is_spaceless

BOUNDARY = "▁"
WORD_GAP = "\x1f"
"""In texts to learn from: between words that are written without a space."""
FILE_NAME = "tokenizer.json"
_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
_BYTES = tuple(f"<0x{value:02X}>" for value in range(256))
_NO_UTF8 = frozenset(_BYTES[value] for value in (0xC0, 0xC1, *range(0xF5, 0x100)))
_BYTE_PIECES = tuple(piece for piece in _BYTES if piece not in _NO_UTF8)
"""Of all bytes that UTF-8 has."""
_UNK = ("<unk>",)
_BOS = ("<s>", "<|begin_of_text|>", "<bos>")
_EOS = ("</s>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<eos>", "<|endoftext|>")
"""What published vocabularies call them. Where there are several, the end of an answer comes first
and the end of a text after it."""


@dataclass(frozen=True)
class SpecialTokens:
    """The names of the control tokens a speech language model needs; ids are in this order."""

    pad: str = "<pad>"
    unk: str = "<unk>"
    bos: str = "<s>"
    eos: str = "</s>"
    sp_start: str = "<sp_start>"
    sp_end: str = "<sp_end>"

    def names(self) -> tuple[str, ...]:
        """All names, in the order in which a trained vocabulary numbers them from 0."""
        return (self.pad, self.unk, self.bos, self.eos, self.sp_start, self.sp_end)


SPECIALS = SpecialTokens()


class Tokenizer:
    """An immutable vocabulary: `encode`, `decode` and what each id is.

    Attributes: `pad_id`, `unk_id`, `bos_id`, `eos_id`, `vocab_size`; `sp_start_id` and `sp_end_id`
    where the vocabulary has them.
    Errors: `CheckpointError` if the definition is not one this class can hold.
    """

    def __init__(self, definition: str) -> None:
        spec = _parse(definition)
        self._definition = definition
        self._special_ids: dict[str, int] = {
            token["content"]: int(token["id"]) for token in spec["added_tokens"]
        }
        # Without added tokens the library treats their names in a text as plain characters.
        spec["added_tokens"] = []
        self._encoder = tokenizers.Tokenizer.from_str(json.dumps(spec))
        vocab: dict[str, int] = {**self._encoder.get_vocab(), **self._special_ids}
        self.vocab_size = max(vocab.values()) + 1
        self._pieces: list[str] = [""] * self.vocab_size
        for piece, token_id in vocab.items():
            self._pieces[token_id] = piece
        specials = frozenset(self._special_ids.values())
        letters = _byte_letters() if _is_byte_level(spec) else None
        self._bytes: list[bytes] = [
            b"" if token_id in specials else _piece_bytes(piece, letters)
            for token_id, piece in enumerate(self._pieces)
        ]
        boundary = BOUNDARY if letters is None else _byte_letter(" ")
        self._word_start: list[bool] = [
            piece.startswith(boundary) and token_id not in specials
            for token_id, piece in enumerate(self._pieces)
        ]
        self._spaceless = [_begins_spaceless(raw) for raw in self._bytes]
        self._adds_boundary = self.encode("a") == self.encode(" a")
        self.eos_id = self._named(_EOS)
        # A vocabulary of bytes knows everything.
        self.unk_id = self.eos_id if letters else self._named(_UNK)
        # Llama's vocabulary has no padding; its models pad with the first token.
        self.pad_id = self._special_ids.get(SPECIALS.pad, self.unk_id)

    @property
    def definition(self) -> str:
        """The text of `tokenizer.json`."""
        return self._definition

    @property
    def bos_id(self) -> int:
        """The token before everything. Errors: `CheckpointError` in a vocabulary without it."""
        return self._named(_BOS)

    def _named(self, names: Sequence[str]) -> int:
        """The first of some control tokens that there is."""
        return self.special_id(
            next((name for name in names if name in self._special_ids), names[0])
        )

    @property
    def sp_start_id(self) -> int:
        """The token before speech. Errors: `CheckpointError` in a vocabulary without it."""
        return self.special_id(SPECIALS.sp_start)

    @property
    def sp_end_id(self) -> int:
        """The token after speech. Errors: `CheckpointError` in a vocabulary without it."""
        return self.special_id(SPECIALS.sp_end)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read `tokenizer.json`, or the file of that name in a folder."""
        file = Path(path)
        if file.is_dir():
            file = file / FILE_NAME
        try:
            definition = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"tokenizer: cannot read {file}: {error}") from error
        return cls(definition)

    def save(self, path: str | Path) -> Path:
        """Write `tokenizer.json` (into `path` if that is a folder); the text is deterministic."""
        file = Path(path)
        if file.is_dir():
            file = file / FILE_NAME
        partial = file.with_name(file.name + ".partial")
        partial.write_text(self._definition, encoding="utf-8")
        partial.replace(file)
        return file

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        *,
        extra_specials: Sequence[str] = (),
        alphabet_limit: int = 1000,
        apart: bool = False,
        all_bytes: bool = True,
    ) -> Tokenizer:
        """Learn byte-pair merges from `texts`; the same texts in the same order give equal bytes.

        `vocab_size` counts everything: control tokens (6 + `extra_specials`), 256 byte pieces, at
        most `alphabet_limit` characters, merges. A small corpus may give fewer.

        apart: no piece reaches over punctuation, nor over a `WORD_GAP` in the texts; a word is
        then in the same pieces wherever it stands, which is what copying it needs.
        all_bytes: also pieces for the 13 bytes that UTF-8 never has, as others' vocabularies do.
        """
        specials = [*SPECIALS.names(), *extra_specials]
        reserved = [*specials, *(_BYTES if all_bytes else _BYTE_PIECES)]
        if len(set(reserved)) != len(reserved):
            raise UsageError(f"extra_specials: names repeat or are taken: {list(extra_specials)}")
        if vocab_size <= len(reserved):
            raise UsageError(
                f"vocab_size: {vocab_size} is too small, more than {len(reserved)} are needed for "
                "control tokens and bytes alone"
            )
        learner = tokenizers.Tokenizer(models.BPE(unk_token=SPECIALS.unk, byte_fallback=True))
        learner.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(BOUNDARY, "_")]
        )
        learner.pre_tokenizer = pre_tokenizers.Metaspace(
            replacement=BOUNDARY, prepend_scheme="always", split=True
        )
        learner.decoder = decoders.Sequence(
            [decoders.ByteFallback(), decoders.Metaspace(BOUNDARY, prepend_scheme="always")]
        )
        written = [learner.pre_tokenizer, pre_tokenizers.Punctuation("isolated")]
        if apart:
            parts = [*written, pre_tokenizers.Split(WORD_GAP, "removed")]
            learner.pre_tokenizer = pre_tokenizers.Sequence(parts)
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=reserved,
            limit_alphabet=alphabet_limit,
            initial_alphabet=[BOUNDARY],
            show_progress=False,
        )
        learner.train_from_iterator((_valid_unicode(text) for text in texts), trainer)
        if apart:
            learner.pre_tokenizer = pre_tokenizers.Sequence(written)
        return cls(_definition(learner, specials, {*reserved, *_NO_UTF8}))

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, with no control token: never `bos` or `eos`, whatever it says.

        In vocabularies of ours and of Llama 2 the first word gets a boundary (`"Haus"` and
        `" Haus"` are both `▁Haus`); in those of Llama 3, Qwen and Gemma only a space makes one.
        """
        if not text:
            return []
        ids: list[int] = self._encoder.encode(_valid_unicode(text), add_special_tokens=False).ids
        return ids

    def encode_word(self, word: str) -> list[int]:
        """Token ids of a word as it stands behind others: with its boundary, where it has one.

        So texts put together from words have their spaces in every vocabulary.
        """
        if self._adds_boundary or not word or is_spaceless(word[0]):
            return self.encode(word)
        return self.encode(f" {word}")

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; control tokens are silent, broken UTF-8 becomes U+FFFD."""
        text = b"".join(self._bytes[token_id] for token_id in ids).decode("utf-8", "replace")
        return text.removeprefix(" ")

    def piece(self, token_id: int) -> str:
        """The vocabulary entry of one id, e.g. `▁Haus`, `<0xE2>` or `</s>`."""
        return self._pieces[token_id]

    def piece_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes that one id adds to a text; empty for control tokens."""
        return self._bytes[token_id]

    def is_word_start(self, token_id: int) -> bool:
        """Whether the id begins a new word, i.e. its piece carries a leading boundary."""
        return self._word_start[token_id]

    def begins_unit(self, token_id: int) -> bool:
        """Whether the id begins what policies count as a word.

        That is a word with a space before it, or any piece of a script without spaces: Chinese
        pieces are about words, and nothing else in its text tells where one begins.
        """
        return self.is_word_start(token_id) or self._spaceless[token_id]

    def is_special(self, token_id: int) -> bool:
        """Whether the id is a control token, which no text encodes to."""
        return self._pieces[token_id] in self._special_ids

    def has_control(self, name: str) -> bool:
        """Whether there is a control token of that name."""
        return name in self._special_ids

    def special_id(self, name: str) -> int:
        """The id of the control token `name`. Errors: `CheckpointError` naming those there are."""
        if name not in self._special_ids:
            raise CheckpointError(
                f"tokenizer: no control token {name!r}; there are {sorted(self._special_ids)}"
            )
        return self._special_ids[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self._definition == other._definition

    def __hash__(self) -> int:
        return hash(self._definition)


def _definition(learner: tokenizers.Tokenizer, specials: Sequence[str], taken: set[str]) -> str:
    """What was learnt, as text. No merges make a name that is taken: a corpus may spell one."""
    spec = json.loads(learner.to_str())
    spec["added_tokens"] = [t for t in spec["added_tokens"] if t["content"] in specials]
    merges = spec["model"]["merges"]
    spec["model"]["merges"] = [pair for pair in merges if "".join(pair) not in taken]
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":"))


def _parse(definition: str) -> dict[str, Any]:
    """The definition as a dict, checked to be a vocabulary that every text encodes with."""
    try:
        spec = json.loads(definition)
        model = spec["model"]
        vocab = model["vocab"]
        added = spec["added_tokens"]
        kind = model["type"]
        fallback = model.get("byte_fallback", False)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise CheckpointError(f"tokenizer: not a tokenizer definition ({error!r})") from error
    bytes_there = all(piece in vocab for piece in _BYTE_PIECES) and bool(fallback)
    if _is_byte_level(spec):
        bytes_there = all(letter in vocab for letter in _byte_letters())
    if kind != "BPE" or not bytes_there:
        raise CheckpointError(
            f"tokenizer: model {kind!r} is not supported, it has to be BPE with byte fallback, or "
            "BPE over all bytes"
        )
    if not all(isinstance(token, dict) and {"content", "id"} <= token.keys() for token in added):
        raise CheckpointError("tokenizer: added_tokens must each have 'content' and 'id'")
    return dict(spec)


def _is_byte_level(spec: Any) -> bool:
    """Whether its pieces are bytes written as characters: what its decoder undoes."""
    decoder = spec.get("decoder") or {}
    parts = decoder.get("decoders", [decoder]) if isinstance(decoder, dict) else []
    return any(isinstance(part, dict) and part.get("type") == "ByteLevel" for part in parts)


def _byte_letters() -> dict[str, int]:
    """GPT-2's alphabet: a printable character for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in printable]
    letters = {chr(value): value for value in printable}
    return letters | {chr(0x100 + number): value for number, value in enumerate(others)}


def _byte_letter(text: str) -> str:
    """How a byte-level vocabulary writes a character of ASCII: `Ġ` for a space."""
    return next(letter for letter, value in _byte_letters().items() if value == ord(text))


def _piece_bytes(piece: str, letters: dict[str, int] | None) -> bytes:
    if letters is not None and all(letter in letters for letter in piece):
        return bytes(letters[letter] for letter in piece)
    match = _BYTE_PIECE.fullmatch(piece)
    if match:
        return bytes([int(match.group(1), 16)])
    return piece.replace(BOUNDARY, " ").encode("utf-8", "surrogatepass")


def _begins_spaceless(raw: bytes) -> bool:
    """Whether a piece begins with a letter or sign of a script without spaces."""
    first = raw.decode("utf-8", "ignore")[:1]
    return bool(first) and first.isalnum() and is_spaceless(first)


def _valid_unicode(text: str) -> str:
    """`text` with lone surrogates (which JSON can carry) replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
