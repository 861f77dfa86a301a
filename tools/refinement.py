"""Measures what refinement does to the photographs of the gallery, and shows it.

    python tools/refinement.py -photographs DIR

Of each photograph at most 1024 px around its hole are predicted, with `refine` and
without. What is compared is the error of the known pixels within 32 px of the hole,
which refinement fits the prediction to. Writes docs/gallery/refinement.json and
docs/refinement.jpg; pictures at full size go to -output_path.
"""

import argparse
import time
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from inpainting_zoo import presets
from inpainting_zoo.data.images import read_image
from inpainting_zoo.drawing import grid, masked, save_png
from inpainting_zoo.environment import versions
from inpainting_zoo.models.pixels import dilate
from inpainting_zoo.storage.files import write_bytes, write_json
from inpainting_zoo.tools.commands import script
from inpainting_zoo.tools.gallery import DOCS, GALLERY, RING, brushed, read_holes

SIDE, SHOWN_SIDE, QUALITY = 1024, 384, 85
CELL = 240  # pixels of what is shown
TITLES = ("before", "predicted", "refined")


def main(argv=None):
    options = parse(argv)
    model, rows, shown = presets.load(options.preset), {}, []
    for name, about in read_holes().items():
        image = read_image(Path(options.photographs, f"{name}.jpg"))
        hole = brushed(about["strokes"], image.shape[:2])
        window = window_around(hole, SIDE)
        image, hole = image[window], hole[window]
        predictions, seconds = [], []
        for refine in (False, True):
            began = time.perf_counter()
            found = model.predict_images(image[None], hole[None], refine=refine)
            predictions.append(np.asarray(found)[0])
            seconds.append(round(time.perf_counter() - began, 1))
        errors = [round(ring_error(x, image, hole), 2) for x in predictions]
        rows[name] = {"error": errors, "seconds": seconds}
        print(name, rows[name], flush=True)
        completed = [np.where(hole[..., None] > 0, x, image) for x in predictions]
        row = [masked(image, hole), *completed]
        save_png(options.output_path / f"{name}.png", np.concatenate(row, axis=1))
        small = window_around(hole, SHOWN_SIDE)
        shown.append([shrunk(x[small]) for x in row])
    report = {"preset": options.preset, "side": SIDE, "photographs": rows}
    better = [row for row in rows.values() if row["error"][1] < row["error"][0]]
    print(f"{len(better)} of {len(rows)} better")
    write_json(GALLERY / "refinement.json", report | {"versions": versions()})
    show(shown)


def shrunk(picture):
    """Returns a picture with sides of `CELL` pixels."""
    return cv2.resize(picture, (CELL, CELL), interpolation=cv2.INTER_AREA)


def show(rows: list):
    """Writes pictures of `TITLES`, of two photographs in a row, into the docs."""
    pairs = [[*left, *right] for left, right in zip(rows[::2], rows[1::2])]
    content = BytesIO()
    Image.fromarray(grid(pairs, 2 * TITLES)).save(content, "JPEG", quality=QUALITY)
    write_bytes(DOCS / "refinement.jpg", content.getvalue())


def window_around(hole, side: int) -> tuple:
    """Returns slices of at most side x side pixels, the middle of the hole in theirs.

    Args:
        hole: (H, W), nonzero in the hole.
        side: in pixels.
    """
    slices = []
    for positions, size in zip(np.nonzero(hole), hole.shape):
        middle, wanted = (positions.min() + positions.max()) // 2, min(side, size)
        start = int(np.clip(middle - wanted // 2, 0, size - wanted))
        slices.append(slice(start, start + wanted))
    return tuple(slices)


def ring_error(prediction, image, hole) -> float:
    """Returns the mean absolute difference around a hole, in grey levels.

    Args:
        prediction, image: uint8 (H, W, 3).
        hole: (H, W), 1 in the hole.
    """
    ring = (dilate(hole, RING) > 0) & (hole == 0)
    return float(np.abs(np.float64(prediction) - image)[ring].mean())


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("-photographs", required=True, help="folder of 005.jpg, ...")
    parser.add_argument("-preset", default="lama_photos_256")
    parser.add_argument("-output_path", default="outputs/refinement", type=Path)
    return parser.parse_args(argv)


if __name__ == "__main__":
    script(main)
