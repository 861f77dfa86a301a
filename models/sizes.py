"""What sizes a network takes, and how a picture of any other is shown to it."""

import dataclasses

import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.layers.reflection import reflected
from inpainting_zoo.models.scaling import enlarge, shrink


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The heights and widths that a network takes.

    Args:
        multiple: both are multiples of so many pixels.
        least: neither is smaller.
        side: the only height and width there is; the network sees a square around the
            hole then. None takes any.
        centre: whether the hole must lie in the central half of that square.
        padding: how other pictures are padded below and to the right, as `numpy.pad`
            calls it: "reflect", or "symmetric", which repeats the edge.
    """

    multiple: int = 1
    least: int = 1
    side: int | None = None
    centre: bool = False
    padding: str = "reflect"

    def check(self, side: int):
        """Refuses squares that the network cannot be shown as they are.

        Raises:
            InputError: names the sides that it takes.
        """
        if self.side not in (None, side) or side < self.least or side % self.multiple:
            rule = f"a multiple of {self.multiple}, at least {self.least}"
            raise InputError(
                f"image_size: must be {self.side or rule}, received {side}"
            )

    def fit(self, image, hole):
        """Fits a picture to the network.

        Args:
            image: uint8 (H, W, 3).
            hole: (H, W), nonzero in the hole.

        Returns:
            `(image, hole, restore)`: uint8 (h, w, 3), uint8 (h, w) of 0 and 1, and a
            function that turns the network's prediction, uint8 (h, w, 3), into one of
            the whole picture.
        """
        hole = (np.asarray(hole) != 0).astype("uint8")
        return (self._square if self.side else self._pad)(image, hole)

    def _pad(self, image, hole):
        """Pads below and to the right; the prediction is cut back."""
        height, width = hole.shape
        margins = []
        for side in (height, width):
            wanted = max(side, self.least)
            margins.append((0, wanted + -wanted % self.multiple - side))
        padded = np.pad(image, [*margins, (0, 0)], mode=self.padding)
        hole = np.pad(hole, margins, mode=self.padding)
        return padded, hole, lambda prediction: prediction[:height, :width]

    def _square(self, image, hole):
        """Cuts a square around the hole; around it the prediction is the picture."""
        top, left, side = window_of(hole != 0, self.side, self.centre)
        square, unknown = take(image, top, left, side), take(hole, top, left, side)

        def restore(prediction):
            picture = image.copy()
            put(enlarge(prediction, (side, side)), picture, top, left)
            return picture

        return *shrink(square, unknown, self.side), restore


def window_of(hole, size: int, centre: bool):
    """Returns the square that shows a network the hole and as much around it.

    Args:
        hole: bool (H, W); without a hole the picture's middle counts as one.
        size: side in pixels of the network's images; no square is smaller.
        centre: whether the hole must lie in the central half of the square, which may
            reach beyond the picture then.

    Returns:
        `(top, left, side)` in pixels; side is a multiple of 4.
    """
    spans = []
    for axis in (0, 1):
        found = np.flatnonzero(hole.any(axis=1 - axis))
        found = found if len(found) else [hole.shape[axis] // 2]
        spans.append((int(found[0]), int(found[-1]) + 1))
    longest = max(stop - start for start, stop in spans)
    side = max(size, 4 * -(-longest // 2))
    if not centre:
        side = min(side, max(size, 4 * -(-max(hole.shape) // 4)))
        if 8 * side <= 9 * size and 4 * longest <= 3 * size:
            side = size  # so little more to see is not worth an interpolation
    margin = side // 4 if centre else 0
    corner = []
    for (start, stop), length in zip(spans, hole.shape):
        middle = (start + stop - side) // 2
        inside = np.clip(middle, min(0, length - side), max(0, length - side))
        corner.append(int(np.clip(inside, stop + margin - side, start - margin)))
    return *corner, side


def take(array, top: int, left: int, side: int):
    """Takes a square of (H, W, ...), which is reflected beyond its edges."""
    rows, columns = (
        _indices(start, side, length)
        for start, length in zip((top, left), array.shape[:2])
    )
    return array[rows][:, columns]


def _indices(start, side, length):
    before, after = max(0, -start), max(0, start + side - length)
    first = start + before
    return reflected(length, before, after)[first : first + side]


def put(square, picture, top: int, left: int):
    """Writes the part of a square that lies within the picture (H, W, 3), in place."""
    height, width = picture.shape[:2]
    side = len(square)
    first, last = max(top, 0), min(top + side, height)
    start, stop = max(left, 0), min(left + side, width)
    picture[first:last, start:stop] = square[
        first - top : last - top, start - left : stop - left
    ]
