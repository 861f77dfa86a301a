"""Completing files, folders and large pictures with any model."""
