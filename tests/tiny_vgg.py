"""A VGG19 weight file for tests: the real shapes up to block 3, random values."""

import numpy as np

BLOCKS = ((64, 2), (128, 2), (256, 4))


def write(path):
    """Writes the `.npz` file that `-vgg_weights` takes."""
    rng = np.random.default_rng(0)
    arrays, channels = {}, 3
    for block, (width, convolutions) in enumerate(BLOCKS, start=1):
        for i in range(1, convolutions + 1):
            kernel = rng.standard_normal((3, 3, channels, width)) / (3 * channels**0.5)
            arrays[f"block{block}_conv{i}__kernel"] = kernel.astype("float32")
            arrays[f"block{block}_conv{i}__bias"] = np.zeros(width, "float32")
            channels = width
    np.savez(path, **arrays)
    return path
