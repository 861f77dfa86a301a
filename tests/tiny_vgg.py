"""VGG weight files for tests: the real shapes as far as they go, random values."""

import numpy as np

VGG19 = ((64, 2), (128, 2), (256, 4))  # up to block 3
VGG16 = ((64, 2), (128, 2), (256, 3), (512, 2))  # up to conv4_2


def write(path, blocks=VGG19):
    """Writes the `.npz` file that `-vgg_weights` takes."""
    rng = np.random.default_rng(0)
    arrays, channels = {}, 3
    for block, (width, convolutions) in enumerate(blocks, start=1):
        for i in range(1, convolutions + 1):
            kernel = rng.standard_normal((3, 3, channels, width)) / (3 * channels**0.5)
            arrays[f"block{block}_conv{i}__kernel"] = kernel.astype("float32")
            arrays[f"block{block}_conv{i}__bias"] = np.zeros(width, "float32")
            channels = width
    np.savez(path, **arrays)
    return path


def write_as_lpips(path):
    """Writes the same VGG16 by the names of LPIPS, as float16; returns its kernels."""
    with np.load(write(path, VGG16)) as arrays:
        found = [*arrays.values()]
    kernels = [np.float16(kernel) for kernel in found[::2]]
    names = "VGG16_0.Conv_{}.kernel", "VGG16_0.Conv_{}.bias"
    pairs = zip(kernels, found[1::2])
    theirs = {n.format(i): x for i, p in enumerate(pairs) for n, x in zip(names, p)}
    np.savez(path, **theirs)
    return kernels
