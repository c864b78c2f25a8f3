"""Tiny untrained systems for tests."""

from __future__ import annotations

import functools

import torch

from earvoice.models.adapters import ConvShrinkConfig
from earvoice.models.features import LogMelConfig, WaveformConfig
from earvoice.models.llm import LlamaConfig
from earvoice.models.wav2vec2 import Wav2Vec2Config
from earvoice.models.whisper import WhisperConfig
from earvoice.systems.fasst import WAIT_ALL, WAIT_TAGS, Fasst, FasstConfig, PromptConfig
from earvoice.systems.jstar import OTHER, SELF, Jstar, SearchConfig
from earvoice.systems.jstar import tiny as jstar_config
from earvoice.systems.llast import Llast, LlastConfig
from earvoice.systems.lst import Lst, LstConfig, LstPromptConfig
from earvoice.text.tokenizer import Tokenizer


@functools.cache
def tokenizer() -> Tokenizer:
    """A small vocabulary with the control tokens FASST needs."""
    texts = ["das ist ein Haus und ein Garten.", "we go to the house and the garden."] * 50
    return Tokenizer.train(texts, 350, extra_specials=(*WAIT_TAGS.values(), WAIT_ALL))


def fasst_config(frontend: str = "log_mel", *, faithful: bool = False, **changes) -> FasstConfig:
    """FASST with everything it has, at toy width."""
    wave = frontend == "waveform"
    return FasstConfig(
        encoder=Wav2Vec2Config(
            frontend=WaveformConfig(channels=16) if wave else LogMelConfig(mels=20, frame_ms=40),
            dim=32,
            layers=2,
            heads=4,
            ffn_dim=64,
            position_kernel=8,
            position_groups=4,
            block_frames=50 if wave else 24,
            left_blocks=2,
            conv_kernel=None if faithful else 5,
        ),
        adapter=ConvShrinkConfig(layers=2 if wave else 1, hidden=32),
        llm=LlamaConfig(
            vocab_size=tokenizer().vocab_size,
            dim=32,
            layers=2,
            heads=4,
            kv_heads=2,
            ffn_dim=64,
            tie_embeddings=True,
        ),
        prompt=PromptConfig(before_speech="<s><sp_start>", after_speech="<sp_end>"),
        faithful=faithful,
        **changes,
    )


def fasst(frontend: str = "log_mel", *, seed: int = 0, **changes) -> Fasst:
    """A random FASST that talks: control tokens other than the end never win."""
    torch.manual_seed(seed)
    system = Fasst(fasst_config(frontend, **changes)).eval()
    system.initialise()
    system.bind(tokenizer())
    _let_talk(system)
    return system.requires_grad_(False)


def lst_config(frontend: str = "log_mel", **changes) -> LstConfig:
    """LST with everything it has, at toy width."""
    like = fasst_config(frontend)
    encoder = {"bidirectional": True, "left_blocks": None, "conv_kernel": None}
    return LstConfig(
        **{
            "encoder": like.encoder.model_copy(update=encoder),
            "adapter": like.adapter,
            "llm": like.llm,
            "prompt": LstPromptConfig(
                before_speech="<s><sp_start>", after_speech="<sp_end> to {tgt_lang}:"
            ),
            "beams": 2,
            "segment_ms": 500,
            "window_segments": 6,
            "pause_segments": 3,
            **changes,
        }
    )


def lst(frontend: str = "log_mel", *, seed: int = 0, **changes) -> Lst:
    """A random LST that talks."""
    torch.manual_seed(seed)
    system = Lst(lst_config(frontend, **changes)).eval()
    system.initialise()
    system.bind(tokenizer())
    _let_talk(system)
    return system.requires_grad_(False)


@functools.cache
def conversation_tokenizer() -> Tokenizer:
    """A small vocabulary with the tags of two speakers."""
    texts = ["buenos días, ¿cómo está usted?", "good morning, how are you?"] * 50
    return Tokenizer.train(texts, 320, extra_specials=(SELF, OTHER))


def jstar(*, seed: int = 0, **changes) -> Jstar:
    """A random JSTAR in which both speakers talk."""
    torch.manual_seed(seed)
    tokens = conversation_tokenizer()
    eager = SearchConfig(beams=3, max_symbols=3, blank_penalty=3.0)
    changes = {"search_asr": eager, "search_st": eager, **changes}
    system = Jstar(jstar_config(tokens.vocab_size, **changes)).eval()
    system.initialise()
    system.bind(tokens)
    tags = {tokens.special_id(SELF), tokens.special_id(OTHER)}
    with torch.no_grad():
        for transducer in system.transducers:
            transducer.enc_in.weight.mul_(3.0)
            transducer.out.weight.mul_(6.0)
            transducer.out.bias[0] = 3.0
            for token in range(1, tokens.vocab_size):
                if token in tags:
                    transducer.out.bias[token] = 0.5
                elif tokens.is_special(token) or tokens.piece(token).startswith("<0x"):
                    transducer.out.bias[token] = -20.0
    return system.requires_grad_(False)


def llast_config(**changes) -> LlastConfig:
    """LLaST with everything it has but LoRA, at toy width; a window of 4 s."""
    return LlastConfig(
        **{
            "directions": ("en-de",),
            "encoder": WhisperConfig(mels=20, dim=16, layers=1, heads=2, ffn_dim=32, frames=200),
            "llm": fasst_config().llm,
            "speech_lora": None,
            "llm_lora": None,
            "beams": 2,
            "max_tokens": 24,
            "segment_ms": 500,
            "pause_segments": 3,
            **changes,
        }
    )


def llast(*, seed: int = 0, **changes) -> Llast:
    """A random LLaST that talks."""
    torch.manual_seed(seed)
    system = Llast(llast_config(**changes)).eval()
    system.initialise()
    system.bind(tokenizer())
    _let_talk(system)
    return system.requires_grad_(False)


def _let_talk(system: Fasst | Lst | Llast) -> None:
    """Control tokens other than the end never win."""
    with torch.no_grad():
        for parameter in system.lm.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6.0)
        specials = [i for i in range(tokenizer().vocab_size) if tokenizer().is_special(i)]
        byte_pieces = [i for i in range(tokenizer().vocab_size) if _is_byte(i)]
        system.lm.embedding.weight[specials + byte_pieces] *= 0.1
        system.lm.embedding.weight[tokenizer().eos_id] *= 6.0


def _is_byte(token: int) -> bool:
    return tokenizer().piece(token).startswith("<0x")
