"""Completing one picture of any size and mode: bytes in and out, or files."""

import hashlib
import os
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from inpainting_zoo.data.holes import hole_of, levels_of, opaque
from inpainting_zoo.data.images import (
    MAX_PIXELS,
    Source,
    open_picture,
    read_header,
    to_rgb,
)
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.inpainting import modes
from inpainting_zoo.inpainting.deep import read_deep
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.models.pixels import dilate
from inpainting_zoo.storage.files import (
    refuse_overwriting,
    refuse_replacing,
    write_bytes,
)

MOSTLY_HOLE = 0.8  # of the picture: the mask may be inverted
MOST_ASPECT_DIFFERENCE = 0.01
SAME_SHARE = 0.99  # of a mask's pixels that are the picture's: it is the picture
SAME_VALUE = 8  # how far apart the same pixel may be in two files
SAME_COURSE = 0.95  # correlation of a picture's copy with it
LEAST_GREY = 0.1  # of a photograph; an edge is less of a mask


class SaveError(InputError):
    """An output file cannot be written."""


class PictureWarning(UserWarning):
    """What a user should know about a picture that was completed nevertheless."""


def complete_bytes(
    model,
    image: Source,
    mask: Source,
    *,
    suffix: str = ".png",
    resize_mask: bool = False,
    invert_mask: bool = False,
    mask_label: int | str | None = None,
    mask_from: str | None = None,
    mask_dilation: float = 0,
    feathering: float = 0,
    texture: str | None = None,
    fill_alpha: bool = False,
    strategy: str | None = None,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
    drop_frames: bool = True,
    **options,
) -> tuple[bytes, list[str]]:
    """Completes the hole of a picture file's content.

    The output is upright and has the input's size, mode, depth and alpha, as far as its
    format allows (see `inpainting.modes`). Known pixels stay the same bit for bit,
    except in JPEG, which is written at quality 95. An empty hole gives the input back,
    and the model is not called.

    Args:
        model: as for `inpainting.strategies.complete`.
        image: a picture file's bytes, or its path.
        mask: another's; white is the hole, see `data.holes.hole_of`. If it is the
            picture itself with an erased part, that part is.
        suffix: chooses the output's format.
        resize_mask: fits a mask of another size, but the same aspect, by nearest.
        invert_mask: the hole is what else would be known.
        mask_label: in a mask of labels, the number of the hole's, or "any" but 0.
        mask_from: "alpha": the hole is where the mask is transparent.
        mask_dilation: pixels by which the hole is widened before it is completed.
        feathering: pixels over which the prediction fades in within the ring by which
            the hole was widened; at most `mask_dilation`.
        texture: name of a `models.texture.Texture`, whose patches follow what the model
            predicted; see `Completer.inpaint`.
        fill_alpha: makes the completed hole opaque, which else keeps its alpha.
        strategy: for large pictures, see `inpainting.strategies`; None chooses by size.
        seed: of what is random in the model.
        max_pixels: the largest width x height, refused from the header.
        drop_frames: False refuses to lose the further pages or frames of a file, of
            which the first is completed.
        **options: of the model.

    Returns:
        The output's bytes, and notes: what should be known about them.

    Raises:
        InputError: if an argument breaks its rule, a picture cannot be read, or the
            two do not fit together.
    """
    file_format, *_ = choose(modes.SUFFIX, suffix.lower(), modes.FORMATS)
    image, mask = (
        bytes(x) if isinstance(x, bytearray | memoryview) else x for x in (image, mask)
    )
    header = read_header(image, max_pixels)
    picture = open_picture(image, max_pixels)
    drawing = open_picture(mask, max_pixels, argument="mask")
    hole, notes = _hole(picture, drawing, mask_label, mask_from)
    hole = fit_hole((hole != invert_mask).astype(np.uint8), picture.size, resize_mask)
    notes += remarks_on(hole)
    if (frames := read_header(mask, max_pixels, "mask").frames) > 1:
        notes += [f"mask: its first page or frame is used, {frames - 1} more are not"]
    same_format = file_format == header.format.replace("MPO", "JPEG")
    if not hole.any() and same_format and header.orientation == 1:
        return image if isinstance(image, bytes) else Path(image).read_bytes(), notes
    notes += _left_out(header, drop_frames)
    edited = read_deep(image, header, picture) or modes.editable(picture, fill_alpha)
    notes += modes.conversions(header, edited)
    if hole.any():
        ring, said = (mask_dilation, feathering), []
        how = strategy, seed, *ring, texture, said
        completed = complete(model, to_rgb(picture), hole, *how, **options)
        if not fill_alpha and modes.is_clear(edited, hole):
            notes.append("image: the hole is transparent and stays so, see -fill_alpha")
        notes += said
        widened = dilate(hole, mask_dilation)
        edited = modes.paste(edited, completed, widened, fill_alpha)
    content, more = modes.encode(edited, suffix)
    return content, notes + more


def inpaint_file(
    model,
    image_path: str | Path,
    mask_path: str | Path,
    save_path: str | Path,
    *,
    in_place: bool = False,
    **options,
) -> dict:
    """Completes the hole of a picture file, and saves the result whole or not at all.

    Args:
        model: as for `complete_bytes`.
        image_path: of the picture.
        mask_path: of the mask.
        save_path: the suffix chooses the format; missing folders are made.
        in_place: allows `save_path` to be `image_path`.
        **options: of `complete_bytes`, and of the model.

    Returns:
        file, output, status ("ok"), reason (""), warnings, sha256 of the output and
        seconds, as in a row of the ledger. Each of the warnings is given as a
        `PictureWarning`, too.

    Raises:
        InputError: as `complete_bytes`, or if the output must not or cannot be written.
    """
    start = time.perf_counter()
    image_path, save_path = Path(image_path), Path(save_path)
    check_output(image_path, mask_path, save_path, in_place)
    if in_place and _is_file(save_path, image_path):
        save_path = save_path.resolve()  # what a link leads to, not the link
    content, notes = complete_bytes(
        model,
        image_path,
        mask_path,
        suffix=save_path.suffix,
        drop_frames=not _is_file(save_path, image_path),
        **options,
    )
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


def check_output(image_path, mask_path, save_path, in_place: bool | None = None):
    """Checks where a completed picture is saved, before a model is needed.

    Args:
        image_path, mask_path: what is read.
        save_path: may be the image with `in_place`.
        in_place: None if it may never be.

    Raises:
        InputError: if it is what is read, or of an unknown format.
    """
    save_path = Path(save_path)
    choose(modes.SUFFIX, save_path.suffix.lower(), modes.FORMATS)
    read = (image_path, mask_path)
    refuse_overwriting(
        [save_path],
        [path for path in read if not (in_place and _is_file(path, image_path))],
        "save_to: must not be the mask, nor the image"
        + " unless -in_place is given" * (in_place is not None),
    )


def check_replaced(outputs, overwrite: bool, itself=None):
    """Checks that what will be written replaces pictures alone, and only if it may.

    Args:
        outputs: paths.
        overwrite: whether they may.
        itself: a picture that may be replaced all the same.

    Raises:
        InputError: names the first that may not be.
    """
    refuse_replacing("save_to", outputs, "a picture", is_picture)
    for path in filter(os.path.exists, outputs):
        if not overwrite and not (itself and os.path.samefile(path, itself)):
            raise InputError(
                f"save_to: must be new, or -overwrite given, received {str(path)!r}, "
                "which is there"
            )


def is_picture(path) -> bool:
    """Whether a file is a picture of any format."""
    try:
        Image.open(path).close()
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
    return True


def is_intact(path) -> bool:
    """Whether a file is a picture that can be read to its end."""
    try:
        open_picture(path)
    except InputError:
        return False
    return True


def _is_file(path, other):
    both = os.path.exists(path) and os.path.exists(other)
    return both and os.path.samefile(path, other)


def _hole(picture, drawing, label, source):
    """The hole of a mask, and notes; an erased part if it is the picture itself."""
    if label is not None or source is not None or not _is_same(picture, drawing):
        return hole_of(drawing, label, source)
    hole, _ = hole_of(drawing, source="alpha")
    return hole, ["mask: is the picture itself, its transparent part is the hole"]


def _left_out(header, drop):
    """What is to be said of pages after the first, and of channels beside colour."""
    frames, channels = header.frames, header.rawmode.partition(";")[0].count("X")
    channels *= header.format == "TIFF"  # elsewhere they are only padding
    if frames > 1 and not drop:
        raise InputError(
            "image: must be of one page or frame to be replaced in place, "
            f"received {frames}"
        )
    if channels and not drop:
        raise InputError(
            "image: must be of colours alone to be replaced in place, "
            f"received {channels} further channels"
        )
    notes = []
    if frames > 1:
        notes += [f"image: its first page or frame is saved, {frames - 1} more are not"]
    if channels:
        notes += [f"image: {channels} further channels are not saved"]
    return notes


def _is_same(picture, drawing):
    """Whether a mask is the picture itself, with an erased part.

    Raises:
        InputError: if it is the picture without one, or a copy of it.
    """
    if drawing.mode == "1":
        return False
    shown, drawn = to_rgb(picture), to_rgb(drawing)
    clear = np.zeros(drawn.shape[:2], bool)
    if drawing.has_transparency_data:
        clear = ~opaque(drawing)
    visible = drawn[~clear] if clear.any() else drawn.reshape(-1, 3)
    if not clear.all() and len(levels_of(visible)) <= 2:  # as of a mask
        return False
    if not clear.any() and (_agrees(shown, drawn, ~clear) or _is_copy(shown, drawn)):
        raise InputError(
            "mask: must show the hole in white on black, received the picture itself"
        )
    return clear.any() and _agrees(shown, drawn, ~clear)


def _agrees(shown, drawn, visible):
    """Whether two pictures (H, W, 3) are the same where one is visible, (H, W)."""
    if shown.shape != drawn.shape:
        return False
    same = cv2.absdiff(shown, drawn).max(axis=2) <= SAME_VALUE
    bright = visible & (drawn.max(axis=2) > SAME_VALUE)
    return all(w.any() and same[w].mean() >= SAME_SHARE for w in (visible, bright))


def _is_copy(shown, drawn):
    """Whether a picture looks like another: grey, scaled, as JPEG, or painted white."""
    grey = cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY)
    if np.mean((grey > 63) & (grey < 192)) < LEAST_GREY:
        return False
    small = (
        cv2.resize(x, (32, 32), interpolation=cv2.INTER_AREA).astype("float32")
        for x in (cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY), grey)
    )
    x, y = (values.ravel() for values in small)
    apart = y < 224  # from what is painted white
    if apart.mean() < 0.2 or min(np.std(x[apart]), np.std(y[apart])) < SAME_VALUE:
        return False
    return np.corrcoef(x[apart], y[apart])[0, 1] > SAME_COURSE


def fit_hole(mask, size: tuple[int, int], resize_mask: bool):
    """Returns a hole (H, W) at a picture's size.

    Args:
        mask: uint8 (h, w), 1 in the hole.
        size: (W, H) of the picture.
        resize_mask: allows to scale it, by nearest neighbour.

    Raises:
        InputError: if the aspect differs, or the size and it must not be scaled.
    """
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


def remarks_on(hole) -> list:
    """Returns what should be said of a hole, (H, W), that may not be meant so."""
    share = float(np.mean(hole))
    if not share:
        return ["mask: no pixel is hole, the picture stays as it is"]
    if share <= MOSTLY_HOLE:
        return []
    rest = " and nothing is known" if share == 1 else ""
    return [
        f"mask: {share:.0%} of the picture is hole{rest}; "
        "if the mask is inverted, use -invert_mask"
    ]
