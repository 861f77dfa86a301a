"""Moving a subject within its picture: where it goes, its size, edge and what hides it.

Reference: Wang et al., Repositioning the Subject within Image, TMLR 2024.
"""

import functools
from collections.abc import Callable

import cv2
import numpy as np

from inpainting_zoo.data.objects import shifted

SMOOTHNESS = 1e-4  # variance of brightness that counts as an edge of the subject
MOST_SCALE = 8


def mover(mask, shift: tuple, scale: float = 1.0) -> Callable:
    """Returns a function that moves a picture (H, W, C) or mask (H, W) by a subject.

    Args:
        mask: uint8 (H, W), 1 in the subject.
        shift: pixels to the right and down.
        scale: of the subject, whose foot, the middle of its lowest row, is fixed.

    Returns:
        Takes uint8 arrays, returns them moved and of the same size, 0 where nothing
        came.
    """
    (right, down), (height, width) = shift, mask.shape
    if scale == 1:
        return functools.partial(shifted, right=right, down=down)
    x, y = foot(mask)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    by = round(x * (1 - scale)) + right, round(y * (1 - scale)) + down
    scaled = _shrunk if scale < 1 else _enlarged

    def move(array):
        given = array if array.ndim == 3 else array.astype("float32")
        found = scaled(given, size, by)
        return found if array.ndim == 3 else np.uint8(found >= 0.5)

    return move


def _shrunk(array, size, by):
    """Scales (H, W, ...) to a smaller size (w, h) and moves it (right, down)."""
    small = cv2.resize(array, size, interpolation=cv2.INTER_AREA)
    return shifted(small, *by, array.shape[:2])


def _enlarged(array, size, by):
    """The same to a larger size, of which only what is seen is computed."""
    height, width = array.shape[:2]
    matrix = np.zeros((2, 3))
    for i, (length, larger) in enumerate(zip((width, height), size)):
        ratio = larger / length
        matrix[i, i], matrix[i, 2] = ratio, (ratio - 1) / 2 + by[i]
    found = cv2.warpAffine(
        array,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    rows, columns = (
        slice(max(0, start), max(0, start + length))
        for start, length in zip(by[::-1], size[::-1])
    )
    moved = np.zeros_like(found)
    moved[rows, columns] = found[rows, columns]
    return moved


def move_subject(image, mask, move: Callable):
    """Puts a subject elsewhere; where it was the picture is black.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W), 1 in the subject.
        move: see `mover`.

    Returns:
        `(image, hole, mask)`: the picture, where it is unknown now, and where the
        subject is, uint8 (H, W) of 0 and 1.
    """
    moved = move(mask)
    placed = np.where(mask[..., None] != 0, np.uint8(0), image)
    placed = np.where(moved[..., None] != 0, move(image), placed)
    return placed, mask & (1 - moved), moved


def foot(mask) -> tuple:
    """Returns the column and the row of the middle of a subject's lowest row."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask[rows[-1]])
    return int((columns[0] + columns[-1]) // 2), int(rows[-1])


def perspective(nearness, mask, shift: tuple) -> float:
    """Returns the scale of a subject at its new place: of things there to those here.

    Sizes are inverse to distances, so the scale is the quotient of the nearness at the
    subject's foot, after and before.

    Args:
        nearness: (H, W), inverse distances, as monocular depth networks give them.
        mask: uint8 (H, W), 1 in the subject.
        shift: pixels to the right and down.
    """
    (x, y), (height, width) = foot(mask), mask.shape
    right, down = (min(max(0, a + b), n - 1) for a, b, n in
                   zip((x, y), shift, (width, height)))  # fmt: skip
    here, there = float(nearness[y, x]), float(nearness[down, right])
    return min(max(there / here, 1 / MOST_SCALE), MOST_SCALE) if here > 0 else 1.0


def hidden(nearness, mask, moved):
    """Returns where something nearer stands before a moved subject, uint8 (H, W).

    Args:
        nearness: see `perspective`.
        mask, moved: uint8 (H, W), 1 in the subject, before and after.
    """
    own = np.median(nearness[mask != 0])
    return ((nearness > own) & (moved != 0) & (mask == 0)).astype(np.uint8)


def matte(image, mask, radius: int):
    """Returns the share of a subject in each pixel, float32 (H, W) in [0, 1].

    Only pixels nearer than `radius` to the mask's edge have another share than the
    mask; it follows the picture's own edges.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W), 1 in the subject.
        radius: pixels; 0 returns the mask.

    Reference: He et al., Guided Image Filtering, ECCV 2010, Equations 5, 6 and 8.
    """
    alpha = mask.astype("float32")
    if not radius:
        return alpha

    def mean(x):
        return cv2.boxFilter(x, -1, (2 * radius + 1,) * 2)

    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype("float32") / 255
    variance = mean(guide * guide) - mean(guide) ** 2
    a = (mean(guide * alpha) - mean(guide) * mean(alpha)) / (variance + SMOOTHNESS)
    b = mean(alpha) - a * mean(guide)
    soft = np.clip(mean(a) * guide + mean(b), 0, 1)
    inside, outside = (
        cv2.distanceTransform(np.uint8(x), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for x in (mask != 0, mask == 0)
    )
    return np.where(inside + outside <= radius, soft, alpha)
