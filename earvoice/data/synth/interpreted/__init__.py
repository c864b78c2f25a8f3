"""Talks as interpreters hear them: slips of the tongue, rare terms, and references back.

`terms` invents names, products and places; `disfluency` lets the speaker stumble; `reference`
writes passages that only a memory resolves; `talks` joins them; `knowledge` writes the glossaries
and test lists beside a corpus.
"""
