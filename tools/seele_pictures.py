"""Moves subjects of scikit-image's pictures, for docs/seele.md.

    python tools/seele_pictures.py

Subjects are outlined by hand; `patchmatch` fills what they leave.
"""

import argparse
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from inpainting_zoo import presets
from inpainting_zoo.data import embedded
from inpainting_zoo.data.images import read_image
from inpainting_zoo.drawing import masked, save_png
from inpainting_zoo.inpainting.reposition import reposition
from inpainting_zoo.storage.files import write_bytes
from inpainting_zoo.tools.commands import script

DOCS = Path(__file__).parent.parent / "docs"
ROCKET = (321, 124), (311, 138), (308, 175), (306, 345), (298, 408), (345, 408)
ROCKET += (338, 345), (336, 178), (331, 138)
COIN = cv2.ellipse2Poly((337, 124), (21, 21), 0, 0, 360, 10)
# Corners of the subject, shift and scale.
SCENES = {
    "rocket.jpg": (ROCKET, (-62, 0), 1.0),
    "coins.png": (COIN, (-155, -43), 0.75),
}
GAP = 6  # pixels between pictures
QUALITY = 88


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-output_path", default="outputs/seele", type=Path)
    output, model, rows = (
        parser.parse_args().output_path,
        presets.load("patchmatch"),
        [],
    )
    files = {path.name: path for path in embedded.files()}
    for name, (corners, shift, scale) in SCENES.items():
        image = read_image(files[name])
        mask = np.zeros(image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.array(corners, np.int32)], 1)
        found = reposition(model, image, mask, shift, scale=scale, mask_dilation=4)
        shown = [masked(image, mask), found.steps["moved"], found.image]
        for i, picture in enumerate(shown):
            save_png(output / f"{Path(name).stem}_{i}.png", picture)
        rows.append(side_by_side(shown))
    width = min(row.shape[1] for row in rows)
    rows = [fitted(row, width) for row in rows]
    buffer = BytesIO()
    page = np.concatenate([part for row in rows for part in (row, white(GAP, width))])
    Image.fromarray(page[:-GAP]).save(buffer, "JPEG", quality=QUALITY)
    write_bytes(DOCS / "seele.jpg", buffer.getvalue())


def side_by_side(pictures) -> np.ndarray:
    """Joins pictures of one height, with white between them."""
    gap = white(pictures[0].shape[0], GAP)
    joined = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(joined[:-1], axis=1)


def white(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 255, np.uint8)


def fitted(row, width: int) -> np.ndarray:
    height = round(row.shape[0] * width / row.shape[1])
    return cv2.resize(row, (width, height), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    script(main)
