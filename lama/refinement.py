"""Refinement: features of a fine scale are fitted to what a coarse one predicted.

A network sees little of a large hole at once; at half the size it sees twice as much.

Reference: Kulshreshtha et al., Feature Refinement to Improve High Resolution Image
Inpainting, 2022, https://arxiv.org/abs/2206.13644
"""

import math

import cv2
import keras
import numpy as np
from keras import ops

from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.engine.steps import descend
from inpainting_zoo.layers.padding import pad_to_multiple
from inpainting_zoo.losses.reconstruction import known_loss
from inpainting_zoo.models.pixels import paste

SHORT_SIDE = 512  # of the coarsest scale, in pixels, about
MOST_SCALES = 3
MOST_PIXELS = 1_800_000
UPDATES = 14
LEARNING_RATE = 0.002
ERODED = 15  # pixels of the ellipse by which a coarse hole is narrowed


def scales(height: int, width: int) -> int:
    """Returns how many scales a picture has, 1 to 3; one alone is not refined."""
    halvings = round(math.log2(max(1, min(height, width) / SHORT_SIDE)))
    return min(1 + halvings, MOST_SCALES)


def refined_side(height: int, width: int) -> int | None:
    """Returns the longer side in pixels at which a picture is refined.

    What has more than 1.8 megapixels is shrunk to them, as officially.

    Returns:
        None if the picture has one scale alone then, and is not refined.
    """
    longer, shorter = max(height, width), min(height, width)
    side = int(longer * min(1, math.sqrt(MOST_PIXELS / (height * width))))
    return side if scales(side, round(shorter * side / longer)) > 1 else None


class Refiner:
    """Predicts pictures from their coarsest scale to their own.

    At the coarsest scale the prediction is the network's. At each finer one Adam moves
    the features before the residual blocks, until the prediction is the picture where
    that is known and, halved, the coarser result inside the hole.

    Args:
        front: Keras model of [image, mask] -> features.
        rear: Keras model of [*features, image, mask] -> prediction.
        sizes: `models.sizes.Sizes` of the network.
    """

    def __init__(self, front, rear, sizes):
        self.rear = rear
        self.sizes = sizes.multiple, sizes.least, sizes.padding
        self.extract = compiled(lambda x: front([*x.values()]), front.variables)
        self.predict = compiled(lambda x: rear([*x.values()]), rear.variables)

    def __call__(self, image, mask):
        """Returns the prediction (1, H, W, 3) in [-1, 1].

        Args:
            image: float32 (1, H, W, 3) in [-1, 1].
            mask: float32 (1, H, W, 1), 1 in the hole.
        """
        pyramid = [(image, mask)]
        for _ in range(1, scales(*image.shape[1:3])):
            image, mask = map(halve, pyramid[-1])
            # A pixel that saw any of the hole is unknown.
            pyramid.append((image, ops.cast(mask > 1e-8, "float32")))
        coarser = None
        for image, mask in reversed(pyramid):
            prediction = self._predict(image, mask, coarser)
            coarser = paste(prediction, image, mask)
        return prediction

    def _predict(self, image, mask, coarser):
        """Predicts one scale, with refined features if there is a coarser result."""
        _, height, width, _ = image.shape
        inputs = {"image": image, "mask": mask}
        inputs = {k: pad_to_multiple(x, *self.sizes) for k, x in inputs.items()}
        features = keras.tree.flatten(self.extract(inputs))
        kinds = [x.dtype for x in features]
        if coarser is not None:
            # Steps of Adam vanish in 16 bits.
            moved = [keras.Variable(x, dtype="float32") for x in features]
            inner = inside(mask)

            def current():
                return [ops.cast(ops.copy(x), kind) for x, kind in zip(moved, kinds)]

            def distance():
                values = [*current(), *inputs.values()]
                prediction = self.rear(values)[:, :height, :width]
                here = known_loss(image, prediction, mask)
                below = known_loss(coarser, halve(prediction), 1 - inner)
                return here + below, {}

            optimizer = Adam(LEARNING_RATE, epsilon=1e-8)
            optimizer.build(moved)
            descend(distance, moved, optimizer, UPDATES, self.rear.variables)
            features = current()
        numbered = {str(i): x for i, x in enumerate(features)}
        return self.predict(numbered | inputs)[:, :height, :width]


class Adam(keras.optimizers.Adam):
    """Adam whose epsilon is added after the correction of bias, as in PyTorch.

    Keras adds it before, where the root is 32 times smaller in the first step. To the
    gradients of features, most of which are below 1e-6, that matters.

    Reference: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015.
    """

    # The slots are private to Keras; a test notices if they go.
    def update_step(self, gradient, variable, learning_rate):
        index, step = self._get_variable_index(variable), self.iterations + 1
        mean, square = self._momentums[index], self._velocities[index]
        self.assign_add(mean, (1 - self.beta_1) * (gradient - mean))
        self.assign_add(square, (1 - self.beta_2) * (ops.square(gradient) - square))
        unbiased, root = (
            x / (1 - beta ** ops.cast(step, x.dtype))
            for x, beta in ((mean, self.beta_1), (square, self.beta_2))
        )
        change = learning_rate * unbiased / (ops.sqrt(root) + self.epsilon)
        self.assign_sub(variable, change)


def halve(x):
    """Blurs (B, H, W, C) by a Gaussian of sigma 1 and halves it: (B, H/2, W/2, C)."""
    _, height, width, channels = x.shape
    gaussian = np.exp(-(np.arange(-2, 3) ** 2) / 2).astype("float32")
    kernel = np.outer(gaussian, gaussian) / gaussian.sum() ** 2
    kernel = np.tile(kernel[..., None, None], (1, 1, channels, 1))
    x = ops.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    x = ops.depthwise_conv(x, kernel)
    return ops.image.resize(x, (height // 2, width // 2), "bilinear", antialias=False)


def inside(mask):
    """Returns what is well within a hole at half its size: (1, H/2, W/2, 1) of 0, 1."""
    _, height, width, _ = mask.shape
    mask = ops.convert_to_numpy(mask)[0, :, :, 0]
    whole = cv2.resize(mask, (width // 2, height // 2)) > 1 - 1e-6
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (ERODED, ERODED))
    return cv2.erode(whole.astype("float32"), ellipse)[None, :, :, None]
