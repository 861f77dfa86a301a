"""Completing a picture file of any size and mode."""

import hashlib
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from inpainting_zoo.data.images import (
    FORMATS,
    MAX_PIXELS,
    open_picture,
    read_mask,
    to_rgb,
)
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting import modes
from inpainting_zoo.inpainting.strategies import Complete, complete_large
from inpainting_zoo.storage.files import refuse_overwriting, write_bytes

MOSTLY_HOLE = 0.8  # of the picture: the mask may be inverted
MOST_ASPECT_DIFFERENCE = 0.01


class SaveError(InputError):
    """An output file cannot be written."""


class PictureWarning(UserWarning):
    """What a user should know about a picture that was completed nevertheless."""


def inpaint_file(
    complete: Complete,
    image_path: str | Path,
    mask_path: str | Path,
    save_path: str | Path,
    *,
    resize_mask: bool = False,
    invert_mask: bool = False,
    max_pixels: int = MAX_PIXELS,
    keep_alpha: bool = True,
    strategy: str | None = None,
    model_size: int = 256,
    in_place: bool = False,
) -> dict:
    """Complete the hole of a picture file, and save the result in whole or not at all.

    The output is upright and has the input's size, mode and alpha, as far as its format
    allows (see `inpainting.modes`). Known pixels stay the same bit for bit, except in
    JPEG, which is written at quality 95. An empty mask gives the input back, and
    `complete` is not called.

    Args:
        complete: takes an image uint8 (H, W, 3) and a mask uint8 (H, W), 1 in the hole,
            and returns the completed image.
        image_path: a file that `data.images.open_picture` reads.
        mask_path: a file that `data.images.read_mask` reads; white is the hole.
        save_path: the suffix chooses the format; missing folders are made.
        resize_mask: fit a mask of another size, but the same aspect, by nearest.
        invert_mask: black is the hole.
        max_pixels: the largest width x height, refused from the header.
        keep_alpha: False saves the colours without the alpha channel.
        strategy: for large pictures, see `inpainting.strategies`; None chooses by size.
        model_size: side in pixels of the square pictures that the model was made for.
        in_place: allow save_path to be image_path.

    Returns:
        file, output, status ("ok"), reason (""), warnings, sha256 of the output and
        seconds, as in a row of the ledger. Each of the warnings is given as a
        `PictureWarning`, too.

    Raises:
        InputError: a file cannot be read or written, or the two do not fit together.
    """
    start = time.perf_counter()
    image_path, save_path = Path(image_path), Path(save_path)
    modes.get(save_path.suffix)
    rule = "save_to: must not be the mask, nor the image unless -in_place is given"
    inputs = [mask_path] if in_place else [mask_path, image_path]
    refuse_overwriting([save_path], inputs, rule)
    picture = open_picture(image_path, max_pixels)
    mask = read_mask(mask_path, invert_mask, max_pixels)
    mask = _fit(mask, picture.size, resize_mask)
    notes = _notes(mask)
    if not mask.any() and keep_alpha and _can_be_copied(image_path, save_path):
        content = image_path.read_bytes()
    else:
        edited = modes.editable(picture, keep_alpha)
        if mask.any():
            image = to_rgb(picture)
            image = complete_large(complete, image, mask, model_size, strategy)
            edited = modes.paste(edited, image, mask)
        content, more = modes.encode(edited, save_path.suffix)
        notes += more
    try:
        write_bytes(save_path, content)
    except OSError as error:
        raise SaveError(
            f"save_to: must be writable, received {str(save_path)!r}: {error.strerror}"
        ) from error
    for note in notes:
        warnings.warn(f"{str(image_path)!r}: {note}", PictureWarning, stacklevel=2)
    return {
        "file": str(image_path),
        "output": str(save_path),
        "status": "ok",
        "reason": "",
        "warnings": notes,
        "sha256": hashlib.sha256(content).hexdigest(),
        "seconds": round(time.perf_counter() - start, 3),
    }


def _fit(mask, size, resize_mask):
    width, height = size
    if mask.shape == (height, width):
        return mask
    aspect = (mask.shape[1] / mask.shape[0]) / (width / height)
    received = f"received {mask.shape[1]}x{mask.shape[0]} for {width}x{height}"
    if max(aspect, 1 / aspect) > 1 + MOST_ASPECT_DIFFERENCE:
        raise InputError(f"mask: must have the picture's aspect, {received}")
    if not resize_mask:
        raise InputError(
            f"mask: must have the picture's size (or use -resize_mask), {received}"
        )
    return cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)


def _notes(mask):
    share = float(np.mean(mask))
    if share <= MOSTLY_HOLE:
        return []
    rest = " and nothing is known" if share == 1 else ""
    return [
        f"mask: {share:.0%} of the picture is hole{rest}; "
        "if the mask is inverted, use -invert_mask"
    ]


def _can_be_copied(image_path, save_path):
    """Whether the input file, byte for byte, is an upright picture of the format."""
    with Image.open(image_path, formats=FORMATS) as picture:
        upright = picture.getexif().get(ExifTags.Base.Orientation, 1) == 1
        return upright and picture.format == modes.get(save_path.suffix)[0]
