"""Corpora: talks with word times (`manifest`), made (`synth`) and read, and batches of them."""
