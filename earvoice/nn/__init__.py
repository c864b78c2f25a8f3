"""Streaming building blocks: explicit state, convolutions with a tail, caches, masks, attention."""
