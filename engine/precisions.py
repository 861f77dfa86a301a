"""Precisions of training by name, and the policy of data types that Keras has each."""

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
