"""Measures of completed pictures."""
