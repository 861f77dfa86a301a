"""LPIPS: how different two pictures look, by the layers of a network."""

import functools

import numpy as np
from keras import ops

from inpainting_zoo.errors import InputError
from inpainting_zoo.features.lpips import PLANS, SHIPPED_ALEXNET, lpips_network
from inpainting_zoo.storage.files import sha256

EPSILON = 1e-10  # of the authors' normalization


class Lpips:
    """The learned perceptual image patch similarity v0.1, a distance.

    Args:
        network: "alexnet", by which papers report, or "vgg16".
        weights: its file; see `features.lpips.lpips_network`. AlexNet is shipped.

    Raises:
        InputError, WeightsError: see there.

    Reference:
        Zhang et al., The unreasonable effectiveness of deep features as a perceptual
        metric, CVPR 2018.
    """

    def __init__(self, network: str = "alexnet", weights: str | None = None):
        self.network, self.heads = lpips_network(network, weights)
        self.least_side = PLANS[network].least_side
        self.key = f"{network}-{sha256(weights or SHIPPED_ALEXNET)[:12]}"
        self._truth = self._layers = None

    def distance(self, truth, output, mask=None) -> float:
        """Returns the distance of two pictures, 0 if they are the same.

        Args:
            truth: uint8 (H, W, 3).
            output: uint8 (H, W, 3).
            mask: not looked at.

        Returns:
            The sum over five layers of the mean over their positions (Equation 1),
            at least 0 and hardly over 1; nan for a side under 31 pixels (VGG16: 16),
            at which the last layer sees nothing.
        """
        if min(truth.shape[:2]) < self.least_side:
            return float("nan")
        if truth is not self._truth:  # which is the same for every method
            self._truth, self._layers = truth, self._normalized(truth)
        layers = zip(self._layers, self._normalized(output), self.heads)
        return float(sum(((x - y) ** 2 @ head).mean() for x, y, head in layers))

    def vector(self, image):
        """Returns the mean features (C,) of the last layer over a picture.

        Args:
            image: uint8 (H, W, 3).

        Raises:
            InputError: if a side is too short for that layer.
        """
        if min(image.shape[:2]) < self.least_side:
            raise InputError(
                f"metrics: {self.network.name} needs sides of at least "
                f"{self.least_side} pixels, received {image.shape[:2]}"
            )
        return self._features(image)[-1].mean(axis=(0, 1))

    def _features(self, image):
        scaled = np.float32(image)[None] / 127.5 - 1
        return [ops.convert_to_numpy(x)[0] for x in self.network(scaled)]

    def _normalized(self, image):
        """Returns each layer's features (h, w, C), of length 1 at every position."""
        layers = self._features(image)
        lengths = [np.sqrt((x**2).sum(axis=-1, keepdims=True)) for x in layers]
        return [x / (length + EPSILON) for x, length in zip(layers, lengths)]


# Networks are built once in a process.
lpips = functools.cache(Lpips)
