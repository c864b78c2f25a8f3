"""LLaST's layout against a re-statement of the published code's, on transformers' own classes.

The reference side below follows the description of `encode_fn` and of the splicing: pieces encoded
one by one by a tokenizer that knows `</s>`, a placeholder of -300, padding of the speech to the
longest, a mask of what is real, positions left to the model.
"""

import pytest
import torch

from earvoice.models.convert.llama import llama_from_folder
from earvoice.models.llm import LlamaConfig
from earvoice.models.splice import IGNORED, Answer
from earvoice.models.whisper import WhisperConfig
from earvoice.systems.llast import Llast, LlastConfig
from earvoice.text.chat import CHATS
from earvoice.text.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")

TEMPLATES = {
    "tinyllama": "<|user|>\n{input}</s>\n<|assistant|></s>\n",
    "llama2": "[INST] {input} [/INST]",
}
ITEMS = [  # samples, instruction, languages, task, output
    (9_000, "<audio>\nPlease translate the French sentence into English.",
     ("fr", "en"), "translate", "we go to the house"),
    (6_399, "<audio>\nPlease transcribe the German sentence into German.",
     ("de", "de"), "transcribe", "das ist ein Haus und ein Garten"),
    (3_300, "<audio>\nPlease translate the English sentence into Chinese.",
     ("en", "zh"), "translate", "一"),
]  # fmt: skip
FRAMES = [28, 19, 10]


@pytest.fixture(scope="module")
def tokenizer():
    texts = ["das ist ein Haus und ein Garten.", "we go to the house.", "Please translate"] * 30
    return Tokenizer.train(texts, 340)


@pytest.fixture(scope="module")
def theirs_tokenizer(tokenizer, tmp_path_factory):
    file = tokenizer.save(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(file), bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.fixture(scope="module")
def models(tokenizer, tmp_path_factory):
    """transformers' Llama and our system around the same weights."""
    torch.manual_seed(0)
    sizes = transformers.LlamaConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, intermediate_size=48, initializer_range=0.1,
    )  # fmt: skip
    theirs = transformers.LlamaForCausalLM(sizes).eval()
    folder = tmp_path_factory.mktemp("llm")
    theirs.save_pretrained(folder)
    return theirs, folder


def system(folder, chat, positions):
    torch.manual_seed(1)
    lm = llama_from_folder(folder)
    config = LlastConfig(
        encoder=WhisperConfig(dim=16, layers=1, heads=2, ffn_dim=16, frames=60),
        llm=LlamaConfig(**lm.config.model_dump()), chat=chat, positions=positions,
        speech_lora=None, llm_lora=None,
    )  # fmt: skip
    return Llast(config, lm).eval()


def reference_ids(tokenizer, chat, instruction, output):
    """`encode_fn`: ids with the placeholder -300, and labels."""

    def encode(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    text = TEMPLATES[chat].format(input=instruction)
    before, after = text.split("<audio>")
    ids = [tokenizer.bos_token_id, *encode(before), -300, *encode(after)]
    labels = [-100] * len(ids)
    answer = [*encode(output), tokenizer.eos_token_id]
    newline = encode("\n")
    return ids + answer + newline, labels + answer + [-100] * len(newline)


def reference_logits(model, speech, frames, rows):
    """The splicing: speech padded to the longest, text padded with id 0, a mask, no positions."""
    longest = max(frames)
    embeddings, labels, masks = [], [], []
    for (ids, targets), own, count in zip(rows, speech, frames, strict=True):
        hole = ids.index(-300)
        table = model.get_input_embeddings()
        head, tail = (table(torch.tensor(part)) for part in (ids[:hole], ids[hole + 1 :]))
        embeddings.append(torch.cat([head, own[:longest], tail]))
        labels.append(targets[:hole] + [-100] * longest + targets[hole + 1 :])
        mask = [1] * hole + [1] * count + [0] * (longest - count) + [1] * len(tail)
        masks.append(mask)
    width = max(map(len, labels))
    x = torch.stack([torch.cat([e, torch.zeros(width - len(e), e.shape[1])]) for e in embeddings])
    labels = torch.tensor([row + [-100] * (width - len(row)) for row in labels])
    mask = torch.tensor([row + [0] * (width - len(row)) for row in masks])
    out = model(inputs_embeds=x, attention_mask=mask, labels=labels)
    return out.logits, labels, out.loss


def ours(llast, tokenizer, items):
    samples = torch.zeros(len(items), max(item[0] for item in items))
    for row, item in enumerate(items):
        samples[row, : item[0]] = torch.randn(item[0], generator=torch.manual_seed(item[0]))
    prompts = [llast.prompt(tokenizer, *item[2], task=item[3]) for item in items]
    answers = [Answer(*llast.chat.encode_answer(tokenizer, item[4])) for item in items]
    return samples, prompts, answers


@pytest.mark.parametrize("chat", TEMPLATES)
def test_templates_are_byte_for_byte(chat):
    for _, instruction, languages, task, _ in ITEMS:
        expected = tuple(TEMPLATES[chat].format(input=instruction).split("<audio>"))
        assert CHATS[chat].text(task, *languages) == expected


@pytest.mark.parametrize("chat", TEMPLATES)
def test_token_ids_are_the_references(chat, tokenizer, theirs_tokenizer):
    for _, instruction, languages, task, output in ITEMS:
        prompt = CHATS[chat].encode(tokenizer, task, *languages)
        answer, learnt = CHATS[chat].encode_answer(tokenizer, output)
        ids, labels = reference_ids(theirs_tokenizer, chat, instruction, output)
        assert [*prompt.before, -300, *prompt.after, *answer] == ids
        assert [label for label in labels if label != -100] == [*answer[:learnt]]
        assert ids.count(tokenizer.eos_id) == (3 if chat == "tinyllama" else 1)


@pytest.mark.parametrize("chat", TEMPLATES)
def test_training_with_gaps_equals_the_reference(chat, tokenizer, theirs_tokenizer, models):
    theirs, folder = models
    llast = system(folder, chat, "gap")
    samples, prompts, answers = ours(llast, tokenizer, ITEMS)
    counts = [item[0] for item in ITEMS]
    with torch.no_grad():
        speech = llast(samples, counts)
        assert [llast.embeddings_of(count) for count in counts] == FRAMES
        hidden, spliced = llast.training_forward(samples, counts, prompts, answers)
        rows = [reference_ids(theirs_tokenizer, chat, item[1], item[4]) for item in ITEMS]
        logits, labels, loss = reference_logits(theirs, speech, FRAMES, rows)
        found = llast.lm.logits(hidden)
    assert torch.equal(spliced.labels[:, :-1], labels[:, 1:])
    learnt = spliced.labels != IGNORED
    torch.testing.assert_close(found[learnt], logits[learnt], atol=1e-5, rtol=0)
    batch = type("Batch", (), {
        "samples": samples, "counts": counts, "prompts": prompts, "answers": answers, "seed": 1,
    })  # fmt: skip
    torch.testing.assert_close(llast.translate_objective(batch)["loss"], loss, atol=1e-5, rtol=0)


@pytest.mark.parametrize("chat", TEMPLATES)
def test_compact_training_equals_the_reference_one_by_one(
    chat, tokenizer, theirs_tokenizer, models
):
    theirs, folder = models
    llast = system(folder, chat, "compact")
    samples, prompts, answers = ours(llast, tokenizer, ITEMS)
    counts = [item[0] for item in ITEMS]
    with torch.no_grad():
        speech = llast(samples, counts)
        hidden, spliced = llast.training_forward(samples, counts, prompts, answers)
        found = llast.lm.logits(hidden)
        for row, item in enumerate(ITEMS):
            ids = reference_ids(theirs_tokenizer, chat, item[1], item[4])
            own = speech[row : row + 1, : FRAMES[row]]
            logits, labels, _ = reference_logits(theirs, own, FRAMES[row : row + 1], [ids])
            length = int(spliced.last[row]) + 1
            assert length == logits.shape[1]
            torch.testing.assert_close(found[row, :length], logits[0], atol=1e-5, rtol=0)
            assert torch.equal(spliced.labels[row, : length - 1], labels[0, 1:])


def test_a_clip_longer_than_the_window_is_cut(tokenizer, models):
    llast = system(models[1], "llama2", "gap")
    samples = torch.randn(2, 40_000) / 10
    with torch.no_grad():
        assert llast(samples, [40_000, 5_000]).shape[1] == 60
    assert llast.embeddings_of(40_000) == 60


def test_without_padding_an_utterance_is_the_same_alone_and_in_a_batch() -> None:
    encoder = WhisperConfig(
        mels=40, dim=32, layers=2, heads=4, ffn_dim=64, frames=100, strides=(2, 2), padded=False
    )
    torch.manual_seed(0)
    lm = LlamaConfig(vocab_size=50, dim=32, layers=1, heads=4, kv_heads=2, ffn_dim=32)
    config = LlastConfig(encoder=encoder, llm=lm, stack=3, speech_lora=None, llm_lora=None)
    system = Llast(config)
    audio = [torch.randn(count) for count in (16000, 9000, 31000)]
    with torch.no_grad():
        together = system.encode(audio)
        for samples, speech in zip(audio, together, strict=True):
            alone = system.encode([samples])[0]
            assert len(alone) == -(-(len(samples) // 640) // 3)
            torch.testing.assert_close(speech, alone, atol=1e-5, rtol=0)
