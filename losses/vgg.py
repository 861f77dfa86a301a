"""Features of the ImageNet VGG19 for the ID-MRF loss."""

import logging
import os
import pathlib

import keras
import numpy as np

from errors import InputError

# Taps (after the ReLU) and their weights: conv3_2 for texture, conv4_2 for texture and
# content (Equation 4 of the paper counts it twice).
TAPS = {"block3_conv2": 1.0, "block4_conv2": 2.0}
SUBSTITUTE = {"block4_conv2": "block3_conv4"}
FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"


def build_vgg_features(weights: str | None = None):
    """Builds images (B, H, W, 3) in [-1, 1] -> [(B, h, w, C), ...] in `TAPS` order.

    Args:
        weights: a Keras `.h5` file without the top, or an `.npz` file with keys such as
            `block3_conv2__kernel` (HWIO) and `block3_conv2__bias`. An `.npz` that ends
            before block 4 is used up to block3_conv4, with a line in the log. By
            default Keras downloads the file once.

    Raises:
        InputError: if the file is missing or does not fit, or the download fails.
    """
    if weights and str(weights).endswith(".npz"):
        vgg, names = _from_npz(weights)
    else:
        vgg, names = _from_keras(weights), list(TAPS)
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


def _from_npz(path):
    if not pathlib.Path(path).is_file():
        raise InputError(f"vgg_weights: must be a file, received {str(path)!r}")
    with np.load(path, allow_pickle=False) as arrays:
        vgg = _empty()
        loaded = [n.name for n in vgg.layers if f"{n.name}__kernel" in arrays]
        for name in loaded:
            new = [arrays[f"{name}__kernel"], arrays[f"{name}__bias"]]
            if [a.shape for a in new] != [v.shape for v in vgg.get_layer(name).weights]:
                raise InputError(f"vgg_weights: {name} has a wrong shape in {path}")
            vgg.get_layer(name).set_weights(new)
    names = []
    for tap in TAPS:
        name = tap if tap in loaded else SUBSTITUTE.get(tap)
        if name not in loaded:
            raise InputError(f"vgg_weights: {path} holds no {tap}__kernel")
        if name != tap:
            logging.warning("ID-MRF uses %s: %s holds no %s", name, path, tap)
        names.append(name)
    return vgg, names


def _from_keras(path):
    try:
        return keras.applications.VGG19(
            include_top=False, weights=str(path) if path else "imagenet"
        )
    except Exception as error:
        home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
        where = pathlib.Path(home, "models", FILE)
        raise InputError(
            f"vgg_weights: VGG19 could not be read ({str(error).splitlines()[0]}); put "
            f"{FILE} at {where} or name it with -vgg_weights, or train without ID-MRF: "
            "-id_mrf_weight 0"
        ) from error
