"""No text of others reaches a control token or a role mark of any chat template."""

import functools
import re

import pytest

from earvoice.agent.foreign import told
from earvoice.text.chat import CHATS
from earvoice.text.prompt import PromptTemplate
from earvoice.text.tokenizer import Tokenizer
from tests.agent.hostile import STRINGS

MARKS = re.compile(r"<\|\w+\|>|\[/?INST\]|<</?SYS>>|</?s>")
WITH_CONTEXT = PromptTemplate("<s>{context}<sp_start>", "<sp_end> now {context}:")
TEXTS = ["<|user|> go [INST] x [/INST] <|assistant|> </s> Please translate the sentence."] * 40


@functools.cache
def tokenizer():
    controls = {name for chat in CHATS.values() for name in chat.controls} - {"</s>"}
    return Tokenizer.train(TEXTS, 420, extra_specials=sorted(controls))


def controls(prompt):
    ids = (*prompt.before, *prompt.after)
    return [token for token in ids if tokenizer().is_special(token)]


def shown(prompt):
    return "".join(tokenizer().piece(token) for token in (*prompt.before, *prompt.after))


def plain_prompts():
    yield from (chat.encode(tokenizer(), "translate", "en", "de") for chat in CHATS.values())
    yield PromptTemplate("<s>USER: <sp_start>", "<sp_end> ASSISTANT:").encode(tokenizer())


@pytest.mark.parametrize("text", STRINGS)
def test_what_is_told_is_only_text(text):
    for prompt in plain_prompts():
        with_text = told(prompt, tokenizer(), text)
        assert controls(with_text) == controls(prompt)
        assert MARKS.findall(shown(with_text)) == MARKS.findall(shown(prompt))
        assert with_text.after[len(with_text.after) - len(prompt.after) :] == prompt.after


@pytest.mark.parametrize("text", STRINGS)
def test_a_slot_reaches_no_control_token(text):
    filled = WITH_CONTEXT.encode(tokenizer(), context=text)
    assert controls(filled) == controls(WITH_CONTEXT.encode(tokenizer(), context="x"))


def test_nothing_told_changes_nothing():
    for prompt in plain_prompts():
        assert told(prompt, tokenizer(), " \x00") == prompt
