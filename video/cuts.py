"""Where a video cuts from one scene to the next."""

import cv2
import numpy as np

from inpainting_zoo.video.flow import fetch, find_flow, grid

SIDE = 96  # longer side in pixels of what is compared
BINS = 8  # of each colour
UNLIKE = 1.0


def is_cut(first, second) -> bool:
    """Says whether two frames that follow each other show different scenes.

    They do where the flow cannot make one of the other, and their colours differ: the
    residual of the frame fetched along the flow, in parts of the contrast, and the
    share of the colours that they do not have in common, add up to more than 1.

    Args:
        first: uint8 (H, W, 3).
        second: uint8 (H, W, 3).
    """
    first, second = _small(first), _small(second)
    places = grid(first.shape[:2]) + find_flow(first, second).reshape(-1, 2)
    colours = first.reshape(-1, 3).astype("float32")
    residual = np.abs(colours - fetch(second, places)).mean()
    contrast = max(1, np.abs(colours - colours.mean(axis=0)).mean())
    in_common = np.minimum(_histogram(first), _histogram(second)).sum()
    return residual / contrast + 1 - in_common > UNLIKE


def _small(frame):
    scale = min(1, SIDE / max(frame.shape))
    size = [max(1, round(scale * side)) for side in frame.shape[1::-1]]
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _histogram(frame):
    """Shares of the colours in a frame, in 8 x 8 x 8 bins."""
    ranges = [0, 256] * 3
    counts = cv2.calcHist([frame], [0, 1, 2], None, [BINS] * 3, ranges)
    return counts / counts.sum()
