import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.errors import CheckpointError, UsageError
from earvoice.text.tokenizer import SPECIALS, Tokenizer

CORPUS = [
    "the old house stands near the river",
    "das alte Haus steht am Fluss",
    "die Häuser stehen am großen Fluss und die Flüsse sind groß",
    "</s> is written <s> here and <0x41> and <sp_start> too",
] * 20


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(CORPUS, 420, extra_specials=["<2de>"])


texts = st.text(max_size=30) | st.lists(
    st.sampled_from(["Haus", " ", "</s>", "<s>", "<0x41>", "<sp_end>", "<2de>", "▁", "👋", "é"]),
    max_size=8,
).map("".join)


@given(texts)
def test_any_text_encodes_and_comes_back(tokenizer, text):
    ids = tokenizer.encode(text)
    plain = unicodedata.normalize("NFC", text).replace("▁", "_")
    # The first boundary is implied, so one leading space is not kept.
    assert tokenizer.decode(ids) == plain.removeprefix(" ")


@given(texts)
def test_no_text_reaches_a_control_token(tokenizer, text):
    assert not any(tokenizer.is_special(token_id) for token_id in tokenizer.encode(text))


@given(texts)
def test_no_text_is_unknown(tokenizer, text):
    assert tokenizer.unk_id not in tokenizer.encode(text)


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_any_ids_decode(tokenizer, numbers):
    ids = [number % tokenizer.vocab_size for number in numbers]
    assert isinstance(tokenizer.decode(ids), str)


def test_special_ids_come_first(tokenizer):
    ids = [tokenizer.special_id(name) for name in SPECIALS.names()]
    assert ids == [0, 1, 2, 3, 4, 5]
    assert tokenizer.special_id("<2de>") == 6
    assert (tokenizer.bos_id, tokenizer.eos_id) == (2, 3)
    assert tokenizer.decode([2, 3, 4, 5, 0, 1, 6]) == ""
    with pytest.raises(CheckpointError, match="<2fr>"):
        tokenizer.special_id("<2fr>")


def test_words_start_at_boundaries(tokenizer):
    ids = tokenizer.encode("das alte Haus xyz")
    words = [index for index in ids if tokenizer.is_word_start(index)]
    assert len(words) == 4
    assert not tokenizer.is_word_start(tokenizer.eos_id)
    assert not any(tokenizer.is_word_start(index) for index in tokenizer.encode("👋")[1:])


def test_frequent_words_are_one_piece(tokenizer):
    assert [tokenizer.piece(index) for index in tokenizer.encode("Fluss")] == ["▁Fluss"]


def test_training_is_deterministic_and_files_round_trip(tokenizer, tmp_path):
    again = Tokenizer.train(iter(CORPUS), 420, extra_specials=["<2de>"])
    first = tokenizer.save(tmp_path)
    assert first == tmp_path / "tokenizer.json"
    second = again.save(tmp_path / "again.json")
    assert first.read_bytes() == second.read_bytes()
    loaded = Tokenizer.load(tmp_path)
    assert loaded == tokenizer
    assert loaded.encode("das Haus </s>") == tokenizer.encode("das Haus </s>")


def test_the_file_is_a_plain_tokenizers_file(tokenizer, tmp_path):
    import tokenizers

    plain = tokenizers.Tokenizer.from_file(str(tokenizer.save(tmp_path)))
    assert plain.encode("das Haus am Fluss").ids == tokenizer.encode("das Haus am Fluss")
    assert plain.token_to_id("<sp_end>") == tokenizer.sp_end_id


def test_vocab_size_counts_everything(tokenizer):
    assert tokenizer.vocab_size <= 420
    assert tokenizer.vocab_size > 6 + 1 + 256


def test_no_room_need_go_to_bytes_that_no_text_has():
    tokenizer = Tokenizer.train(CORPUS, 400, all_bytes=False)
    pieces = {tokenizer.piece(number) for number in range(tokenizer.vocab_size)}
    utf8 = {byte for code in range(0x110000) if not 0xD800 <= code < 0xE000
            for byte in chr(code).encode()}  # fmt: skip
    assert {piece for piece in pieces if piece.startswith("<0x")} == {
        f"<0x{byte:02X}>" for byte in utf8
    }
    spelt = Tokenizer.train(["<0xC0> <0xFF>"] * 40, 300, all_bytes=False)
    assert spelt.decode(spelt.encode("<0xC0> \U0010ffff")) == "<0xC0> \U0010ffff"


def test_lone_surrogates_become_replacement_characters(tokenizer):
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


@pytest.mark.parametrize(("size", "extra"), [(262, ()), (500, ("<s>",)), (500, ("<0x00>",))])
def test_bad_training_options(size, extra):
    with pytest.raises(UsageError, match="vocab_size|extra_specials"):
        Tokenizer.train(CORPUS, size, extra_specials=extra)


def definition(**changes):
    spec = json.loads(Tokenizer.train(CORPUS, 300)._definition)
    spec["model"].update(changes)
    return json.dumps(spec)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"model": 3, "added_tokens": []}', definition(byte_fallback=False)],
)
def test_foreign_definitions_are_refused(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match="tokenizer"):
        Tokenizer.load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="cannot read"):
        Tokenizer.load(tmp_path)
