"""Chat prompts: byte for byte, and nothing a listener says can reach a control token."""

import pytest

from earvoice.errors import UsageError
from earvoice.text.chat import CHATS, encode_exactly
from earvoice.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["Please translate the sentence into English."] * 5, 300)


def test_tinyllama_has_the_end_token_after_the_assistant():
    before, after = CHATS["tinyllama"].text("translate", "fr", "en")
    assert before == "<|user|>\n"
    assert after == (
        "\nPlease translate the French sentence into English.</s>\n<|assistant|></s>\n"
    )


def test_llama2_transcribes():
    assert CHATS["llama2"].text("transcribe", "zh-CN", "zh-CN") == (
        "[INST] ",
        "\nPlease transcribe the Chinese sentence into Chinese. [/INST]",
    )


def test_white_space_and_end_tokens_are_kept(tokenizer):
    ids = encode_exactly("a </s>\nb</s>", tokenizer)
    assert ids.count(tokenizer.eos_id) == 2
    assert ids[-1] == tokenizer.eos_id
    assert tokenizer.decode(ids[: ids.index(tokenizer.eos_id)]) == "a "
    assert encode_exactly("", tokenizer) == ()


def test_the_prompt_begins_with_the_begin_token(tokenizer):
    prompt = CHATS["llama2"].encode(tokenizer, "translate", "de", "en")
    assert prompt.before[0] == tokenizer.bos_id
    assert tokenizer.eos_id not in prompt.before + prompt.after


def test_an_answer_cannot_end_early(tokenizer):
    ids, learnt = CHATS["llama2"].encode_answer(tokenizer, "he says </s> twice")
    assert ids.index(tokenizer.eos_id) == learnt - 1
    assert tokenizer.decode(ids[learnt:]).strip(" ") == "\n"


def test_an_unknown_language_is_named(tokenizer):
    with pytest.raises(UsageError, match="'qq'"):
        CHATS["llama2"].encode(tokenizer, "translate", "qq", "en")
