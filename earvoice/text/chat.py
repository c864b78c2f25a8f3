"""Chat prompts around speech, byte for byte: text before the audio, text after it.

    <s> [chat: user] [AUDIO] Please translate the French sentence into English. [chat: assistant]

Unlike the layouts of `text/prompt.py` every white space counts: these are the prompts that
published checkpoints were trained with (LLaST, 2407.15415, and its code).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from earvoice.text.languages import language
from earvoice.text.prompt import Prompt
from earvoice.text.tokenizer import Tokenizer

Task = Literal["translate", "transcribe"]
AUDIO = "<audio>"
_END = "</s>"

INSTRUCTIONS = MappingProxyType(
    {
        "translate": "<audio>\nPlease translate the {src} sentence into {tgt}.",
        "transcribe": "<audio>\nPlease transcribe the {src} sentence into {src}.",
    }
)


@dataclass(frozen=True)
class ChatTemplate:
    """What a chat model expects around an instruction, and after an answer's end token."""

    turn: str
    separator: str = "\n"

    def text(self, task: Task, src_lang: str, tgt_lang: str) -> tuple[str, str]:
        """The text before and after the audio. Errors: `UsageError` for an unknown language."""
        names = {"src": language(src_lang).name, "tgt": language(tgt_lang).name}
        instruction = INSTRUCTIONS[task].format(**names)
        before, after = self.turn.format(input=instruction).split(AUDIO)
        return before, after

    def encode(self, tokenizer: Tokenizer, task: Task, src_lang: str, tgt_lang: str) -> Prompt:
        """Token ids around the speech; the begin token is the first of `before`."""
        before, after = self.text(task, src_lang, tgt_lang)
        return Prompt(
            before=(tokenizer.bos_id, *encode_exactly(before, tokenizer)),
            after=encode_exactly(after, tokenizer),
        )

    def encode_answer(self, tokenizer: Tokenizer, text: str) -> tuple[tuple[int, ...], int]:
        """An answer as it is trained: its ids, end token and separator; how many are learnt.

        The separator is part of the sequence, but nothing has to predict it.
        """
        answer = (*tokenizer.encode(text), tokenizer.eos_id)
        return (*answer, *encode_exactly(self.separator, tokenizer)), len(answer)


CHATS = MappingProxyType(
    {
        # The `</s>` right after <|assistant|> is really there.
        "tinyllama": ChatTemplate("<|user|>\n{input}</s>\n<|assistant|></s>\n"),
        "llama2": ChatTemplate("[INST] {input} [/INST]"),
    }
)
"""Without a system prompt, which LLaST does not use."""


def encode_exactly(text: str, tokenizer: Tokenizer) -> tuple[int, ...]:
    """Token ids of a template's text: `</s>` is the end token, nothing is stripped.

    Each stretch between end tokens is encoded on its own, as the published tokenizers do.
    """
    ids: list[int] = []
    for number, part in enumerate(text.split(_END)):
        if number:
            ids.append(tokenizer.eos_id)
        ids.extend(tokenizer.encode(part))
    return tuple(ids)
