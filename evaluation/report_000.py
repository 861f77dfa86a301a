"""The way in which report 000 completed small pictures: enlarged, and shrunk again.

It enlarged pictures of 128 px to the 512 px of Stable Diffusion, and compared what came
out, shrunk, with the picture. Its holes were squares (masks `centre`) and discs
(`circle`). It does not say whether known pixels were put back: here they are not, as
they are not in the program that it used.
"""

from collections.abc import Callable

import cv2

from inpainting_zoo.errors import InputError

NAME = "report_000"


def check_size(size: int, side: int):
    """Checks that pictures are smaller than a model's own; raises InputError."""
    if size >= side:
        raise InputError(
            f"image_size: must be below the model's {side} in {NAME}, received {size}"
        )


def enlarging(model, size: int, seed: int = 0, **options) -> Callable:
    """Returns complete(image, mask) that shows a model small pictures at its own size.

    Args:
        model: a `models.completer.Completer`.
        size: side in pixels of the square pictures, smaller than the model's.
        seed: of what the model draws.
        **options: of the model.

    Raises:
        InputError: if pictures are not smaller.
    """
    side = model.image_size
    check_size(size, side)

    def complete(image, mask):
        large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        hole = cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST)
        found = model.predict_image(large, hole, seed, **options)
        return cv2.resize(found, (size, size), interpolation=cv2.INTER_AREA)

    return complete
