"""How well a completed hole joins what is around it."""

import cv2
import numpy as np
import skimage

RING = 8  # pixels of the hole beside known ones, in which colours are compared


def seam_gradient(truth, output, mask) -> float:
    """Returns how far gradients at the hole's edge are from the true ones.

    It is the mean, over the pixels of the edge and the colours, of the length of the
    difference of Sobel gradients, in grey levels; nan without an edge. The edge is
    Canny's (thresholds 100 and 200) of the mask, as in the evaluation of ASUKA.

    Args:
        truth: uint8 (H, W, 3).
        output: uint8 (H, W, 3), whose known pixels are the truth's.
        mask: (H, W), 1 in the hole.
    """
    edge = cv2.Canny((np.asarray(mask) != 0).astype(np.uint8) * 255, 100, 200) > 0
    if not edge.any():
        return float("nan")
    # Sobel's filter is linear: the gradient of the difference is that of gradients.
    change = np.subtract(output, truth, dtype=np.float64)
    along = (cv2.Sobel(change, cv2.CV_64F, *axis) for axis in ((1, 0), (0, 1)))
    return float(np.hypot(*along)[edge].mean())


def seam_colour(truth, output, mask) -> float:
    """Returns how far colours within the hole's rim are shifted, in units of CIELAB.

    Of the pixels of the hole that are within `RING` pixels of a known one the
    difference to the truth is averaged over those around, in a square of 2 RING + 1
    pixels: texture that differs cancels out, a shift of the colours does not. The
    result is the mean length of these averages over the rim, Delta E of 1976; about 2.3
    can just be seen. nan without a rim.

    Args:
        truth: uint8 (H, W, 3).
        output: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.
    """
    hole = (np.asarray(mask) != 0).astype(np.uint8)
    if hole.all() or not hole.any():
        return float("nan")
    distance = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rim = (hole != 0) & (distance <= RING)
    lab = skimage.color.rgb2lab
    shift = (lab(output) - lab(truth)) * rim[..., None]
    window = (2 * RING + 1,) * 2
    options = {"normalize": False, "borderType": cv2.BORDER_CONSTANT}
    total = cv2.boxFilter(shift, cv2.CV_64F, window, **options)
    count = cv2.boxFilter(rim.astype(np.float64), cv2.CV_64F, window, **options)
    local = total[rim] / count[rim][:, None]
    return float(np.linalg.norm(local, axis=-1).mean())
