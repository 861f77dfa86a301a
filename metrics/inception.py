"""What Inception-v3 sees of a picture."""

import functools

import numpy as np
from keras import ops

from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.features.inception import (
    FITTING,
    fit_inception,
    inception_network,
)
from inpainting_zoo.features.inception_files import inception_file
from inpainting_zoo.storage.files import sha256


class Inception:
    """Features of whole pictures, by which sets of them are compared.

    Args:
        name: "inception" of 2015-12-05, as pytorch-fid and most papers use it, or
            "inception_torchvision", whose numbers are others.
        weights: its file; see `features.inception`. That of 2015 is downloaded.

    Raises:
        InputError, WeightsError: see there.
    """

    def __init__(self, name: str = "inception", weights: str | None = None):
        self.name, path = name, inception_file(name, weights)
        self.key = f"{name}-{FITTING}-{sha256(path)[:12]}"
        network = inception_network(name, path)
        self.call = compiled(lambda inputs: network(inputs["image"]), network.variables)

    def vector(self, image):
        """Returns the features (2048,) of a picture, uint8 (H, W, 3) of any size."""
        scaled = ops.convert_to_tensor(np.float32(image)[None] / 127.5 - 1)
        inputs = {"image": fit_inception(self.name, scaled)}
        return ops.convert_to_numpy(self.call(inputs))[0]


# Networks are built once in a process.
inception = functools.cache(Inception)
