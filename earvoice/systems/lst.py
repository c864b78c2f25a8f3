"""LST: a large language model that translates speech (arXiv 2310.02050).

      samples of one utterance, normalised
         |
     wav2vec 2.0           CTC-tuned, bidirectional, frozen in both stages
         |
     ConvShrink            two strided convolutions with GLU, 4x fewer frames: the length adapter
         |                 and a linear layer to the LLM's width: the modality adapter
     [USER: <sp_start>] E1 ... En [<sp_end> instruction ASSISTANT:] y1 y2 ... </s>
         |
       Llama               ordinary positions, causal; beam search

Stage 1 trains adapter and markers, stage 2 adapter and language model (`objective: translate` in
both; what trains is data of a stage). Simultaneous use is the window loop's: the paper has none.

Faithful: layers, normalisation, padding, layout, what is learnt, beam 4. Deviations, each a field
of the configuration or of a stage:

    L1  the waveform is normalised over what has been heard of a window, which is the utterance
        when it is translated whole (`normalise`; false leaves it as it is, as FASST does)
    L2  both ends of every convolution of the adapter are padded (`right_pad`, and `left_pad` of
        the adapter); false drops a last odd frame, as FASST does
    L3  the markers are two vectors of their own (`markers`), not rows of the embedding table, so
        that stage 1 can train them and leave the table alone; the numbers are the same
    L4  the instruction is ours where the published wording is not known (`prompt`)
    L5  utterances are encoded one by one, so no padding is heard (the code masks a batch)
    ours  `window_segments`, `pause_segments`, `context_words`: streams of hours
          `phones`: a head with which small encoders learn to hear (`ctc` or `phones`), or what
          an encoder learns from sound alone (`masked`)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from earvoice.audio.pauses import PauseKind, pause_finder
from earvoice.config import Config, Count
from earvoice.models.adapters import ConvShrink, ConvShrinkConfig
from earvoice.models.features import LogMel, WaveformConfig
from earvoice.models.llm import LanguageModel, Llama, LlamaConfig
from earvoice.models.llm_config import LlmConfig, build_lm, width_of
from earvoice.models.splice import IGNORED, Answer, splice
from earvoice.models.wav2vec2 import Wav2Vec2, Wav2Vec2Config
from earvoice.nn.losses.frames import phone_logits, phone_losses
from earvoice.nn.losses.masked import masked_frames, random_codes
from earvoice.nn.losses.tokens import token_losses
from earvoice.policies import Policy, WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.search.beam import BeamSettings
from earvoice.sessions.attended import AlignAttConfig
from earvoice.sessions.window import WindowInterpreter, WindowSettings
from earvoice.sessions.window_session import TOKENS_A_WORD
from earvoice.text.languages import language
from earvoice.text.prompt import Prompt, PromptTemplate
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE, Rate

SHORTEST_SAMPLES = 1600
"""Shorter audio is padded with silence; the published code trains on 0.1 s and more."""
SLOTS = ("src_lang", "tgt_lang", "context")
_MASKED_MELS = 40


class LstPromptConfig(Config):
    """What stands around the speech: {src_lang}, {tgt_lang}, {context} are filled in."""

    before_speech: str = (
        "<s>A chat between a user and an assistant for speech. The assistant follows the user's "
        "instruction. USER: <sp_start>"
    )
    after_speech: str = (
        "<sp_end> Please write the {tgt_lang} translation of the {src_lang} audio. ASSISTANT:"
    )

    @model_validator(mode="after")
    def _slots_there_are(self) -> LstPromptConfig:
        for name in PromptTemplate(self.before_speech, self.after_speech).slots():
            if name not in SLOTS:
                raise ValueError(f"prompt: no slot {name!r}, there are {', '.join(SLOTS)}")
        return self


class LstConfig(Config):
    """LST's sizes; defaults are the 7B model of the paper and its code."""

    kind: Literal["lst"] = "lst"
    src_lang: str = "en"
    tgt_lang: str = "de"
    encoder: Wav2Vec2Config = Wav2Vec2Config(
        frontend=WaveformConfig(left_pad=False), bidirectional=True
    )
    adapter: ConvShrinkConfig = ConvShrinkConfig()  # [kernels 3,3, stride 2, 1024]
    right_pad: bool = True
    normalise: bool = True
    llm: LlmConfig = LlamaConfig(vocab_size=32003)  # [+ <sp_patch> <sp_start> <sp_end>]
    prompt: LstPromptConfig = LstPromptConfig()
    beams: Count = 4  # [run.sh]
    length_penalty: float = 1.0
    k: Count = OFFLINE_K  # read the whole utterance; for live use ask for another policy
    n: Count = 3
    segment_ms: Annotated[int, Field(ge=100)] = 1000
    window_segments: Count = 30  # [utterances of at most 30 s]
    pause_segments: Count = 8
    context_words: Annotated[int, Field(ge=0)] = 0
    align_att: AlignAttConfig = AlignAttConfig()
    pauses: PauseKind = "energy"
    phones: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _context_has_a_place(self) -> LstConfig:
        prompt = PromptTemplate(self.prompt.before_speech, self.prompt.after_speech)
        if self.context_words and "context" not in prompt.slots():
            raise ValueError(
                f"context_words is {self.context_words}, but the prompt has no {{context}} to put "
                "them in"
            )
        return self

    @property
    def faithful(self) -> bool:
        """An utterance is written whole: there is nothing to hold."""
        return True


class Lst(nn.Module):
    """The network. `lm` may be any `LanguageModel`; the default is built from the configuration."""

    def __init__(self, config: LstConfig, lm: LanguageModel | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = Wav2Vec2(config.encoder)
        self.lm = build_lm(config.llm) if lm is None else lm
        width = width_of(self.lm)
        self.adapter = ConvShrink(config.adapter, config.encoder.dim, width)
        self.markers = nn.Parameter(torch.zeros(2, width))  # <sp_start>, <sp_end>
        self.phone_head = nn.Linear(config.encoder.dim, config.phones) if config.phones else None
        self.tokenizer: Tokenizer | None = None

    def initialise(self) -> None:
        """Random weights for training from scratch."""
        if isinstance(self.lm, Llama):
            self.lm.initialise()
        self.set_markers()

    @torch.no_grad()
    def set_markers(self) -> None:
        """The markers begin as the mean of all embeddings, as the code's added tokens do."""
        mean = self.lm.embed(torch.arange(self.config.llm.vocab_size)).mean(0)
        self.markers.copy_(mean.expand_as(self.markers))

    # ---------------------------------------------------------------- speech

    @property
    def rate(self) -> Rate:
        """Samples to speech embeddings."""
        return self.encoder.rate.then(self.adapter.rate)

    @property
    def segment_samples(self) -> int:
        """The step of a live stream."""
        return self.config.segment_ms * SAMPLE_RATE // 1000

    def embeddings_of(self, samples: int) -> int:
        """At most so many speech embeddings come of so many samples."""
        return max(samples, SHORTEST_SAMPLES) // self.rate.stride + 1

    def encode(self, audio: Sequence[Tensor]) -> list[Tensor]:
        """Samples [W] each -> speech embeddings [N, D_llm] each."""
        return [self.adapted(self.frames(samples)) for samples in audio]

    def frames(self, samples: Tensor) -> Tensor:
        """The encoder's frames of one utterance: [W] -> [T, D]."""
        frames: Tensor = self.encoder(self._prepared(samples)[None])[0]
        return frames

    def _prepared(self, samples: Tensor) -> Tensor:
        """Normalised, and not too short."""
        if self.config.normalise and len(samples):
            samples = F.layer_norm(samples, samples.shape)
        short = SHORTEST_SAMPLES - len(samples)
        return F.pad(samples, (0, short)) if short > 0 else samples

    def adapted(self, frames: Tensor) -> Tensor:
        """Length and modality adapter: [T, D] -> [N, D_llm], N = T / 4 rounded up."""
        x = frames[None]
        for conv in self.adapter.convs.members:
            if self.config.right_pad:
                x = F.pad(x, (0, 0, 0, self.config.adapter.kernel // 2))
            x = conv(x)
        return self.adapter.linear(x)[0]

    # ---------------------------------------------------------------- prompt

    def bind(self, tokenizer: Tokenizer) -> None:
        """Fixes the vocabulary."""
        self.tokenizer = tokenizer

    def prompt(self, tokenizer: Tokenizer, context: str = "") -> Prompt:
        """Token ids around the speech."""
        template = PromptTemplate(self.config.prompt.before_speech, self.config.prompt.after_speech)
        values = {
            "src_lang": language(self.config.src_lang).name,
            "tgt_lang": language(self.config.tgt_lang).name,
            "context": context,
        }
        return template.encode(tokenizer, **{name: values[name] for name in template.slots()})

    def embed(self, ids: Tensor) -> Tensor:
        """Tokens of prompt and text: [T] -> [T, D_llm]."""
        return self._marked(self.lm.embed(ids), ids)

    def _marked(self, x: Tensor, ids: Tensor) -> Tensor:
        """Puts the markers in their places: x [..., D] of the tokens ids [...]."""
        tokens = (self._bound.sp_start_id, self._bound.sp_end_id)
        for marker, token in zip(self.markers, tokens, strict=True):
            x = torch.where((ids == token)[..., None], marker.to(x.dtype), x)
        return x

    @property
    def _bound(self) -> Tokenizer:
        if self.tokenizer is None:
            raise RuntimeError("call bind(tokenizer) before use")
        return self.tokenizer

    def interpreter(
        self, tokenizer: Tokenizer, *, policy: Policy | None = None, rows: int = 1
    ) -> WindowInterpreter:
        """A live interpreter over these weights: the window loop."""
        self.bind(tokenizer)
        config = self.config
        search = BeamSettings(config.beams, config.length_penalty)
        prompt = self.prompt(tokenizer)
        room = len(prompt.before) + len(prompt.after) + TOKENS_A_WORD * config.context_words
        room += self.embeddings_of(config.window_segments * self.segment_samples)
        settings = WindowSettings(
            pairs=((config.src_lang, config.tgt_lang),),
            policy=policy or WaitK(config.k, config.n),
            prompt=lambda source, target, context: self.prompt(tokenizer, context),
            segment_samples=self.segment_samples,
            window=config.window_segments,
            pause_after=config.pause_segments,
            entries=room,
            text_tokens=WindowSettings.max_tokens * config.window_segments,
            search=search,
            context_words=config.context_words,
            align_att=config.align_att,
            pauses=pause_finder(config.pauses),
        )
        return WindowInterpreter(self, tokenizer, settings, rows=rows)

    # ---------------------------------------------------------------- training

    @property
    def objectives(self) -> Mapping[str, Callable[[Any], Mapping[str, Tensor]]]:
        """What a training stage can ask for; each maps a batch to named losses, `loss` in all."""
        return {
            "masked": self.masked_objective,
            "phones": self.phones_objective,
            "ctc": self.ctc_objective,
            "translate": self.translate_objective,
            "text_translate": self.text_translate_objective,
        }

    def translate_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Both stages: cross entropy of the translation, given the speech and the instruction."""
        return self._translation_loss(self.encode(self._utterances(batch)), batch.targets)

    def text_translate_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Pre-training of a small LM: the embeddings of the words stand for their speech."""
        items = batch.word_spans[:, 0]
        speech = []
        for item in range(len(batch.targets)):
            own = items == item
            ids = batch.word_ids[own][batch.word_ids_mask[own].bool()]
            speech.append(self.lm.embed(ids))
        return self._translation_loss(speech, batch.targets)

    def masked_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Self-supervision (`losses/masked.py`): what an encoder knows before CTC tunes it."""
        generator = torch.Generator().manual_seed(zlib.crc32(batch.samples.numpy().tobytes()))
        log_mel, scores, codes = LogMel(_MASKED_MELS), [], []
        for samples in self._utterances(batch):
            waveform = self._prepared(samples)[None]
            frames = self.encoder.project(self.encoder.frontend(waveform))
            hidden = masked_frames(frames.shape[1], generator)
            heard = self.encoder.encoder(frames.masked_fill(hidden[None, :, None], 0.0))[0]
            features = _per_frame(log_mel(waveform)[0], len(hidden))
            scores.append(phone_logits(self.phone_head, heard[hidden]).float())
            codes.append(random_codes(features, self.config.phones)[hidden])
        logits, labels = torch.cat(scores), torch.cat(codes)
        accuracy = (logits.argmax(-1) == labels).float().mean()
        return {"loss": F.cross_entropy(logits, labels), "accuracy": accuracy.detach()}

    def phones_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """Frame-phoneme cross entropy: the quickest way for a small encoder to hear."""
        frames = [self.frames(samples) for samples in self._utterances(batch)]
        labels = torch.cat(
            [row[: len(part)] for row, part in zip(batch.phones, frames, strict=True)]
        )
        return phone_losses(self.phone_head, torch.cat(frames), labels)

    def ctc_objective(self, batch: Any) -> Mapping[str, Tensor]:
        """CTC of the phonemes (silence is the blank): what the paper's encoder is tuned by."""
        frames = [self.frames(samples) for samples in self._utterances(batch)]
        spoken = [_sequence(row) for row in batch.phones]
        scores = pad_sequence([phone_logits(self.phone_head, part).float() for part in frames])
        lengths = torch.tensor([len(part) for part in frames])
        counts = torch.tensor([len(row) for row in spoken])
        loss = F.ctc_loss(
            scores.log_softmax(-1), torch.cat(spoken), lengths, counts, zero_infinity=True
        )
        return {"loss": loss, "ctc": loss.detach()}

    def _utterances(self, batch: Any) -> list[Tensor]:
        """Each item's samples without the silence that pads it."""
        return [row[:count] for row, count in zip(batch.samples, batch.counts, strict=True)]

    def _translation_loss(
        self, speech: Sequence[Tensor], targets: Sequence[Any]
    ) -> dict[str, Tensor]:
        answers = []
        for target in targets:
            ids = [*(token for word in target.words for token in word), self._bound.eos_id]
            answers.append(Answer(tuple(ids), len(ids)))
        contexts = [self._told(target.context) for target in targets]
        hidden, labels = self.training_forward(speech, answers, contexts)
        counted = labels != IGNORED
        return token_losses(self.lm.logits(hidden[counted]), labels[counted])

    def _told(self, words: Sequence[str]) -> str:
        """What a window is told of the words written before it, as live: the last few."""
        most = self.config.context_words
        kept = list(words[-most:]) if most else []
        while len(self._bound.encode(" ".join(kept))) > most * TOKENS_A_WORD:
            del kept[0]
        return " ".join(kept)

    def training_forward(
        self,
        speech: Sequence[Tensor],
        answers: Sequence[Answer],
        contexts: Sequence[str] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Hidden states [B, T, D] of prompts, speech and answers, and the labels [B, T].

        Args: speech [N, D] each; contexts: what each prompt is told, None for nothing.
        """
        counts = [len(part) for part in speech]
        told = [""] * len(speech) if contexts is None else contexts
        encoded = {text: self.prompt(self._bound, text) for text in told}
        prompts = [encoded[text] for text in told]
        row = splice(
            self.lm, pad_sequence(list(speech), batch_first=True), counts, prompts, answers
        )
        return self.lm(self._marked(row.x, row.ids), row.entries), row.labels


def _per_frame(mels: Tensor, frames: int) -> Tensor:
    """The log-mel rows of each of so many frames side by side, normalised over the utterance.

    Shapes: [N, mels] -> [frames, mels * (N / frames)].
    """
    each = max(1, round(len(mels) / max(1, frames)))
    mels = F.pad(mels[: frames * each], (0, 0, 0, max(0, frames * each - len(mels))))
    features = mels.reshape(frames, -1)
    return (features - features.mean(0)) / (features.std(0, correction=0) + 1e-3)


def _sequence(labels: Tensor) -> Tensor:
    """Phonemes one after the other, from labels of frames [T]; silence is left out."""
    changed = F.pad(labels[1:] != labels[:-1], (1, 0), value=True)
    return labels[changed & (labels > 0)]
