"""Prompt templates as data: what stands before and after the speech in a language model's input.

A template is trusted text of ours and may name control tokens (`<sp_start>`); what fills its
slots (`{tgt_lang}`) may come from anyone and is encoded as plain text, where no control token
can be reached.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from earvoice.errors import ConfigError
from earvoice.text.tokenizer import Tokenizer

_SLOT = re.compile(r"\{([a-z_]+)\}")
_CONTROL = re.compile(r"(<\|?[a-z_0-9/]+\|?>)")


@dataclass(frozen=True)
class Prompt:
    """A template in token ids: `before` + speech embeddings + `after` + target text."""

    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class PromptTemplate:
    """Text around the speech, with `{slots}` and control tokens by name.

    White space next to a control token is cosmetic: each stretch of text between control tokens
    is stripped and encoded on its own.
    """

    before_speech: str
    after_speech: str

    def slots(self) -> tuple[str, ...]:
        """Names of the slots, in order of appearance, each once."""
        return tuple(dict.fromkeys(_SLOT.findall(self.before_speech + self.after_speech)))

    def encode(self, tokenizer: Tokenizer, **slots: str) -> Prompt:
        """Token ids with the slots filled.

        Errors: `ConfigError` for a missing or unknown slot, `CheckpointError` for a control
        token the vocabulary lacks.
        """
        wanted = self.slots()
        if set(slots) != set(wanted):
            raise ConfigError(
                f"prompt: slots {sorted(slots)} given, the template has {sorted(wanted)}"
            )
        return Prompt(
            before=_encode(self.before_speech, tokenizer, slots),
            after=_encode(self.after_speech, tokenizer, slots),
        )


def _encode(template: str, tokenizer: Tokenizer, slots: dict[str, str]) -> tuple[int, ...]:
    ids: list[int] = []
    for part in _CONTROL.split(template):
        if _CONTROL.fullmatch(part):
            ids.append(tokenizer.special_id(part))
        else:
            text = _SLOT.sub(lambda match: slots[match.group(1)], part)
            ids.extend(tokenizer.encode(text.strip()))
    return tuple(ids)
