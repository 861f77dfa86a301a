"""Random masks by name: fn(rng, height, width) -> uint8 (H, W), 1 in the hole.

Lengths are given for 256 x 256 pixels and scale with the side of the square of equal
area. Every mask has a hole and, from two pixels on, a known pixel.
"""

import math
from collections.abc import Mapping
from functools import partial

import cv2
import numpy as np

from inpainting_zoo.errors import InputError


def rectangle(
    rng: np.random.Generator, height: int, width: int, max_shrink: float = 1 / 16
) -> np.ndarray:
    """Draw a box of half the height and width anywhere, shrunk at random.

    Args:
        max_shrink: how much of the side comes off the top and the bottom at most, and
            off the left and the right; 0 always keeps the half.

    Reference:
        [Wang et al., 2018](https://arxiv.org/abs/1810.08771), TensorFlow training.
    """
    intervals = []
    for length in (height, width):
        start, stop = _interval(rng, length, length // 2)
        shrink = rng.integers(int(length * max_shrink) + 1)
        intervals.append(slice(start + shrink, stop - shrink))
    mask = np.zeros((height, width), np.uint8)
    mask[tuple(intervals)] = 1
    return _usable(mask)


def strokes(
    rng: np.random.Generator,
    height: int,
    width: int,
    parts: int = 8,
    max_vertices: int = 16,
    max_length: int = 80,
    max_brush: int = 20,
) -> np.ndarray:
    """Draw ``parts`` random walks with a brush that changes at every segment.

    The defaults are the official TensorFlow training settings. The others are, as
    (parts, max_vertices, max_length, max_brush): PyTorch training (10, 20, 100, 24),
    PyTorch test (8, 20, 100, 20), TensorFlow test (8, 20, 100, 24).

    Args:
        max_vertices: a part has 0 to this many segments; without any it is one pixel.
        max_length: a segment is 0 to this long, in pixels.
        max_brush: a brush is an even number of pixels from 10 to this.

    Reference:
        [Wang et al., 2018](https://arxiv.org/abs/1810.08771)
    """
    mask, scale = _blank(height, width)
    for _ in range(parts):
        segments = rng.integers(max_vertices + 1)
        angles = np.radians(rng.integers(361, size=segments))
        angles[::2] *= -1
        lengths = rng.integers(max_length + 1, size=segments)
        brushes = rng.integers(10, max_brush + 1, size=segments) // 2 * 2
        _draw_walk(mask, rng, angles, lengths, brushes, scale)
    return _usable(mask)


def free_form(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw 1 to 3 zigzag strokes of 4 to 11 segments, 12 to 40 pixels wide.

    Turns are near 2 pi / 5, segments near an eighth of the diagonal long; the whole
    is mirrored at random both ways.

    Reference:
        [Yu et al., 2019](https://arxiv.org/abs/1806.03589), Algorithm 1.
    """
    mask, scale = _blank(height, width)
    radius = math.hypot(height, width) / scale / 8
    for _ in range(rng.integers(1, 4)):
        segments = rng.integers(4, 12)
        low, high = 2 * np.pi / 5 + np.array([-1, 1]) * rng.uniform(
            0, 2 * np.pi / 15, size=2
        )
        angles = rng.uniform(low, high, size=segments)
        angles[::2] *= -1
        lengths = rng.normal(radius, radius / 2, size=segments).clip(0, 2 * radius)
        brushes = np.full(segments, int(rng.uniform(12, 40)))
        # The zigzag runs along x before the mirroring.
        _draw_walk(mask, rng, np.pi / 2 - angles, lengths, brushes, scale)
    flips = [axis for axis in (0, 1) if rng.random() < 0.5]
    return _usable(np.ascontiguousarray(np.flip(mask, flips)))


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
    max_area: float = 0.5,
) -> np.ndarray:
    """Draw either brushed walks of 1 to 5 segments or boxes, as LaMa's test sets do.

    Args:
        walks: fewest and most walks.
        max_length: segments are 10 to 9 + ``max_length`` pixels long.
        max_brush: brushes are 5 to 4 + ``max_brush`` pixels wide.
        box_probability: how often boxes are drawn instead of walks.
        boxes: fewest and most boxes.
        box_sides: sides of a box in pixels, from the first to below the second.
        max_area: a hole over this fraction is drawn again, up to 20 times.

    Reference:
        [Suvorov et al., 2021](https://arxiv.org/abs/2109.07161)
    """
    for _ in range(20):
        mask, scale = _blank(height, width)
        if rng.random() < box_probability:
            for _ in range(rng.integers(*boxes, endpoint=True)):
                rows, columns = rng.integers(*box_sides, size=2) * scale
                top, bottom = _interval(rng, height, rows)
                left, right = _interval(rng, width, columns)
                mask[top:bottom, left:right] = 1
        else:
            for walk in range(rng.integers(*walks, endpoint=True)):
                segments = rng.integers(1, 6)
                angles = rng.uniform(0, 4, size=segments) * (-1) ** (walk + 1)
                lengths = rng.integers(10, 10 + max_length, size=segments)
                brushes = rng.integers(5, 5 + max_brush, size=segments)
                _draw_walk(mask, rng, angles, lengths, brushes, scale)
        if mask.mean() <= max_area:
            break
    return _usable(mask)


def centre(
    rng: np.random.Generator, height: int, width: int, share: float = 1 / 2
) -> np.ndarray:
    """Draw the centred box of a share of height and width; half is a quarter's area."""
    rows, columns = max(1, int(height * share)), max(1, int(width * share))
    top, left = (height - rows) // 2, (width - columns) // 2
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + rows, left : left + columns] = 1
    return _usable(mask)


def circle(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw the centred disc half as wide as the shorter side, within `centre`."""
    y, x = np.ogrid[:height, :width]
    squares = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2
    radius = min(height, width) / 4
    return _usable((squares <= radius**2).astype(np.uint8))


def blocks(
    rng: np.random.Generator, height: int, width: int, max_area: float = 1 / 4
) -> np.ndarray:
    """Draw 2 to 8 boxes anywhere, an eighth to a third of height and width each.

    Args:
        max_area: boxes that would make the hole larger than this fraction are left out.

    Reference:
        [Pathak et al., 2016](https://arxiv.org/abs/1604.07379), section 3.3.
    """
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(2, 9)):
        sides = rng.uniform(1 / 8, 1 / 3, size=2)
        top, bottom = _interval(rng, height, sides[0] * height)
        left, right = _interval(rng, width, sides[1] * width)
        larger = mask.copy()
        larger[top:bottom, left:right] = 1
        if larger.mean() <= max_area:
            mask = larger
    return _usable(mask)


def regions(
    rng: np.random.Generator,
    height: int,
    width: int,
    cell: float = 100 / 3,
    least: float = 0.2,
    most: float = 0.3,
) -> np.ndarray:
    """Draw smooth blobs, where random grey that is enlarged bicubically is dark.

    Args:
        cell: pixels from one random value to the next.
        least, most: fractions of the area; others are drawn again, up to 100 times.

    Reference:
        [Pathak et al., 2016](https://arxiv.org/abs/1604.07379), the published code.
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
    return _usable(mask)


def _blank(height, width):
    return np.zeros((height, width), np.uint8), math.sqrt(height * width) / 256


def _draw_walk(mask, rng, angles, lengths, brushes, scale):
    """Draw segments end to end from a random pixel; OpenCV rounds and fills joints."""
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


def _interval(rng, length, side):
    """Place ``side`` of ``length`` pixels at random: first and last + 1."""
    side = min(max(1, round(side)), length)
    start = int(rng.integers(length - side + 1))
    return start, start + side


def _usable(mask):
    height, width = mask.shape
    if not mask.any():
        mask[height // 2, width // 2] = 1
    if mask.all() and mask.size > 1:
        mask[0, 0] = 0
    return mask


def parse_mixture(text: str | Mapping[str, float]) -> dict[str, float]:
    """Parse weights of masks such as "rectangle=1,strokes=2"; a bare name weighs 1.

    Args:
        text: names of MASKS, or "files" for the user's mask files.

    Raises:
        InputError: an unknown or repeated name, or a weight that is not positive.
    """
    if isinstance(text, Mapping):
        text = ",".join(f"{name}={weight}" for name, weight in text.items())
    mixture = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        name = name.strip()
        if name != "files":
            get(name)
        if name in mixture:
            raise InputError(f"masks: must name {name!r} once, received {text!r}")
        try:
            mixture[name] = float(weight or 1)
        except ValueError:
            mixture[name] = math.nan
        if not 0 < mixture[name] < math.inf:
            raise InputError(f"masks: weights must be positive, received {part!r}")
    return mixture


MASKS = {
    "rectangle": rectangle,
    "strokes": strokes,
    "free_form": free_form,
    "lama_thin": partial(lama, walks=(4, 50), max_length=40, max_brush=10),
    "lama_medium": partial(
        lama,
        walks=(4, 5),
        max_length=100,
        max_brush=50,
        box_probability=0.3 / 1.3,
        boxes=(1, 5),
        box_sides=(10, 50),
    ),
    "lama_thick": partial(
        lama,
        walks=(1, 5),
        max_length=200,
        max_brush=100,
        box_probability=0.3 / 1.3,
        boxes=(1, 3),
        box_sides=(30, 150),
    ),
    "centre": centre,
    # What context encoders hide when they predict 4 of 128 pixels beyond the hole.
    "inner_centre": partial(centre, share=7 / 16),
    "circle": circle,
    "blocks": blocks,
    "regions": regions,
}


def get(name: str):
    """Return the mask function called ``name``."""
    if name not in MASKS:
        raise InputError(
            f"masks: must be one of {', '.join([*MASKS, 'files'])}, received {name!r}"
        )
    return MASKS[name]
