"""Features of VGG16 and VGG19, trained on ImageNet."""

import dataclasses
import functools
import logging
import os
import pathlib

import keras
import numpy as np

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.features.normalization import imagenet
from inpainting_zoo.storage.arrays import read_arrays
from inpainting_zoo.storage.downloads import cache_folder, fetch
from inpainting_zoo.storage.files import digest

log = logging.getLogger(__name__)
URL = "https://storage.googleapis.com/tensorflow/keras-applications"
LPIPS = "VGG16_0.Conv_{}."  # what files of LPIPS call a convolution, counted from 0
CAFFE = 57.0  # how much larger its inputs are than torchvision's, 255 x 0.225


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and its file of Keras without the top.

    Args:
        name: of the network, "vgg16" or "vgg19".
        md5: of the file.
        size: of the file in bytes, about.
    """

    name: str
    md5: str
    size: int

    @property
    def file(self) -> str:
        return f"{self.name}_weights_tf_dim_ordering_tf_kernels_notop.h5"

    def build(self, weights=None):
        """Builds the network, without weights or with those of Keras's file."""
        build = getattr(keras.applications, self.name.upper())
        return build(include_top=False, weights=weights)


VGG16 = Network("vgg16", "6d6bbae143d832006294945121d1f1fc", 58_900_000)
VGG19 = Network("vgg19", "253f8cb515780f3b799900260a226db6", 80_100_000)


def _vgg(
    network: Network,
    taps,
    weights: str | None = None,
    substitutes: dict | None = None,
    rectified: bool = True,
):
    """Builds images (B, H, W, 3) in [-1, 1] -> [(B, h, w, C), ...], frozen.

    Args:
        taps: names of the layers, such as "block3_conv2", whose outputs after the ReLU
            are returned, in this order; before it, if not `rectified`.
        weights: the `.h5` file of Keras without the top, and no other such file, or an
            `.npz` file with keys such as `block3_conv2__kernel` (HWIO) and
            `block3_conv2__bias`, or the VGG16 of LPIPS, which is torchvision's, with
            keys such as `VGG16_0.Conv_0.kernel`. By default Keras's file is taken from
            where Keras keeps it, or downloaded once; see `storage.downloads`.
        substitutes: tap -> the layer to take instead, with a line in the log, where an
            `.npz` file does not reach so far.

    Returns:
        The network; its `scale` is how much larger its features are, about, than those
        of inputs of deviation 1, as torchvision's networks have them.

    Raises:
        InputError: if the file is missing or does not fit, or the download fails.
        WeightsError: if the file is damaged or not the one that it should be.

    Reference: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale
    Image Recognition, ICLR 2015.
    """
    names = list(taps)
    if weights and str(weights).endswith(".npz"):
        vgg, names, normalize = _from_npz(network, weights, names, substitutes or {})
    else:
        vgg, normalize = _from_keras(network, weights), _caffe
    image = keras.Input((None, None, 3), name="vgg_image")
    found = _activations(vgg) if rectified else _before_activations(vgg)
    taps = keras.Model(vgg.inputs, [found[name] for name in names])
    features = keras.Model(image, taps(normalize(image)), name=network.name)
    features.trainable = False
    features.scale = CAFFE if normalize is _caffe else 1.0
    return features


vgg16 = functools.partial(_vgg, VGG16)
vgg19 = functools.partial(_vgg, VGG19)


def _activations(vgg):
    """Returns name of a layer -> its output."""
    return {layer.name: layer.output for layer in vgg.layers}


def _before_activations(vgg):
    """Returns name of a convolution -> its output before the ReLU."""
    x, found = vgg.inputs[0], {}
    for layer in vgg.layers[1:]:
        if "_conv" not in layer.name:
            x = layer(x)
            continue
        layer.activation = keras.activations.linear
        found[layer.name] = layer(x)
        x = keras.ops.relu(found[layer.name])
    return found


def _caffe(image):
    """Turns RGB in [-1, 1] into BGR in 0..255 minus the ImageNet mean."""
    x = keras.ops.flip(image + 1.0, axis=-1) * 127.5
    return x - np.array([103.939, 116.779, 123.68], "float32")


def _from_npz(network, path, taps, substitutes):
    """Returns the network, the names of the taps that it has, and its normalization."""
    if not pathlib.Path(path).is_file():
        raise InputError(f"vgg_weights: must be a file, received {str(path)!r}")
    arrays, vgg, normalize = read_arrays(path, "vgg_weights"), network.build(), _caffe
    convolutions = [layer.name for layer in vgg.layers if "_conv" in layer.name]
    theirs = {
        f"{name}__{kind}": LPIPS.format(i) + kind
        for i, name in enumerate(convolutions)
        for kind in ("kernel", "bias")
    }
    if theirs["block1_conv1__kernel"] in arrays:
        if network is not VGG16:
            raise InputError(
                f"vgg_weights: must be of {network.name}, received vgg16's {path}"
            )
        ours = {name: arrays[key] for name, key in theirs.items() if key in arrays}
        arrays, normalize = ours, imagenet
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
            taken = (network.name, name, path, tap)
            log.warning("%s: %s is taken, %s holds no %s", *taken)
        names.append(name)
    return vgg, names, normalize


def _from_keras(network, path):
    if path and not pathlib.Path(path).is_file():
        raise InputError(f"vgg_weights: must be a file, received {str(path)!r}")
    # A stranger's .h5 file can refer to other files: it is not even opened.
    if path and (found := digest(path, "md5")) != network.md5:
        raise WeightsError(
            f"vgg_weights: must be an .npz file or {network.file} with the MD5 "
            f"{network.md5}, received {str(path)!r} with {found}"
        )
    return network.build(weights=str(path or _download(network)))


def _download(network):
    """Returns where Keras keeps its file, or where it is downloaded to."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    place = pathlib.Path(home, "models", network.file)
    if not place.is_file():
        place = cache_folder() / network.file
    try:
        url = f"{URL}/{network.name}/{network.file}"
        return fetch([url], place, network.md5, network.size)
    except (InputError, WeightsError) as error:
        raise type(error)(
            f"vgg_weights: {error}; put it there or name it with -vgg_weights"
        ) from error
