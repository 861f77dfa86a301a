"""PatchMatch completion: what a hole shows is copied from the rest of the picture."""

import cv2
import numpy as np

from inpainting_zoo.models.completer import Completer
from inpainting_zoo.models.texture import check_library, copy_patches, knows_a_patch
from inpainting_zoo.patch_match.presets import FAMILY

MID_GREY = 128  # where nothing is known
RADIUS = 3  # of Telea's method, in pixels


class PatchMatch(Completer):
    """Fills holes with patches of the known pixels, from coarse to fine.

    On each level of a pyramid, every patch that touches the hole is matched with a
    known one by randomized search and propagation (Barnes et al., Section 3); the
    patches that overlap at a pixel vote for its colour by their similarity, and both
    steps alternate (Wexler et al., Section 3). The library `pypatchmatch` adds votes of
    known patches for the hole on coarse levels (Simakov et al.'s completeness), and on
    the finest keeps the best vote instead of the mean, which would blur.

    It continues texture and what repeats. It knows nothing of faces, objects or text.

    Args:
        image_size: least side in pixels of what is looked at around a hole.

    Reference:
        Barnes et al., PatchMatch: a randomized correspondence algorithm for structural
        image editing, SIGGRAPH 2009.
        Wexler, Shechtman and Irani, Space-time completion of video, PAMI 29(3), 2007.
        Simakov et al., Summarizing visual data using bidirectional similarity, CVPR
        2008.
    """

    OPTIONS, RULES, draws = FAMILY.options, FAMILY.rules, FAMILY.draws
    context = 0.25
    largest = 2048

    def __init__(self, image_size: int = 256):
        check_library("preset")
        self.image_size = image_size

    def predict_images(self, images, masks, seed: int = 0, **options):
        """Returns completed pictures of one size, uint8 (B, H, W, 3).

        Args:
            images: uint8 (B, H, W, 3).
            masks: (B, H, W), nonzero in the hole.
            seed: of the search; the same gives the same bytes, in threads as well.
            **options: `patch_size`: the radius of a patch in pixels, 1 to 15.

        Raises:
            InputError: if an option is unknown or breaks its rule.
        """
        radius = self.chosen(options)["patch_size"]
        holes = (np.asarray(masks) != 0).astype(np.uint8)
        pairs = zip(images, holes)
        return np.stack([complete(*pair, radius, seed) for pair in pairs])

    def remarks(self, hole, **options):
        radius = self.chosen(options)["patch_size"]
        if np.all(hole):
            return ["mask: leaves nothing known, so the picture becomes mid-grey"]
        if knows_a_patch(hole, radius):
            return []
        side = 2 * radius + 1
        return [
            f"mask: leaves no known patch of {side}x{side} pixels to copy, so the hole "
            "is filled by Telea's method"
        ]


def complete(image, hole, radius: int, seed: int):
    """Completes one picture, by Telea's method where there is no patch to copy.

    Args:
        image: uint8 (H, W, 3).
        hole: uint8 (H, W), 1 in the hole.
        radius: of the patches, in pixels.
        seed: of the search.

    Returns:
        uint8 (H, W, 3); mid-grey where nothing is known at all.
    """
    if hole.all():
        return np.full_like(image, MID_GREY)
    if not knows_a_patch(hole, radius):
        return cv2.inpaint(image, hole, RADIUS, cv2.INPAINT_TELEA)
    return copy_patches(image, hole, radius, seed)
