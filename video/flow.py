"""Optical flow between two frames: found, completed in holes, and followed."""

import cv2
import numpy as np

LEAST_SIDE = 32  # pixels: OpenCV's method reads outside of smaller pictures
ROW = 1024  # of a list of places, which OpenCV takes as a picture of them


def find_flow(first, second):
    """Returns where each pixel of a frame is in another one, as (dx, dy) in pixels.

    Args:
        first: uint8 (H, W, 3).
        second: uint8 (H, W, 3).

    Returns:
        float32 (H, W, 2).

    Reference:
        Kroeger et al., Fast optical flow using dense inverse search, ECCV 2016.
    """
    height, width = first.shape[:2]
    edges = [(0, max(0, LEAST_SIDE - side)) for side in (height, width)]
    greys = [
        np.pad(cv2.cvtColor(np.ascontiguousarray(x), cv2.COLOR_RGB2GRAY), edges, "edge")
        for x in (first, second)
    ]
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return method.calc(*greys, None)[:height, :width]


def fill_smoothly(values, hole):
    """Fills a hole with ever wider means of what is known around it.

    Halved pictures of means of known values ("pull") fill the hole from the coarsest
    on ("push").

    Args:
        values: float32 (H, W, C).
        hole: (H, W), nonzero in the hole.

    Returns:
        float32 (H, W, C); 0 where nothing is known.

    Reference:
        Gortler et al., The lumigraph, SIGGRAPH 1996 (Section 3.4).
    """
    hole = np.asarray(hole) != 0
    if not hole.any():
        return values
    height, width = hole.shape
    if height == width == 1:
        return np.zeros_like(values)
    known = np.float32(~hole)[..., None]
    size = (width + 1) // 2, (height + 1) // 2
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)[..., None]
    means = cv2.resize(values * known, size, interpolation=cv2.INTER_AREA)
    means = means.reshape(*weight.shape[:2], -1) / np.maximum(weight, 1e-6)
    means = fill_smoothly(means, weight[..., 0] == 0)
    pushed = cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(hole[..., None], pushed.reshape(values.shape), values)


def fetch(values, places):
    """Returns values at places between pixels, bilinearly; edges go on beyond.

    Args:
        values: (H, W, C), uint8 or float32.
        places: float32 (N, 2), x and y in pixels.

    Returns:
        (N, C), of the type of the values.
    """
    count = len(places)
    padded = np.zeros((max(1, -(-count // ROW)) * ROW, 2), np.float32)
    padded[:count] = places
    maps = padded.reshape(-1, ROW, 2)
    beyond = {"borderMode": cv2.BORDER_REPLICATE}
    found = cv2.remap(values, maps, None, cv2.INTER_LINEAR, **beyond)
    return found.reshape(len(padded), -1)[:count]


def agree(there, back, bound: float):
    """Says where a way there and the way back lead to about the same place.

    Args:
        there: (N, 2), flow of places in pixels.
        back: (N, 2), flow back from where these lead.
        bound: of the squared distance in square pixels, beside 1 % of the two ways.

    Returns:
        bool (N,).

    Reference:
        Ruder, Dosovitskiy and Brox, Artistic style transfer for videos, GCPR 2016
        (Equation 5).
    """
    ways = (there**2).sum(axis=1) + (back**2).sum(axis=1)
    return ((there + back) ** 2).sum(axis=1) < 0.01 * ways + bound


def grid(shape: tuple):
    """Returns the places of all pixels of a picture (H, W), float32 (H * W, 2)."""
    rows, columns = np.indices(shape, np.float32)
    return np.stack([columns, rows], axis=-1).reshape(-1, 2)
