"""Where to crop a large picture: groups of holes, and windows around them."""

import cv2
import numpy as np

from inpainting_zoo.models.scaling import Box

MOST_BOXES = 256  # merging compares all pairs
CROPS_TIMES_HOLES = 200


def plan_crops(hole, model_size: int, context: float) -> list[list[Box]]:
    """Groups the holes of a picture, so that one crop completes each group.

    Holes that fit in one crop of the model's size share it. Up to 14 groups that lie
    too far apart for that get a crop each, at full resolution. The more holes there
    are, the fewer crops they may cost (200 / holes, at least 2), so that a hundred
    scattered holes take little longer than one large hole does; crops that hold
    distant groups are larger than the model's size and have to be shrunk.

    Args:
        hole: uint8 (H, W), 1 in the hole.
        model_size: side in pixels of the square pictures that the model was made for.
        context: of the holes' longer side, on each side of them.

    Returns:
        Groups of boxes, the smallest group first. The boxes cover the hole and may
        overlap.
    """
    boxes = _boxes(hole)
    most = max(2, CROPS_TIMES_HOLES // max(1, len(boxes)))
    cells, cell = hole, 1
    while len(boxes) > MOST_BOXES:
        cells, cell = _halve(cells), 2 * cell
        boxes = np.minimum(cell * _boxes(cells), hole.shape * 2)
    groups = [[(slice(b[0], b[2]), slice(b[1], b[3]))] for b in boxes.tolist()]
    groups = _merge(groups, boxes, model_size / (1 + 2 * context), most)
    return sorted(groups, key=lambda group: _longer(union(group)))


def _boxes(hole):
    """Bounding boxes of connected holes, int (N, 4): top, left, bottom, right."""
    stats = cv2.connectedComponentsWithStats(hole, connectivity=8)[2][1:]
    start = stats[:, [cv2.CC_STAT_TOP, cv2.CC_STAT_LEFT]]
    size = stats[:, [cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]]
    return np.hstack([start, start + size])


def _halve(cells):
    """Halve the resolution: a cell is a hole if one of its four is."""
    height, width = cells.shape
    cells = np.pad(cells, [(0, height % 2), (0, width % 2)])
    return cells.reshape((height + 1) // 2, 2, (width + 1) // 2, 2).max(axis=(1, 3))


def _merge(groups, boxes, size, most):
    """Merge the two groups whose union is smallest, until all unions cost too much."""
    groups = list(groups)
    while len(groups) > 1:
        starts = np.minimum(boxes[:, None, :2], boxes[None, :, :2])
        ends = np.maximum(boxes[:, None, 2:], boxes[None, :, 2:])
        sides = (ends - starts).max(axis=2).astype(float)
        np.fill_diagonal(sides, np.inf)
        i, j = np.unravel_index(sides.argmin(), sides.shape)  # i < j
        if len(groups) <= most and sides[i, j] > size:
            break
        boxes[i] = *starts[i, j], *ends[i, j]
        boxes = np.delete(boxes, j, axis=0)
        groups[i] = groups[i] + groups.pop(j)
    return groups


def window_around(
    box: Box, shape: tuple, model_size: int, context: float, largest: int
) -> Box:
    """The window that holds a box and its context, as far as the picture reaches.

    Args:
        box: rows and columns, in pixels.
        shape: (H, W) of the picture.
        model_size: smallest side of what the model is shown, in pixels.
        context: as in `plan_crops`.
        largest: longest side of what it is shown; larger windows are shrunk to it.
    """
    longer = _longer(box)
    shrunk = max(1, (1 + 2 * context) * longer / largest)

    def widen(span, length):
        wanted = span.stop - span.start + 2 * context * longer
        side = round(max(model_size * shrunk, wanted))
        start = (span.start + span.stop - side) // 2
        start = max(0, min(start, length - side))
        return slice(start, min(start + side, length))

    return widen(box[0], shape[0]), widen(box[1], shape[1])


def union(boxes: list[Box]) -> Box:
    """The smallest box that holds all boxes."""
    return tuple(
        slice(min(s.start for s in spans), max(s.stop for s in spans))
        for spans in zip(*boxes, strict=True)
    )


def grow(box: Box, margin: int, shape: tuple[int, int]) -> Box:
    """The box with a margin on each side, inside a picture of a shape."""
    return tuple(
        slice(max(0, span.start - margin), min(length, span.stop + margin))
        for span, length in zip(box, shape, strict=True)
    )


def relative(box: Box, window: Box) -> Box:
    """The box in the coordinates of a window that holds it."""
    return tuple(
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(box, window, strict=True)
    )


def _longer(box):
    return max(span.stop - span.start for span in box)
