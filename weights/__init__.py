"""Trained weights, and converters of other programs' checkpoints."""
