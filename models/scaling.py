"""Shrinking what is known, enlarging what was predicted, and the seam between them."""

import math

import cv2
import numpy as np

Box = tuple[slice, slice]  # rows, columns


def shrink(image, hole, size: int):
    """Averages the known pixels, so that the longer side becomes `size`.

    Returns:
        uint8 (h, w, 3) and uint8 (h, w), 1 where less than half was known.
    """
    if size == max(hole.shape):
        return image, hole
    known = 255 * (1 - hole)
    blanked = cv2.bitwise_and(image, image, mask=known)
    known, blanked = _average(known, size), _average(blanked, size)
    average = blanked * (255 / np.maximum(known, 1))[..., None]
    average = np.rint(average.clip(0, 255)).astype(np.uint8)
    return average, (known < 128).astype(np.uint8)


def shrink_hole(hole, size: int):
    """Returns the hole alone that `shrink` returns."""
    if size == max(hole.shape):
        return hole
    return (_average(255 * (1 - hole), size) < 128).astype(np.uint8)


def _average(values, size):
    height, width = values.shape[:2]
    scale = size / max(height, width)
    small = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(values, small, interpolation=cv2.INTER_AREA)


def enlarge(predicted, shape: tuple[int, int], area: Box | None = None):
    """Enlarges a prediction to the size of its picture, or only an area of it.

    Args:
        predicted: uint8 (h, w, 3).
        shape: (H, W) of the picture.
        area: rows and columns of the picture.

    Returns:
        uint8 (H, W, 3) or, the same but cut out, of the area's size.
    """
    rows, columns = area or (slice(0, shape[0]), slice(0, shape[1]))
    if predicted.shape[:2] == shape:
        return predicted[rows, columns]
    across, down = predicted.shape[1] / shape[1], predicted.shape[0] / shape[0]
    to_small = np.array(  # pixel centres are at halves
        [
            [across, 0, (columns.start + 0.5) * across - 0.5],
            [0, down, (rows.start + 0.5) * down - 0.5],
        ]
    )
    return cv2.warpAffine(
        predicted,
        to_small,
        (columns.stop - columns.start, rows.stop - rows.start),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def feather(predicted, image, hole, width: float):
    """Fades a prediction in from the known pixels around it, inside the hole only.

    At a distance d from the known pixels, the mean of those nearby has the weight
    1 - d / (width + 1).

    Args:
        predicted: uint8 (H, W, 3).
        image: uint8 (H, W, 3).
        hole: uint8 (H, W), 1 in the hole.
        width: of the seam, in pixels.

    Returns:
        uint8 (H, W, 3): `predicted`, changed in the seam.
    """
    distance = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_5)
    seam = (hole > 0) & (distance <= width)
    weight = 1 - distance[seam] / (width + 1)
    window = (2 * math.ceil(width) + 1,) * 2
    known = 1 - hole
    count = _sums(known, window)[seam]
    faded = predicted.copy()
    for channel in range(3):  # one at a time: sums of large crops are large
        nearby = _sums(image[..., channel] * known, window)[seam] / count
        inside = predicted[..., channel][seam]
        faded[..., channel][seam] = np.rint(inside + weight * (nearby - inside))
    return faded


def _sums(values, window):
    return cv2.boxFilter(
        values, cv2.CV_32F, window, normalize=False, borderType=cv2.BORDER_CONSTANT
    )
