"""Validation while training: BLEU of whole utterances and of wait-3, through real sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from earvoice.audio import Audio
from earvoice.data.manifest import SpokenSentence, Talk
from earvoice.errors import ConfigError
from earvoice.events import Commit
from earvoice.policies import WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.session import Interpreter, Request
from earvoice.text.languages import primary
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
        talks: Iterable[Talk],
        config: Waits,
        most: int,
    ) -> None:
        """talks: the held-out ones, of which the first `most` sentences of a direction are heard.

        Raises: ConfigError when none is in a direction of the system.
        """
        self.system, self.tokenizer, self.config = system, tokenizer, config
        own = getattr(config, "pairs", ((config.src_lang, config.tgt_lang),))
        self.pair, self.utterances = _heard(list(talks), own, most)

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

        source, target = self.pair
        policy = None if k is None else WaitK(k, self.config.n)
        hypotheses, references = [], []
        for talk, sentence in self.utterances:
            session = interpreter.open(Request(source, target, policy))
            start = max(0, int((sentence.start_s - 0.2) * SAMPLE_RATE))
            count = int((sentence.end_s + 0.2) * SAMPLE_RATE) - start
            events = session.push(Audio(talk.read_samples(start, count)[None], SAMPLE_RATE))
            events += session.finish()
            hypotheses.append("".join(e.text for e in events if isinstance(e, Commit)))
            references.append(sentence.targets[target].text)
        tokens = "zh" if primary(target) == "zh" else "13a"
        return float(sacrebleu.corpus_bleu(hypotheses, [references], tokenize=tokens).score)


def _heard(
    talks: Sequence[Talk], pairs: Sequence[tuple[str, str]], most: int
) -> tuple[tuple[str, str], list[tuple[Talk, SpokenSentence]]]:
    """The first of the directions that the talks have, and their first sentences in it."""
    for source, target in pairs:
        found = [
            (talk, sentence)
            for talk in talks
            if talk.language == source
            for sentence in talk.sentences
            if target in sentence.targets
        ]
        if found:
            return (source, target), found[:most]
    known = ", ".join("-".join(pair) for pair in pairs)
    raise ConfigError(f"dev_corpus: no talk is spoken and translated in a direction of {known}")
