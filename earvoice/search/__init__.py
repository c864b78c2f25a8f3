"""Decoding: greedy continuation."""
