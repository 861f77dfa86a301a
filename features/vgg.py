"""Features of VGG19, trained on ImageNet."""

import logging
import os
import pathlib

import keras
import numpy as np

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.arrays import read_arrays
from inpainting_zoo.storage.downloads import cache_folder, fetch
from inpainting_zoo.storage.files import digest

log = logging.getLogger(__name__)
FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
MD5 = "253f8cb515780f3b799900260a226db6"
URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg19/{FILE}"


def vgg19(taps, weights: str | None = None, substitutes: dict | None = None):
    """Builds images (B, H, W, 3) in [-1, 1] -> [(B, h, w, C), ...], frozen.

    Args:
        taps: names of the layers, such as "block3_conv2", whose outputs after the ReLU
            are returned, in this order.
        weights: the `.h5` file of Keras without the top, and no other such file, or an
            `.npz` file with keys such as `block3_conv2__kernel` (HWIO) and
            `block3_conv2__bias`. By default Keras's file is taken from where Keras
            keeps it, or downloaded once; see `storage.downloads`.
        substitutes: tap -> the layer to take instead, with a line in the log, where an
            `.npz` file does not reach so far.

    Raises:
        InputError: if the file is missing or does not fit, or the download fails.
        WeightsError: if the file is damaged or not the one that it should be.

    Reference: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale
    Image Recognition, ICLR 2015.
    """
    names = list(taps)
    if weights and str(weights).endswith(".npz"):
        vgg, names = _from_npz(weights, names, substitutes or {})
    else:
        vgg = _from_keras(weights)
    image = keras.Input((None, None, 3), name="vgg_image")
    # RGB in [-1, 1] -> BGR in 0..255 minus the ImageNet mean.
    x = keras.ops.flip(image + 1.0, axis=-1) * 127.5
    x = x - np.array([103.939, 116.779, 123.68], "float32")
    taps = keras.Model(vgg.inputs, [vgg.get_layer(name).output for name in names])
    features = keras.Model(image, taps(x), name="vgg19")
    features.trainable = False
    return features


def _empty():
    return keras.applications.VGG19(include_top=False, weights=None)


def _from_npz(path, taps, substitutes):
    if not pathlib.Path(path).is_file():
        raise InputError(f"vgg_weights: must be a file, received {str(path)!r}")
    arrays, vgg = read_arrays(path, "vgg_weights"), _empty()
    loaded = [n.name for n in vgg.layers if f"{n.name}__kernel" in arrays]
    for name in loaded:
        new = [arrays[f"{name}__kernel"], arrays.get(f"{name}__bias", np.empty(0))]
        if [a.shape for a in new] != [v.shape for v in vgg.get_layer(name).weights]:
            raise InputError(f"vgg_weights: {name} has a wrong shape in {path}")
        vgg.get_layer(name).set_weights(new)
    names = []
    for tap in taps:
        name = tap if tap in loaded else substitutes.get(tap)
        if name not in loaded:
            raise InputError(f"vgg_weights: {path} holds no {tap}__kernel")
        if name != tap:
            log.warning("vgg19: %s is taken, %s holds no %s", name, path, tap)
        names.append(name)
    return vgg, names


def _from_keras(path):
    if path and not pathlib.Path(path).is_file():
        raise InputError(f"vgg_weights: must be a file, received {str(path)!r}")
    # A stranger's .h5 file can refer to other files: it is not even opened.
    if path and (found := digest(path, "md5")) != MD5:
        raise WeightsError(
            f"vgg_weights: must be an .npz file or {FILE} with the MD5 {MD5}, received "
            f"{str(path)!r} with {found}"
        )
    path = path or _download()
    return keras.applications.VGG19(include_top=False, weights=str(path))


def _download():
    """Returns where Keras keeps its file, or where it is downloaded to."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    place = pathlib.Path(home, "models", FILE)
    if not place.is_file():
        place = cache_folder() / FILE
    try:
        return fetch([URL], place, MD5)
    except (InputError, WeightsError) as error:
        raise type(error)(
            f"vgg_weights: {error}; put {FILE} at {place} or name it with -vgg_weights"
        ) from error
