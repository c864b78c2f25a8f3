"""Checkpoints of LLaST's published training code -> the adaptation of `systems/llast.py`.

Such a checkpoint holds what was trained and nothing else: the adapter and LoRA on both sides,
as peft names them. It is a file, or the folder DeepSpeed makes of one:

    epoch_1.pth/mp_rank_00_model_states.pt      weights under "module"; converted files have them
                                                under "state_dict", or at the top
    projector.model.{0,2,4}.{weight,bias}
    speech_encoder.base_model.model.encoder.layers.{i}...lora_{A,B}.default.weight
    speech_encoder.base_model.model.decoder...  left out: Whisper's decoder is not used
    llm.base_model.model.model.layers.{i}...lora_{A,B}.default.weight

It is a pickle, and is opened in torch's weights-only mode alone, in which nothing can run. What
mmengine stores beside the weights becomes inert objects and is dropped.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from earvoice.errors import CheckpointError
from earvoice.models.convert.folder import check_names
from earvoice.models.llm import LlamaConfig
from earvoice.models.lora import join_peft, llama_peft_names, whisper_peft_names
from earvoice.models.whisper import WhisperConfig

SHARD = "mp_rank_00_model_states.pt"
SPEECH, LLM = "speech_encoder.base_model.model.", "llm.base_model.model.model."
IGNORED = (SPEECH + "decoder.",)
LORA_SCALE = 0.5
"""alpha / rank of both adaptations in all published configurations; the file does not say."""
_PROJECTOR = "projector.model."
_END = ".default.weight"
_BESIDE = (  # what mmengine's message hub and meta data consist of
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
    "_codecs.encode",
    "builtins.getattr",
)
_BROKEN = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    NotImplementedError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)

PUBLISHED_LLMS = {
    2048: LlamaConfig(dim=2048, layers=22, kv_heads=4, ffn_dim=5632),  # TinyLlama 1.1B
    4096: LlamaConfig(),  # Llama-2 7B
    5120: LlamaConfig(dim=5120, layers=40, heads=40, kv_heads=40, ffn_dim=13824),  # Llama-2 13B
}
"""The language models of the 2B, 8B and 14B models, by width."""


@dataclass(frozen=True)
class Adaptation:
    """What a checkpoint adds to an encoder and a language model; tensors in our names, float32."""

    tensors: dict[str, Tensor]
    adapter_layers: int
    speech_rank: int
    llm_rank: int


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The named tensors of a checkpoint file or folder, unwrapped; nothing in it is run.

    Raises: CheckpointError when it is damaged, of another kind, or would need to run something.
    """
    file = _file_of(path)
    if file.suffix == ".safetensors":
        try:
            return load_file(file)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{file} is not a readable safetensors file: {error}") from error
    content = _unpickled(file)
    for key in ("module", "state_dict"):
        inner = content.get(key) if isinstance(content, Mapping) else None
        if isinstance(inner, Mapping):
            content = inner
    tensors = (
        {name: value for name, value in content.items() if isinstance(value, Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise CheckpointError(f"{file} holds no tensors, nor does its 'module' or 'state_dict'")
    return tensors


def llm_of(tensors: Mapping[str, Tensor], where: str) -> LlamaConfig:
    """The published language model a checkpoint belongs to, by its width.

    Raises: CheckpointError naming the widths there are.
    """
    width = _projector(tensors, where)[0].shape[0]
    if width not in PUBLISHED_LLMS:
        raise CheckpointError(
            f"{where}: {_PROJECTOR}0.weight is {width} wide, which is none of the published "
            f"models ({', '.join(map(str, PUBLISHED_LLMS))}); name its language model's folder"
        )
    return PUBLISHED_LLMS[width]


def map_llast(
    tensors: Mapping[str, Tensor], encoder: WhisperConfig, llm: LlamaConfig, where: str
) -> Adaptation:
    """The adaptation for an encoder and a language model of these sizes.

    Raises: CheckpointError with the names that are missing, unknown, misshapen or not finite,
        also when none fits at all.
    """
    weights = _projector(tensors, where)
    plan = {
        **{
            f"encoder.{own}": names
            for own, names in whisper_peft_names(encoder, SPEECH + "encoder.").items()
        },
        **{f"lm.{own}": names for own, names in llama_peft_names(llm, LLM).items()},
    }
    wanted = {name + _END for names in plan.values() for name in names}
    linear = {
        f"adapter.layers.{number}.{leaf}": f"{_PROJECTOR}{2 * number}.{leaf}"
        for number in range(len(weights))
        for leaf in ("weight", "bias")
    }
    ignored = [name for name in tensors if name.startswith(IGNORED)]
    check_names(tensors, [*wanted, *linear.values()], ignored, where)
    ranks = [
        tensors[plan[f"{part}.layers.0.out.lora_a"][0] + _END].shape[0]
        for part in ("encoder", "lm")
    ]
    _check_shapes(tensors, _shapes(encoder, llm, len(weights), *ranks), where)
    found = {own: tensors[name].float() for own, name in linear.items()}
    found |= join_peft(tensors, plan, _END)
    return Adaptation(found, len(weights), *ranks)


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    shards = sorted(file.name for file in path.glob("mp_rank_*_model_states.pt"))
    if shards != [SHARD]:
        raise CheckpointError(
            f"{path} holds {shards or 'no mp_rank_*_model_states.pt'}, it must hold {SHARD} alone"
        )
    return path / SHARD


def _unpickled(file: Path) -> Any:
    """What a file of torch.save holds, in weights-only mode, every byte checked first."""
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()  # torch itself does not look at the checksums
    except _BROKEN as error:
        raise CheckpointError(f"{file} is not a readable checkpoint of torch: {error}") from error
    if damaged is not None:
        raise CheckpointError(f"{file} is damaged: {damaged!r} does not match its checksum")
    inert: list[Any] = [(_Inert, name) for name in _BESIDE]
    try:
        with torch.serialization.safe_globals(inert):
            return torch.load(file, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        reason = str(error).strip().splitlines()
        raise CheckpointError(
            f"{file} cannot be opened without running code from it, which is never done: "
            f"{reason[0] if reason else type(error).__name__}"
        ) from error


class _Inert:
    """Stands for an object of another library; takes everything and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _projector(tensors: Mapping[str, Tensor], where: str) -> list[Tensor]:
    """The adapter's weights in order. Raises: CheckpointError when there is none."""
    numbers = {
        int(parts[0])
        for name in tensors
        if name.startswith(_PROJECTOR)
        and len(parts := name.removeprefix(_PROJECTOR).split(".")) == 2
        and parts[0].isdecimal()
        and parts[1] == "weight"
    }
    if not numbers or numbers != set(range(0, 2 * len(numbers), 2)):
        raise CheckpointError(
            f"{where}: no whole {_PROJECTOR}0, 2, ... among its {len(tensors)} tensors (e.g. "
            f"{sorted(tensors)[:2]}): it is no LLaST checkpoint, or not all of it"
        )
    weights = [tensors[f"{_PROJECTOR}{number}.weight"] for number in sorted(numbers)]
    if any(weight.dim() != 2 for weight in weights):
        raise CheckpointError(f"{where}: the weights of {_PROJECTOR} must be matrices")
    return weights


def _shapes(
    encoder: WhisperConfig, llm: LlamaConfig, adapter_layers: int, speech_rank: int, llm_rank: int
) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that is read."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(adapter_layers):
        into = llm.dim if number else encoder.dim
        shapes[f"{_PROJECTOR}{2 * number}.weight"] = (llm.dim, into)
        shapes[f"{_PROJECTOR}{2 * number}.bias"] = (llm.dim,)
    query = llm.heads * (llm.head_dim or llm.dim // llm.heads)
    key = query // llm.heads * llm.kv_heads
    d, f = encoder.dim, encoder.ffn_dim
    speech = {f"self_attn.{part}_proj": (d, d) for part in ("q", "k", "v", "out")}
    speech |= {"fc1": (d, f), "fc2": (f, d)}
    text = {"self_attn.q_proj": (llm.dim, query), "self_attn.o_proj": (query, llm.dim)}
    text |= {f"self_attn.{part}_proj": (llm.dim, key) for part in "kv"}
    text |= {f"mlp.{part}_proj": (llm.dim, llm.ffn_dim) for part in ("gate", "up")}
    text |= {"mlp.down_proj": (llm.ffn_dim, llm.dim)}
    for prefix, layers, widths, rank in (
        (SPEECH + "encoder.", encoder.layers, speech, speech_rank),
        (LLM, llm.layers, text, llm_rank),
    ):
        for number in range(layers):
            for part, (into, out) in widths.items():
                name = f"{prefix}layers.{number}.{part}.lora_"
                shapes[f"{name}A{_END}"], shapes[f"{name}B{_END}"] = (rank, into), (out, rank)
    return shapes


def _check_shapes(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], where: str
) -> None:
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise CheckpointError(
                f"{where}: {name} has shape {tuple(tensors[name].shape)}, expected {shape}"
            )
        if not tensors[name].is_floating_point() or not bool(tensors[name].isfinite().all()):
            raise CheckpointError(f"{where}: {name} holds values that are not finite numbers")
