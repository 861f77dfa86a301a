"""Finding a subject by a point within it, by Segment Anything.

Reference: Kirillov et al., Segment Anything, ICCV 2023; the networks are KerasHub's.
"""

from collections.abc import Callable

import cv2
import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.options.inpaint import SAM

MEAN = (124, 116, 104)  # of ImageNet's colours, which the network takes for nothing
INSIDE, PADDING = 1, -1  # labels of points


def segmenter(point: tuple, source: str = SAM) -> Callable:
    """Returns a function that finds what is at a point.

    Args:
        point: pixels from the left and from the top.
        source: a preset of KerasHub's `SAMImageSegmenter`, which KerasHub downloads
            once, or the folder of one.

    Returns:
        Takes a picture uint8 (H, W, 3), returns a mask (H, W), 1 in the subject: of the
        network's masks the one that it is surest of.

    Raises:
        InputError: from the function, if the point lies beyond the picture or nothing
            is found there, the extra is not installed, or there is no such preset.
    """

    def segment(picture):
        height, width = picture.shape[:2]
        if not (0 <= point[0] < width and 0 <= point[1] < height):
            raise InputError(
                f"point: must lie within {width}x{height} pixels, received {point}"
            )
        model = load(source)
        *_, side, _ = model.backbone.image_encoder.input.shape
        scale = side / max(height, width)
        rows, columns = (max(1, round(n * scale)) for n in (height, width))
        canvas = np.empty((side, side, 3), np.uint8)
        canvas[:] = MEAN
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        shown = cv2.resize(picture, (columns, rows), interpolation=method)
        canvas[:rows, :columns] = shown
        # KerasHub adds half a pixel to points.
        place = (np.array(point) + 0.5) * scale - 0.5
        found = model.predict(
            {
                "images": canvas[None].astype("float32"),
                "points": np.float32([[place, (0, 0)]]),
                "labels": np.float32([[INSIDE, PADDING]]),
            },
            verbose=0,
        )
        best = np.argmax(found["iou_pred"][0])
        logits = np.float32(found["masks"][0, best])
        logits = cv2.resize(logits, (side, side))[:rows, :columns]
        mask = (cv2.resize(logits, (width, height)) > 0).astype(np.uint8)
        if not mask.any():
            raise InputError(f"point: must show a subject, received {point}")
        return mask

    return segment


def load(source: str):
    """Returns a `SAMImageSegmenter`; see `segmenter`."""
    try:
        import keras_hub
    except ModuleNotFoundError as error:
        raise InputError(
            'point: needs what `pip install ".[segment]"` brings, received no '
            f"{error.name}"
        ) from error
    try:
        return keras_hub.models.SAMImageSegmenter.from_preset(source)
    except Exception as error:  # of KerasHub, of Kaggle's hub and of what they use
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"sam: must be a preset of SAMImageSegmenter or its folder, received "
            f"{source!r} ({reason})"
        ) from error
