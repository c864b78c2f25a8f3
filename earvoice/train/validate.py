"""Validation while training: BLEU of whole utterances and of wait-3, through real sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from earvoice.audio import Audio
from earvoice.data.manifest import SpokenSentence, Talk
from earvoice.events import Commit
from earvoice.policies import WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.session import Interpreter, Request
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE


@runtime_checkable
class Waits(Protocol):
    """The configuration of a system that a wait-k policy drives, and that learns from talks."""

    @property
    def src_lang(self) -> str:
        """What is spoken."""
        ...

    @property
    def tgt_lang(self) -> str:
        """What it is translated into."""
        ...

    @property
    def n(self) -> int:
        """Words written at a time."""
        ...

    @property
    def faithful(self) -> bool:
        """Whether it learns only what its paper says."""
        ...


class Validation:
    """Translates held-out sentences with the system as it stands and scores them."""

    def __init__(
        self,
        system: Any,
        tokenizer: Tokenizer,
        utterances: Sequence[tuple[Talk, SpokenSentence]],
        config: Waits,
    ) -> None:
        self.system, self.tokenizer = system, tokenizer
        self.utterances, self.config = utterances, config

    def __call__(self, step: int) -> Mapping[str, float]:
        """Scores by name."""
        interpreter: Interpreter = self.system.interpreter(self.tokenizer)
        if getattr(self.config, "decides", False):
            return {"bleu_live": self._bleu(interpreter, None)}
        return {
            "bleu_offline": self._bleu(interpreter, OFFLINE_K),
            "bleu_k3": self._bleu(interpreter, 3),
        }

    def _bleu(self, interpreter: Interpreter, k: int | None) -> float:
        import sacrebleu

        config = self.config
        policy = None if k is None else WaitK(k, config.n)
        hypotheses, references = [], []
        for talk, sentence in self.utterances:
            session = interpreter.open(Request(config.src_lang, config.tgt_lang, policy))
            start = max(0, int((sentence.start_s - 0.2) * SAMPLE_RATE))
            count = int((sentence.end_s + 0.2) * SAMPLE_RATE) - start
            events = session.push(Audio(talk.read_samples(start, count)[None], SAMPLE_RATE))
            events += session.finish()
            hypotheses.append("".join(e.text for e in events if isinstance(e, Commit)))
            references.append(sentence.targets[config.tgt_lang].text)
        return float(sacrebleu.corpus_bleu(hypotheses, [references]).score)
