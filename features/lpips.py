"""The networks of LPIPS: AlexNet and VGG16, trained on ImageNet, and linear heads."""

import dataclasses
import re
from pathlib import Path

import keras
import numpy as np
from keras import layers as keras_layers

from inpainting_zoo.engine.backend import explicit_settings
from inpainting_zoo.errors import InputError
from inpainting_zoo.features.normalization import imagenet
from inpainting_zoo.storage.arrays import Arrays, read_arrays
from inpainting_zoo.storage.checkpoints import assign, check
from inpainting_zoo.storage.downloads import SHIPPED
from inpainting_zoo.storage.torch_files import read_torch

HEAD = "NetLinLayer_{}.Conv_0.kernel"
SHIPPED_ALEXNET = SHIPPED / "lpips_alexnet.safetensors"
OF_TORCHVISION = re.compile(r"features\.(\d+)\.(weight|bias)")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a network is laid out.

    Args:
        prefix: of its convolutions in weight files of LPIPS.
        blocks: of convolutions, (channels, side of the kernel, stride) of each; between
            the blocks is max-pooling.
        pooling: side of the windows that a maximum is taken of, every other pixel.
        taps: numbers of the convolutions that the heads look at, after the ReLU.
        heads: the authors' own file of heads.
        least_side: of pictures, in pixels, from which all layers see something.
    """

    prefix: str
    blocks: tuple
    pooling: int
    taps: tuple
    heads: str
    least_side: int


def lpips_network(name: str, weights: str | None = None):
    """Builds images (B, H, W, 3) in [-1, 1] -> [(B, h, w, C), ...], frozen.

    Args:
        name: of the network, in `PLANS`.
        weights: an `.npz` or `.safetensors` file with kernels (height, width, in, out)
            and names such as `VGG16_0.Conv_0.kernel` and `NetLinLayer_0.Conv_0.kernel`,
            or torchvision's own `.pth` file with the heads `alex.pth` or `vgg.pth` of
            LPIPS beside it. AlexNet is shipped.

    Returns:
        `(network, heads)`: the outputs of five layers, and for each a weight (C,) of
        its channels.

    Raises:
        InputError: if no file is named, or it is not there.
        WeightsError: if it is damaged or does not fit.

    Reference:
        Zhang et al., The unreasonable effectiveness of deep features as a perceptual
        metric, CVPR 2018.
    """
    plan = PLANS[name]
    if weights is None and name == "alexnet":
        weights = SHIPPED_ALEXNET
    if not (weights and Path(weights).is_file()):
        raise InputError(
            f"lpips_weights: must be a file of {name}, received {weights!r}"
        )
    arrays = _open(plan, weights)
    with explicit_settings():
        network = _build(name, plan)
    convolutions = [x for x in network.layers if isinstance(x, keras_layers.Conv2D)]
    variables = {
        f"{plan.prefix}.Conv_{i}.{variable.name}": variable
        for i, layer in enumerate(convolutions)
        for variable in layer.weights
    }
    heads = {
        HEAD.format(i): np.empty((1, 1, output.shape[-1], 1))
        for i, output in enumerate(network.outputs)
    }
    origin = f"lpips_weights: {weights}"
    check(variables | heads, arrays, origin)
    assign(variables, arrays, origin)
    network.trainable = False
    return network, [np.ravel(arrays[name]) for name in heads]


def _build(name, plan):
    image = keras.Input((None, None, 3), name="lpips_image")
    x, outputs = imagenet(image), []
    for i, block in enumerate(plan.blocks):
        x = keras_layers.MaxPooling2D(plan.pooling, 2)(x) if i else x
        for channels, side, stride in block:
            # AlexNet's first kernel, 11 pixels wide, has a margin of 2 alone.
            x = keras_layers.ZeroPadding2D(2 if stride == 4 else side // 2)(x)
            x = keras_layers.Conv2D(
                channels,
                side,
                stride,
                activation="relu",
                kernel_initializer="zeros",
                name=f"{name}_conv{len(outputs)}",
            )(x)
            outputs.append(x)
    return keras.Model(image, [outputs[tap] for tap in plan.taps], name=name)


def _open(plan, path) -> Arrays:
    """Opens a weight file by the names and layouts of LPIPS."""
    if Path(path).suffix != ".pth":
        return read_arrays(path, "lpips_weights")
    tensors, theirs = read_torch(path, "lpips_weights"), {}
    numbers = sorted({int(m[1]) for m in map(OF_TORCHVISION.fullmatch, tensors) if m})
    for i, number in enumerate(numbers):
        for ours, kind in (("kernel", "weight"), ("bias", "bias")):
            name = f"{plan.prefix}.Conv_{i}.{ours}"
            theirs[name] = tensors, f"features.{number}.{kind}"
    heads = Path(path).with_name(plan.heads)
    if not heads.is_file():
        raise InputError(
            f"lpips_weights: must have the heads of LPIPS beside it, received no "
            f"{str(heads)!r}"
        )
    tensors = read_torch(heads, "lpips_weights")
    for i in range(len(plan.taps)):
        theirs[HEAD.format(i)] = tensors, f"lin{i}.model.1.weight"
    theirs = {ours: (t, name) for ours, (t, name) in theirs.items() if name in t}

    def read(ours):
        found, name = theirs[ours]
        array = found[name]  # (out, in, height, width)
        return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array

    shapes = {ours: _hwio(t.shapes[name]) for ours, (t, name) in theirs.items()}
    return Arrays(shapes, read)


def _hwio(shape):
    """Returns the shape of a kernel whose shape in PyTorch this is."""
    return (*shape[2:], *shape[1::-1]) if len(shape) == 4 else tuple(shape)


PLANS = {
    # Channels, side of the kernel and stride of each convolution.
    "alexnet": Plan(
        prefix="AlexNet_0",
        blocks=(
            ((64, 11, 4),),
            ((192, 5, 1),),
            ((384, 3, 1), (256, 3, 1), (256, 3, 1)),
        ),
        pooling=3,
        taps=(0, 1, 2, 3, 4),
        heads="alex.pth",
        least_side=31,
    ),
    "vgg16": Plan(
        prefix="VGG16_0",
        blocks=tuple(
            ((channels, 3, 1),) * count
            for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
        ),
        pooling=2,
        taps=(1, 3, 6, 9, 12),
        heads="vgg.pth",
        least_side=16,
    ),
}
