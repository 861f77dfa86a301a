"""Classical completions to set beside every model."""

from functools import wraps

import cv2
import numpy as np
import skimage

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.patch_match import model as patch_match

FSR = "frequency_selective"
NEAREST = "nearest_neighbour"  # which takes pictures, see evaluation/nearest_neighbour
MID_GREY = 128
RADIUS = 3


def completing(fill):
    """Turns `fill(image, hole)` into a completion that leaves known pixels alone.

    An empty mask gives the image back; where nothing is known, all is mid-grey.
    """

    @wraps(fill)
    def complete(image, mask):
        hole = np.asarray(mask, bool)
        if not hole.any():
            return image.copy()
        if hole.all():
            return np.full_like(image, MID_GREY)
        return np.where(hole[..., None], fill(image, hole), image)

    return complete


@completing
def mean_colour(image, mask):
    """Fills the hole with the mean colour of the known pixels.

    Args:
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.
    """
    return np.rint(image[~mask].mean(axis=0)).astype(np.uint8)


@completing
def telea(image, mask):
    """Fills the hole from its border inwards by fast marching, radius 3.

    Args:
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.

    Reference:
        Telea, An image inpainting technique based on the fast marching method,
        Journal of Graphics Tools 9(1), 2004.
    """
    return cv2.inpaint(image, mask.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)


@completing
def navier_stokes(image, mask):
    """Continues the lines of equal brightness into the hole, radius 3.

    Args:
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.

    Reference:
        Bertalmio, Bertozzi and Sapiro, Navier-Stokes, fluid dynamics, and image and
        video inpainting, CVPR 2001.
    """
    return cv2.inpaint(image, mask.astype(np.uint8), RADIUS, cv2.INPAINT_NS)


@completing
def biharmonic(image, mask):
    """Fills the hole with the solution of the biharmonic equation.

    Args:
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.

    Reference:
        Damelin and Hoang, On surface completion and image inpainting by biharmonic
        functions: numerical aspects, 2018.
    """
    filled = skimage.restoration.inpaint_biharmonic(image / 255, mask, channel_axis=-1)
    return np.rint(filled.clip(0, 1) * 255).astype(np.uint8)


@completing
def patchmatch(image, mask):
    """Copies patches of the known pixels, radius 3; see `patch_match.model.PatchMatch`.

    Args:
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.
    """
    return patch_match.complete(image, mask.astype(np.uint8), RADIUS, seed=0)


@completing
def frequency_selective(image, mask):
    """Extrapolates the frequencies of the known pixels around each block of the hole.

    Needs OpenCV's contributed modules (`opencv-contrib-python-headless`). This is
    their fast form.

    Args:
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.

    Reference:
        Genser, Seiler, Schilling and Kaup, Spectral constrained frequency selective
        extrapolation for rapid image error concealment, PCS 2018.
    """
    bgr, known = np.ascontiguousarray(image[..., ::-1]), np.uint8(~mask) * 255
    filled = np.zeros_like(bgr)
    cv2.xphoto.inpaint(bgr, known, filled, cv2.xphoto.INPAINT_FSR_FAST)
    return filled[..., ::-1]


def listed(names: str) -> list:
    """Returns the names of a list such as "telea,biharmonic"; "none" has none.

    Raises:
        InputError: if one is unknown, or needs what is not installed.
    """
    found = [] if names == "none" else [name.strip() for name in names.split(",")]
    if "none" in found:
        raise InputError(f"methods: none must stand alone, received {names}")
    if FSR in found and FSR not in BASELINES:
        raise InputError(
            f"methods: {FSR} needs opencv-contrib-python-headless in the place of "
            f"opencv-python-headless, received {names}"
        )
    for name in found:
        choose("methods", name, BASELINES | {NEAREST: None})
    return found


BASELINES = {
    "mean_colour": mean_colour,
    "telea": telea,
    "navier_stokes": navier_stokes,
    "biharmonic": biharmonic,
    "patchmatch": patchmatch,
}
if hasattr(cv2, "xphoto"):
    BASELINES[FSR] = frequency_selective
