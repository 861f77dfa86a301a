"""Pictures for people: holes shown in white, labelled grids, PNG files."""

import math
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.files import atomic

WHITE = 255
FONT_SIZES = range(14, 7, -1)


def masked(image, mask):
    """The image with its hole in white.

    Args:
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.
    """
    hole = np.asarray(mask, bool)[..., None]
    return np.where(hole, np.uint8(WHITE), image)


def grid(rows, labels=None, gap: int = 4, row_labels=None):
    """Lays pictures out in rows and columns on white.

    Args:
        rows: sequence of rows, each a sequence of uint8 (H, W, 3), all of one shape.
        labels: a title for every column, shortened where it is wider than its column.
        gap: pixels between pictures and around them.
        row_labels: a title before every row.

    Returns:
        uint8 (height, width, 3).

    Raises:
        InputError: rows, pictures or labels do not fit together.
    """
    rows = [list(row) for row in rows]
    _check(rows, labels, row_labels)
    height, width, _ = rows[0][0].shape
    top = FONT_SIZES[0] + 2 * gap if labels else gap
    font = ImageFont.load_default(FONT_SIZES[0])
    lengths = [math.ceil(font.getlength(label)) for label in row_labels or []]
    left = max(lengths) + 2 * gap if lengths else gap
    columns = len(rows[0])
    size = (left + columns * (width + gap), top + len(rows) * (height + gap))
    canvas = Image.new("RGB", size, "white")
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            place = (left + j * (width + gap), top + i * (height + gap))
            canvas.paste(Image.fromarray(picture), place)
    for j, label in enumerate(labels or []):
        _write_title(canvas, label, left + j * (width + gap), top / 2, width)
    for i, label in enumerate(row_labels or []):
        place = (gap, top + i * (height + gap) + height / 2)
        ImageDraw.Draw(canvas).text(place, label, "black", font, anchor="lm")
    return np.asarray(canvas)


def _check(rows, labels, row_labels):
    shapes = {picture.shape for row in rows for picture in row}
    if len(shapes) != 1 or any(shape[2:] != (3,) for shape in shapes):
        raise InputError(f"rows: pictures of one shape (H, W, 3), received {shapes}")
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        raise InputError(f"rows: as many pictures in each, received {lengths}")
    if labels and len(labels) != len(rows[0]):
        raise InputError(
            f"labels: one for each of {len(rows[0])} columns, received {len(labels)}"
        )
    if row_labels and len(row_labels) != len(rows):
        raise InputError(
            f"row_labels: one for each of {len(rows)} rows, received {len(row_labels)}"
        )


def _write_title(canvas, label, left, middle, width):
    """Centre the label over its column, in the largest size that fits, or cut it."""
    draw = ImageDraw.Draw(canvas)
    for font_size in FONT_SIZES:
        font = ImageFont.load_default(font_size)
        if draw.textlength(label, font) <= width:
            break
    while label and draw.textlength(label, font) > width:
        label = label[:-1]
    draw.text((left + width / 2, middle), label, "black", font, anchor="mm")


def save_png(path, image):
    """Writes uint8 (H, W, 3) as a PNG file that appears complete or not at all.

    Args:
        path: where to; missing folders are made.
        image: uint8 (H, W, 3).
    """
    with atomic(path) as file:
        file.write(png_bytes(image))


def png_bytes(image) -> bytes:
    """Encodes uint8 (H, W, 3) as PNG."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
