"""Benchmarks, one file each: growth, batch, startup. `earvoice bench NAME` runs them.

What each figure means and what has been measured: docs/performance.md.
"""
