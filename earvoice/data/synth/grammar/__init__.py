"""A compositional English -> German, Spanish grammar for synthetic corpora.

One derivation yields the English sentence and its translations together, with the alignment
that says how much English each target word has to wait for. An English sentence has exactly
one translation per language, and belongs to one split for ever.
"""

from earvoice.data.synth.grammar.counting import distinct_sentences
from earvoice.data.synth.grammar.sentence import LANGUAGES, TARGET_LANGS, Sentence, split_of
from earvoice.data.synth.grammar.talks import sample_sentence, sample_talk

__all__ = [
    "LANGUAGES",
    "TARGET_LANGS",
    "Sentence",
    "distinct_sentences",
    "sample_sentence",
    "sample_talk",
    "split_of",
]
