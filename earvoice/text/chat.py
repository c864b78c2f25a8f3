"""Chat prompts around speech, byte for byte: text before the audio, text after it.

    <s> [chat: user] [AUDIO] Please translate the French sentence into English. [chat: assistant]

Unlike the layouts of `text/prompt.py` every white space counts: these are the prompts that
published checkpoints were trained with. `tinyllama` and `llama2` are LLaST's (2407.15415 and its
code); the others are those of the models themselves, one user turn without a system prompt of
ours: what `apply_chat_template` makes of their published templates.
"""

from __future__ import annotations

import re
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
    """What a chat model expects around an instruction, and after an answer's end token.

    turn: the user's turn with `{input}`, and what stands before the answer. controls: its control
    tokens; `</s>` is the vocabulary's end token. begins: whether the begin token comes first.
    """

    turn: str
    separator: str = "\n"
    controls: tuple[str, ...] = (_END,)
    begins: bool = True

    def text(self, task: Task, src_lang: str, tgt_lang: str) -> tuple[str, str]:
        """The text before and after the audio. Errors: `UsageError` for an unknown language."""
        names = {"src": language(src_lang).name, "tgt": language(tgt_lang).name}
        instruction = INSTRUCTIONS[task].format(**names)
        before, after = self.turn.format(input=instruction).split(AUDIO)
        return before, after

    def encode(self, tokenizer: Tokenizer, task: Task, src_lang: str, tgt_lang: str) -> Prompt:
        """Token ids around the speech.

        Errors: `CheckpointError` for a control token that the vocabulary does not have.
        """
        before, after = self.text(task, src_lang, tgt_lang)
        first = (tokenizer.bos_id,) if self.begins else ()
        return Prompt(
            before=(*first, *encode_exactly(before, tokenizer, self.controls)),
            after=encode_exactly(after, tokenizer, self.controls),
        )

    def encode_answer(self, tokenizer: Tokenizer, text: str) -> tuple[tuple[int, ...], int]:
        """An answer as it is trained: its ids, end token and separator; how many are learnt.

        The separator is part of the sequence, but nothing has to predict it.
        """
        answer = (*tokenizer.encode(text), tokenizer.eos_id)
        return (*answer, *encode_exactly(self.separator, tokenizer)), len(answer)


_IM = ("<|im_start|>", "<|im_end|>")
_HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_TURNS = ("<start_of_turn>", "<end_of_turn>")
_QWEN = "<|im_start|>user\n{input}<|im_end|>\n<|im_start|>assistant\n"

CHATS = MappingProxyType(
    {
        # LLaST's. The `</s>` right after <|assistant|> is really there.
        "tinyllama": ChatTemplate("<|user|>\n{input}</s>\n<|assistant|></s>\n"),
        "llama2": ChatTemplate("[INST] {input} [/INST]"),
        # The models' own.
        "zephyr": ChatTemplate("<|user|>\n{input}</s>\n<|assistant|>\n", begins=False),
        "llama3": ChatTemplate(
            "<|start_header_id|>user<|end_header_id|>\n\n{input}<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            separator="",
            controls=_HEADERS,
        ),
        "mistral": ChatTemplate("[INST] {input} [/INST]", separator=""),
        "mistral-v3": ChatTemplate(
            "[INST] {input}[/INST]", separator="", controls=("[INST]", "[/INST]")
        ),
        "gemma": ChatTemplate(
            "<start_of_turn>user\n{input}<end_of_turn>\n<start_of_turn>model\n", controls=_TURNS
        ),
        "qwen2": ChatTemplate(
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n" + _QWEN,
            controls=_IM,
            begins=False,
        ),
        "qwen2.5": ChatTemplate(
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
            "assistant.<|im_end|>\n" + _QWEN,
            controls=_IM,
            begins=False,
        ),
        # Without thinking, as enable_thinking=False has it.
        "qwen3": ChatTemplate(
            _QWEN + "<think>\n\n</think>\n\n",
            controls=(*_IM, "<think>", "</think>"),
            begins=False,
        ),
    }
)
"""By name. TinyLlama's own template is `zephyr`; Mistral's is that of v0.2, then of v0.3."""


def encode_exactly(
    text: str, tokenizer: Tokenizer, controls: tuple[str, ...] = (_END,)
) -> tuple[int, ...]:
    """Token ids of a template's text with its control tokens; nothing is stripped.

    `</s>` is the end token, whatever it is called. Each stretch between control tokens is encoded
    on its own, as the published tokenizers do.
    Errors: `CheckpointError` for a control token that the vocabulary does not have.
    """
    ids: list[int] = []
    pattern = "|".join(map(re.escape, controls))
    for part in re.split(f"({pattern})", text) if pattern else [text]:
        if part == _END and part in controls:
            ids.append(tokenizer.eos_id)
        elif part in controls:
            ids.append(tokenizer.special_id(part))
        else:
            ids.extend(tokenizer.encode(part))
    return tuple(ids)
