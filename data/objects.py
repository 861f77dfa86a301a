"""Masks that hide an object of the picture, and files that say where objects are."""

import math
from pathlib import Path

import cv2
import numpy as np

from inpainting_zoo.data.boxes import rectangle, usable
from inpainting_zoo.data.coco import Annotated, read_annotations
from inpainting_zoo.data.images import (
    MAX_PIXELS,
    PictureError,
    crop_square,
    list_images,
    open_picture,
)
from inpainting_zoo.data.names import masks_beside, same_place

MAX_AREA = 0.5  # of the picture; an object that hides more leaves too little
TRIES = 20  # to draw a hole that is not empty
MARGIN = 3  # pixels at 256 x 256 by which a hole is wider than its object


def one_object(
    rng: np.random.Generator, height: int, width: int, *, objects: np.ndarray
) -> np.ndarray:
    """Hides one object drawn at random, and a margin of 3 pixels around it.

    Objects that would hide more than half of the picture are not drawn. A picture
    without any to draw gets a `rectangle`.

    Args:
        objects: uint8 (H, W), one number an object, 0 for none.
    """
    radius = max(1, round(MARGIN * math.sqrt(height * width) / 256))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, [2 * radius + 1] * 2)
    for label in rng.permutation(np.setdiff1d(objects, 0)):
        mask = cv2.dilate((objects == label).astype(np.uint8), disc)
        if mask.mean() <= MAX_AREA:
            return usable(mask)
    return rectangle(rng, height, width)


def moved_object(
    rng: np.random.Generator, height: int, width: int, *, objects: np.ndarray
) -> np.ndarray:
    """Hides the shape of an object, moved to where the object itself is not.

    It is moved by at most half of the picture, and cut off at its border. What is
    hidden has an object's shape but another content, so that what fills it learns to
    show no object. A picture without any gets a `rectangle`.

    Args:
        objects: see `one_object`.

    Reference:
        Wang et al., 2024, https://arxiv.org/abs/2401.16861, section 3.2.
    """
    for label in rng.permutation(np.setdiff1d(objects, 0)):
        mask = (objects == label).astype(np.uint8)
        if mask.mean() > MAX_AREA:
            continue
        for _ in range(TRIES):
            right = int(rng.integers(-(width // 2), width // 2 + 1))
            down = int(rng.integers(-(height // 2), height // 2 + 1))
            hole = shifted(mask, right, down) & (1 - mask)
            if hole.any():
                return usable(hole)
    return rectangle(rng, height, width)


def object_part(
    rng: np.random.Generator, height: int, width: int, *, objects: np.ndarray
) -> np.ndarray:
    """Hides the part of an object within a disc, an ellipse or a polygon.

    That lies at random in the object's box; the part is widened by two pixels. A
    picture without any object gets a `rectangle`.

    Args:
        objects: see `one_object`.

    Reference:
        Wang et al., 2024, https://arxiv.org/abs/2401.16861, section 3.2.
    """
    for label in rng.permutation(np.setdiff1d(objects, 0)):
        mask = (objects == label).astype(np.uint8)
        for _ in range(TRIES):
            hole = cv2.dilate(mask & _shape_in(rng, mask), np.ones((5, 5), np.uint8))
            if hole.any() and hole.mean() <= MAX_AREA:
                return usable(hole)
    return rectangle(rng, height, width)


def _shape_in(rng, mask):
    """Draws one of three shapes in the box of a mask, with the author's sizes."""
    x, y, w, h = cv2.boundingRect(mask)
    shape = np.zeros_like(mask)
    centre = int(rng.integers(x, x + w)), int(rng.integers(y, y + h))
    kind = rng.integers(3)
    if kind == 0:
        radius = rng.integers(max(w, h) // 10, max(w, h) // 2 + 1)
        return cv2.circle(shape, centre, int(radius), 1, -1)
    if kind == 1:
        axes = [int(rng.integers(side // 4, side // 2 + 1)) for side in (w, h)]
        return cv2.ellipse(shape, centre, axes, int(rng.integers(360)), 0, 360, 1, -1)
    count = rng.integers(3, 10)
    corners = rng.integers((x, y), (x + w, y + h), (count, 2)).astype(np.int32)
    return cv2.fillPoly(shape, [corners], 1)


def subject(
    rng: np.random.Generator, height: int, width: int, *, objects: np.ndarray
) -> np.ndarray:
    """Hides all that is labelled, without a margin, such as a pasted subject.

    Without any, a `rectangle`.

    Args:
        objects: see `one_object`.
    """
    mask = (objects != 0).astype(np.uint8)
    return usable(mask) if mask.any() else rectangle(rng, height, width)


def shifted(
    array: np.ndarray, right: int, down: int, size: tuple | None = None
) -> np.ndarray:
    """Moves an array (h, w, ...) by pixels; what leaves it is lost, 0 comes in.

    Args:
        size: (H, W) of the result; the array's.
    """
    size = size or array.shape[:2]
    moved = np.zeros((*size, *array.shape[2:]), array.dtype)
    sources, places = [], []
    for held, wanted, by in zip(array.shape, size, (down, right)):
        stop = max(0, min(held, wanted - by))
        start = min(max(0, -by), stop)
        sources.append(slice(start, stop))
        places.append(slice(start + by, stop + by) if stop > start else slice(0, 0))
    moved[tuple(places)] = array[tuple(sources)]
    return moved


def list_objects(path: str | Path | None, *pictures: str | None) -> list:
    """Lists what says where the objects of pictures are, for `read_objects`.

    Args:
        path: a JSON file of COCO's annotations, or pictures of labels, see
            `list_images`. None has none.
        *pictures: where the pictures themselves are; in the same place the labels are
            the files NAME_mask beside them.

    Raises:
        InputError: if there is no such file, or it holds something else.
    """
    if path and str(path).lower().endswith(".json"):
        return read_annotations(path)
    files = list_images(path, "objects_path") if path else []
    return sorted(masks_beside(files)) if same_place(path, *pictures) else files


def read_objects(
    path: str | Path | Annotated, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Reads a picture of labels as uint8 (H, W): grey values, or places in a palette.

    Raises:
        PictureError: the file cannot be read, or holds colours.
    """
    if isinstance(path, Annotated):
        return path.labels()
    picture = open_picture(path, max_pixels)
    if picture.mode not in ("1", "L", "P"):
        raise PictureError(
            "objects_path: must be numbers from 0 to 255, grey or of a palette, "
            f"received {str(path)!r} of mode {picture.mode}",
            Path(path),
        )
    return np.array(picture, np.uint8)


def fit_objects(
    objects: np.ndarray,
    size: int,
    rng: np.random.Generator | None = None,
    max_zoom: float = 1.15,
) -> np.ndarray:
    """Cuts labels as `data.images.fit_image` cuts their picture, by nearest neighbour.

    Args:
        objects: uint8 (H, W).
        size: side of the result, uint8 (size, size), in pixels.
        rng: in the state in which `fit_image` takes it, for the same crop.
        max_zoom: as there.
    """
    square, mirrored = crop_square(objects, rng, max_zoom)
    square = cv2.resize(square, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.ascontiguousarray(square[:, ::-1] if mirrored else square)
