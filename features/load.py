"""Frozen networks by name."""

from collections.abc import Callable, Mapping

import keras
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.engine.precisions import layers_of
from inpainting_zoo.errors import InputError, WeightsError, choose
from inpainting_zoo.features.lpips import lpips_network
from inpainting_zoo.features.resnet import resnet50_dilated
from inpainting_zoo.features.vgg import vgg16, vgg19


def loader(files: Mapping | None = None) -> Callable:
    """Returns a function that loads a frozen network, as `Inpainter.begin` takes it.

    It takes a name in `FEATURES`, the taps, and what else that network takes.

    Args:
        files: name -> weight file, instead of the download.
    """

    def load(name, taps, **options):
        build = choose("features", name, FEATURES)
        return build(taps, (files or {}).get(name), **options)

    return load


def advising(load: Callable, advice: str) -> Callable:
    """Returns what loads a frozen network, or says how to do without it.

    Args:
        load: see `loader`.
        advice: what the loss is called, and the setting that turns it off.
    """

    def load_or_advise(name, taps, **options):
        try:
            return load(name, taps, **options)
        except (InputError, WeightsError) as error:
            raise type(error)(f"{error}; or train without {advice}") from error

    return load_or_advise


def perceptual_network(load: Callable, name: str, taps, lighter: bool = False) -> tuple:
    """Returns `(network, heads)` of a perceptual loss; heads are None but for LPIPS.

    Args:
        load: see `loader`.
        name, taps: that it takes.
        lighter: whether it computes in bfloat16.
    """
    found = load(name, taps)
    network, heads = found if isinstance(found, tuple) else (found, None)
    return in_bfloat16(network) if lighter else network, heads


def in_bfloat16(network):
    """Returns a frozen network whose convolutions compute in bfloat16 from now on.

    Takes about half the time on a CPU that has its products; the gradient of LPIPS by
    VGG16 keeps its direction (cosine 0.97).

    Args:
        network: images (B, H, W, 3) -> [(B, h, w, C), ...].

    Returns:
        The same of float32 images and features.
    """
    for layer in layers_of(network):
        if isinstance(layer, (keras_layers.Conv2D, keras_layers.MaxPooling2D)):
            layer.dtype_policy = "mixed_bfloat16"
    image = keras.Input((None, None, 3), name="image")
    found = [ops.cast(x, "float32") for x in network(image)]
    lighter = keras.Model(image, found, name=network.name)
    lighter.trainable = False
    return lighter


def lpips_vgg16(taps, weights=None):
    """Returns `(network, heads)` of LPIPS by VGG16; it has its own taps.

    Raises:
        InputError, WeightsError: see `features.lpips.lpips_network`; nowhere to
            download it from is known.
    """
    if weights is None:
        raise InputError(
            "vgg_weights: must be a file of VGG16 and the heads of LPIPS, received none"
        )
    return lpips_network("vgg16", weights)


FEATURES = {
    "vgg16": vgg16,
    "lpips_vgg16": lpips_vgg16,
    "vgg19": vgg19,
    "resnet50_dilated": resnet50_dilated,
}
