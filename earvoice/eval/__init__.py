"""Evaluation of simultaneous translation: latency, quality, resegmentation. Imports no torch."""
