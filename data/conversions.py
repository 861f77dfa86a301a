"""Pictures and masks as Python programs have them, as the arrays that models take."""

import logging
import os

import numpy as np
from PIL import Image

from inpainting_zoo.data.holes import hole_of, white_of
from inpainting_zoo.data.images import open_picture, to_rgb
from inpainting_zoo.errors import InputError

log = logging.getLogger(__name__)

WANTED = "image: (H, W, 3), (H, W, 4), (H, W, 1) or (H, W)"
WANTED_MASK = "mask: bool, 0 and 1, 0 to 255 or 0 to 65535, the hole being bright"


def as_picture(image) -> np.ndarray:
    """Returns a picture as uint8 (H, W, 3).

    Grey is repeated, alpha dropped. uint16 v becomes round(v / 257), a float on [0, 1]
    round(255 v), black and white 0 and 255.

    Args:
        image: an array or tensor (H, W, 3), (H, W, 4), (H, W, 1) or (H, W) of uint8,
            uint16, bool, or floats on [0, 1]; a Pillow image; or the path of a file.

    Raises:
        InputError: if it is nothing of the kind; names shape and dtype.
    """
    if isinstance(image, (str, os.PathLike)):
        return to_rgb(open_picture(image))
    if isinstance(image, Image.Image):
        return to_rgb(image)
    pixels = _as_array(image, "image")
    received = f"received {pixels.dtype} {pixels.shape}"
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise InputError(f"{WANTED}, {received}")
    pixels = pixels[..., :3]
    if pixels.dtype == np.uint16:
        pixels = (pixels.astype(np.uint32) + 128) // 257
    elif pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    elif pixels.dtype.kind == "f":
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 1):  # NaN is neither
            hint = "; divide by 255" if low >= 0 and 1 < high <= 255 else ""
            hint = "; take (image + 1) / 2" if -1 <= low < 0 and high <= 1 else hint
            raise InputError(
                f"image: floats on [0, 1], {received} from {low:g} to {high:g}{hint}"
            )
        pixels = np.rint(pixels.astype(np.float32) * 255)
    elif pixels.dtype != np.uint8:
        raise InputError(f"image: uint8, uint16, bool or floats on [0, 1], {received}")
    return np.array(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), np.uint8)


def as_given(completed, image, hole) -> np.ndarray:
    """Returns a completed picture in the type of the array that was given.

    Known pixels are those of the array; others have 8 bits.

    Args:
        completed: uint8 (H, W, 3).
        image: what `as_picture` took; of anything but an array of uint16 or floats,
            `completed` is returned.
        hole: (H, W), nonzero where `completed` may differ.
    """
    if isinstance(image, (str, os.PathLike, Image.Image)):
        return completed
    given = _as_array(image, "image")
    if given.dtype != np.uint16 and given.dtype.kind != "f":
        return completed
    white = 65535 if given.dtype == np.uint16 else 1
    given = (given if given.ndim == 3 else given[..., None])[..., :3]
    values = (completed * (white / 255)).astype(given.dtype)
    return np.where(hole[..., None] != 0, values, given)


def as_mask(mask, shape: tuple[int, int]) -> np.ndarray:
    """Returns a mask as uint8 (H, W), 1 in the hole.

    Args:
        mask: an array or tensor (H, W), (H, W, 1) or, with equal channels, (H, W, 3):
            bool, or numbers to 1, 255 or 65535 with the hole in the upper half; a
            Pillow image, or the path of a file, which mean what `data.holes.hole_of`
            says.
        shape: (H, W) of its picture.

    Raises:
        InputError: if it is nothing of the kind, or of another size; names shape and
            dtype.
    """
    if isinstance(mask, (str, os.PathLike)):
        mask = open_picture(mask)
    if isinstance(mask, Image.Image):
        mask, notes = hole_of(mask)
        for note in notes:
            log.warning(note)
    values = _as_array(mask, "mask")
    received = f"received {values.dtype} {values.shape}"
    if values.ndim == 3 and values.shape[2] in (1, 3):
        if (values != values[..., :1]).any():
            raise InputError(f"mask: channels must be equal, {received}")
        values = values[..., 0]
    if values.shape != tuple(shape):
        raise InputError(
            f"mask: ({shape[0]}, {shape[1]}) as its picture, perhaps with channels, "
            f"{received}"
        )
    if values.dtype == bool:
        return values.astype(np.uint8)
    low, high = values.min(), values.max()
    if low >= 0 and high <= 65535:  # NaN is neither
        half = white_of(values) / 2
        if high <= 1 or high >= half:  # else they are labels by the look of them
            return (values >= half).astype(np.uint8)
    raise InputError(f"{WANTED_MASK}, {received} from {low:g} to {high:g}")


def _as_array(value, argument):
    """A tensor of any library, on any device, or what NumPy makes an array of."""
    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{argument}: an array, a Pillow image or a path, received "
            f"{type(value).__name__}"
        ) from error
    if array.dtype.name == "bfloat16":  # NumPy does not know it
        array = array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{argument}: an array, a Pillow image or a path, received "
            f"{type(value).__name__} of {array.dtype}"
        )
    return array
