"""Checkpoints of other toolkits, read into our models."""
