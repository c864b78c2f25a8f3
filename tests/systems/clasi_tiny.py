"""A tiny untrained CLASI that talks."""

from __future__ import annotations

import functools

import torch

from earvoice.agent.codec import control_tokens
from earvoice.agent.glossary import Entry, Glossary
from earvoice.models.adapters import ConvShrinkConfig
from earvoice.models.features import LogMelConfig
from earvoice.models.llm import LlamaConfig
from earvoice.models.retriever import RetrieverConfig
from earvoice.models.wav2vec2 import Wav2Vec2Config
from earvoice.sessions.agent import AgentInterpreter
from earvoice.systems.clasi import Clasi, ClasiConfig
from earvoice.text.tokenizer import Tokenizer

WINDOW_S = 2.4
MOST = 30


@functools.cache
def tokenizer(languages: tuple[str, ...] = ("en", "de")) -> Tokenizer:
    texts = ["das ist ein Haus und ein Garten.", "we go to the house and the garden."] * 50
    return Tokenizer.train(texts, 400, extra_specials=control_tokens(languages, MOST))


def clasi_config(tokens: Tokenizer | None = None, **changes) -> ClasiConfig:
    return ClasiConfig(
        **{
            "directions": ("en-de",),
            "encoder": Wav2Vec2Config(
                frontend=LogMelConfig(mels=20, frame_ms=40),
                dim=32,
                layers=2,
                heads=4,
                ffn_dim=64,
                position_kernel=8,
                position_groups=4,
                block_frames=6,
                left_blocks=2,
                conv_kernel=5,
            ),
            "adapter": ConvShrinkConfig(layers=1, hidden=32),
            "llm": LlamaConfig(
                vocab_size=(tokens or tokenizer()).vocab_size,
                dim=32,
                layers=2,
                heads=4,
                kv_heads=2,
                ffn_dim=64,
                tie_embeddings=True,
            ),
            "retriever": RetrieverConfig(
                dim=16, heads=2, layers=1, key_layers=1, vector=8, alphabet=128,
                window_frames=24, hop_frames=6, spans=(4, 8), span_hop=2, candidates=4,
            ),
            "window_s": WINDOW_S,
            "memory_tokens": 48,
            "terms": 4,
            "terms_tokens": 40,
            "max_tokens": 16,
            **changes,
        }
    )  # fmt: skip


def clasi(*, seed: int = 0, tokens: Tokenizer | None = None, **changes) -> Clasi:
    tokens = tokens or tokenizer()
    torch.manual_seed(seed)
    system = Clasi(clasi_config(tokens, **changes)).eval()
    system.initialise()
    system.bind(tokens)
    with torch.no_grad():
        for parameter in system.lm.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6.0)
        quiet = [i for i in range(tokens.vocab_size) if tokens.piece(i).startswith("<0x")]
        system.lm.embedding.weight[quiet] *= 0.1
    return system.requires_grad_(False)


def tiny_clasi(*, languages: tuple[str, ...] = ("en", "de"), **changes) -> AgentInterpreter:
    tokens = tokenizer(languages)
    return clasi(tokens=tokens, **changes).interpreter(tokens)


CLASI_CHANGE = {"glossary": Glossary([Entry("garden", "Garten")])}
