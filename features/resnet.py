"""Features of a dilated ResNet-50, trained to segment ADE20K."""

import pathlib

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.errors import InputError
from inpainting_zoo.features.normalization import imagenet
from inpainting_zoo.storage.torch_files import read_any

# Blocks of each stage, stride of the first one, dilation of the first and the others.
STAGES = ((3, 1, 1, 1), (4, 2, 1, 1), (6, 1, 1, 2), (3, 1, 2, 4))
FILE = "encoder_epoch_20.pth"
ORIGIN = (
    "http://sceneparsing.csail.mit.edu/model/pytorch/ade20k-resnet50dilated-ppm_deepsup"
)


def resnet50_dilated(taps, weights: str | None = None):
    """Builds images (B, H, W, 3) in [-1, 1] -> [(B, h, w, C), ...], frozen.

    Args:
        taps: names of stages, "layer1" to "layer4", whose outputs are returned: of 256,
            512, 1024 and 2048 channels, a quarter and three times an eighth of the
            image's height and width.
        weights: the encoder `resnet50dilated` of
            https://github.com/CSAILVision/semantic-segmentation-pytorch, its file
            `encoder_epoch_20.pth` as it is, or an `.npz` or `.safetensors` file with
            its names and layouts, such as "layer1.0.conv1.weight".

    Raises:
        InputError: if no file is named, or it does not fit.
        WeightsError: if the file is damaged.

    Reference: Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017.
    """
    if not (weights and pathlib.Path(weights).is_file()):
        raise InputError(
            f"vgg_weights: must be {FILE} ({ORIGIN}) or another file of "
            f"resnet50_dilated, received {weights!r}"
        )
    arrays = read_any(weights, "vgg_weights")

    def convolve(x, conv, norm, stride=1, dilation=1):
        """Convolves and normalizes, by one kernel and bias of both."""
        kernel, bias = _folded(arrays, conv, norm, weights)
        margin = dilation * (kernel.shape[0] // 2)
        layer = keras_layers.Conv2D(
            kernel.shape[-1],
            kernel.shape[0],
            strides=stride,
            dilation_rate=dilation,
            name=conv.replace(".", "_"),
        )
        x = keras_layers.ZeroPadding2D(margin)(x) if margin else x
        y = layer(x)
        if layer.kernel.shape != kernel.shape:
            raise InputError(f"vgg_weights: {conv} has a wrong shape in {weights}")
        layer.set_weights([kernel, bias])
        return y

    image = keras.Input((None, None, 3), name="resnet_image")
    x, outputs = imagenet(image), {}
    for i, stride in enumerate((2, 1, 1), start=1):
        x = ops.relu(convolve(x, f"conv{i}", f"bn{i}", stride))
    x = keras_layers.ZeroPadding2D(1)(x)  # nothing is below 0
    x = keras_layers.MaxPooling2D(3, 2)(x)
    for stage, (blocks, stride, *dilations) in enumerate(STAGES, start=1):
        for i in range(blocks):
            name, first = f"layer{stage}.{i}.", i == 0
            y = ops.relu(convolve(x, f"{name}conv1", f"{name}bn1"))
            spacing = stride if first else 1, dilations[0 if first else 1]
            y = ops.relu(convolve(y, f"{name}conv2", f"{name}bn2", *spacing))
            y = convolve(y, f"{name}conv3", f"{name}bn3")
            if first:
                ends = (f"{name}downsample.{k}" for k in (0, 1))
                x = convolve(x, *ends, stride)
            x = ops.relu(x + y)
        outputs[f"layer{stage}"] = x
    features = keras.Model(image, [outputs[t] for t in taps], name="resnet50_dilated")
    features.trainable = False
    return features


def _folded(arrays, conv, norm, path):
    """Returns kernel (h, w, in, out) and bias of a convolution and its normalization.

    Raises:
        InputError: if the file holds no such arrays.
    """
    names = [f"{conv}.weight"]
    names += [f"{norm}.{x}" for x in ("weight", "bias", "running_mean", "running_var")]
    for name in names:
        if name not in arrays:
            raise InputError(f"vgg_weights: {path} holds no {name}")
    kernel, gamma, beta, mean, variance = (
        np.asarray(arrays[name], "float64") for name in names
    )
    scale = gamma / np.sqrt(variance + 1e-5)
    return kernel.transpose(2, 3, 1, 0) * scale, beta - mean * scale
