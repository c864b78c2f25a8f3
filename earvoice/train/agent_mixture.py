"""What a stage of an agent learns from: shares of tasks and variants, as data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from earvoice.config import Config, Count, Probability, Share
from earvoice.data.chunks import ChunkRule
from earvoice.data.synth.interpreted.talks import Focus


class AgentMixture(Config):
    """Turns of talks cut off anywhere (`earvoice.train.agent_turns`).

    asr, mt, st: weights of the tasks. whole: share of turns that translate all there is; the
    others are live. cot: share that writes the words first. memory, knowledge: shares with turns
    before and with terms in the prompt. skew: share of live turns that end within a step of a
    chunk's end, before or after it: where a live session decides.
    """

    source: Literal["audio", "text"] = "audio"
    """text: sentences of the grammar, without sound; each word stands where it would be heard."""
    style: Literal["plain", "interpreted"] = "plain"
    """Of the grammar's talks: interpreted ones have invented terms, fillers, references."""
    focuses: dict[Focus, Share] = Field(default_factory=dict)
    """Weights of what the interpreted talks of a text are about (`interpreted.talks`); none: talks
    with a term in each sentence for `with_term` of the turns, mixed ones for the others."""
    batch: Count = 12
    bucket: Count = 1
    """So many batches are sorted by length together, which saves padding."""
    rule: ChunkRule = ChunkRule()
    asr: Share = 0.15
    mt: Share = 0.15
    st: Share = 0.7
    whole: Probability = 0.2
    cot: Probability = 0.7
    memory: Probability = 0.6
    knowledge: Probability = 0.5
    skew: Probability = 0.3
    silent: Probability = 0.1
    """Share of whole turns in which nothing is said: what is left after a stream's last word."""
    with_term: Probability = 0.0
    """Share of turns that are looked for where an invented term is said."""
    withheld: Probability = 0.25
    """Share of the terms that are said and not told, so that near misses stand there alone."""
    respelled: Probability = 0.0
    """Share of turns with sound whose told terms are spelled anew, so that they must be copied."""
    exchanged: Probability = 0.0
    """Share of turns in which what is told is translated by something else: sound tells nothing."""
    spread: Probability = 0.0
    """Share of texts in which a word's tokens fill its time one after the other, as its sounds do;
    in the others each slot is the mean of them all."""
    lead_s: Share = 2.0
    """Sound before the window that the encoder hears too, at most."""
    glossaries: tuple[str, ...] = ()
    """Files of terms: those in a turn are told, and others as distractors."""
    turns_before: Count = 30
    """In the memory, at most."""
    distractors: Annotated[int, Field(ge=0)] = 9
    """Terms in the prompt that are not said, at most."""
    clean: bool = False
    """Only talks without noise and room."""

    @model_validator(mode="after")
    def _fits(self) -> AgentMixture:
        if not self.asr + self.mt + self.st:
            raise ValueError("asr, mt and st may not all be 0")
        if self.focuses and not any(self.focuses.values()):
            raise ValueError("focuses may not all be 0")
        if self.focuses and (self.source, self.style) != ("text", "interpreted"):
            raise ValueError("focuses are for text of style interpreted: a corpus has its own")
        return self


class RetrieveMixture(Config):
    """Windows of talks and terms that are, or are not, in them (`earvoice.train.retrieval`)."""

    batch: Count = 16
    positives: Count = 4
    """Terms drawn from each window; those of the other windows are its negatives."""
    noted: Probability = 0.5
    """Share of them that are invented terms, in windows in which one is said."""
    near: Share = 1.0
    """Near misses for each positive."""
    said_elsewhere: Probability = 0.0
    """Share of the near misses of invented terms that are terms of the corpus too: a term that is
    never said anywhere is known to be a negative whatever is heard."""
    respelled: Probability = 0.0
    """Share of the invented terms that are spelled anew."""
    most_words: Count = 3
    lead_s: Share = 2.0
    clean: bool = False
