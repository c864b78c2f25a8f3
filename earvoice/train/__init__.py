"""Training: recipes as data, stages, one loop, checkpoints, export."""
