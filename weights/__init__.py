"""Trained weights: made, measured, reported, and converted from others."""
