"""Precisions by name, their policies in Keras, and the layers that have one."""

from collections.abc import Iterator

DTYPES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def layers_of(owner) -> Iterator:
    """Yields a network or layer, and the layers of networks within it."""
    yield owner
    for layer in getattr(owner, "layers", ()):
        yield from layers_of(layer)
