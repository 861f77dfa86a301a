"""Picture files to arrays: the one loader that training, evaluation and use share."""

import os
import stat
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from inpainting_zoo.data import embedded as samples
from inpainting_zoo.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
MAX_PIXELS = 64_000_000

# max_pixels decides instead, which would end at Pillow's own 178 million pixels.
Image.MAX_IMAGE_PIXELS = None


class PictureError(InputError):
    """A picture file that cannot be read; `path` is its path."""

    path: Path


def open_picture(
    path: str | Path, max_pixels: int = MAX_PIXELS, draft: int | None = None
) -> Image.Image:
    """Open a picture file upright and completely decoded, in its own mode.

    The first frame of a file with several is used.

    Args:
        path: a regular JPEG, PNG, WebP, TIFF or BMP file.
        max_pixels: the largest width x height, compared with the header before
            anything is decoded.
        draft: if given, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long
            as both sides keep twice this many pixels: much faster for photographs
            that are then averaged down to ``draft`` pixels.

    Raises:
        PictureError: the file cannot be read completely, or is too large.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO would wait
            raise OSError("not a regular file")
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > max_pixels:
                size = f"{picture.width}x{picture.height}"
                raise ValueError(f"{size} is over the limit of {max_pixels} pixels")
            if draft is not None:
                picture.draft(None, (2 * draft, 2 * draft))
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            upright.format = picture.format
            return upright
    except Exception as error:  # damaged files raise nearly everything
        reason = getattr(error, "strerror", None) or str(error) or repr(error)
        if isinstance(error, UnidentifiedImageError):
            reason = "unknown or damaged content"
        refusal = PictureError(
            f"{str(path)!r}: must be a readable picture ({', '.join(FORMATS)}), "
            f"received {' '.join(reason.split())}"
        )
        refusal.path = Path(path)
        raise refusal from error


def to_rgb(picture: Image.Image) -> np.ndarray:
    """Convert a picture of any mode to uint8 RGB (H, W, 3).

    Grey is repeated, palettes are looked up, CMYK is converted without a colour
    profile and alpha is dropped: the stored colours are kept, nothing is composited.
    16-bit grey v becomes round(v / 257); float grey has its white at 1, 255 or 65535,
    the smallest that is not below its largest value.
    """
    if picture.mode.startswith("I"):
        grey = np.asarray(picture).astype(np.int64).clip(0, 65535)
        return np.stack([((grey + 128) // 257).astype(np.uint8)] * 3, axis=-1)
    if picture.mode == "F":
        grey = np.nan_to_num(np.asarray(picture))
        grey = np.rint(grey * (255 / _white(grey))).clip(0, 255)
        return np.stack([grey.astype(np.uint8)] * 3, axis=-1)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
    return np.array(picture.convert("RGB"))


def read_image(
    path: str | Path, max_pixels: int = MAX_PIXELS, draft: int | None = None
) -> np.ndarray:
    """Read a file as uint8 RGB (H, W, 3); see `open_picture` and `to_rgb`."""
    return to_rgb(open_picture(path, max_pixels, draft))


def read_mask(
    path: str | Path, invert: bool = False, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Read a mask file as uint8 (H, W) of its own size, 1 in the hole.

    The hole is where the luminance is at least half of white (128 of 255). White is 1,
    255 or 65535, the smallest that is not below the largest value, so masks of 0 and 1,
    16-bit and float masks mean what they show. Where alpha varies, a mask of a single
    visible colour is a drawing on glass: its hole is where it is opaque. With several
    colours it is laid over black.

    Args:
        invert: the file has its hole in black.
    """
    picture = open_picture(path, max_pixels)
    values = _mask_values(picture)
    # The 1 in a black JPEG is compression noise.
    white = 255 if picture.format in ("JPEG", "MPO") else _white(values)
    return ((values >= white / 2) != invert).astype(np.uint8)


def _mask_values(picture):
    if picture.mode.startswith("I") or picture.mode == "F":
        return np.nan_to_num(np.asarray(picture))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min() < alpha.max():
            grey = np.asarray(picture.convert("RGB").convert("L"))
            visible = grey[alpha >= min(128, alpha.max())]
            if np.ptp(visible) <= 8:  # one colour, but for rounding
                return alpha
            return np.rint(grey * (alpha / 255))
    return np.asarray(picture.convert("RGB").convert("L"))


def _white(values):
    largest = np.rint(values.max())
    return next((white for white in (1, 255, 65535) if largest <= white), 65535)


def list_images(source: str | Path, argument: str = "images") -> list[Path]:
    """List picture files, sorted.

    Args:
        source: a folder, searched recursively (hidden files and linked folders are
            left out); a text file with one path a line, relative to its folder; one
            picture; or "samples", "samples:train", "samples:test".
        argument: what to call ``source`` in an error.

    Raises:
        InputError: there is no such source, it cannot be read, or holds no picture.
    """
    kind, _, split = str(source).partition(":")
    if kind == "samples":
        return samples.files(split or None)
    try:
        if os.path.isdir(source):
            found = _walk(source)
        elif str(source).lower().endswith(SUFFIXES):
            found = [str(source)] if os.path.isfile(source) else []
        elif os.path.isfile(source):
            lines = Path(source).read_text(encoding="utf-8").splitlines()
            folder = os.path.dirname(source)
            found = [os.path.join(folder, line) for line in lines if line.strip()]
        else:
            raise OSError("no such folder or file")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{argument}: must be a folder, a list file or samples, "
            f"received {str(source)!r} ({reason})"
        ) from error
    if not found:
        raise InputError(f"{argument}: must hold pictures, {str(source)!r} has none")
    return [Path(path) for path in sorted(found)]


def _walk(source):
    def fail(error):
        raise error

    found = []
    for folder, _, names in os.walk(source, onerror=fail):
        paths = (
            os.path.join(folder, name)
            for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        )
        found += filter(os.path.isfile, paths)  # no FIFOs, no dangling links
    return found


def fit_image(
    image: np.ndarray,
    size: int,
    rng: np.random.Generator | None = None,
    max_zoom: float = 1.15,
) -> np.ndarray:
    """Scale the short side to ``size`` and crop a square, uint8 (size, size, 3).

    Shrinking averages areas, enlarging is bicubic.

    Args:
        image: uint8 (H, W, 3).
        rng: None takes the centre. A generator, for training, scales the short side
            to between ``size`` and ``max_zoom * size``, crops anywhere, and mirrors
            every other picture.
        max_zoom: at least 1.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    if rng is not None:
        side = max(1, round(side / rng.uniform(1, max_zoom)))
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    square = image[top : top + side, left : left + side]
    if side != size:
        method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
        square = cv2.resize(square, (size, size), interpolation=method)
    if rng is not None and rng.random() < 0.5:
        square = square[:, ::-1]
    return np.ascontiguousarray(square)


def fit_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Fit a mask like `fit_image` without rng: nearest neighbour, then threshold.

    Args:
        mask: (H, W), bool, 0 and 1, or 0 to 255 with the hole from 128 on.

    Returns:
        uint8 (size, size) of 0 and 1.
    """
    height, width = mask.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = mask[top : top + side, left : left + side].astype(np.uint8)
    nearest = cv2.resize(square, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return (nearest >= _white(mask) / 2).astype(np.uint8)
