"""What a picture's mode means for its completion, and for the file it is saved in.

Completion sees 8-bit RGB. Its colours go back into the mode of the input:

    RGB, RGBA   as they are; alpha is the input's, in the hole too
    L, LA       their luminance
    I;16        their luminance times 257; known pixels keep their 16 bits
    1           their luminance, white from 128 on
    P           the nearest entry of the picture's own palette with the same alpha

RGB and RGBA of 16 bits are kept in `inpainting.deep`. Every other mode (CMYK, YCbCr,
LAB, float) is converted to RGB, or RGBA, beforehand. A transparent colour of L or RGB
becomes an alpha channel. The colour profile is kept, and dots per inch but of RGB and
RGBA of 16 bits; EXIF is not: its orientation has been applied, and its thumbnail would
still show what the hole removed.
"""

from io import BytesIO

import numpy as np
from PIL import Image

from inpainting_zoo.data.images import Header, to_rgb
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.inpainting.deep import DeepPicture

JPEG = ("JPEG", ("L", "RGB"), {"quality": 95, "subsampling": 0})
PNG = ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), {})
TIFF = ("TIFF", PNG[1], {})
BMP = ("BMP", ("1", "L", "P", "RGB"), {})
PPM = ("PPM", ("1", "L", "RGB", "I;16"), {})
PGM = ("PPM", ("L", "I;16"), {})
WEBP = ("WEBP", ("RGB", "RGBA"), {"lossless": True, "exact": True})
GREY = ("1", "L", "LA", "I;16")
NEXT_BEST = {  # where a format does not know the mode
    "1": ("L", "RGB"),
    "L": ("RGB",),
    "LA": ("RGBA", "L", "RGB"),
    "P": ("RGBA", "RGB"),
    "RGBA": ("RGB",),
    "I;16": ("L", "RGB"),
}


def editable(picture: Image.Image, fill_alpha: bool = False) -> Image.Image:
    """Converts a picture to a mode that `paste` knows, if it is in another.

    Args:
        picture: upright and decoded.
        fill_alpha: as for `paste`; a palette with alpha is given up for it.

    Raises:
        InputError: if the picture has values that no such mode holds.
    """
    if picture.mode.startswith("I"):
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(
                "image: must hold integers from 0 to 65535, "
                f"received {values.min()} to {values.max()}"
            )
        return with_metadata(Image.fromarray(values.astype(np.uint16)), picture)
    if picture.mode == "F":
        values = np.asarray(picture)
        if not (values.min() >= 0 and values.max() <= 65535):  # NaN is neither
            raise InputError(
                "image: must hold numbers from 0 to 65535, "
                f"received {values.min()} to {values.max()}"
            )
    if picture.mode not in COLOURS:
        alpha = picture.has_transparency_data
        rgb = picture.convert("RGBA") if alpha else Image.fromarray(to_rgb(picture))
        # The profile was for other channels.
        rgb.info = {k: v for k, v in picture.info.items() if k == "dpi"}
        return rgb
    if picture.mode == "P":
        clear = fill_alpha and picture.has_transparency_data
        return picture.convert("RGBA") if clear else picture
    if "transparency" in picture.info:
        return picture.convert("RGBA" if picture.mode == "RGB" else "LA")
    return picture


def conversions(header: Header, picture: Image.Image | DeepPicture) -> list[str]:
    """Says in words what `editable` lost of a file.

    Args:
        header: of the file.
        picture: what `editable` or `read_deep` made of it.
    """
    kept = isinstance(picture, DeepPicture) or picture.mode == "I;16"
    stored, _, bits = header.rawmode.partition(";")
    if stored == "F":
        return ["image: floating-point values are reduced to 8 bits"]
    if bits[:2] in ("16", "32") and not kept and stored != "BGR":  # 5 bits each
        return [f"image: {bits[:2]} bits are reduced to 8"]
    if bits[:2] == "32" or bits.endswith("S"):
        return ["image: signed or 32-bit integers become unsigned ones of 16 bits"]
    if stored == "RGBa":
        return ["image: alpha was multiplied in, which rounds colours"]
    if stored not in COLOURS and stored in ("CMYK", "YCbCr", "LAB"):
        return [f"image: {stored} becomes {picture.mode}"]
    return []


def paste(
    picture: Image.Image | DeepPicture,
    completed: np.ndarray,
    hole: np.ndarray,
    fill_alpha: bool = False,
) -> Image.Image | DeepPicture:
    """Puts completed colours into the hole of a picture, in the picture's own mode.

    Args:
        picture: deep, or in a mode of `COLOURS`; known pixels are kept bit for bit.
        completed: uint8 (H, W, 3).
        hole: (H, W), 1 in the hole.
        fill_alpha: makes the hole opaque; else its alpha is kept, too.
    """
    hole = np.asarray(hole) > 0
    if isinstance(picture, DeepPicture):
        return picture.paste(completed, hole, fill_alpha)
    pixels = np.array(picture)
    inside = pixels[hole]
    colours = COLOURS[picture.mode](completed[hole], inside, picture)
    if pixels.ndim == 3:
        inside[:, : colours.shape[1]] = colours
        if fill_alpha and picture.mode in ("LA", "RGBA"):
            inside[:, -1] = 255
        colours = inside
    pixels[hole] = colours
    if picture.mode != "P":
        return with_metadata(Image.fromarray(pixels), picture)
    result = picture.copy()  # with palette and transparency
    result.frombytes(pixels.tobytes())
    return result


def is_clear(picture: Image.Image | DeepPicture, hole: np.ndarray) -> bool:
    """Returns whether all of a hole is fully transparent in a picture."""
    if isinstance(picture, DeepPicture):
        alpha = picture.pixels[hole > 0][:, 3:]
        return alpha.size > 0 and not alpha.any()
    if not picture.has_transparency_data:
        return False
    alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
    return not alpha[hole > 0].any()


def with_metadata(picture, source):
    """Gives a picture the colour profile and the density of another; returns it."""
    kept = ("icc_profile", "dpi")
    picture.info = {k: v for k, v in source.info.items() if k in kept}
    return picture


def _luminance(rgb):
    return np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _nearest_entries(rgb, indices, picture):
    from scipy.spatial import cKDTree  # half a second, which few pictures need

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


def encode(picture: Image.Image | DeepPicture, suffix: str) -> tuple[bytes, list[str]]:
    """Encodes a picture in the format of a suffix.

    Returns:
        The file's bytes, and what the format made of the picture, in words.

    Raises:
        InputError: if the suffix is unknown, or the format cannot hold the picture.
    """
    name, modes, options = choose(SUFFIX, suffix.lower(), FORMATS)
    saved, notes = picture, []
    if isinstance(picture, DeepPicture):
        if picture.fits(name):
            return picture.encode(name), []
        saved = picture = picture.reduced()
        notes.append(f"save_to: {name} holds 8 bits, 16 are reduced to 8")
    transparent = picture.has_transparency_data
    if picture.mode not in modes or (
        picture.mode == "P" and transparent and name != "PNG"
    ):
        best = NEXT_BEST.get(picture.mode, ())
        best = [m for m in best if m in modes and (transparent or m != "RGBA")]
        if not best:
            raise InputError(
                f"save_to: must be a format that holds {picture.mode}, "
                f"received {suffix!r}"
            )
        saved = _convert(picture, best[0])
        if transparent and not saved.has_transparency_data:
            notes.append(f"save_to: {name} holds no alpha, it is dropped")
        if picture.mode == "I;16":
            notes.append(f"save_to: {name} holds 8 bits, 16 are reduced to 8")
    if name == "JPEG":
        notes.append("save_to: JPEG changes known pixels a little, PNG keeps them")
    buffer = BytesIO()
    same_channels = (saved.mode in GREY) == (picture.mode in GREY)
    profile = picture.info.get("icc_profile") if same_channels else None
    if profile and name in ("BMP", "PPM"):
        notes.append(f"save_to: {name} holds no colour profile, it is dropped")
    dots = [float(x) for x in picture.info.get("dpi", ())]
    if dots and all(0 < x < 1e5 for x in dots):  # files say what they like
        options = options | {"dpi": dots}
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
    ".jpe": JPEG,
    ".jfif": JPEG,
    ".webp": WEBP,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".bmp": BMP,
    ".ppm": PPM,
    ".pgm": PGM,
    ".pnm": PPM,
}
SUFFIX = "save_to, its suffix"  # what errors call it
