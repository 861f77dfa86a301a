"""The data set ReS: two views of a scene, between which a subject was moved.

Reference: Wang et al., Repositioning the Subject within Image, TMLR 2024;
https://github.com/Yikai-Wang/ReS
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from inpainting_zoo.data.images import MAX_PIXELS, list_images, read_image, read_mask
from inpainting_zoo.errors import InputError

VIEW = re.compile(r"p\d+_[12]")
WIDENING = np.ones((2, 2), np.uint8)  # of all masks, once they are resized


@dataclasses.dataclass(frozen=True)
class Move:
    """What moves the subject of one view to where the other view has it.

    Args:
        image: the first view, uint8 (H, W, 3).
        mask: uint8 (H, W), 1 in what is seen of the subject.
        amodal: all of it, or None where nothing hides it.
        shift: pixels to the right and down.
    """

    image: np.ndarray
    mask: np.ndarray
    amodal: np.ndarray | None
    shift: tuple


def list_views(root: str | Path, split: str = "val") -> list[Path]:
    """Lists the views p1_1, p1_2 and so on of a folder; all are for tests.

    Raises:
        InputError: if there are none, or one is asked for training.
    """
    if split != "val":
        raise InputError(
            "dataset_layout: res has pictures to measure on alone, received train"
        )
    files = list_images(root, "dataset_layout")
    views = [path for path in files if VIEW.fullmatch(path.stem)]
    if not views:
        raise InputError(
            f"dataset_layout: {str(root)!r} must hold p1_1.jpg and so on, received none"
        )
    return views


class MovePairs(Sequence):
    """Sequence of (name, other view, where it may differ, `Move`) of ReS.

    Both views of a scene are moved to the other; but where something hides the subject
    in one, that one alone is. Masks are those of the original program: fitted by
    nearest neighbour, then widened by a kernel of 2 x 2.

    Args:
        views: see `list_views`.
        side: of the shorter sides of the pictures, in pixels.
        max_pixels: larger files are refused from their header.

    Raises:
        InputError: from indexing, if a file is missing or unreadable.
    """

    def __init__(self, views: Sequence[Path], side: int = 512, max_pixels=MAX_PIXELS):
        self.side, self.max_pixels = side, max_pixels
        stems = {path.stem: path for path in views}
        self.moves = [
            (path, other)
            for stem, path in stems.items()
            if (other := stems.get(_other(stem))) and not self._only_target(path, other)
        ]

    @staticmethod
    def _only_target(path, other):
        hidden = [_beside(p, "amodal").is_file() for p in (path, other)]
        return hidden == [False, True]

    def __len__(self):
        return len(self.moves)

    def __getitem__(self, index: int) -> tuple:
        source, target = self.moves[index]
        image, truth = self._picture(source), self._picture(target)
        if truth.shape != image.shape:
            size = image.shape[1::-1]
            truth = cv2.resize(truth, size, interpolation=cv2.INTER_CUBIC)
        mask, goal = (self._mask(p, "mask", image) for p in (source, target))
        amodal = None
        if _beside(source, "amodal").is_file():
            amodal = self._mask(source, "amodal", image)
        whole = goal
        if _beside(target, "amodal").is_file():
            whole = self._mask(target, "amodal", image)
        start = centroid(mask if amodal is None else amodal)
        shift = tuple(round(b - a) for a, b in zip(start, centroid(whole)))
        move = Move(image, mask, amodal, shift)
        return source.stem, truth, mask | goal, move

    def _picture(self, path):
        image = read_image(path, self.max_pixels)
        scale = self.side / min(image.shape[:2])
        size = [round(scale * n) for n in image.shape[1::-1]]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return cv2.resize(image, size, interpolation=how)

    def _mask(self, path, kind, image):
        mask = read_mask(_beside(path, kind), max_pixels=self.max_pixels)
        size = image.shape[1::-1]
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
        if not mask.any():
            raise InputError(
                f"dataset_layout: {_beside(path, kind)} must show a subject, received "
                "none"
            )
        return cv2.dilate(mask, WIDENING)


def _other(stem):
    return f"{stem[:-1]}{3 - int(stem[-1])}"


def _beside(path, kind):
    return path.with_name(f"{path.stem}_{kind}.png")


def centroid(mask) -> tuple:
    """Returns column and row of the middle of a mask's largest connected part."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    moments = cv2.moments(max(contours, key=cv2.contourArea))
    if not moments["m00"]:  # a line of pixels has no area
        rows, columns = np.nonzero(mask)
        return float(columns.mean()), float(rows.mean())
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
