"""What a mask picture means: which of its pixels are the hole."""

import cv2
import numpy as np
from PIL import Image

from inpainting_zoo.errors import InputError

COLOURED = 32  # between the channels of a pixel: more is a colour, not a grey
STRAY = 0.05  # of the drawn pixels may have another colour: JPEG blurs colours
MOST_GREY = 0.25  # of a mask; a wide soft brush stays below, a photograph does not
FEW_LEVELS = 50


def hole_of(
    picture: Image.Image, label: int | str | None = None, source: str | None = None
) -> tuple[np.ndarray, list[str]]:
    """Returns the hole of a mask picture, and what should be known about it.

    The hole is where the luminance is at least half of white (128 of 255). White is 1,
    255 or 65535, the smallest that is not below the largest value, so masks of 0 and 1,
    16-bit and float masks mean what they show. A drawing in colours on black means what
    it would in white. Where alpha varies, a mask of a single visible colour is a
    drawing on glass: its hole is where it is opaque. With several colours it is laid
    over black.

    Args:
        picture: upright and decoded.
        label: of a palette or grey mask whose values are labels: the hole is where the
            stored value is `label`, or with "any" where it is not 0.
        source: "alpha": the hole is what was erased, where alpha is below 128.

    Returns:
        bool (H, W), True in the hole; and notes.

    Raises:
        InputError: if the mask has no labels or no alpha, though one was asked for.
    """
    if source not in (None, "alpha"):
        raise InputError(f"mask_from: alpha, or nothing, received {source!r}")
    if source == "alpha":
        return ~opaque(picture), []
    if label is not None:
        return _labelled(picture, label), []
    values, drawing = _values(picture)
    # The 1 in a black JPEG is compression noise.
    lossy = picture.format in ("JPEG", "MPO")
    white = 255 if lossy else white_of(values)
    hole = values >= white / 2
    labels = [] if lossy or drawing else _labels(picture, values, hole)
    if not labels:
        grey = np.mean((values > white / 4) & (values < white * 3 / 4))
        if grey <= MOST_GREY or len(levels_of(values)) <= FEW_LEVELS:
            return hole, []
        return hole, [
            f"mask: {grey:.0%} of it is neither black nor white, as of a photograph; "
            "the brighter half is the hole"
        ]
    shown = ", ".join(map(str, labels[:5])) + (", ..." if len(labels) > 5 else "")
    return hole, [
        f"mask: its values {shown} look like labels; -mask_label N makes one of them "
        "the hole, -mask_label any all but 0"
    ]


def opaque(picture: Image.Image) -> np.ndarray:
    """Returns where alpha is at least 128, bool (H, W).

    Raises:
        InputError: if the mask has no alpha.
    """
    if not picture.has_transparency_data:
        raise InputError(
            f"mask_from: alpha needs a mask that has it, received {picture.mode}"
        )
    return np.asarray(picture.convert("RGBA").getchannel("A")) >= 128


def levels_of(values) -> np.ndarray:
    """Returns the different values of an array, sorted."""
    if values.dtype != np.uint8:
        return np.unique(values)
    counts = cv2.calcHist([np.ascontiguousarray(values)], [0], None, [256], [0, 256])
    return np.flatnonzero(counts)


def white_of(values) -> int:
    """Returns the smallest of 1, 255 and 65535 that is not below the largest value."""
    largest = np.rint(values.max())
    return next((white for white in (1, 255, 65535) if largest <= white), 65535)


def _values(picture):
    """The brightness (H, W) of each pixel, and whether it is a drawing's strength."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return np.nan_to_num(np.asarray(picture)), False
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min() < alpha.max():
            grey = np.asarray(picture.convert("RGB").convert("L"))
            visible = grey[alpha >= min(128, alpha.max())]
            if np.ptp(visible) <= 8:  # one colour, but for rounding
                return alpha, True
            return np.rint(grey * (alpha / 255)), True
    rgb = picture.convert("RGB")
    if picture.mode not in ("1", "L", "LA"):
        # Several colours of a palette are labels.
        strength = _strength(np.asarray(rgb), several=picture.mode != "P")
        if strength is not None:
            return strength, True
    return np.asarray(rgb.convert("L")), False


def _strength(rgb, several):
    """How strong each pixel of a drawing in colours on black is; None: it is none.

    A pixel of strength s is s / 255 of the drawing's brightest. Colours that are not
    shades of one are strong, all of them, in a drawing: a photograph has all shades.
    """
    strength = rgb.max(axis=2)
    if (strength - rgb.min(axis=2)).max() <= COLOURED:
        return None
    brightest = rgb.reshape(-1, 3)[strength.argmax()].astype("float32")
    most = brightest.max()
    drawn = strength >= most / 4
    expected = strength[drawn][:, None] * (brightest / most)
    stray = np.abs(rgb[drawn] - expected).max(axis=1) > COLOURED
    weak = strength[drawn] < most / 2
    drawing = several and weak.mean() <= STRAY and not drawn.all()
    if stray.mean() > STRAY and not drawing:
        return None
    return np.rint(strength * (255 / most)).astype(np.uint8)


def _labels(picture, values, hole):
    """The values of a mask that are labels by the look of them; none of a usual mask.

    They are small integers, or places in a palette of several colours.
    """
    if picture.mode == "P":
        used = levels_of(np.asarray(picture))
        palette = np.resize([*picture.getpalette("RGB"), *bytes(768)], (256, 3))
        if np.ptp(palette[used], axis=1).max() > COLOURED:
            return [place for place in used.tolist() if place]
    levels = levels_of(values)
    if values.dtype.kind == "f" or levels[-1] <= 1:
        return []
    small = levels[(levels >= 2) & (levels <= 127)]
    if not hole.any() or (len(small) and not np.any((levels > 127) & (levels < 255))):
        return levels[levels > 0].tolist()
    return []


def _labelled(picture, label):
    values = np.asarray(picture.getchannel(0) if picture.mode == "LA" else picture)
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim == 3 or picture.mode == "F":
        raise InputError(
            f"mask_label: for a palette or grey mask, received one of {picture.mode}"
        )
    if label == "any":
        return values != 0
    try:
        return values == int(label)
    except ValueError:
        raise InputError(
            f"mask_label: a whole number or any, received {label!r}"
        ) from None
