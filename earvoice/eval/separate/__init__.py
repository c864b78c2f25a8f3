"""Programs that run in environments of their own, by path; nothing here is ever imported.

What they need (COMET: numpy < 2, transformers < 5) does not fit into ours.
"""
