"""Layers that Keras does not have, one idea a file."""
