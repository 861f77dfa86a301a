"""LPIPS: how different two pictures look, by the layers of a network."""

import functools

import numpy as np
from keras import ops

from inpainting_zoo.features.lpips import PLANS, lpips_network

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

    def _normalized(self, image):
        """Returns each layer's features (h, w, C), of length 1 at every position."""
        scaled = np.float32(image)[None] / 127.5 - 1
        layers = [ops.convert_to_numpy(x)[0] for x in self.network(scaled)]
        lengths = [np.sqrt((x**2).sum(axis=-1, keepdims=True)) for x in layers]
        return [x / (length + EPSILON) for x, length in zip(layers, lengths)]


# Networks are built once in a process.
lpips = functools.cache(Lpips)
