r"""CLASI: an interpreter agent with a memory and a glossary (arXiv 2407.21646).

      samples                 the stream, encoded once
         |
     blockwise-causal encoder          log-mel or waveform; any encoder will do    section 2.2
         |            \
     ConvShrink        Retriever <---- glossary                                    sections 2.2, 2.5
         |                  |
     <mem> memory <sp_start> E1 .. En <sp_end> terms, instruction                  section 2.2
         |
       Llama  -->  <asr> words <cut k> tail <st> translation                section 2.1, eq. 1
                   k: where the next round's audio begins

The model decides when to write: it is trained on talks cut off anywhere, to translate the chunks
that were finished by then and to say where the last of them ended (section 2.3, eq. 2).

Faithful: the order of the prompt, one generation for words, translation and cut-off, append-only
output, the eight variants of ST beside ASR and MT (table 1), the retriever's loss and data (3.4).
Deviations and what the paper leaves open:

    C1  the encoder is ours and small (`encoder`); it runs on over the stream instead of over each
        round's audio, so nothing is computed twice
    C2  a turn's form: control tokens, the cut-off between the finished words and the rest, in
        speech embeddings; an empty turn is `<cut_0>` (`earvoice.agent.turns`)
    C3  a training example begins at a random earlier cut-off with the chunks before it in the
        memory, as a live round does (eq. 2 shows the whole recording from its start)
    C4  memory within `memory_tokens`, window within `window_s`; the paper bounds neither
    C5  the retriever's attention, pooling and pre-filter, and two losses beside the paper's
        (`earvoice.models.retriever`)
    C6  the memory is ours to fill: with words and translations of the turns that are left, terms
        of those that are gone, and a context given before the talk
    ours  `phones`: a head with which a small encoder learns to hear
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from earvoice.agent.codec import AgentCodec, control_tokens
from earvoice.config import Config, Count, Positive, Share
from earvoice.errors import UsageError
from earvoice.models.adapters import ConvShrink, ConvShrinkConfig
from earvoice.models.features import LogMelConfig
from earvoice.models.llm import LanguageModel, Llama, LlamaConfig
from earvoice.models.retriever import Retriever, RetrieverConfig
from earvoice.models.splice import IGNORED, splice
from earvoice.models.wav2vec2 import Wav2Vec2, Wav2Vec2Config, Wav2Vec2State
from earvoice.nn.losses.frames import phone_losses, with_phones
from earvoice.nn.losses.tokens import token_losses
from earvoice.nn.losses.waco import pooled, word_contrast
from earvoice.nn.state import State
from earvoice.policies import Policy
from earvoice.sessions.agent import AgentInterpreter, AgentSettings
from earvoice.text.languages import Directions, direction_pairs
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import Rate

_TERMS_SHOWN = 10
"""Terms in the prompt: the only number the paper mentions (table 7)."""


class ClasiConfig(Config):
    """CLASI's sizes. The paper publishes none; defaults are a large model of its kind."""

    kind: Literal["clasi"] = "clasi"
    directions: Directions = ("zh-en", "en-zh")
    encoder: Wav2Vec2Config = Wav2Vec2Config(
        frontend=LogMelConfig(frame_ms=40), block_frames=12, left_blocks=16, conv_kernel=7
    )
    adapter: ConvShrinkConfig = ConvShrinkConfig(layers=1)
    llm: LlamaConfig = LlamaConfig()
    retriever: RetrieverConfig | None = RetrieverConfig()
    window_s: Positive = 12.0
    least_s: Positive = 0.9
    cot: bool = True
    memory_tokens: Count = 256
    terms: Count = _TERMS_SHOWN
    terms_tokens: Count = 128
    least_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    max_tokens: Count = 192  # of one turn
    waco_temperature: Positive = 0.1
    phones: Annotated[int, Field(ge=0)] = 0
    phone_weight: Share = 0.0

    @model_validator(mode="after")
    def _streams(self) -> ClasiConfig:
        if self.encoder.bidirectional:
            raise ValueError("encoder.bidirectional must be false: the stream is encoded once")
        return self

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Source and target of every direction."""
        return direction_pairs(self.directions)

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages, each once."""
        return tuple(dict.fromkeys(code for pair in self.pairs for code in pair))

    @property
    def src_lang(self) -> str:
        """Source language of the first direction."""
        return self.pairs[0][0]

    @property
    def tgt_lang(self) -> str:
        """Target language of the first direction."""
        return self.pairs[0][1]

    @property
    def n(self) -> int:
        """Of windows of talks that its encoder learns from; no policy drives it, so it has no k."""
        return 1

    @property
    def faithful(self) -> bool:
        """There is nothing to hold: the model decides."""
        return True

    @property
    def decides(self) -> bool:
        """It decides itself when to write."""
        return True

    @property
    def embedding_s(self) -> float:
        """Seconds of one speech embedding: the grid of cut-offs."""
        frontend = self.encoder.frontend
        frame_s = frontend.frame_ms / 1000 if isinstance(frontend, LogMelConfig) else 0.02
        return frame_s * float(self.adapter.stride**self.adapter.layers)

    @property
    def most_embeddings(self) -> int:
        """Embeddings in a window, and the last cut-off there is a token for."""
        return int(self.window_s / self.embedding_s + 1e-6)

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """What a vocabulary needs besides the usual control tokens."""
        return control_tokens(self.languages, self.most_embeddings)


@dataclass
class HearingState(State):
    """Encoder and adapter state of the speech side."""

    encoder: Wav2Vec2State
    adapter: Any


class Clasi(nn.Module):
    """The network. `lm` may be any `LanguageModel`; the default is built from the configuration."""

    def __init__(self, config: ClasiConfig, lm: LanguageModel | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = Wav2Vec2(config.encoder)
        self.adapter = ConvShrink(config.adapter, config.encoder.dim, config.llm.dim)
        self.lm = Llama(config.llm) if lm is None else lm
        self.retriever = None
        if config.retriever is not None:
            self.retriever = Retriever(config.retriever, config.encoder.dim)
        self.phone_head = nn.Linear(config.encoder.dim, config.phones) if config.phones else None
        self.codec: AgentCodec | None = None

    def initialise(self) -> None:
        """Random weights for training from scratch."""
        if isinstance(self.lm, Llama):
            self.lm.initialise()

    # ---------------------------------------------------------------- speech

    @property
    def rate(self) -> Rate:
        """Samples to speech embeddings."""
        return self.encoder.rate.then(self.adapter.rate)

    @property
    def step_samples(self) -> int:
        """The step of a live stream: the encoder's block."""
        return self.encoder.block_samples

    segment_samples = step_samples

    @property
    def embedding_samples(self) -> int:
        """Samples of one speech embedding."""
        return self.rate.stride

    @property
    def frame_samples(self) -> int:
        """Samples of one encoder frame."""
        return self.encoder.rate.stride

    def init_state(self, rows: int, like: Tensor) -> HearingState:
        """Empty streams."""
        return HearingState(
            self.encoder.init_state(rows, like), self.adapter.init_state(rows, like)
        )

    def hear(
        self, x: Tensor, state: HearingState | None, rows: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Samples [B, W] -> encoder frames [B, T, D] and speech embeddings [B, N, D_llm]."""
        frames = self.encoder(x, None if state is None else state.encoder, rows)
        return frames, self.adapter(frames, None if state is None else state.adapter, rows)

    # ---------------------------------------------------------------- live

    def bind(self, tokenizer: Tokenizer) -> None:
        """Fixes the vocabulary."""
        self.codec = AgentCodec(tokenizer, self.config.most_embeddings)

    @property
    def bound(self) -> AgentCodec:
        """The codec of the vocabulary."""
        if self.codec is None:
            raise RuntimeError("call bind(tokenizer) before use")
        return self.codec

    def interpreter(
        self, tokenizer: Tokenizer, *, policy: Policy | None = None, rows: int = 1
    ) -> AgentInterpreter:
        """A live interpreter over these weights: the agent loop.

        Raises: UsageError for a policy; the model decides when to write.
        """
        if policy is not None:
            raise UsageError(f"policy is {policy!r}; this model decides when to write")
        self.bind(tokenizer)
        config = self.config
        settings = AgentSettings(
            pairs=config.pairs,
            codec=self.bound,
            most=config.most_embeddings,
            least=max(1, round(config.least_s / config.embedding_s)),
            cot=config.cot,
            memory_tokens=config.memory_tokens,
            terms=config.terms,
            terms_tokens=config.terms_tokens,
            least_score=config.least_score,
            max_tokens=config.max_tokens,
        )
        return AgentInterpreter(self, settings, rows=rows)

    # ---------------------------------------------------------------- training

    @property
    def objectives(self) -> Mapping[str, Callable[[Any], Mapping[str, Tensor]]]:
        """What a training stage can ask for; each maps a batch to named losses, `loss` in all."""
        return {
            "phones": self.phones_objective,
            "waco": self.waco_objective,
            "agent_turn": self.agent_turn_objective,
            "retrieve": self.retrieve_objective,
        }

    def phones_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Frame-phoneme cross entropy: the quickest way for a small encoder to hear."""
        return phone_losses(self.phone_head, self.encoder(batch.samples), batch.phones)

    def waco_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Words of speech meet words of text (WACO, FASST's stage 1): a start for the adapter."""
        frames = self.encoder(batch.samples)
        speech = self.adapter(frames)
        written = pooled(self.lm.embed(batch.word_ids), batch.word_ids_mask)
        found = word_contrast(speech, batch.word_spans, written, self.config.waco_temperature)
        losses = {
            "loss": found.with_norm,
            "waco": found.loss.detach(),
            "retrieval": found.retrieval,
        }
        return with_phones(losses, self.phone_head, self.config.phone_weight, frames, batch)

    def agent_turn_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Cross entropy of turns: ASR, MT and ST, live and whole, with and without knowledge."""
        speech = self._speech(batch)
        counts = [len(part) for part in speech]
        row = splice(
            self.lm, pad_sequence(speech, batch_first=True), counts, batch.prompts, batch.answers
        )
        hidden = self.lm(row.x, row.entries)
        counted = row.labels != IGNORED
        logits, labels = self.lm.logits(hidden[counted]), row.labels[counted]
        losses = token_losses(logits, labels)
        cuts = torch.isin(labels, torch.tensor(self.bound.cut_ids))
        if cuts.any():
            losses["cut_accuracy"] = (logits[cuts].argmax(-1) == labels[cuts]).float().mean()
        return losses

    def retrieve_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """The retriever apart (section 3.4): which terms of the batch are in which window."""
        if self.retriever is None:
            raise RuntimeError("this configuration has no retriever: set `retriever`")
        frames = self.encoder(batch.samples)[:, batch.lead_frames :]
        return self.retriever.losses(frames, batch.terms, batch.present, batch.said)

    def _speech(self, batch: Any) -> list[Tensor]:
        """Each item's embeddings [N, D]: of its audio after the lead, or of its words."""
        sounding = [item for item, words in enumerate(batch.words) if words is None]
        heard: dict[int, Tensor] = {}
        if sounding:  # what is written has no sound for the encoder to work on
            heard = dict(zip(sounding, self.hear(batch.samples[sounding], None)[1], strict=True))
        found = []
        for item, (lead, count) in enumerate(zip(batch.leads, batch.counts, strict=True)):
            if item in heard:
                found.append(heard[item][lead : lead + count])
            else:
                found.append(self._written(batch.words[item], batch.slots[item]))
        return found

    def _written(self, words: Sequence[Sequence[int]], slots: Sequence[int]) -> Tensor:
        """Text in place of speech: each slot is the mean of its word's tokens, or a pause.

        What WACO teaches the encoder to give. Args: slots: 0 for a pause, or 1 + a word's number.
        """
        pause = self.lm.embed(torch.tensor([self.bound.tokenizer.pad_id]))
        means = [self.lm.embed(torch.tensor(ids)).mean(0, keepdim=True) for ids in words]
        return torch.cat([pause, *means])[torch.tensor(slots, dtype=torch.long)]
