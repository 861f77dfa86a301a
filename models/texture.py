"""Texture for what a model has predicted: patches of the known pixels that are like it.

Here is also what PatchMatch needs where it predicts by itself.
"""

import dataclasses
import threading

import cv2
import numpy as np

from inpainting_zoo.errors import InputError, choose

MOST = 512  # guides are compared modulo 1, so colours are given as parts of this
# The library has one seed for all threads.
_seeded = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Texture:
    """PatchMatch at a picture's own size, guided by what a model predicted.

    A patch of the hole looks for a known one that agrees with the patches around it, as
    PatchMatch does, and whose centre is of about the colour that the prediction has
    there. Of what is copied the fine detail is taken and added to what is coarse in the
    prediction; near the known pixels, where they decide it, its detail stays, too. So
    structure is the model's, and texture the picture's own, even where the model was
    shown the picture shrunk.

    Args:
        radius: of the patches, in pixels.
        weight: of the guide, to 1 of the patches; a larger one makes edges ragged where
            the prediction is wrong.
        sigma: in pixels, of the blur that parts coarse from fine: the guide has it, so
            that neither the texture of known pixels nor the lack of it in the
            prediction decides, and so has what is taken of the prediction.
        reach: in pixels; at a distance d from the known ones exp(-d / reach) of the
            detail is the prediction's.
        image_size, whole, context, largest: what is looked at, see `models.completer`.

    Reference:
        Zhang et al., Inpainting at modern camera resolution by guided PatchMatch with
        auto-curation, ECCV 2022; the guide here is colour alone. Yi et al., Contextual
        residual aggregation for ultra high-resolution image inpainting, CVPR 2020, for
        detail that is added to a coarse prediction.
    """

    radius: int = 3
    weight: float = 0.01
    sigma: float = 6.0
    reach: float = 8.0
    image_size: int = 256
    whole: int = 512
    context: float = 0.25
    largest: int = 2048

    def follow(self, image, hole, seed: int = 0):
        """Returns a picture whose hole is filled anew, by what fills it now.

        Args:
            image: uint8 (H, W, 3), completed.
            hole: uint8 (H, W), 1 in the hole; pixels outside of it stay.
            seed: of the search; the same gives the same bytes, in threads as well.

        Returns:
            uint8 (H, W, 3); the image itself where `remarks` says why.
        """
        if not knows_a_patch(hole, self.radius):
            return image
        guide = guide_of(image, self.sigma)
        copied = copy_patches(image, hole, self.radius, seed, guide, self.weight)
        change = copied.astype(np.float32) - image  # (H, W, 3), 0 at known pixels
        fine = change - cv2.GaussianBlur(change, (0, 0), self.sigma)
        distance = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        share = 1 - np.exp(-distance / self.reach)
        found = np.rint(image + share[..., None] * fine)
        return np.clip(found, 0, 255).astype(np.uint8)

    def remarks(self, hole) -> list:
        """Returns what should be said of how a hole, (H, W), gets its texture."""
        if knows_a_patch(hole, self.radius):
            return []
        side = 2 * self.radius + 1
        return [
            f"texture: the mask leaves no known patch of {side}x{side} pixels to copy, "
            "so what the model predicted stays"
        ]


def guide_of(image, sigma: float):
    """Returns the blurred lightness and warmth of a picture, float32 (H, W, 3).

    Args:
        image: uint8 (H, W, 3).
        sigma: of the blur, in pixels.

    Returns:
        In [0, 0.5); the third channel is what the library leaves unused.
    """
    red, green, blue = cv2.split(image.astype(np.float32))
    lightness = 0.299 * red + 0.587 * green + 0.114 * blue
    guide = cv2.merge([lightness, (red - blue + 255) / 2, np.zeros_like(red)])
    return cv2.GaussianBlur(guide, (0, 0), sigma) / MOST


def copy_patches(image, hole, radius: int, seed: int, guide=None, weight: float = 0):
    """Fills a hole with patches of the known pixels, by PatchMatch.

    Args:
        image: uint8 (H, W, 3).
        hole: uint8 (H, W), 1 in the hole.
        radius: of the patches, in pixels; there must be a known one, see
            `knows_a_patch`.
        seed: of the search.
        guide: float32 (H, W, 3), whose first two channels patches agree in, too.
        weight: of that, to 1 of the patches.

    Returns:
        uint8 (H, W, 3).
    """
    import patchmatch  # the rest, which all models take, does without

    with _seeded:
        patchmatch.set_random_seed(seed)
        if guide is None:
            return patchmatch.inpaint(image, hole, patch_size=radius)
        return patchmatch.inpaint_regularity(
            image, hole, guide, patch_size=radius, guide_weight=weight
        )


def knows_a_patch(hole, radius: int) -> bool:
    """Whether a square patch lies within the picture and outside of the hole.

    Args:
        hole: (H, W), nonzero in the hole.
        radius: of the patch; its side is twice that and one.
    """
    known = (np.asarray(hole) == 0).astype(np.uint8)
    patch = np.ones((2 * radius + 1,) * 2, np.uint8)
    edges = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    return bool(cv2.erode(known, patch, **edges).any())


def check_library(argument: str):
    """Checks that PatchMatch can run here.

    Raises:
        InputError: names the argument that asks for it.
    """
    import patchmatch

    if not patchmatch.patchmatch_available:
        raise InputError(
            f"{argument}: patchmatch needs the compiled library of pypatchmatch, "
            "received a package without one; see its page on PyPI"
        )


def texture_of(model, name: str | None) -> Texture | None:
    """Returns the texture of this name, or the model's own without a name; or none.

    Raises:
        InputError: see `texture_named`.
    """
    return texture_named(model.texture if name is None else name)


def texture_named(name: str | None) -> Texture | None:
    """Returns a texture of `TEXTURES`; None without a name, or by the name "none".

    Raises:
        InputError: if there is none of this name, or it cannot run here.
    """
    texture = None if name is None else choose("texture", name, TEXTURES)
    if texture:
        check_library("texture")
    return texture


TEXTURES = {"none": None, "patchmatch": Texture()}
