"""Measures how much around a hole PatchMatch should look at, for docs/patchmatch.md.

    python tools/context.py -photographs DIR

DIR holds the photographs of docs/gallery.md. Their holes are mirrored, left for right,
so that what they hide is known and mostly no single object; the completed picture is
compared with it. Means go to docs/gallery/context.json, pictures to -output_path.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.data.images import read_image
from inpainting_zoo.drawing import save_png
from inpainting_zoo.environment import processor, versions
from inpainting_zoo.evaluation.tables import markdown, number
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.tools.commands import script
from inpainting_zoo.tools.gallery import GALLERY, brushed, energy, read_holes

CONTEXTS = (0.125, 0.25, 0.5, 1, 2, 4)
SHOWN = ("psnr_hole", "l1_hole")
REPORT = GALLERY / "context.json"


def main():
    options = parse()
    model, rows = presets.load("patchmatch"), {}
    for model.context in CONTEXTS:
        found = [measure(model, *item, options) for item in read_holes().items()]
        means = {key: float(np.mean([row[key] for row in found])) for key in found[0]}
        rows[str(model.context)] = {key: round(mean, 4) for key, mean in means.items()}
    about = {"seed": 0, "processor": processor(), "versions": versions()}
    write_json(REPORT, {"contexts": rows, **about})
    print(table(rows))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-photographs", required=True, help="folder of 005.jpg, ...")
    parser.add_argument("-output_path", default="outputs/context", type=Path)
    return parser.parse_args()


def measure(model, name: str, about: dict, options) -> dict:
    """Completes one photograph in its mirrored hole; returns what is measured of it."""
    truth = read_image(Path(options.photographs, f"{name}.jpg"))
    hole = np.ascontiguousarray(brushed(about["strokes"], truth.shape[:2])[:, ::-1])
    began = time.process_time()
    completed = complete(model, truth, hole)
    seconds = time.process_time() - began
    save_png(options.output_path / f"{name}_{model.context}.png", completed)
    texture = energy(completed)[hole > 0].mean() / energy(truth)[hole > 0].mean()
    measured = {m: MEASURES[m].function(truth, completed, hole) for m in SHOWN}
    print(name, model.context, f"{seconds:.1f} s", flush=True)
    return {"texture": texture, **measured, "cpu_seconds": seconds}


def table(contexts: dict) -> str:
    """Returns the table of a report, as it stands in docs/patchmatch.md."""
    head = ["context", "texture", *(MEASURES[m].title for m in SHOWN), "CPU seconds"]
    rows = [
        [
            context,
            f"{row['texture']:.2f}",
            *(number(row[measure], measure) for measure in SHOWN),
            f"{row['cpu_seconds']:.1f}",
        ]
        for context, row in contexts.items()
    ]
    return markdown(head, rows)


if __name__ == "__main__":
    script(main)
