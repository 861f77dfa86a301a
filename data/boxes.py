"""Masks of boxes, of regular shapes and of blobs; see `data.masks` for the contract."""

import math

import cv2
import numpy as np


def rectangle(
    rng: np.random.Generator, height: int, width: int, max_shrink: float = 1 / 16
) -> np.ndarray:
    """Draws a box of half the height and width anywhere, shrunk at random.

    Args:
        max_shrink: how much of the side comes off the top and the bottom at most, and
            off the left and the right; 0 always keeps the half.

    Reference:
        Wang et al., 2018, https://arxiv.org/abs/1810.08771, TensorFlow training.
    """
    intervals = []
    for length in (height, width):
        start, stop = interval(rng, length, length // 2)
        shrink = rng.integers(int(length * max_shrink) + 1)
        intervals.append(slice(start + shrink, stop - shrink))
    mask = np.zeros((height, width), np.uint8)
    mask[tuple(intervals)] = 1
    return usable(mask)


def centre(
    rng: np.random.Generator, height: int, width: int, share: float = 1 / 2
) -> np.ndarray:
    """Draws the centred box of a share of height and width; a half is the default."""
    rows, columns = max(1, int(height * share)), max(1, int(width * share))
    top, left = (height - rows) // 2, (width - columns) // 2
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + rows, left : left + columns] = 1
    return usable(mask)


def circle(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draws the centred disc half as wide as the shorter side, within `centre`."""
    y, x = np.ogrid[:height, :width]
    squares = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2
    radius = min(height, width) / 4
    return usable((squares <= radius**2).astype(np.uint8))


def blocks(
    rng: np.random.Generator, height: int, width: int, max_area: float = 1 / 4
) -> np.ndarray:
    """Draws 2 to 8 boxes anywhere, an eighth to a third of height and width each.

    Args:
        max_area: boxes that would make the hole larger than this fraction are left out.

    Reference:
        Pathak et al., 2016, https://arxiv.org/abs/1604.07379, section 3.3.
    """
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(2, 9)):
        sides = rng.uniform(1 / 8, 1 / 3, size=2)
        top, bottom = interval(rng, height, sides[0] * height)
        left, right = interval(rng, width, sides[1] * width)
        larger = mask.copy()
        larger[top:bottom, left:right] = 1
        if larger.mean() <= max_area:
            mask = larger
    return usable(mask)


def regions(
    rng: np.random.Generator,
    height: int,
    width: int,
    cell: float = 100 / 3,
    least: float = 0.2,
    most: float = 0.3,
) -> np.ndarray:
    """Draws smooth blobs, where random grey that is enlarged bicubically is dark.

    Args:
        cell: pixels from one random value to the next.
        least, most: fractions of the area; others are drawn again, up to 100 times.

    Reference:
        Pathak et al., 2016, https://arxiv.org/abs/1604.07379, the published code.
    """
    scale = cell * math.sqrt(height * width) / 256
    # One value more on each side than the image needs, because edges are repeated.
    shape = math.ceil(height / scale) + 3, math.ceil(width / scale) + 3
    large = round(shape[1] * scale), round(shape[0] * scale)
    for _ in range(100):
        grey = rng.random(shape, np.float32)
        grey = cv2.resize(grey, large, interpolation=cv2.INTER_CUBIC)
        top, left = rng.integers(scale, 2 * scale + 1, size=2)
        mask = (grey[top : top + height, left : left + width] < 1 / 4).astype(np.uint8)
        if least <= mask.mean() <= most:
            break
    return usable(mask)


def interval(rng, length, side, margin=0):
    """Places `side` of `length` pixels at random: first and last + 1.

    Args:
        margin: pixels at either end that are left free, as far as one is left between.
    """
    margin = min(round(margin), (length - 1) // 2)
    side = min(max(1, round(side)), length - 2 * margin)
    start = margin + int(rng.integers(length - 2 * margin - side + 1))
    return start, start + side


def outpainting(
    rng: np.random.Generator, height: int, width: int, most: float = 1 / 4
) -> np.ndarray:
    """Hides a band along one to four of the borders.

    Args:
        most: share of the side that a band takes at most; it takes a sixteenth at
            least.
    """
    mask = np.zeros((height, width), np.uint8)
    sides = rng.permutation(4)[: rng.integers(1, 5)]
    for side in sides:
        turned = np.rot90(mask, side)  # a view
        share = rng.uniform(1 / 16, most)
        turned[: max(1, round(share * len(turned)))] = 1
    return usable(mask)


def usable(mask):
    """Makes sure that a mask has a hole and, from two pixels on, a known pixel."""
    height, width = mask.shape
    if not mask.any():
        mask[height // 2, width // 2] = 1
    if mask.all() and mask.size > 1:
        mask[0, 0] = 0
    return mask
