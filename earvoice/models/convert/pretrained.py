"""The pretrained parts that full-size recipes start from, as one folder for `--reuse`.

    OUT/model.safetensors    `encoder.*` and `lm.*` by our names, in the dtypes they are stored in
    OUT/tokenizer.json       the language model's vocabulary, with the added control tokens
    OUT/config.json          the sizes, as a recipe's `system.encoder` and `system.llm` want them
    OUT/manifest.json        size and SHA-256 of all

Added tokens (FASST and LST have three) begin as the mean of all embeddings, as in the published
code (2310.02050, section 2.1).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from earvoice.errors import CheckpointError, UsageError
from earvoice.models.convert.folder import read_config
from earvoice.models.convert.llama import llama_from_folder
from earvoice.models.convert.wav2vec2 import wav2vec2_from_folder
from earvoice.models.convert.whisper import whisper_from_folder
from earvoice.models.files import replacing, save_tensors
from earvoice.models.wav2vec2 import Wav2Vec2
from earvoice.models.whisper import Whisper
from earvoice.text.tokenizer import FILE_NAME, Tokenizer

WIDE = ("lm.embedding.weight", "lm.head.weight")
"""Tensors with a row per token."""


def pretrained_folder(encoder: Path, llm: Path, out: Path, added: Sequence[str] = ()) -> Path:
    """Writes the folder. added: control tokens that the language model does not have yet.

    Raises: CheckpointError for a folder that is not what it should be, a token it has already, or
    `out` where it cannot be written; UsageError for a token that is added twice.
    """
    definition = with_control_tokens((llm / FILE_NAME), added)
    tokenizer = Tokenizer(definition)
    speech, language = _encoder(encoder), llama_from_folder(llm)
    weights = {f"encoder.{name}": value for name, value in speech.state_dict().items()}
    weights |= {f"lm.{name}": value for name, value in language.state_dict().items()}
    known = tokenizer.vocab_size - len(added)
    for name in WIDE:
        if name in weights:
            weights[name] = fitted(weights[name], known, len(added), str(llm))
    if added:
        mean = weights[WIDE[0]][:known].float().mean(0)
        weights["markers"] = mean.expand(2, -1).to(weights[WIDE[0]].dtype)  # those of LST
    whole = {name: value.detach().contiguous() for name, value in weights.items()}
    sizes = language.config.model_copy(update={"vocab_size": tokenizer.vocab_size})
    config = {
        "encoder": speech.config.model_dump(mode="json"),
        "llm": sizes.model_dump(mode="json"),
    }
    with replacing(out) as folder:
        save_tensors(folder / "model.safetensors", whole)
        (folder / FILE_NAME).write_text(definition, encoding="utf-8")
        (folder / "config.json").write_text(json.dumps(config, indent=1))
    return out


def with_control_tokens(file: Path, added: Sequence[str]) -> str:
    """A vocabulary's definition with further control tokens, numbered from its end.

    Raises: CheckpointError when it cannot be read, or has one of them; UsageError for one that is
    named twice.
    """
    size = Tokenizer.load(file).vocab_size
    spec = json.loads(file.read_text(encoding="utf-8"))
    there = {token["content"] for token in spec["added_tokens"]} | spec["model"]["vocab"].keys()
    for number, name in enumerate(added):
        if name in added[:number]:
            raise UsageError(
                f"the token {name!r} is to be added twice ({','.join(added)}); name each once"
            )
        if name in there:
            raise CheckpointError(f"{file}: has {name!r} already; it cannot be added")
        spec["added_tokens"].append(
            {
                "id": size + number,
                "content": name,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        )
    return json.dumps(spec, ensure_ascii=False)


def fitted(rows: Tensor, known: int, added: int, where: str) -> Tensor:
    """A row per token: rows beyond the vocabulary are cut, added tokens get the mean of all."""
    if len(rows) < known:
        raise CheckpointError(f"{where}: {len(rows)} embeddings for a vocabulary of {known}")
    mean = rows[:known].float().mean(0, keepdim=True).to(rows.dtype)
    return torch.cat([rows[:known], mean.expand(added, -1)])


def _encoder(folder: Path) -> Whisper | Wav2Vec2:
    """By its `model_type`: Whisper, or wav2vec 2.0 and its kin."""
    kind = read_config(folder).get("model_type")
    return whisper_from_folder(folder) if kind == "whisper" else wav2vec2_from_folder(folder)
