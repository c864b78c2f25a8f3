"""Chat templates as data against the published templates, run by transformers' own engine."""

import json

import pytest
from tokenizers import Tokenizer as Definition
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from earvoice.errors import CheckpointError
from earvoice.text.chat import AUDIO, CHATS, INSTRUCTIONS
from earvoice.text.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")
pytest.importorskip("jinja2")

LLAMA2 = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + message['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
ZEPHYR = (
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
)
LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
_ALTERNATE = (
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    + _ALTERNATE
    + "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
    "{% endif %}{% endfor %}"
)
MISTRAL_V3 = (
    "{{ bos_token }}{% for message in messages %}"
    + _ALTERNATE
    + "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + '[/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] | trim + eos_token }}"
    "{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    + _ALTERNATE
    + "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)


def qwen(system):
    return (
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\n" + system + "<|im_end|>\n' }}{% endif %}"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )


QWEN3 = (  # without its tools and its handling of earlier thoughts
    "{%- for message in messages %}"
    "{%- if (message.role == 'user') or (message.role == 'system' and not loop.first) %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}"
    "{%- elif message.role == 'assistant' %}"
    "{{- '<|im_start|>' + message.role + '\n<think>\n\n</think>\n\n' + "
    "message.content.lstrip('\n') + '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
S, LLAMA3_NAMES = ("<s>", "</s>"), ("<|begin_of_text|>", "<|eot_id|>")
PUBLISHED = {  # name: (template, begin and end token, our vocabulary's name of the end)
    "llama2": (LLAMA2, S),
    "zephyr": (ZEPHYR, S),
    "llama3": (LLAMA3, LLAMA3_NAMES),
    "mistral": (MISTRAL, S),
    "mistral-v3": (MISTRAL_V3, S),
    "gemma": (GEMMA, ("<bos>", "<end_of_turn>")),
    "qwen2": (qwen("You are a helpful assistant."), (None, "<|im_end|>")),
    "qwen2.5": (
        qwen("You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
        (None, "<|im_end|>"),
    ),
    "qwen3": (QWEN3, (None, "<|im_end|>")),
}
ANSWER = "Wir gehen in den Garten."
WITH_ANSWER = ("zephyr", "llama3", "mistral", "gemma", "qwen2", "qwen2.5", "qwen3")
TEXTS = ["das ist ein Haus und ein Garten.", "we go to the house.", "Please translate"] * 30


def byte_level(controls):
    """A vocabulary over bytes, as Llama 3's and Qwen's."""
    learner = Definition(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator(TEXTS, trainer)
    learner.add_special_tokens(list(controls))
    return learner.to_str()


def vocabulary(name):
    chat, ends = CHATS[name], PUBLISHED[name][1]
    names = [token for token in (*ends, *chat.controls) if token]
    if name.startswith(("qwen", "llama3")):
        return Tokenizer(byte_level(dict.fromkeys([*names, "<|endoftext|>"])))
    own = Tokenizer.train(
        TEXTS, 340, extra_specials=[one for one in dict.fromkeys(names) if one not in (*S, "<bos>")]
    )
    if ends == S:
        return own
    return Tokenizer(own._definition.replace('"</s>"', '"<eos>"').replace('"<s>"', '"<bos>"'))


@pytest.fixture(scope="module", params=PUBLISHED)
def case(request, tmp_path_factory):
    template, (begin, end) = PUBLISHED[request.param]
    tokenizer = vocabulary(request.param)
    file = tokenizer.save(tmp_path_factory.mktemp("chat") / "tokenizer.json")
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(file), chat_template=template, bos_token=begin, eos_token=end
    )
    return request.param, tokenizer, theirs, begin or "", end


def instruction():
    return INSTRUCTIONS["translate"].format(src="English", tgt="German")


def rendered(case, messages, **more):
    return case[2].apply_chat_template(messages, tokenize=False, enable_thinking=False, **more)


def test_a_prompt_is_byte_for_byte_the_published_one(case):
    name, _, _, begin, _ = case
    chat = CHATS[name]
    before, after = chat.text("translate", "en", "de")
    expected = rendered(
        case, [{"role": "user", "content": instruction()}], add_generation_prompt=True
    )
    assert (begin if chat.begins else "") + before + AUDIO + after == expected


def test_token_ids_are_those_of_the_published_text(case):
    name, tokenizer, theirs, begin, _ = case
    chat = CHATS[name]
    before, after = chat.text("translate", "en", "de")
    prompt = chat.encode(tokenizer, "translate", "en", "de")
    head = (begin if chat.begins else "") + before
    encode = theirs.backend_tokenizer.encode
    assert list(prompt.before) == encode(head, add_special_tokens=False).ids
    assert list(prompt.after) == encode(after, add_special_tokens=False).ids
    assert chat.begins == (prompt.before[:1] == (tokenizer.special_id(begin),) if begin else False)


def test_an_answer_ends_as_the_published_one(case):
    name, tokenizer, _, begin, end = case
    ids, learnt = CHATS[name].encode_answer(tokenizer, ANSWER)
    assert tokenizer.piece(ids[learnt - 1]) == end
    assert tokenizer.decode(ids[: learnt - 1]) == ANSWER
    if name not in WITH_ANSWER:
        return
    before, after = CHATS[name].text("translate", "en", "de")
    whole = rendered(
        case,
        [{"role": "user", "content": instruction()}, {"role": "assistant", "content": ANSWER}],
    )
    ours = (begin if CHATS[name].begins else "") + before + AUDIO + after
    assert ours + ANSWER + end + CHATS[name].separator == whole


def test_every_template_is_llasts_or_compared():
    assert CHATS.keys() - PUBLISHED.keys() == {"tinyllama"}


def test_a_vocabulary_without_the_templates_tokens_is_refused():
    with pytest.raises(CheckpointError, match=r"no control token '<\|im_start\|>'"):
        CHATS["qwen3"].encode(Tokenizer.train(TEXTS, 320), "translate", "en", "de")


def test_words_put_together_have_their_spaces_in_every_vocabulary():
    text = "das ist ein Haus, und 中文 auch."
    for vocabulary in (byte_level(["<|im_end|>", "<|endoftext|>"]), spaces_only()):
        tokenizer = Tokenizer(vocabulary)
        pieces = [piece for word in text.split() for piece in tokenizer.encode_word(word)]
        assert tokenizer.decode(pieces) == text.replace(" 中文", "中文")
        assert tokenizer.encode_word("") == []


def spaces_only():
    """A vocabulary like Gemma's: a space is a mark, and only a space makes one."""
    made = Definition(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    specials = ["<unk>", "<eos>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[*specials, *(f"<0x{value:02X}>" for value in range(256))],
        show_progress=False,
    )
    made.train_from_iterator(["das ist ein Haus, und ein Garten."] * 9, trainer)
    spec = json.loads(made.to_str())
    spec["added_tokens"] = [one for one in spec["added_tokens"] if one["content"] in specials]
    return json.dumps(spec)


def test_a_vocabulary_over_bytes():
    tokenizer = Tokenizer(byte_level(["<|im_end|>", "<|endoftext|>"]))
    text = " Häuser – 家 \U0001f600\n\n"
    ids = tokenizer.encode("x" + text)
    assert tokenizer.decode(ids) == "x" + text
    assert tokenizer.piece(tokenizer.eos_id) == "<|im_end|>"
    starts = [tokenizer.is_word_start(token) for token in tokenizer.encode("ein Haus")]
    assert sum(starts) == 1
    assert not starts[0]
    assert not tokenizer.is_word_start(tokenizer.eos_id)
    assert b"".join(map(tokenizer.piece_bytes, ids)) == ("x" + text).encode()
    with pytest.raises(CheckpointError, match="no control token '<s>'"):
        assert tokenizer.bos_id
