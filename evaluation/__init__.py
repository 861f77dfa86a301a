"""Scores of completed pictures beside those of classical methods."""
