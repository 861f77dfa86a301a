"""Inception-v3 by which sets of pictures are compared: of 2015, and torchvision's."""

from pathlib import Path

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.engine.backend import explicit_settings
from inpainting_zoo.errors import WeightsError
from inpainting_zoo.features.inception_files import CLASSES
from inpainting_zoo.storage.torch_files import read_any

SIDE, SHORT_SIDE = 299, 342  # of the network's input, and before torchvision crops it
EPSILON = 1e-3
# Raised when `fit_inception` changes, so that features kept before are not taken.
FITTING = 2


def inception_network(name: str, weights: Path):
    """Builds images (B, H, W, 3) in [-1, 1] -> features (B, 2048), frozen.

    The pictures are resized within: to 299 px as pytorch-fid does it, or, for
    torchvision's, the short side to 342 px and cropped to the centre.

    Args:
        name: "inception", which averages over what lies in the picture alone and takes
            a maximum in its last block, or "inception_torchvision".
        weights: the `.pth` file of pytorch-fid or torchvision as it is, or an `.npz` or
            `.safetensors` file with its names and layouts.

    Raises:
        WeightsError: if the file is damaged, or of another network.

    Reference:
        Szegedy et al., Rethinking the Inception architecture for computer vision, CVPR
        2016.
        Heusel et al., GANs trained by a two time-scale update rule converge to a local
        Nash equilibrium, NeurIPS 2017.
    """
    arrays = read_any(weights, "inception_weights")
    classes = arrays.shapes.get("fc.bias")
    if classes != (CLASSES[name],):
        raise WeightsError(
            f"inception_weights: must be of {name} with {CLASSES[name]} classes, "
            f"received {str(weights)!r} with {classes}"
        )
    of_2015 = name == "inception"

    def convolve(x, layer, stride=1, padding="same"):
        kernel, bias = _folded(arrays, layer, weights, x.shape[-1])
        return keras_layers.Conv2D(
            kernel.shape[-1],
            kernel.shape[:2],
            stride,
            padding,
            activation="relu",
            # Begun with, because random numbers to be replaced take seconds.
            kernel_initializer=lambda *_, **__: kernel,
            bias_initializer=lambda *_, **__: bias,
        )(x)

    def chain(x, block, *layers):
        for layer in layers:
            x = convolve(x, f"{block}.{layer}")
        return x

    def average(x):
        if of_2015:
            return keras_layers.AveragePooling2D(3, 1, "same")(x)
        return keras_layers.AveragePooling2D(3, 1)(keras_layers.ZeroPadding2D(1)(x))

    def block_a(x, block):  # (B, 35, 35, C)
        return ops.concatenate(
            [
                chain(x, block, "branch1x1"),
                chain(x, block, "branch5x5_1", "branch5x5_2"),
                chain(x, block, *(f"branch3x3dbl_{i}" for i in (1, 2, 3))),
                chain(average(x), block, "branch_pool"),
            ],
            axis=-1,
        )

    def block_c(x, block):  # (B, 17, 17, C)
        return ops.concatenate(
            [
                chain(x, block, "branch1x1"),
                chain(x, block, *(f"branch7x7_{i}" for i in (1, 2, 3))),
                chain(x, block, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
                chain(average(x), block, "branch_pool"),
            ],
            axis=-1,
        )

    def block_e(x, block, pool):  # (B, 8, 8, C)
        y = chain(x, block, "branch3x3_1")
        z = chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2")
        return ops.concatenate(
            [
                chain(x, block, "branch1x1"),
                *(chain(y, block, f"branch3x3_{i}") for i in ("2a", "2b")),
                *(chain(z, block, f"branch3x3dbl_{i}") for i in ("3a", "3b")),
                chain(pool(x), block, "branch_pool"),
            ],
            axis=-1,
        )

    def shrink(x):
        return keras_layers.MaxPooling2D(3, 2)(x)

    with explicit_settings():
        image = keras.Input((SIDE, SIDE, 3), name="inception_image")
        x = convolve(image, "Conv2d_1a_3x3", 2, "valid")
        x = convolve(x, "Conv2d_2a_3x3", padding="valid")
        x = shrink(convolve(x, "Conv2d_2b_3x3"))
        x = convolve(x, "Conv2d_3b_1x1")
        x = shrink(convolve(x, "Conv2d_4a_3x3", padding="valid"))
        for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = block_a(x, block)
        y = chain(x, "Mixed_6a", "branch3x3dbl_1", "branch3x3dbl_2")
        y = convolve(y, "Mixed_6a.branch3x3dbl_3", 2, "valid")
        z = convolve(x, "Mixed_6a.branch3x3", 2, "valid")
        x = ops.concatenate([z, y, shrink(x)], axis=-1)
        for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = block_c(x, block)
        y = chain(x, "Mixed_7a", *(f"branch7x7x3_{i}" for i in (1, 2, 3)))
        y = convolve(y, "Mixed_7a.branch7x7x3_4", 2, "valid")
        z = chain(x, "Mixed_7a", "branch3x3_1")
        z = convolve(z, "Mixed_7a.branch3x3_2", 2, "valid")
        x = ops.concatenate([z, y, shrink(x)], axis=-1)
        x = block_e(x, "Mixed_7b", average)
        most = keras_layers.MaxPooling2D(3, 1, "same")
        x = block_e(x, "Mixed_7c", most if of_2015 else average)
        x = keras_layers.GlobalAveragePooling2D()(x)
        network = keras.Model(image, x, name=name)
    network.trainable = False
    return network


def fit_inception(name: str, image):
    """Resizes images (B, H, W, 3) to (B, 299, 299, 3) as the network's program does.

    Args:
        name: of the network.
        image: float32, any range.
    """
    if name == "inception":
        return ops.image.resize(image, (SIDE, SIDE), antialias=False)
    sides = image.shape[1:3]
    size = [SHORT_SIDE * side // min(sides) for side in sides]
    top, left = (round((side - SIDE) / 2) for side in size)  # halves to even numbers
    image = ops.image.resize(image, size, antialias=True)
    return image[:, top : top + SIDE, left : left + SIDE]


def _folded(arrays, layer, path, below):
    """Returns kernel (h, w, in, out) and bias of a convolution and its normalization.

    Raises:
        WeightsError: if the file holds no such arrays, or not for `below` channels.
    """
    names = ["conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]
    names = [f"{layer}.{name}" for name in names]
    if missing := [name for name in names if name not in arrays]:
        raise WeightsError(f"inception_weights: {path} holds no {missing[0]}")
    kernel, gamma, beta, mean, variance = (np.float64(arrays[name]) for name in names)
    if kernel.shape[1] != below:
        raise WeightsError(f"inception_weights: {layer} has a wrong shape in {path}")
    scale = gamma / np.sqrt(variance + EPSILON)
    kernel, bias = kernel.transpose(2, 3, 1, 0) * scale, beta - mean * scale
    return np.float32(kernel), np.float32(bias)
