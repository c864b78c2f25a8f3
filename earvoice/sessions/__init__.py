"""Session loops: how a live stream drives a system."""
