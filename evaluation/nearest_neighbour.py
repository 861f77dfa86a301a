"""The most similar training picture, by what is known, as a completion."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from inpainting_zoo.data.images import MAX_PIXELS, fit_image, read_image
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.baselines import NEAREST, completing

SIDE = 32  # of pictures as they are compared: people still tell what they show


def nearest_neighbour(files: Sequence[Path], max_pixels: int = MAX_PIXELS):
    """Returns complete(image, mask), which pastes from the most similar picture.

    That is the picture whose mean squared difference over the known pixels is least.
    All are averaged by area to 32 x 32 before, hidden pixels left out, so a picture
    takes 3 KB of memory, and noise counts little.

    Args:
        files: pictures to paste from, such as those of a training; none of a test.
        max_pixels: larger files are refused from their header.

    Raises:
        PictureError: if a file is unreadable.
        InputError: `complete` does, of a picture that is not square.

    Reference:
        Hays and Efros, Scene completion using millions of photographs, SIGGRAPH 2007.
        Torralba, Fergus and Freeman, 80 million tiny images, PAMI 30(11), 2008.
    """
    bar = tqdm(files, NEAREST, unit="image", disable=None)
    small = np.stack([fit_image(read_image(file, max_pixels), SIDE) for file in bar])

    @completing
    def complete(image, mask):
        if image.shape[0] != image.shape[1]:
            raise InputError(
                f"methods: {NEAREST} completes squares, received {image.shape[:2]}"
            )
        known = np.float32(~mask)[..., None]
        share, shown = _shrink(known), _shrink(image * known)
        colour = shown / np.maximum(share, 1e-6)  # mean over a cell's known pixels
        errors = [np.sum(share * (colour - picture) ** 2) for picture in small]
        file = files[int(np.argmin(errors))]
        return fit_image(read_image(file, max_pixels), len(image))

    return complete


def _shrink(x):
    """Averages (S, S, C) by area to (SIDE, SIDE, C)."""
    small = cv2.resize(x, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small.reshape(SIDE, SIDE, -1)  # which OpenCV forgets of one channel
