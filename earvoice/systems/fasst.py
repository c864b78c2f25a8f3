"""FASST: fast simultaneous speech translation with a speech LLM (arXiv 2408.09430).

      samples          blocks of ~1 s, never recomputed
         |
     wav2vec 2.0       blockwise-causal, ring caches            section 3.2
         |
     ConvShrink        4x fewer frames, linear to the LLM       section 3.2
         |
     [prompt] E1 .. Ek [<sp_end>] T1  Ek+1  T2  Ek+2  T3 ...    section 3.4, eq. 13
         |             consistency mask: speech never sees text
       Llama           wait-k-stride-n, greedy                  sections 3.2, 4.2

Faithful: blocks, mask, positions of speech and text counted from the same start, the re-fed last
token, the wait-k training mask, WACO. Deviations, each a field of the configuration:

    D1  a word is counted at word-start pieces, as the authors' code does (the paper's figure
        counts punctuation)
    D2  only the positional convolution is padded, as in the code
    D3  left padding makes i seconds give exactly 50 i frames, so that incremental equals full
        (`left_pad` of the front-end and the adapter; False is the paper's code)
    D6  the wait-k mask uses the true number of embeddings per segment (the code: always 12)
    D7  freezing is data of a training stage (`trainable`)
    ours  `hold`: the model may say "nothing more yet", which keeps it in step with any speaker;
          `wait_tags`: it is told k; `window_segments`: older segments are dropped, so that a
          stream can last for hours. `faithful: true` turns the first two off.
          `text_position: time`: text stands where it was written, not by its own count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from earvoice.config import Config, Count, Positive, Share
from earvoice.models.adapters import ConvShrink, ConvShrinkConfig
from earvoice.models.features import WaveformConfig
from earvoice.models.llm import LanguageModel, Llama, LlamaConfig
from earvoice.models.wav2vec2 import Wav2Vec2, Wav2Vec2Config, Wav2Vec2State
from earvoice.nn.losses.ctc import embedding_ctc_loss
from earvoice.nn.losses.frames import phone_losses, with_phones
from earvoice.nn.losses.tokens import token_losses
from earvoice.nn.losses.waco import pooled, word_contrast
from earvoice.nn.masks import PADDING, PROMPT, SPEECH, Entries, consistency
from earvoice.nn.state import State
from earvoice.policies import Policy, WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.sessions.append import AppendInterpreter, AppendSettings
from earvoice.sessions.layout import (
    Layout,
    SteppedTarget,
    TrainingPrompt,
    stepped_target,
    training_layout,
)
from earvoice.sessions.numbering import TextPosition, heard_by_step
from earvoice.text.prompt import Prompt, PromptTemplate
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import Rate

WAIT_TAGS = {1: "<wait_1>", 2: "<wait_2>", 3: "<wait_3>", 4: "<wait_4>", 5: "<wait_5>"}
WAIT_ALL = "<wait_all>"
TEXT_PER_SEGMENT = 16
"""Cache room for text, in tokens a segment; three German words are about six."""


class PromptConfig(Config):
    """What stands around the speech; the default is the authors' Vicuna-like template."""

    before_speech: str = (
        "<s>A chat between a user and an assistant for speech. The assistant translates what "
        "the user says. USER: <sp_start>"
    )
    after_speech: str = "<sp_end> ASSISTANT:"


class FasstConfig(Config):
    """FASST's sizes and policy; defaults are the paper's."""

    kind: Literal["fasst"] = "fasst"
    src_lang: str = "en"
    tgt_lang: str = "de"
    encoder: Wav2Vec2Config = Wav2Vec2Config()
    adapter: ConvShrinkConfig = ConvShrinkConfig()
    llm: LlamaConfig = LlamaConfig(vocab_size=32003)  # [+ <sp_patch> <sp_start> <sp_end>]
    prompt: PromptConfig = PromptConfig()
    k: Count = 3  # [tested with 1..5]
    n: Count = 3  # [section 4.2]
    faithful: bool = True
    text_position: TextPosition = "count"  # [3.4]; ours: "time", see sessions/numbering.py
    window_segments: Count = 30  # ours: the longest speech context of a live stream
    keep_segments: Count = 15  # ours: what remains when the window slides
    waco_temperature: Positive = 0.2  # [section 4.2]
    phones: Annotated[int, Field(ge=0)] = 0  # frame-phoneme head for warm-up stages; not exported
    phone_weight: Share = 0.0  # its weight beside other objectives

    @model_validator(mode="after")
    def _window_slides(self) -> FasstConfig:
        if self.keep_segments >= self.window_segments:
            raise ValueError(
                f"keep_segments is {self.keep_segments}, it must be less than window_segments, "
                f"which is {self.window_segments}"
            )
        return self


@dataclass
class SpeechState(State):
    """Encoder and adapter state of the speech side."""

    encoder: Wav2Vec2State
    adapter: Any


class Fasst(nn.Module):
    """The network. `lm` may be any `LanguageModel`; the default is built from the configuration."""

    def __init__(self, config: FasstConfig, lm: LanguageModel | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = Wav2Vec2(config.encoder)
        self.adapter = ConvShrink(config.adapter, config.encoder.dim, config.llm.dim)
        self.lm = Llama(config.llm) if lm is None else lm
        self.phone_head = nn.Linear(config.encoder.dim, config.phones) if config.phones else None
        self.training_prompt: TrainingPrompt | None = None

    # ---------------------------------------------------------------- speech

    @property
    def rate(self) -> Rate:
        """Samples to speech embeddings."""
        return self.encoder.rate.then(self.adapter.rate)

    @property
    def segment_samples(self) -> int:
        """One segment: the encoder's block."""
        return self.encoder.block_samples

    @property
    def late_segments(self) -> int:
        """How many segments after its own a block of speech comes out."""
        frontend = self.config.encoder.frontend
        return int(isinstance(frontend, WaveformConfig) and not frontend.left_pad)

    def init_state(self, rows: int, like: Tensor) -> SpeechState:
        """Empty speech state."""
        return SpeechState(self.encoder.init_state(rows, like), self.adapter.init_state(rows, like))

    def forward(
        self, x: Tensor, state: SpeechState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """Samples [B, W] -> speech embeddings [B, T, D_llm]."""
        frames = self.encoder(x, None if state is None else state.encoder, rows)
        return self.adapter(frames, None if state is None else state.adapter, rows)

    def flush(self, state: SpeechState, rows: Sequence[int] | None = None) -> Tensor:
        """The incomplete last block, through the adapter. [B, T', D_llm]."""
        return self.adapter(self.encoder.flush(state.encoder, rows), state.adapter, rows)

    def segment_of(self, embeddings: int) -> Tensor:
        """The segment (from 1) in which each embedding appears. [embeddings].

        Without left padding (discrepancy D3) a block is complete one segment late, except the
        last: when the source ends, nothing is waited for.
        """
        stride = self.adapter.rate.stride
        frames = torch.arange(1, embeddings + 1) * stride
        if not self.config.adapter.left_pad:
            frames = frames + self.adapter.rate.window - stride
        block = torch.div(frames - 1, self.config.encoder.block_frames, rounding_mode="floor") + 1
        return (block + self.late_segments).clamp(max=int(block.max())) if embeddings else block

    # ---------------------------------------------------------------- prompt

    def prompt(self, tokenizer: Tokenizer, k: int) -> Prompt:
        """Token ids around the speech; k is told where the configuration is not faithful."""
        spec = self.config.prompt
        template = PromptTemplate(spec.before_speech, spec.after_speech)
        prompt = template.encode(tokenizer)
        if self.config.faithful:
            return prompt
        everything = k > min(self.config.window_segments, OFFLINE_K - 1)
        tag = WAIT_ALL if everything else WAIT_TAGS[min(k, max(WAIT_TAGS))]
        return Prompt(prompt.before, (*prompt.after, tokenizer.special_id(tag)))

    def interpreter(
        self, tokenizer: Tokenizer, *, policy: Policy | None = None, rows: int = 1
    ) -> AppendInterpreter:
        """A live interpreter over these weights: the append loop (section 3.4)."""
        config = self.config
        longest = len(self.prompt(tokenizer, config.k).before) + 8
        per_segment = -(-self.segment_samples // self.rate.stride) + TEXT_PER_SEGMENT
        settings = AppendSettings(
            src_lang=config.src_lang,
            tgt_lang=config.tgt_lang,
            policy=policy or WaitK(config.k, config.n),
            prompt=lambda k: self.prompt(tokenizer, k),
            window=config.window_segments,
            keep=config.keep_segments,
            cache_entries=longest + (config.window_segments + 1) * per_segment,
            holds=not config.faithful,
            late=self.late_segments,
            text_position=config.text_position,
        )
        return AppendInterpreter(self, self.lm, tokenizer, settings, rows=rows)

    def initialise(self) -> None:
        """Random weights for training from scratch."""
        if isinstance(self.lm, Llama):
            self.lm.initialise()

    # ---------------------------------------------------------------- training

    def bind(self, tokenizer: Tokenizer) -> None:
        """Fixes the prompts and the end token that the objectives use."""
        ks = [*WAIT_TAGS, OFFLINE_K]
        prompts = {k: self.prompt(tokenizer, k) for k in ks}
        self.training_prompt = TrainingPrompt(prompts, tokenizer.eos_id, tokenizer.pad_id)

    @property
    def objectives(self) -> Mapping[str, Callable[[Any], Mapping[str, Tensor]]]:
        """What a training stage can ask for; each maps a batch to named losses, `loss` in all."""
        return {
            "phones": self.phones_objective,
            "waco": self.waco_objective,
            "ctc": self.ctc_objective,
            "wait_k": self.wait_k_objective,
            "text_wait_k": self.text_wait_k_objective,
        }

    def phones_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Frame-phoneme cross entropy: the encoder's warm-up on clean speech."""
        return phone_losses(self.phone_head, self.encoder(batch.samples), batch.phones)

    def waco_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Stage 1: word-aligned contrastive learning (eq. 7); the language model is frozen."""
        frames = self.encoder(batch.samples)
        speech = self.adapter(frames)
        written = pooled(self.lm.embed(batch.word_ids), batch.word_ids_mask)
        found = word_contrast(speech, batch.word_spans, written, self.config.waco_temperature)
        total = found.loss if self.config.faithful else found.with_norm
        losses = {"loss": total, "waco": found.loss.detach(), "retrieval": found.retrieval}
        return with_phones(losses, self.phone_head, self.config.phone_weight, frames, batch)

    def ctc_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """What stage 1 is compared with (figure 8): CTC of the transcript, LM frozen."""
        frames = self.encoder(batch.samples)
        speech = self.adapter(frames)
        items, mask = batch.word_spans[:, 0], batch.word_ids_mask.bool()
        counts = torch.zeros(len(speech), dtype=torch.long).index_add(0, items, mask.sum(1))
        with torch.no_grad():
            table = self.lm.embed(torch.arange(self.config.llm.vocab_size))
        loss = embedding_ctc_loss(
            speech,
            table,
            batch.word_ids[mask],
            counts,
            blank=self._bound.eos_id,
            temperature=self.config.waco_temperature,
        )
        losses = {"loss": loss, "ctc": loss.detach()}
        return with_phones(losses, self.phone_head, self.config.phone_weight, frames, batch)

    def wait_k_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Stage 2: cross entropy on the target under the wait-k mask (section 3.3)."""
        frames = self.encoder(batch.samples)
        losses = self._translation_loss(self.adapter(frames), batch.targets)
        return with_phones(losses, self.phone_head, self.config.phone_weight, frames, batch)

    def text_wait_k_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Pre-training of a small LM on text: the embeddings of the words stand for their speech.

        The source comes as tokens in time (`SpokenTokens`), or each speech slot carries the mean
        token embedding of the word spoken then, which is what WACO later teaches the encoder to
        produce. The layout and the masks are stage 2's.
        """
        if batch.spoken is not None:
            speech = self.lm.embed(batch.spoken.ids)
            return self._translation_loss(speech, batch.targets, batch.spoken)
        words = pooled(self.lm.embed(batch.word_ids), batch.word_ids_mask)
        silence = self.lm.embed(torch.tensor([[self._bound.pad_id]]))[0]
        table = torch.cat([silence, words])
        return self._translation_loss(table[batch.oracle], batch.targets)

    @property
    def _bound(self) -> TrainingPrompt:
        if self.training_prompt is None:
            raise RuntimeError("call bind(tokenizer) before training")
        return self.training_prompt

    def _translation_loss(
        self, speech: Tensor, targets: Sequence[Any], spoken: Any = None
    ) -> dict[str, Tensor]:
        stepped = [
            stepped_target(
                target.words,
                target.steps,
                target.supported,
                first_step=target.first_step,
                last_step=target.last_step,
                k=target.k,
                n=target.n,
                ended=target.ended,
                missed=target.missed,
                hold=not self.config.faithful,
            )
            for target in targets
        ]
        hidden, layout = self.training_forward(speech, stepped, spoken)
        counted = layout.labels >= 0
        return token_losses(self.lm.logits(hidden[counted]), layout.labels[counted])

    def training_forward(
        self, speech: Tensor, targets: Sequence[SteppedTarget], spoken: Any = None
    ) -> tuple[Tensor, Layout]:
        """All speech first, all text after (section 3.3): hidden states of the text rows.

        Args: speech [B, N, D] embeddings; targets, one per item; spoken: positions and segments
            of the embeddings where they are not the speech model's own.
        Returns: hidden [B, U, D] and the layout of those rows.
        """
        bound = self._bound
        batch, count, _ = speech.shape
        before = torch.tensor(bound.prompts[OFFLINE_K].before).expand(batch, -1)
        last_step = max(target.last_step for target in targets)
        heard = self._heard(count if spoken is None else None, last_step)
        layout = training_layout(targets, bound, before.shape[1], count, heard)
        segment = self.segment_of(count).expand(batch, -1) if spoken is None else spoken.segment
        position = torch.arange(count).expand(batch, -1) if spoken is None else spoken.position
        head = _speech_entries(before.shape[1], position, segment)
        prompt = self.lm.embed(before).to(speech.dtype)
        text = self.lm.embed(layout.ids).to(speech.dtype)
        x = torch.cat([prompt, speech, text], dim=1)
        entries = _joined(head, layout.entries)
        hidden = self.lm(x, entries, mask=consistency)
        return hidden[:, before.shape[1] + count :], layout

    def _heard(self, embeddings: int | None, last_step: int) -> list[int] | None:
        """Speech embeddings up to each step, for text placed in time.

        embeddings: how many there are; None: as many as `last_step` whole segments have.
        """
        if self.config.text_position == "count":
            return None
        whole = last_step * self.segment_samples // self.rate.stride
        segment = self.segment_of(whole if embeddings is None else embeddings)
        return heard_by_step(segment.tolist(), last_step)


def _speech_entries(prompt_tokens: int, position: Tensor, segment: Tensor) -> Entries:
    """Prompt and speech. position [B, N] counts from the prompt's end; segment 0 is padding."""
    batch, count = segment.shape
    prompt = torch.arange(prompt_tokens).expand(batch, -1)
    zeros = torch.zeros(batch, prompt_tokens, dtype=torch.long)
    kind = torch.where(segment > 0, SPEECH, PADDING)
    return Entries(
        order=torch.arange(prompt_tokens + count).expand(batch, -1),
        position=torch.cat([prompt, position + prompt_tokens], dim=1),
        kind=torch.cat([torch.full_like(zeros, PROMPT), kind], dim=1),
        segment=torch.cat([zeros, segment], dim=1),
    )


def _joined(left: Entries, right: Entries) -> Entries:
    return Entries(
        *(
            torch.cat([getattr(left, name), getattr(right, name)], dim=1)
            for name in ("order", "position", "kind", "segment")
        )
    )
