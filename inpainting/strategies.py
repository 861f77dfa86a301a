"""Completing pictures of any size with a model that was made for one size."""

import math
from collections.abc import Callable

import numpy as np

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.inpainting.crops import (
    grow,
    plan_crops,
    relative,
    union,
    window_around,
)
from inpainting_zoo.models.scaling import enlarge, feather, shrink

Complete = Callable[[np.ndarray, np.ndarray], np.ndarray]
ORIGINAL_UP_TO = 2  # times the model's size
SMALLEST_SIZE = 64  # the working size is not halved below this


def choose_strategy(height: int, width: int, model_size: int) -> str:
    """The default strategy of a picture, by its size alone.

    Up to twice the model's size a picture is completed as it is ("original"): nothing
    is interpolated, and it costs at most four pictures of the model's size. A larger
    one is completed by "crop", whose time and memory follow the holes rather than the
    picture. "resize", one look at the whole picture, is for the user to ask for.

    Args:
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        model_size: side in pixels of the square pictures that the model was made for.
    """
    fits = max(height, width) <= ORIGINAL_UP_TO * model_size
    return "original" if fits else "crop"


def complete_large(
    complete: Complete,
    image: np.ndarray,
    mask: np.ndarray,
    model_size: int = 256,
    strategy: str | None = None,
) -> np.ndarray:
    """Complete a picture of any size; its known pixels stay the same, bit for bit.

    Where `complete` runs out of memory the working size is halved, down to 64 pixels.
    An empty mask gives a copy of the image, and `complete` is not called.

    Args:
        complete: takes an image and a mask of any size, returns the completed image.
        image: uint8 (H, W, 3).
        mask: (H, W), 1 or True in the hole.
        model_size: side in pixels of the square pictures that the model was made for.
        strategy: a name of `STRATEGIES`; None lets `choose_strategy` decide.

    Raises:
        InputError: unequal sizes, an unknown strategy, or too little memory even at
            the smallest working size.
    """
    if image.ndim != 3 or image.shape[2] != 3 or mask.shape != image.shape[:2]:
        raise InputError(
            "mask: must be (H, W) for an image (H, W, 3), "
            f"received {mask.shape} and {image.shape}"
        )
    fill = get(strategy or choose_strategy(*mask.shape, model_size))
    completed = image.copy()
    hole = (mask > 0).astype(np.uint8)
    if hole.any():
        fill(complete, completed, hole, model_size)
    return completed


def fill_original(complete: Complete, image, hole, model_size: int):
    """Fill the hole of an image in place, from one prediction at its own size."""
    predicted = enlarge(predict(complete, image, hole, max(hole.shape)), hole.shape)
    np.copyto(image, predicted, where=hole[..., None] > 0)


def fill_resized(complete: Complete, image, hole, model_size: int):
    """Fill the hole in place, from a prediction of the image at the model's size."""
    predicted = enlarge(predict(complete, image, hole, model_size), hole.shape)
    np.copyto(image, predicted, where=hole[..., None] > 0)


def fill_by_crops(complete: Complete, image, hole, model_size: int):
    """Fill the hole in place, group after group, in a crop around each.

    A crop is as large as the model's size, or larger and shrunk to it if the holes
    need that. The prediction is pasted with a seam inside the hole. What one crop
    filled is known to the next.
    """
    unknown = hole.copy()
    for boxes in plan_crops(hole, model_size):
        window = window_around(union(boxes), hole.shape, model_size)
        crop, holes = image[window], unknown[window]
        predicted = predict(complete, crop, holes, model_size)
        for box in boxes:
            _paste(predicted, crop, holes, relative(box, window))
        for box in boxes:
            unknown[box] = 0


def _paste(predicted, image, hole, box):
    """Paste the part of a prediction that fills the hole in one box."""
    width = max(hole.shape) / max(predicted.shape)
    area = grow(box, math.ceil(width) + 1, hole.shape)
    part = enlarge(predicted, hole.shape, area)
    part = feather(part, image[area], hole[area], width)
    part = part[relative(box, area)]
    np.copyto(image[box], part, where=hole[box][..., None] > 0)


def predict(complete: Complete, image, hole, size: int):
    """Predict an image, shrunk until its longer side is at most ``size``.

    Known pixels alone are averaged when shrinking, so that what the hole covers cannot
    leak out of it; a shrunk pixel is unknown if less than half of it was known.

    Args:
        complete: as for `complete_large`.
        image: uint8 (H, W, 3).
        hole: uint8 (H, W), 1 in the hole.
        size: in pixels; halved, down to 64, as often as memory does not suffice.

    Returns:
        uint8 (h, w, 3), as large as ``size`` allows.

    Raises:
        InputError: memory does not suffice at the smallest size.
    """
    size = min(size, max(hole.shape))
    while True:
        small, unknown = shrink(image, hole, size)
        if not unknown.any():
            return small
        try:
            return _checked(complete(small.copy(), unknown.copy()), small.shape)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            if size <= SMALLEST_SIZE:
                raise InputError(
                    f"complete: must fit in memory at {size} pixels, "
                    f"received {type(error).__name__}"
                ) from error
        size = max(SMALLEST_SIZE, size // 2)


def _checked(completed, shape):
    if completed.shape != shape or completed.dtype != np.uint8:
        raise ValueError(
            f"complete: must return uint8 {shape}, "
            f"received {completed.dtype} {completed.shape}"
        )
    return completed


def _is_out_of_memory(error):
    name = type(error).__name__
    return (
        isinstance(error, MemoryError)
        or "ResourceExhausted" in name  # TensorFlow
        or "RESOURCE_EXHAUSTED" in str(error)  # XLA, under several class names
    )


STRATEGIES = {
    "original": fill_original,
    "resize": fill_resized,
    "crop": fill_by_crops,
}


def get(name: str):
    """Look up a strategy, ``fill(complete, image, hole, model_size)``, by name.

    Raises:
        InputError: there is no strategy of this name.
    """
    return choose("strategy", name, STRATEGIES)
