"""Masks that hide an object of the picture, and files that say where objects are."""

import math
from pathlib import Path

import cv2
import numpy as np

from inpainting_zoo.data.boxes import rectangle, usable
from inpainting_zoo.data.images import (
    MAX_PIXELS,
    PictureError,
    crop_square,
    open_picture,
)

MAX_AREA = 0.5  # of the picture; an object that hides more leaves too little
MARGIN = 3  # pixels at 256 x 256 by which a hole is wider than its object


def one_object(
    rng: np.random.Generator, height: int, width: int, *, objects: np.ndarray
) -> np.ndarray:
    """Hides one object drawn at random, and a margin of 3 pixels around it.

    Objects that would hide more than half of the picture are not drawn. A picture
    without any to draw gets a `rectangle`.

    Args:
        objects: uint8 (H, W), one number an object, 0 for none.
    """
    radius = max(1, round(MARGIN * math.sqrt(height * width) / 256))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, [2 * radius + 1] * 2)
    for label in rng.permutation(np.setdiff1d(objects, 0)):
        mask = cv2.dilate((objects == label).astype(np.uint8), disc)
        if mask.mean() <= MAX_AREA:
            return usable(mask)
    return rectangle(rng, height, width)


def read_objects(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads a picture of labels as uint8 (H, W): grey values, or places in a palette.

    Raises:
        PictureError: the file cannot be read, or holds colours.
    """
    picture = open_picture(path, max_pixels)
    if picture.mode not in ("1", "L", "P"):
        raise PictureError(
            "objects_path: must be numbers from 0 to 255, grey or of a palette, "
            f"received {str(path)!r} of mode {picture.mode}",
            Path(path),
        )
    return np.array(picture, np.uint8)


def fit_objects(
    objects: np.ndarray,
    size: int,
    rng: np.random.Generator | None = None,
    max_zoom: float = 1.15,
) -> np.ndarray:
    """Cuts labels as `data.images.fit_image` cuts their picture, by nearest neighbour.

    Args:
        objects: uint8 (H, W).
        size: side of the result, uint8 (size, size), in pixels.
        rng: in the state in which `fit_image` takes it, for the same crop.
        max_zoom: as there.
    """
    square, mirrored = crop_square(objects, rng, max_zoom)
    square = cv2.resize(square, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.ascontiguousarray(square[:, ::-1] if mirrored else square)
