"""Converters of other programs' checkpoints to weight files of this library."""
