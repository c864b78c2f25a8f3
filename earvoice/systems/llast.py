"""LLaST: an LLM that translates speech, tuned by LoRA on both sides (arXiv 2407.15415).

      samples, padded to 30 s
         |
      Whisper encoder        frozen, + S-LoRA; cut to the real length, 50 frames a second
         |
      Mlp, 3 layers          to the LLM's width
         |
      [chat [AUDIO] Please translate the French sentence into English. chat] target
         |
      chat LLM               frozen, + L-LoRA

One stage on all directions at once, the transcripts of the same recordings as tasks of their own.
Faithful to the published code: features, prompts and chat templates byte for byte, what is learnt
(the answer and its end token), LoRA on every linear layer. Deviations:

    Q1  positions: the code's run through the padding of a batch (`positions: gap`); by default the
        text follows its own speech, as it does when one clip is decoded
    Q2  the Whisper decoder, whose output the code throws away, is not there
    Q4  frames are at most the window's; the code lets a longer clip blank its neighbours' text
    ours  `stack` (frames side by side before the adapter) and, of the encoder, `strides` and
          `padded`, `conv_kernel`: they make a small model cheap; `phones`: a head with which a
          small encoder learns to hear; `text_translate`, `waco`, `listen`: what stands in for
          downloaded parts
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from earvoice.agent.foreign import told
from earvoice.audio.pauses import PauseKind, pause_finder
from earvoice.config import Config, Count, Positive, Share
from earvoice.models.adapters import Mlp
from earvoice.models.llm import LanguageModel, Llama, LlamaConfig
from earvoice.models.llm_config import LlmConfig, build_lm, width_of
from earvoice.models.lora import LoraConfig, adapt_lm, adapt_whisper, reset_peft
from earvoice.models.splice import IGNORED, Answer, Spliced, splice
from earvoice.models.whisper import Whisper, WhisperConfig
from earvoice.nn.lora import lora_layers
from earvoice.nn.losses.ctc import embedding_ctc_loss
from earvoice.nn.losses.frames import phone_losses, with_phones
from earvoice.nn.losses.tokens import token_losses
from earvoice.nn.losses.waco import pooled, word_contrast
from earvoice.policies import Policy, WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.search.beam import BeamSettings
from earvoice.sessions.attended import AlignAttConfig
from earvoice.sessions.window import WindowInterpreter, WindowSettings
from earvoice.sessions.window_session import TOKENS_A_WORD
from earvoice.text.chat import CHATS, ChatTemplate, Task
from earvoice.text.languages import Directions, direction_pairs
from earvoice.text.prompt import Prompt
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE

DIRECTIONS = ("fr-en", "es-en", "de-en", "it-en", "zh-en", "ja-en", "en-ja", "en-de", "en-zh")
"""The paper's nine directions of CoVoST 2, in the order of the published training lists."""
CTC_WEIGHT = 0.3
CTC_TEMPERATURE = 0.2


class LlastConfig(Config):
    """LLaST's sizes; defaults are the 2B model (TinyLlama). Brackets: the published code's."""

    kind: Literal["llast"] = "llast"
    directions: Directions = DIRECTIONS
    encoder: WhisperConfig = WhisperConfig()
    adapter_layers: Count = 3  # [projector_depth]
    stack: Count = 1  # frames that make one embedding of the LLM
    llm: LlmConfig = LlamaConfig(dim=2048, layers=22, kv_heads=4, ffn_dim=5632)
    chat: str = "tinyllama"  # a name of text/chat.py
    speech_lora: LoraConfig | None = LoraConfig(rank=128, alpha=64.0)  # S-LoRA
    llm_lora: LoraConfig | None = LoraConfig(rank=512, alpha=256.0)  # L-LoRA
    positions: Literal["compact", "gap"] = "compact"
    beams: Count = 5
    max_tokens: Count = 256  # of one window [max_new_tokens]
    context_words: Annotated[int, Field(ge=0)] = 0  # ours: terms, a context, words of before
    k: Count = OFFLINE_K  # read all there is; for live use ask for another policy
    n: Count = 3
    segment_ms: Annotated[int, Field(ge=100)] = 1000  # step of a live stream
    pause_segments: Count = 8  # a pause ends a window from here on, else its 30 s do
    waco_temperature: Positive = 0.1
    phones: Annotated[int, Field(ge=0)] = 0
    phone_weight: Share = 0.0  # of the phoneme head beside other objectives
    align_att: AlignAttConfig = AlignAttConfig()
    pauses: PauseKind = "energy"

    @field_validator("chat")
    @classmethod
    def _a_template_there_is(cls, chat: str) -> str:
        if chat not in CHATS:
            raise ValueError(f"it must be one of {', '.join(CHATS)}")
        return chat

    @model_validator(mode="after")
    def _window_has_a_segment(self) -> LlastConfig:
        if self.window_segments < 1:
            raise ValueError(
                f"segment_ms is {self.segment_ms}, it must be at most the encoder's window, "
                f"{self.encoder.window_samples * 1000 // SAMPLE_RATE} ms"
            )
        return self

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Source and target of every direction."""
        return direction_pairs(self.directions)

    @property
    def src_lang(self) -> str:
        """Source language of the first direction."""
        return self.pairs[0][0]

    @property
    def tgt_lang(self) -> str:
        """Target language of the first direction."""
        return self.pairs[0][1]

    @property
    def faithful(self) -> bool:
        """An utterance is written whole: there is nothing to hold."""
        return True

    @property
    def segment_samples(self) -> int:
        """Samples of one step of a live stream."""
        return self.segment_ms * SAMPLE_RATE // 1000

    @property
    def window_segments(self) -> int:
        """Segments that fit into the encoder's window."""
        return self.encoder.window_samples // self.segment_samples


class Llast(nn.Module):
    """The network. `lm` may be any `LanguageModel`; the default is built from the configuration."""

    def __init__(self, config: LlastConfig, lm: LanguageModel | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = Whisper(config.encoder)
        self.lm = build_lm(config.llm) if lm is None else lm
        width = config.stack * config.encoder.dim
        self.adapter = Mlp(width, width_of(self.lm), config.adapter_layers)
        self.phone_head = nn.Linear(config.encoder.dim, config.phones) if config.phones else None
        self.tokenizer: Tokenizer | None = None
        if config.speech_lora is not None:
            adapt_whisper(self.encoder, config.speech_lora)
        if config.llm_lora is not None:
            adapt_lm(self.lm, config.llm_lora)

    def initialise(self) -> None:
        """Random weights for training from scratch; every adaptation starts as no change."""
        self.encoder.initialise()
        if isinstance(self.lm, Llama):
            self.lm.initialise()
        for _, layer in lora_layers(self):
            layer.reset_lora()
        reset_peft(self)

    # ---------------------------------------------------------------- speech and prompt

    def embeddings_of(self, samples: int) -> int:
        """Speech embeddings that so many samples give: 50 a second, at most the window's."""
        return -(-self.encoder.frames_of(samples) // self.config.stack)

    def forward(self, samples: Tensor, counts: Sequence[int] | None = None) -> Tensor:
        """Speech embeddings of a batch.

        Args: samples [B, W], zeros behind each end; counts: samples of each, None for W.
        Returns: [B, N, D_llm]; item i has `embeddings_of(counts[i])` real ones.
        """
        counts = [samples.shape[1]] * len(samples) if counts is None else counts
        return self.adapter(self._stacked(self.encoder(samples, counts), counts))

    def _stacked(self, x: Tensor, counts: Sequence[int]) -> Tensor:
        """Frames side by side: [B, T, D] -> [B, T / stack, stack * D], rounded up with zeros."""
        stack = self.config.stack
        if stack == 1:
            return x
        frames = torch.tensor([self.encoder.frames_of(count) for count in counts])
        real = torch.arange(x.shape[1]) < frames[:, None]
        x = x * real[..., None].to(x.device, x.dtype)  # an item's last embedding sees only its own
        x = F.pad(x, (0, 0, 0, -x.shape[1] % stack))
        return x.unflatten(1, (-1, stack)).flatten(2)

    @property
    def chat(self) -> ChatTemplate:
        """The chat template of the language model."""
        return CHATS[self.config.chat]

    def prompt(
        self, tokenizer: Tokenizer, src_lang: str, tgt_lang: str, task: Task = "translate"
    ) -> Prompt:
        """Token ids around the speech."""
        return self.chat.encode(tokenizer, task, src_lang, tgt_lang)

    def encode(self, audio: Sequence[Tensor]) -> list[Tensor]:
        """Samples [W] each -> speech embeddings [N, D_llm] each."""
        counts = [len(samples) for samples in audio]
        speech = self(pad_sequence(list(audio), batch_first=True), counts)
        return [row[: self.embeddings_of(n)] for row, n in zip(speech, counts, strict=True)]

    def embed(self, ids: Tensor) -> Tensor:
        """Tokens of prompt and text: [T] -> [T, D_llm]."""
        return self.lm.embed(ids)

    def interpreter(
        self, tokenizer: Tokenizer, *, policy: Policy | None = None, rows: int = 1
    ) -> WindowInterpreter:
        """A live interpreter over these weights: the window loop, 30 s at most."""
        config = self.config
        prompts = [self.prompt(tokenizer, *pair) for pair in config.pairs]
        room = max(len(prompt.before) + len(prompt.after) for prompt in prompts)
        settings = WindowSettings(
            pairs=config.pairs,
            policy=policy or WaitK(config.k, config.n),
            prompt=lambda source, target, context: told(
                self.prompt(tokenizer, source, target), tokenizer, context
            ),
            segment_samples=config.segment_samples,
            window=config.window_segments,
            pause_after=config.pause_segments,
            entries=room + config.encoder.frames + TOKENS_A_WORD * config.context_words,
            context_words=config.context_words,
            text_tokens=config.max_tokens,
            search=BeamSettings(config.beams),
            align_att=config.align_att,
            pauses=pause_finder(config.pauses),
        )
        return WindowInterpreter(self, tokenizer, settings, rows=rows)

    # ---------------------------------------------------------------- training

    def bind(self, tokenizer: Tokenizer) -> None:
        """Fixes the vocabulary; only `listen` asks for it."""
        self.tokenizer = tokenizer

    @property
    def objectives(self) -> Mapping[str, Callable[[Any], Mapping[str, Tensor]]]:
        """What a training stage can ask for; each maps a batch to named losses, `loss` in all."""
        return {
            "phones": self.phones_objective,
            "waco": self.waco_objective,
            "text_translate": self.text_translate_objective,
            "listen": self.listen_objective,
            "translate": self.translate_objective,
        }

    def translate_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Cross entropy of the answers: translations and transcripts alike."""
        with _seeded(batch.seed):
            frames = self.encoder(batch.samples, batch.counts)
            speech = self.adapter(self._stacked(frames, batch.counts))
            losses = self._answer_loss(speech, self._embeddings(batch), batch)
        return with_phones(losses, self.phone_head, self.config.phone_weight, frames, batch)

    def waco_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Words of speech meet words of text (WACO, FASST's stage 1): a start for the adapter."""
        frames = self.encoder(batch.samples, batch.counts)
        speech = self.adapter(self._stacked(frames, batch.counts))
        written = pooled(self.lm.embed(batch.word_ids), batch.word_ids_mask)
        found = word_contrast(speech, batch.word_spans, written, self.config.waco_temperature)
        losses = {
            "loss": found.with_norm,
            "waco": found.loss.detach(),
            "retrieval": found.retrieval,
        }
        return with_phones(losses, self.phone_head, self.config.phone_weight, frames, batch)

    def listen_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """The same, and CTC of the transcript over the LLM's embeddings, weighted 0.3.

        For an adapter that starts from nothing: it finds the LLM's words sooner.
        """
        with _seeded(batch.seed):
            speech = self(batch.samples, batch.counts)
            counts = self._embeddings(batch)
            losses = dict(self._answer_loss(speech, counts, batch))
        said = [torch.tensor(ids, dtype=torch.long) for ids in batch.sources]
        ctc = embedding_ctc_loss(
            speech,
            self.lm.embed(torch.arange(self.config.llm.vocab_size)).detach(),
            torch.cat(said),
            torch.tensor([len(ids) for ids in said]),
            steps=torch.tensor(counts),
            blank=self._bound.eos_id,
            temperature=CTC_TEMPERATURE,
        )
        return losses | {"loss": losses["loss"] + CTC_WEIGHT * ctc, "ctc": ctc.detach()}

    def text_translate_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Pre-training of a small LM: the embeddings of the source's words stand for speech.

        Token by token; or, where the batch's text lies in time, each slot holds the mean of the
        word that would be spoken then, which is what WACO teaches the encoder to give.
        """
        if any(batch.counts):
            return self._answer_loss(self._written(batch), self._embeddings(batch), batch)
        heard = [self.lm.embed(torch.tensor(ids, dtype=torch.long)) for ids in batch.sources]
        counts = [len(ids) for ids in batch.sources]
        return self._answer_loss(pad_sequence(heard, batch_first=True), counts, batch)

    def _written(self, batch: Any) -> Tensor:
        """Words in place of speech: [B, N, D]; a pause is the padding token."""
        words = pooled(self.lm.embed(batch.word_ids), batch.word_ids_mask)
        pause = self.lm.embed(torch.tensor([self._bound.pad_id]))
        slots = torch.zeros(len(batch.counts), max(self._embeddings(batch)), dtype=torch.long)
        for number, (item, first, last) in enumerate(batch.word_spans.tolist(), start=1):
            slots[item, first : last + 1] = number
        return torch.cat([pause, words])[slots]

    def phones_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Frame-phoneme cross entropy: the quickest way for a small encoder to hear."""
        frames = self.encoder(batch.samples, batch.counts)
        return phone_losses(self.phone_head, frames, batch.phones)

    def _embeddings(self, batch: Any) -> list[int]:
        return [self.embeddings_of(count) for count in batch.counts]

    @property
    def _bound(self) -> Tokenizer:
        if self.tokenizer is None:
            raise RuntimeError("call bind(tokenizer) before use")
        return self.tokenizer

    def _answer_loss(
        self, speech: Tensor, counts: Sequence[int], batch: Any
    ) -> Mapping[str, Tensor]:
        hidden, spliced = self._layout(speech, counts, batch.prompts, batch.answers)
        counted = spliced.labels != IGNORED
        return token_losses(self.lm.logits(hidden[counted]), spliced.labels[counted])

    def training_forward(
        self,
        samples: Tensor,
        counts: Sequence[int],
        prompts: Sequence[Prompt],
        answers: Sequence[Answer],
    ) -> tuple[Tensor, Spliced]:
        """Hidden states [B, T, D] of the whole batch, and its layout."""
        frames = [self.embeddings_of(count) for count in counts]
        return self._layout(self(samples, counts), frames, prompts, answers)

    def _layout(
        self,
        speech: Tensor,
        frames: Sequence[int],
        prompts: Sequence[Prompt],
        answers: Sequence[Answer],
    ) -> tuple[Tensor, Spliced]:
        gap = self.config.positions == "gap"
        spliced = splice(self.lm, speech, frames, prompts, answers, gap=gap)
        return self.lm(spliced.x, spliced.entries), spliced


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Makes dropout a function of the batch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
