"""A compositional grammar of English, German, Spanish, French and Chinese for synthetic corpora.

One derivation yields a sentence and its translations together, with the alignment that says how
much of the source each target word has to wait for. A sentence has exactly one translation per
language, and belongs to one split for ever. `tree` is language-neutral, `english`, `german`,
`spanish`, `french` and `chinese` make words of it; `reverse` keeps languages other than English
unambiguous.
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
