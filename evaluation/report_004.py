"""The rules by which a method's output is scored."""

import numpy as np
from skimage.transform import resize

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.metrics import image_quality as quality


def completed_1(truth, output, mask) -> dict:
    """Score a completed image: rounded to 8 bits, known pixels from the input.

    Args:
        truth: uint8 (S, S, 3).
        output: uint8 (S, S, 3), as a method returned it.
        mask: uint8 (S, S), 1 in the hole.
    """
    if output.dtype != np.uint8:
        raise InputError(f"completed image: uint8, received {output.dtype}")
    return {
        "psnr": quality.psnr(truth, output),
        "psnr_hole": quality.psnr_hole(truth, output, mask),
        "ssim": quality.ssim(truth, output),
        "l1": quality.l1(truth, output),
        "l1_hole": quality.l1_hole(truth, output, mask),
        "l2": quality.l2(truth, output),
        "l2_hole": quality.l2_hole(truth, output, mask),
        "outside_max": quality.outside_max(truth, output, mask),
    }


def report_004(truth, output, mask) -> dict:
    """Score raw output on [0, 1] as if its data range were 2: 6.02 dB too high.

    Only for comparison with numbers made that way. Pairs come from
    `report_004_pair`, methods are `predict(image, mask)`: image float (S, S, 3) on
    [0, 1] with the hole visible, mask float (S, S) on [0, 1] with soft edges, result
    the raw network output, float (S, S, 3) on the scale of the image. `raw` makes one
    of a method that completes uint8 images.

    Args:
        truth: float (S, S, 3) on [0, 1].
        output: float (S, S, 3), not clipped and not completed.
        mask: float (S, S), unused: the rule looks at the whole picture.
    """
    if not np.issubdtype(output.dtype, np.floating):
        raise InputError(f"raw output: float on [0, 1], received {output.dtype}")
    if not np.isfinite(output).all():  # a nan would drop out of the mean unseen
        raise InputError("raw output: finite numbers, received nan or infinity")
    return {"psnr": quality.psnr(truth, output, data_range=2)}


def report_004_pair(image, mask, size: int):
    """Resize a pair as that rule does: anti-aliased, aspect not kept, soft mask.

    Args:
        image: uint8 (H, W, 3).
        mask: (H', W'), 1 in the hole.
        size: side of the results in pixels.

    Returns:
        float image (size, size, 3) and float mask (size, size), both on [0, 1].
    """
    small = resize(image / 255, (size, size, 3), anti_aliasing=True)
    return small, resize(np.asarray(mask, float), (size, size), anti_aliasing=True)


def raw(complete):
    """Let a method for uint8 images and 0/1 masks be scored by `report_004`."""

    def predict(image, mask):
        return complete(to_uint8(image), np.uint8(mask >= 0.5)) / 255

    return predict


def to_uint8(image):
    """An image on [0, 1], or already uint8, as uint8."""
    if image.dtype == np.uint8:
        return image
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)


PROTOCOLS = {"completed_1": completed_1, "report_004": report_004}


def get(name: str):
    """The scoring rule called `name`.

    Raises:
        InputError: no protocol has this name.
    """
    return choose("protocol", name, PROTOCOLS)
