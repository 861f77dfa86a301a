"""Measures every preset that completes pictures as it is, for weights/README.md.

    python tools/measure.py -faces_pairs DIR -scenes DIR -scene_masks DIR

evaluates each at 128 and at 256 px, pasted back where that is more than its own size,
and keeps the means in weights/reports. What was measured with the same weights is not
measured again. `-only NAME ...` measures these presets alone.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.data.embedded import face
from inpainting_zoo.data.images import fit_image
from inpainting_zoo.data.masks import MASKS
from inpainting_zoo.drawing import grid, masked, save_png
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.metrics.measures import MEANS
from inpainting_zoo.storage.files import write_bytes, write_json
from inpainting_zoo.tools.commands import run, script

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "weights" / "reports"
SIDES = (128, 256)
EXAMPLE_SIZE = 128
MEASURED = [*MEANS, "kid_alexnet"]
KEPT = ("protocol", "images", "image_size", "strategy", "seed", "weights_sha256")
BENCHMARKS = {
    "exported.json": "outputs/exported/report.json",
    "table1.json": "outputs/table1/table1.json",
    "lambda_ratios.json": "outputs/lambda_ratios/ratios.json",
    "lambda_ratios.png": "outputs/lambda_ratios/ratios.png",
}


def main():
    options = parse()
    pairs = Path(options.faces_pairs)
    faces, scenes = (("-test_path", p) for p in (pairs / "images", options.scenes))
    test_sets = {
        "faces_pairs_40": (*faces, "-mask_path", pairs / "masks"),
        "faces_centre": (*faces, "-masks", "centre=1"),
        "scenes_test": (*scenes, "-mask_path", options.scene_masks),
    }
    for preset in options.only or presets.ready():
        for test_set, arguments in test_sets.items():
            measure(preset, test_set, arguments, options)
    show(presets.ready())
    for name, source in BENCHMARKS.items():
        if (ROOT / source).is_file():
            write_bytes(REPORTS / name, (ROOT / source).read_bytes())


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-faces_pairs", required=True, help="holds images and masks")
    parser.add_argument("-scenes", required=True, help="folder of pictures")
    parser.add_argument("-scene_masks", required=True, help="folder of mask files")
    parser.add_argument("-only", nargs="+", choices=presets.ready(), help="presets")
    parser.add_argument("-limit", type=int, help="first pictures of each; all")
    parser.add_argument("-output_path", default="outputs/numbers", type=Path)
    return parser.parse_args()


def show(ready):
    """Writes examples.png: an embedded face with three holes, completed by each."""
    rng = np.random.default_rng(1)
    methods = {name: BASELINES[name] for name in ("navier_stokes", "biharmonic")}
    methods |= {name: presets.load(name).inpaint for name in ready}
    image, rows = fit_image(face(), EXAMPLE_SIZE), []
    for mask in ("strokes", "rectangle", "centre"):
        hole = MASKS[mask](rng, EXAMPLE_SIZE, EXAMPLE_SIZE)
        completed = [complete(image, hole) for complete in methods.values()]
        rows.append([masked(image, hole), *completed, image])
    titles = [name.replace("_", " ") for name in ["masked", *methods, "ground truth"]]
    save_png(REPORTS / "examples.png", grid(rows, titles))


def measure(preset, test_set, arguments, options):
    size = presets.get(preset)["config"]["image_size"]
    limit = ("-limit", options.limit) if options.limit else ()
    # What is the same beside every preset is measured once.
    classical = () if preset == presets.ready()[0] else ("-methods", "none")
    for side in SIDES:
        name = f"{preset}_on_{test_set}_at_{side}.json"
        about = {"preset": preset, "test_set": test_set, "limit": options.limit}
        about |= {"weights_sha256": presets.digest(preset)}
        words = [
            *("-preset", preset), *limit, *arguments, *classical,
            *("-metrics", ",".join(MEASURED), "-image_size", side),
            *("-strategy", "original" if side <= size else "resize"),
        ]  # fmt: skip
        methods = [preset] if classical else [preset, *BASELINES]
        measured(REPORTS / name, options.output_path / name, about, words, methods)


def measured(
    kept: Path, full: Path, about: dict, words: list, methods, measures=MEASURED
):
    """Evaluates by the command, unless that is done.

    Args:
        kept: file of the means.
        full: the command's own report.
        about: what the means are of; kept beside them.
        words: of the command.
        methods: names of those that the command measures.
        measures: names of those that are kept.
    """
    if is_done(kept, about, methods, measures):
        return
    run("evaluate", "-report", full, *words)
    write_json(kept, about | trimmed(json.loads(full.read_text()), measures))


def is_done(path: Path, about: dict, methods=(), measures=MEASURED) -> bool:
    """Whether a report is there, says the same as `about` and holds all of these."""
    if not path.is_file():
        return False
    report = json.loads(path.read_text())
    rows = report["methods"]
    complete = set(methods) <= set(rows)
    complete &= all(set(measures) <= set(row) for row in rows.values())
    return complete and about.items() <= report.items()


def trimmed(report: dict, measures=MEASURED) -> dict:
    """Returns the means and bins of a report of `runner.py evaluate`, rounded."""
    kept = {key: report[key] for key in KEPT}
    methods = {}
    for name, found in report["methods"].items():
        bins = {
            area: {"images": row["images"], **_rounded(row, measures)}
            for area, row in found["bins"].items()
            if row["images"]
        }
        outside = {"outside_max": found["outside_max"]}
        intervals = {
            name: ends and [round(end, 6) for end in ends]
            for name, ends in found["intervals"].items()
        }
        about = {**outside, "intervals": intervals}
        methods[name] = {**_rounded(found, measures), **about, "bins": bins}
    return kept | {"versions": report["versions"], "methods": methods}


def _rounded(row, measures):
    return {
        measure: row[measure] if row[measure] is None else round(row[measure], 6)
        for measure in measures
        if measure in row  # a bin has none of a set
    }


if __name__ == "__main__":
    script(main)
