"""Sizes for random weights. `mini` is what the shipped models have (recipes/fasst/mini.yaml)."""

from __future__ import annotations

from types import MappingProxyType

from earvoice.models.adapters import ConvShrinkConfig
from earvoice.models.features import LogMelConfig
from earvoice.models.llm import LlamaConfig
from earvoice.models.wav2vec2 import Wav2Vec2Config
from earvoice.systems.fasst import FasstConfig, PromptConfig

_PROMPT = PromptConfig(before_speech="<s><sp_start>", after_speech="<sp_end>")

MINI = FasstConfig(
    faithful=False,
    text_position="time",
    n=4,
    encoder=Wav2Vec2Config(
        frontend=LogMelConfig(mels=80, frame_ms=40),
        dim=256,
        layers=6,
        heads=4,
        ffn_dim=1024,
        position_kernel=32,
        position_groups=16,
        block_frames=24,
        left_blocks=8,
        conv_kernel=7,
    ),
    adapter=ConvShrinkConfig(layers=1, hidden=256),
    llm=LlamaConfig(
        vocab_size=2000,
        dim=256,
        layers=4,
        heads=4,
        kv_heads=4,
        ffn_dim=704,
        tie_embeddings=True,
    ),
    prompt=_PROMPT,
    window_segments=14,
    keep_segments=8,
)

TINY = FasstConfig(
    faithful=False,
    encoder=Wav2Vec2Config(
        frontend=LogMelConfig(mels=20, frame_ms=40),
        dim=32,
        layers=2,
        heads=4,
        ffn_dim=64,
        position_kernel=8,
        position_groups=4,
        block_frames=24,
        left_blocks=2,
        conv_kernel=5,
    ),
    adapter=ConvShrinkConfig(layers=1, hidden=32),
    llm=LlamaConfig(
        vocab_size=400, dim=32, layers=2, heads=4, kv_heads=2, ffn_dim=64, tie_embeddings=True
    ),
    prompt=_PROMPT,
    window_segments=6,
    keep_segments=3,
)
"""For tests: shows that a benchmark runs, says nothing about speed."""

SIZES = MappingProxyType({"mini": MINI, "tiny": TINY})
