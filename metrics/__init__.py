"""Image quality, classical baselines, and the one evaluation protocol."""
