"""The square of a picture that a network of one size sees, whatever the picture's."""

import numpy as np


def window_of(hole, size: int, centre: bool):
    """Returns the square that shows a network the hole and as much around it.

    Args:
        hole: bool (H, W) with a hole.
        size: side in pixels of the network's images; no square is smaller.
        centre: whether the hole must lie in the central half of the square, which may
            reach beyond the picture then.

    Returns:
        `(top, left, side)` in pixels; side is a multiple of 4.
    """
    spans = []
    for axis in (0, 1):
        found = np.flatnonzero(hole.any(axis=1 - axis))
        spans.append((int(found[0]), int(found[-1]) + 1))
    longest = max(stop - start for start, stop in spans)
    side = max(size, 4 * -(-longest // 2))
    if not centre:
        side = min(side, max(size, 4 * -(-max(hole.shape) // 4)))
    margin = side // 4 if centre else 0
    corner = []
    for (start, stop), length in zip(spans, hole.shape):
        middle = (start + stop - side) // 2
        inside = np.clip(middle, min(0, length - side), max(0, length - side))
        corner.append(int(np.clip(inside, stop + margin - side, start - margin)))
    return *corner, side


def take(array, top: int, left: int, side: int):
    """Takes a square of (H, W, ...), which is reflected beyond its edges."""
    rows = _reflected(top, side, array.shape[0])
    columns = _reflected(left, side, array.shape[1])
    return array[rows][:, columns]


def put(square, picture, top: int, left: int):
    """Writes the part of a square that lies within the picture (H, W, 3), in place."""
    height, width = picture.shape[:2]
    side = len(square)
    first, last = max(top, 0), min(top + side, height)
    start, stop = max(left, 0), min(left + side, width)
    picture[first:last, start:stop] = square[
        first - top : last - top, start - left : stop - left
    ]


def _reflected(start, side, length):
    """Indices of positions that turn back at the first and the last pixel."""
    period = max(2 * (length - 1), 1)
    positions = np.arange(start, start + side) % period
    return np.minimum(positions, period - positions)
