"""Masks brushed along random walks; see `data.masks` for the contract."""

import math

import cv2
import numpy as np

from inpainting_zoo.data.boxes import interval, usable


def strokes(
    rng: np.random.Generator,
    height: int,
    width: int,
    parts: int = 8,
    max_vertices: int = 16,
    max_length: int = 80,
    max_brush: int = 20,
) -> np.ndarray:
    """Draws `parts` random walks with a brush that changes at every segment.

    The defaults are the official TensorFlow training settings. The others are, as
    (parts, max_vertices, max_length, max_brush): PyTorch training (10, 20, 100, 24),
    PyTorch test (8, 20, 100, 20), TensorFlow test (8, 20, 100, 24).

    Args:
        max_vertices: a part has 0 to this many segments; without any it is one pixel.
        max_length: a segment is 0 to this long, in pixels.
        max_brush: a brush is an even number of pixels from 10 to this.

    Reference:
        Wang et al., 2018, https://arxiv.org/abs/1810.08771
    """
    mask, scale = _blank(height, width)
    for _ in range(parts):
        segments = rng.integers(max_vertices + 1)
        angles = np.radians(rng.integers(361, size=segments))
        angles[::2] *= -1
        lengths = rng.integers(max_length + 1, size=segments)
        brushes = rng.integers(10, max_brush + 1, size=segments) // 2 * 2
        _draw_walk(mask, rng, angles, lengths, brushes, scale)
    return usable(mask)


def free_form(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draws 1 to 3 zigzag strokes of 4 to 11 segments, 12 to 40 pixels wide.

    Turns are near 2 pi / 5, segments near an eighth of the diagonal long; the whole
    is mirrored at random both ways.

    Reference:
        Yu et al., 2019, https://arxiv.org/abs/1806.03589, Algorithm 1.
    """
    mask, scale = _blank(height, width)
    radius = math.hypot(height, width) / scale / 8
    for _ in range(rng.integers(1, 4)):
        _zigzag(mask, rng, rng.integers(4, 12), radius, (12, 40), scale)
    return usable(_mirrored(mask, rng))


def lama(
    rng: np.random.Generator,
    height: int,
    width: int,
    walks: tuple[int, int],
    max_length: int,
    max_brush: int,
    box_probability: float = 0,
    boxes: tuple[int, int] = (1, 1),
    box_sides: tuple[int, int] = (1, 1),
    margin: int = 0,
    max_area: float = 0.5,
    side: int = 256,
    whole_radians: bool = False,
) -> np.ndarray:
    """Draws either brushed walks of 1 to 5 segments or boxes, as LaMa's data sets do.

    Args:
        walks: fewest and most walks.
        max_length: segments are 10 to 9 + `max_length` pixels long.
        max_brush: brushes are 5 to 4 + `max_brush` pixels wide.
        box_probability: how often boxes are drawn instead of walks.
        boxes: fewest and most boxes.
        box_sides: shortest and longest side of a box, in pixels.
        margin: least distance of a box from the border, in pixels.
        max_area: a hole over this fraction is drawn again, up to 20 times.
        side: of the square that lengths are given for, in pixels.
        whole_radians: whether angles are a hundredth more than whole numbers of them,
            as the official program draws them, or any.

    Reference:
        Suvorov et al., 2021, https://arxiv.org/abs/2109.07161
    """
    for _ in range(20):
        mask, scale = _blank(height, width, side)
        if rng.random() < box_probability:
            for _ in range(rng.integers(*boxes, endpoint=True)):
                sides = rng.integers(*box_sides, size=2, endpoint=True) * scale
                top, bottom = interval(rng, height, sides[0], margin * scale)
                left, right = interval(rng, width, sides[1], margin * scale)
                mask[top:bottom, left:right] = 1
        else:
            for walk in range(rng.integers(*walks, endpoint=True)):
                segments = rng.integers(1, 6)
                if whole_radians:
                    angles = 0.01 + rng.integers(4, size=segments)
                else:
                    angles = rng.uniform(0, 4, size=segments)
                angles = angles * (-1) ** (walk + 1)
                lengths = rng.integers(10, 10 + max_length, size=segments)
                brushes = rng.integers(5, 5 + max_brush, size=segments)
                _draw_walk(mask, rng, angles, lengths, brushes, scale)
        if mask.mean() <= max_area:
            break
    return usable(mask)


def mat(
    rng: np.random.Generator,
    height: int,
    width: int,
    boxes: tuple[int, int, int],
    side: int = 256,
) -> np.ndarray:
    """Draws boxes of any size and zigzag strokes, as MAT is trained on.

    Up to a half of a box lies outside. Strokes are those of `free_form`, of 4 to 17
    segments, 12 to 48 pixels wide.

    Args:
        boxes: how many there are of boxes of up to half the side, of boxes of up to the
            side, and of strokes: each below its number.
        side: of the square that lengths are given for, in pixels.

    Reference:
        Li et al., 2022, https://arxiv.org/abs/2203.15270
    """
    halves, wholes, strokes = boxes
    while True:
        mask, scale = _blank(height, width, side)
        for most, share in ((halves, 1 / 2), (wholes, 1)):
            for _ in range(rng.integers(most)):
                (top, bottom), (left, right) = (
                    _span(rng, length, share) for length in (height, width)
                )
                mask[top:bottom, left:right] = 1
        radius = math.hypot(height, width) / scale / 8
        brushed = np.zeros_like(mask)
        for _ in range(rng.integers(strokes)):
            # OpenCV's brushes are a pixel wider.
            _zigzag(brushed, rng, rng.integers(4, 18), radius, (11, 47), scale)
        mask |= _mirrored(brushed, rng)
        if 0 < mask.mean() < 1 or mask.size == 1:
            return usable(mask)


def _span(rng, length, share):
    """Returns first and last + 1 of a box along an axis, half of it outside at most."""
    size = int(rng.integers(max(1, int(length * share))))
    start = int(rng.integers(-(size // 2), length - size + size // 2 + 1))
    return max(start, 0), max(min(start + size, length), 0)


def _zigzag(mask, rng, segments, radius, brush, scale):
    """Draws a stroke that turns by about 2 pi / 5, now left, now right."""
    low, high = 2 * np.pi / 5 + np.array([-1, 1]) * rng.uniform(
        0, 2 * np.pi / 15, size=2
    )
    angles = rng.uniform(low, high, size=segments)
    angles[::2] *= -1
    lengths = rng.normal(radius, radius / 2, size=segments).clip(0, 2 * radius)
    brushes = np.full(segments, int(rng.uniform(*brush)))
    # The zigzag runs along x before the mirroring.
    _draw_walk(mask, rng, np.pi / 2 - angles, lengths, brushes, scale)


def _mirrored(mask, rng):
    """Mirrors both ways at random."""
    flips = [axis for axis in (0, 1) if rng.random() < 0.5]
    return np.ascontiguousarray(np.flip(mask, flips))


def _blank(height, width, side=256):
    return np.zeros((height, width), np.uint8), math.sqrt(height * width) / side


def _draw_walk(mask, rng, angles, lengths, brushes, scale):
    """Draws segments end to end from a random pixel; OpenCV rounds and fills joints."""
    height, width = mask.shape
    x, y = int(rng.integers(width)), int(rng.integers(height))
    mask[y, x] = 1
    steps_x = (lengths * scale * np.sin(angles)).tolist()
    steps_y = (lengths * scale * np.cos(angles)).tolist()
    # OpenCV draws a pixel more than it is asked: that pixel must not scale.
    thicknesses = np.rint((brushes + 1) * scale - 1).clip(1).astype(int).tolist()
    for dx, dy, thickness in zip(steps_x, steps_y, thicknesses, strict=True):
        end = (
            int(min(max(x + dx, 0), width - 1)),
            int(min(max(y + dy, 0), height - 1)),
        )
        cv2.line(mask, (x, y), end, 1, thickness)
        x, y = end
