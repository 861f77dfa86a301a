"""What a picture's mode means for its completion, and for the file it is saved in.

Completion sees 8-bit RGB. Its colours go back into the mode of the input:

    RGB, RGBA   as they are; alpha is the input's, in the hole too
    L, LA       their luminance
    I;16        their luminance times 257; known pixels keep their 16 bits
    1           their luminance, white from 128 on
    P           the nearest entry of the picture's own palette with the same alpha

Every other mode (CMYK, YCbCr, LAB, float) is converted to RGB, or RGBA, beforehand.
A transparent colour of L or RGB becomes an alpha channel. The colour profile is kept;
EXIF is not: its orientation has been applied, and its thumbnail would still show what
the hole removed.
"""

from io import BytesIO

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from inpainting_zoo.data.images import to_rgb
from inpainting_zoo.errors import InputError, choose

JPEG = ("JPEG", ("L", "RGB"), {"quality": 95, "subsampling": 0})
PNG = ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), {})
TIFF = ("TIFF", PNG[1], {})
BMP = ("BMP", ("1", "L", "P", "RGB"), {})
WEBP = ("WEBP", ("RGB", "RGBA"), {"lossless": True, "exact": True})
GREY = ("1", "L", "LA", "I;16")
OPAQUE = {"LA": "L", "RGBA": "RGB"}
NEXT_BEST = {  # where a format does not know the mode
    "1": ("L", "RGB"),
    "L": ("RGB",),
    "LA": ("RGBA", "L", "RGB"),
    "P": ("RGBA", "RGB"),
    "RGBA": ("RGB",),
    "I;16": ("L", "RGB"),
}


def editable(picture: Image.Image, keep_alpha: bool = True) -> Image.Image:
    """Convert a picture to a mode that `paste` knows, if it is in another.

    Args:
        picture: upright and decoded.
        keep_alpha: False drops the alpha channel and leaves the colours as they are.
    """
    if picture.mode.startswith("I"):
        values = np.asarray(picture).clip(0, 65535)
        return _with_profile(Image.fromarray(values.astype(np.uint16)), picture)
    if picture.mode not in COLOURS:
        alpha = picture.has_transparency_data
        rgb = picture.convert("RGBA") if alpha else Image.fromarray(to_rgb(picture))
        rgb.info = {}  # the profile was for other channels
        picture = rgb
    elif picture.mode != "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA" if picture.mode == "RGB" else "LA")
    if not keep_alpha:
        picture = picture.convert(OPAQUE.get(picture.mode, picture.mode))
        picture.info.pop("transparency", None)
    return picture


def paste(picture: Image.Image, completed: np.ndarray, hole: np.ndarray):
    """Put completed colours into the hole of a picture, in the picture's own mode.

    Args:
        picture: in a mode of `COLOURS`; alpha is kept, known pixels too, bit for bit.
        completed: uint8 (H, W, 3).
        hole: (H, W), 1 in the hole.
    """
    hole = np.asarray(hole) > 0
    pixels = np.array(picture)
    inside = pixels[hole]
    colours = COLOURS[picture.mode](completed[hole], inside, picture)
    if pixels.ndim == 3:
        inside[:, : colours.shape[1]] = colours
        colours = inside
    pixels[hole] = colours
    if picture.mode != "P":
        return _with_profile(Image.fromarray(pixels), picture)
    result = picture.copy()  # with palette and transparency
    result.frombytes(pixels.tobytes())
    return result


def _with_profile(picture, source):
    picture.info = {k: v for k, v in source.info.items() if k == "icc_profile"}
    return picture


def _luminance(rgb):
    return np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _nearest_entries(rgb, indices, picture):
    ramp = picture.resize((256, 1), Image.Resampling.NEAREST)
    ramp.frombytes(bytes(range(256)))
    entries = np.asarray(ramp.convert("RGBA"))[0].astype(int)
    used = np.arange(256) < len(picture.getpalette()) // 3
    alphas = entries[indices, 3]
    nearest = indices.copy()
    for alpha in np.unique(alphas):
        (candidates,) = np.nonzero(used & (entries[:, 3] == alpha))
        if len(candidates):
            here = alphas == alpha
            _, found = cKDTree(entries[candidates, :3]).query(rgb[here])
            nearest[here] = candidates[found]
    return nearest


def encode(picture: Image.Image, suffix: str) -> tuple[bytes, list[str]]:
    """Encode a picture in the format of a suffix.

    Returns:
        The file's bytes, and what the format made of the picture, in words.

    Raises:
        InputError: the suffix is unknown, or the format cannot hold the picture.
    """
    name, modes, options = get(suffix)
    transparent = picture.has_transparency_data
    saved, notes = picture, []
    if picture.mode not in modes or (
        picture.mode == "P" and transparent and name != "PNG"
    ):
        best = (m for m in NEXT_BEST[picture.mode] if transparent or m != "RGBA")
        saved = _convert(picture, next(mode for mode in best if mode in modes))
        if transparent and not saved.has_transparency_data:
            notes.append(f"save_to: {name} holds no alpha, it is dropped")
        if picture.mode == "I;16":
            notes.append(f"save_to: {name} holds 8 bits, 16 are reduced to 8")
    if name == "JPEG":
        notes.append("save_to: JPEG changes known pixels a little, PNG keeps them")
    buffer = BytesIO()
    same_channels = (saved.mode in GREY) == (picture.mode in GREY)
    profile = picture.info.get("icc_profile") if same_channels else None
    try:
        saved.save(buffer, name, icc_profile=profile, **options)
    except (OSError, ValueError) as error:
        raise InputError(
            f"save_to: must be a format that holds {picture.mode} {picture.size}, "
            f"received {suffix!r}: {error}"
        ) from error
    return buffer.getvalue(), notes


def _convert(picture, mode):
    if picture.mode == "I;16":
        return Image.fromarray(to_rgb(picture)).convert(mode)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
    return picture.convert(mode)


COLOURS = {  # (RGB of the hole's pixels, what they were, picture) -> their new values
    "1": lambda rgb, inside, picture: _luminance(rgb) >= 128,
    "L": lambda rgb, inside, picture: _luminance(rgb),
    "LA": lambda rgb, inside, picture: _luminance(rgb)[:, None],
    "P": _nearest_entries,
    "RGB": lambda rgb, inside, picture: rgb,
    "RGBA": lambda rgb, inside, picture: rgb,
    "I;16": lambda rgb, inside, picture: _luminance(rgb).astype(np.uint16) * 257,
}
FORMATS = {
    ".png": PNG,
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".webp": WEBP,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".bmp": BMP,
}


def get(suffix: str):
    """Look up a file format, (name, modes, options), by the suffix of a file's name.

    Raises:
        InputError: there is no format of this suffix.
    """
    return choose("save_to, its suffix", suffix.lower(), FORMATS)
