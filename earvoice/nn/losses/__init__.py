"""Training losses, each with its source."""
