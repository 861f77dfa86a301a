"""Completes the photographs of the gallery by every method, for docs/gallery.md.

    python tools/gallery.py -photographs DIR

DIR holds them as 005.jpg and so on; their holes are brush strokes in
docs/gallery/holes.json, which were drawn before any result was seen. `-columns NAME`
makes one column anew and keeps the others. Results at full size go to -output_path.
"""

import argparse
import json
import time
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from inpainting_zoo import presets
from inpainting_zoo.data.images import read_image
from inpainting_zoo.drawing import masked, save_png
from inpainting_zoo.environment import versions
from inpainting_zoo.evaluation.tables import markdown
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.models.pixels import dilate
from inpainting_zoo.storage.files import write_bytes, write_json
from inpainting_zoo.tools.commands import script

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
GALLERY = DOCS / "gallery"
# Preset and texture of each column.
COLUMNS = {
    "patchmatch": ("patchmatch", None),
    "lama_photos_256": ("lama_photos_256", None),
    "lama_photos_256_alone": ("lama_photos_256", "none"),
}
RING = 32  # pixels around a hole, to compare its texture with
SHOWN_SIDE = 512
QUALITY = 80
HEAD = """# Gallery

Twelve photographs of 1 to 2 megapixels, at their own size, with holes brushed by hand
over what was to go. The holes were drawn before any result was seen, and none was
changed after; failures are here as they came. Pictures are shown at a third of their
size. `lama_photos_256` has the texture of `patchmatch`, `lama_photos_256_alone` is the
same with `-texture none`: it learned holes of strokes, on pictures of 256 px, and these
are wider, so what it sees in their middle is wrong.

    python tools/gallery.py -photographs DIR

makes this page. "Texture" is the gradient energy in the hole, |dx| + |dy| of the
brightness (Avidan and Shamir, SIGGRAPH 2007), in parts of that in a ring of 32 pixels
around it: a smear has little. 0.7 was wanted, which the mean of `patchmatch` reaches
and five of the twelve do not; what is wrongly copied can exceed 1. What is written
under the pictures was seen at full size.
"""


def main():
    options = parse()
    report = read_report()
    models = {COLUMNS[column][0] for column in options.columns}
    models = {preset: presets.load(preset) for preset in models}
    for name, about in read_holes().items():
        image = read_image(Path(options.photographs, f"{name}.jpg"))
        hole = brushed(about["strokes"], image.shape[:2])
        save_small(f"{name}_before", image)
        save_small(f"{name}_hole", masked(image, hole))
        for column in options.columns:
            preset, texture = COLUMNS[column]
            began = time.process_time()
            completed = complete(models[preset], image, hole, texture=texture)
            seconds = time.process_time() - began
            save_small(f"{name}_{column}", completed)
            save_png(options.output_path / f"{name}_{column}.png", completed)
            share = texture_of(completed, hole)
            report["photographs"].setdefault(name, {})[column] = {
                "texture": round(share, 3),
                "cpu_seconds": round(seconds, 1),
            }
            print(f"{name} {column}: texture {share:.2f}, {seconds:.1f} CPU s")
    report["versions"] = versions()
    write_json(GALLERY / "report.json", report)
    write_bytes(DOCS / "gallery.md", page(report).encode())


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-photographs", required=True, help="folder of 005.jpg, ...")
    parser.add_argument("-columns", nargs="+", default=[*COLUMNS], choices=COLUMNS)
    parser.add_argument("-output_path", default="outputs/gallery", type=Path)
    return parser.parse_args()


def read_holes() -> dict:
    """Returns, by the photographs' names: title, credit, strokes, what was seen."""
    return json.loads((GALLERY / "holes.json").read_text())


def read_report() -> dict:
    """Returns what was measured, or the beginning of it."""
    path = GALLERY / "report.json"
    return json.loads(path.read_text()) if path.is_file() else {"photographs": {}}


def brushed(strokes: list, shape: tuple) -> np.ndarray:
    """Draws a hole, uint8 (H, W), of lines of a round brush.

    Args:
        strokes: for each the radius of the brush and the points [x, y] that it joins,
            in pixels.
        shape: (H, W).
    """
    hole = np.zeros(shape, np.uint8)
    for radius, *points in strokes:
        cv2.polylines(hole, [np.int32(points)], False, 1, 2 * radius)
        for point in points:
            cv2.circle(hole, point, radius, 1, -1)
    return hole


def texture_of(image, hole) -> float:
    """Returns the gradient energy in a hole in parts of that in the ring around it.

    Args:
        image: uint8 (H, W, 3).
        hole: uint8 (H, W), 1 in the hole.
    """
    ring = (dilate(hole, RING) > 0) & (hole == 0)
    gradient = energy(image)
    return float(gradient[hole > 0].mean() / gradient[ring].mean())


def energy(image):
    """Returns |dx| + |dy| of the brightness of an image, float32 (H, W).

    Reference:
        Avidan and Shamir, Seam carving for content-aware image resizing, SIGGRAPH 2007
        (Equation 1).
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype("float32")
    return sum(np.abs(cv2.Sobel(grey, -1, *axes)) for axes in ((1, 0), (0, 1)))


def save_small(name: str, image):
    picture, content = Image.fromarray(image), BytesIO()
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    picture.save(content, "JPEG", quality=QUALITY)
    write_bytes(GALLERY / f"{name}.jpg", content.getvalue())


def page(report: dict) -> str:
    """Returns the page that belongs to a report."""
    photographs, methods = report["photographs"], columns(report)
    parts = [HEAD, summary(photographs, methods)]
    for name, about in read_holes().items():
        files = [f"{name}_before", f"{name}_hole", *(f"{name}_{m}" for m in methods)]
        row = [f"![{file}](gallery/{file}.jpg)" for file in files]
        parts += [f"## {about['title']}\n"]
        parts += [markdown(["before", "hole", *methods], [row]) + "\n"]
        parts += [f"{method}: {text}\n" for method, text in about["seen"].items()]
        parts += [
            f"Photograph: {about['credit']}; scaled down, and changed as shown.\n"
        ]
    return "\n".join(parts)


def columns(report: dict) -> list:
    """Returns the columns that have every photograph."""
    rows = report["photographs"].values()
    return [name for name in COLUMNS if all(name in row for row in rows)]


def summary(photographs: dict, methods: list) -> str:
    holes = read_holes()
    rows = [
        [holes[name]["title"], *(f"{row[m]['texture']:.2f}" for m in methods)]
        for name, row in photographs.items()
    ]
    means = [
        np.mean([row[m]["texture"] for row in photographs.values()]) for m in methods
    ]
    rows += [["mean", *(f"{mean:.2f}" for mean in means)]]
    return markdown(["texture", *methods], rows) + "\n"


if __name__ == "__main__":
    script(main)
