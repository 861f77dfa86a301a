"""Precisions by name, their policies in Keras, and the layers that have one."""

from collections.abc import Iterator

DTYPES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def computed_dtypes(owners) -> set:
    """Returns the data types that networks or layers compute in, by name."""
    layers = [layer for owner in owners for layer in layers_of(owner)]
    return {getattr(layer, "compute_dtype", None) for layer in layers}


def layers_of(owner) -> Iterator:
    """Yields a network or layer, and the layers of networks within it."""
    yield owner
    for layer in getattr(owner, "layers", ()):
        yield from layers_of(layer)
