"""JSTAR: joint streaming transcription and translation of a two-person conversation.

Source: arXiv 2412.15415 (ICASSP 2025), of which only abstract and summaries were available: [s].
[a] is the same team's predecessor AGADIR (2401.10411), [o] ours; docs/systems/jstar.md lists what
is open.

    microphones --- beams --- log-mel, 60 ms frames
                                   |
                    fast stack, 20 layers, little context ----- predictor + joiner -> transcript
                                   |
                    slow stack, 10 layers, more context ------- predictor + joiner -> translation

    transcript    <SELF> words <OTHER> words ...    words of both in the order of time
    translation   <SELF> words <OTHER> words ...    turns in the order in which they end

Faithful: the cascade, separate predictors and joiners, tags in the text, L = L_st + 0.5 L_asr,
pre-training as a transducer that translates text with the same slow stack, predictor and joiner.
Deviations and gaps:

J1  Contexts in milliseconds are not known; 240 ms + 60 ms and 960 ms + 240 ms are ours.
J2  Which transducer loss is not known; by default the whole sum over paths for the translation,
    and for the transcript an alignment-restricted one where word times exist. `st.align_before`
    restricts the translation too: each token from the end of the last source word it needs until
    `st.align_behind` frames after that (`st_until: word`) or after the end of its turn (`turn`).
J3  How translations of overlapping speakers are ordered is not known: by the end of their source.
J4  The input of text pre-training is not known: embedded source tokens, each repeated as often as
    a spoken one lasts frames.
J5  Layer norm where Conformers have batch norm, no memory bank (`nn/emformer.py`).
J6  A phoneme head on the fast stack, for small models from scratch; the paper's start is not known.
J7  tanh between the joiner's two sides, where AGADIR has ReLU, and no dropout in the predictor.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from earvoice.audio.arrays import MicrophoneArray
from earvoice.config import Config, Count, Share
from earvoice.errors import UsageError
from earvoice.models.cascade import Cascade, CascadeState, EmformerConfig
from earvoice.models.frontend import Frontend, FrontendConfig
from earvoice.models.transducer import BLANK, LstmConfig, Transducer, TransducerConfig
from earvoice.nn.losses.frames import phone_losses, with_phones
from earvoice.nn.state import State
from earvoice.policies import Policy
from earvoice.search.transducer import TransducerSettings
from earvoice.sessions.frame import FrameInterpreter, FrameSettings
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE, Rate, Samples

SELF, OTHER = "<SELF>", "<OTHER>"
"""Tokens before the words of the wearer and of the partner. [s]"""


class SearchConfig(Config):
    """How a branch is searched live. Beam sizes are not known of the paper [o]."""

    beams: Count = 4
    max_symbols: Count = 10
    """Tokens a frame; a translated turn may come whole in one."""
    blank_penalty: float = 0.0
    max_open_frames: Count | None = None
    """Frames after which a token is final though not all hypotheses have it; None: never."""

    def settings(self) -> TransducerSettings:
        """For the search."""
        return TransducerSettings(
            beams=self.beams,
            max_symbols=self.max_symbols,
            blank_penalty=self.blank_penalty,
            max_open_frames=self.max_open_frames,
        )


class JstarConfig(Config):
    """JSTAR at its own size where that is known; sources in brackets, see the module."""

    kind: Literal["jstar"] = "jstar"
    src_lang: str = "en"
    tgt_lang: str = "es"
    both_ways: bool = False
    """Trained on wearers of either language."""
    frontend: FrontendConfig = FrontendConfig()
    """13 beams of 5 microphones, 1326 features [s], or one microphone [o]."""
    fast: EmformerConfig = EmformerConfig(  # 20 layers [s], 4 heads, FFN 2048 [a], contexts [o]
        dim=512, layers=20, heads=4, ffn_dim=2048, kernel=15, chunk=4, left=20, right=1
    )
    slow: EmformerConfig = EmformerConfig(  # 10 layers [s]
        dim=512, layers=10, heads=4, ffn_dim=2048, kernel=15, chunk=16, left=40, right=4
    )
    asr: TransducerConfig = TransducerConfig(  # LSTM 256, joint 768, restricted alignment [a]
        predictor=LstmConfig(dim=256), joint=768, align_before=0, align_behind=15
    )
    st: TransducerConfig = TransducerConfig(predictor=LstmConfig(dim=256), joint=768)
    vocab_size: Count = 9001  # [a], for English and Spanish
    asr_weight: Share = 0.5  # lambda [s]
    search_asr: SearchConfig = SearchConfig(max_symbols=5)
    search_st: SearchConfig = SearchConfig(max_symbols=60)
    text_repeats: tuple[Count, Count] = (2, 5)
    """Frames that a source token lasts in text pre-training, drawn for each. [o]"""
    st_until: Literal["word", "turn"] = "turn"
    """What a restricted token of the translation may come `align_behind` frames after at most: the
    last source word it needs, or the end of its turn. [o]"""
    text_source: bool = True
    """Embeddings of source tokens, for the objective `mt_transducer` and for `relay`."""
    relay: bool = False
    """The cascade that JSTAR is compared with: live, the slow stack hears the final tokens of the
    transcript, as in text pre-training, instead of fast frames."""
    phones: Annotated[int, Field(ge=0)] = 0
    """Phonemes and silence, for the objective `phones`; 0 without that head."""
    phone_weight: Share = 0.0
    """Weight of the phoneme head beside the objectives that hear."""

    @model_validator(mode="after")
    def _relay_has_source(self) -> JstarConfig:
        if self.relay and not self.text_source:
            raise ValueError("relay needs text_source: the slow stack hears tokens")
        return self

    @field_validator("text_repeats")
    @classmethod
    def _in_order(cls, repeats: tuple[int, int]) -> tuple[int, int]:
        if repeats[0] > repeats[1]:
            raise ValueError("the least must not be more than the most")
        return repeats

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """What the vocabulary has besides text."""
        return (SELF, OTHER)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Languages of wearer and partner."""
        one = (self.src_lang, self.tgt_lang)
        return (one, one[::-1]) if self.both_ways else (one,)


@dataclass
class JstarState(State):
    """Front-end tails and both stacks."""

    frontend: Any
    cascade: CascadeState


class Jstar(nn.Module):
    """Front-end, cascade, two transducers. Samples are [B, C, W] at 16 kHz."""

    def __init__(self, config: JstarConfig) -> None:
        super().__init__()
        self.config = config
        self.frontend = Frontend(config.frontend)
        self.cascade = Cascade(config.frontend.features, config.fast, config.slow)
        self.asr = Transducer(config.fast.dim, config.vocab_size, config.asr)
        self.st = Transducer(config.slow.dim, config.vocab_size, config.st)
        self.source: nn.Embedding | None = None
        if config.text_source:
            self.source = nn.Embedding(config.vocab_size, config.fast.dim)
        self.phone_head = nn.Linear(config.fast.dim, config.phones) if config.phones else None
        self.tokenizer: Tokenizer | None = None

    def initialise(self) -> None:
        """Random weights for training from scratch: modules begin with their own."""

    def bind(self, tokenizer: Tokenizer) -> None:
        """Fixes the vocabulary."""
        self.tokenizer = tokenizer

    # ---------------------------------------------------------------- live

    @property
    def rate(self) -> Rate:
        """Samples to features."""
        return self.frontend.rate

    @property
    def array(self) -> MicrophoneArray:
        """The microphones it hears with."""
        return self.config.frontend.geometry

    @property
    def microphones(self) -> int:
        """Channels it takes."""
        return self.array.channels

    @property
    def step_samples(self) -> Samples:
        """The step of a live stream: a chunk of the fast stack."""
        return self.config.fast.chunk * self.rate.stride

    @property
    def segment_samples(self) -> Samples:
        """The same, by the name that training knows."""
        return self.step_samples

    @property
    def transducers(self) -> tuple[Transducer, Transducer]:
        """For the transcript and the translation."""
        return self.asr, self.st

    def init_state(self, rows: int, like: Tensor) -> JstarState:
        """Empty streams."""
        return JstarState(self.frontend.init_state(rows, like), self.cascade.init_state(rows, like))

    def features(
        self, samples: Tensor, state: Any = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """Samples [B, C, W] to features [B, T, F]."""
        frames: Tensor = self.frontend(samples.transpose(1, 2), state, rows)
        return frames

    def encode(
        self, samples: Tensor, state: JstarState, rows: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """One step of some streams: fast and slow frames."""
        fast = self.cascade.hear(self.features(samples, state.frontend, rows), state.cascade, rows)
        if self.relays:
            return fast, fast[:, :0]
        return fast, self.cascade.understand(fast, state.cascade, rows)

    def flush(self, state: JstarState, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What all parts owe at the end."""
        owed = self.frontend.flush(state.frontend, rows)
        fast = self.cascade.hear(owed, state.cascade, rows)
        if self.relays:
            last_fast = self.cascade.fast.flush(state.cascade.fast, rows)
            return torch.cat([fast, last_fast], dim=1), fast[:, :0]
        slow = self.cascade.understand(fast, state.cascade, rows)
        last_fast, last_slow = self.cascade.flush(state.cascade, rows)
        return torch.cat([fast, last_fast], dim=1), torch.cat([slow, last_slow], dim=1)

    @property
    def relays(self) -> bool:
        """Whether this is the cascade."""
        return self.config.relay

    def relay(self, tokens: Sequence[int], state: JstarState, row: int, *, last: bool) -> Tensor:
        """Final tokens of a transcript, each as long as they last in text on average."""
        source = self._source_tokens()
        repeats = round(sum(self.config.text_repeats) / 2)
        ids = torch.tensor(tokens, dtype=torch.long).repeat_interleave(repeats)
        slow = self.cascade.understand(source(ids)[None], state.cascade, [row])
        if last:
            owed = self.cascade.slow.flush(state.cascade.slow, [row])
            slow = torch.cat([slow, owed], dim=1)
        return slow[0]

    def _source_tokens(self) -> nn.Embedding:
        if self.source is None:
            raise RuntimeError("this configuration has no source tokens: set `text_source`")
        return self.source

    def interpreter(
        self, tokenizer: Tokenizer, *, policy: Policy | None = None, rows: int = 1
    ) -> FrameInterpreter:
        """A live interpreter over these weights: the frame loop."""
        if policy is not None:
            raise UsageError("this model decides frame by frame when to write; it takes no policy")
        self.bind(tokenizer)
        settings = FrameSettings(
            pairs=self.config.pairs,
            tags=(tokenizer.special_id(SELF), tokenizer.special_id(OTHER)),
            frame_s=self.rate.stride / SAMPLE_RATE,
            searches=(self.config.search_asr.settings(), self.config.search_st.settings()),
        )
        return FrameInterpreter(self, tokenizer, settings, rows=rows)

    # ---------------------------------------------------------------- training

    @property
    def objectives(self) -> Mapping[str, Callable[[Any], Mapping[str, Tensor]]]:
        """What a training stage can ask for; each maps a batch to named losses, `loss` in all."""
        return {
            "phones": self.phones_objective,
            "asr_transducer": self.asr_objective,
            "mt_transducer": self.mt_objective,
            "transducer": self.joint_objective,
        }

    def phones_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Frame-phoneme cross entropy on the fast stack [o, J6]."""
        fast, _ = self._fast(batch)
        return phone_losses(self.phone_head, fast, batch.phones)

    def asr_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """The fast stack and its transducer alone."""
        fast, counts = self._fast(batch)
        loss = self._asr_loss(fast, counts, batch)
        losses = {"loss": loss, "nll": loss.detach()}
        return with_phones(losses, self.phone_head, self.config.phone_weight, fast, batch)

    def joint_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """L_st + lambda L_asr [s], each per token."""
        fast, counts = self._fast(batch)
        slow = self.cascade.understand(fast, counts=counts)
        st = self._st_loss(slow, counts, batch, self._due(batch), batch.needs)
        asr = self._asr_loss(fast, counts, batch)
        loss = st + self.config.asr_weight * asr
        losses = {"loss": loss, "nll": st.detach(), "asr": asr.detach()}
        return with_phones(losses, self.phone_head, self.config.phone_weight, fast, batch)

    def mt_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Text alone: source tokens stand where fast frames would [s, J4]."""
        source = self._source_tokens()
        generator = torch.Generator().manual_seed(batch.seed)
        low, high = self.config.text_repeats
        rows, ends, needs = [], [], []
        for item, tokens in enumerate(batch.transcripts):
            ids = torch.tensor(tokens or [BLANK], dtype=torch.long)
            repeats = torch.randint(low, high + 1, (len(ids),), generator=generator)
            ids = ids.repeat_interleave(repeats)
            rows.append(source(ids.to(source.weight.device)))
            read = TextFrames(batch.ends[item], repeats.cumsum(0).tolist())
            ends.append([read.frame(frame) for frame in self._due(batch)[item]])
            needs.append([read.frame(frame) for frame in batch.needs[item]])
        counts = torch.tensor([len(row) for row in rows], device=rows[0].device)
        slow = self.cascade.understand(pad_sequence(rows, batch_first=True), counts=counts)
        loss = self._st_loss(slow, counts, batch, ends, needs)
        return {"loss": loss, "nll": loss.detach()}

    def _fast(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Fast frames of a batch [B, T, D], and how many of each are real [B]."""
        features = self.features(batch.samples)
        real = [samples // self.rate.stride for samples in batch.counts]
        counts = torch.tensor(real, device=features.device).clamp(min=1, max=features.shape[1])
        return self.cascade.hear(features, counts=counts), counts

    def _due(self, batch: Any) -> Sequence[Sequence[int]]:
        """The frames that the latest ones of a translation's tokens are counted from."""
        due: Sequence[Sequence[int]] = (
            batch.needs if self.config.st_until == "word" else batch.turn_ends
        )
        return due

    def _asr_loss(self, fast: Tensor, counts: Tensor, batch: Any) -> Tensor:
        loss = self.asr.loss(fast, counts, batch.transcripts, batch.ends)
        return _per_token(loss, batch.transcripts)

    def _st_loss(
        self,
        slow: Tensor,
        counts: Tensor,
        batch: Any,
        ends: Sequence[Sequence[int]],
        needs: Sequence[Sequence[int]],
    ) -> Tensor:
        loss = self.st.loss(slow, counts, batch.translations, ends, needs)
        return _per_token(loss, batch.translations)


@dataclass(frozen=True)
class TextFrames:
    """When a text that stands in for speech has been read.

    spoken: the frame of speech in which each of its tokens ends; read: how many frames of text
    there are up to its end. Neither decreases.

        spoken   2 2 5        token ends in speech
        read     3 5 8        frames 0-2, 3-4, 5-7 of text
        frame(2) = 4, frame(4) = 4, frame(5) = 7
    """

    spoken: Sequence[int]
    read: Sequence[int]

    def frame(self, spoken: int) -> int:
        """The last frame of the text that has been said by the end of a frame of speech."""
        tokens = bisect_right(self.spoken, spoken)
        return max(0, self.read[tokens - 1] - 1) if tokens else 0


def _per_token(losses: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """The sum of all items over the number of their tokens."""
    return losses.float().sum() / max(1, sum(map(len, targets)))


def tiny(vocab_size: int, **changes: Any) -> JstarConfig:
    """Everything there is, at toy width: for tests."""
    small = {"dim": 32, "heads": 2, "ffn_dim": 48, "kernel": 3}
    transducer = TransducerConfig(predictor=LstmConfig(dim=24), joint=32)
    return JstarConfig(
        **{
            "frontend": FrontendConfig(array="single", mels=17, maps=4),
            "fast": EmformerConfig(**small, layers=2, chunk=4, left=8, right=1),
            "slow": EmformerConfig(**small, layers=1, chunk=8, left=8, right=2),
            "asr": transducer.model_copy(update={"align_before": 0, "align_behind": 6}),
            "st": transducer,
            "vocab_size": vocab_size,
            "search_asr": SearchConfig(beams=2, max_symbols=3),
            "search_st": SearchConfig(beams=3, max_symbols=3),
            **changes,
        }
    )
