"""Measures ASUKA beside what it is made of, as the rows of the paper's comparison.

    python tools/asuka_rows.py -test_path DIR -sd FILE... -mae FILE -asuka FILE...

Files are those in the `weights` of experiments; `-inpaint FILE` is the prompt that is
learned for SEELE's task. Writes rows.json, with .csv and .png beside it, into
`-output_path`: means, their 95 % intervals, and those of how each row differs from
ASUKA, picture by picture. Each picture has noise of its own, the same in all rows.
"New faces" is the share of pictures in whose hole a detector finds one where the
picture has none: the one kind of object that a model of faces adds unasked. A face that
the detector misses in the picture counts as new in a row where it finds it; how many
pictures it finds any in stands below the table.
"""

import argparse
import functools
import itertools
from pathlib import Path

import cv2
import numpy as np
import skimage

from inpainting_zoo import presets
from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.data.images import list_images
from inpainting_zoo.evaluation import protocol
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.evaluation.report import check_report, write_report
from inpainting_zoo.evaluation.tables import cell, markdown
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.measures import MEASURES, chosen_measures
from inpainting_zoo.tools.commands import script, some_of

MEASURED = ("lpips", "seam_colour", "seam_gradient", "psnr_hole")
COMPARED = (*MEASURED, "new_faces")
CLASSICAL = ("biharmonic", "patchmatch")
STRENGTH = 0.75  # of Stable Diffusion that starts from the autoencoder's picture
SIDE = 192  # in pixels, at which faces are looked for
MOST_KNOWN = 0.7  # of a face's box; one that is known by more is the picture's


def main(argv=None):
    options = parse(argv)
    images = some_of(options.test_path, options.limit)
    masks = list_images(options.mask_path, "mask_path") if options.mask_path else None
    path = Path(options.output_path, "rows.json")
    check_report(path, images)
    models = load(options)
    mixture = "files" if masks else models["sd"].masks
    side = models["sd"].image_size
    pairs = EvaluationPairs(images, mixture, side, options.seed, mask_files=masks)
    methods = rows(models, options)
    faces = {name: [] for name in methods}
    watched = {name: watching(m, faces[name]) for name, m in methods.items()}
    measures = chosen_measures(",".join(MEASURED))
    report = protocol.evaluate(pairs, watched, options.seed, measures=measures)
    shown = 0
    for index, (_, image, mask) in enumerate(pairs):
        known = faces_in(image)
        shown += bool(known)
        for found in faces.values():
            found[index] = is_new(found[index], known, mask)
    report["arguments"] = vars(options)
    report["true_pictures_with_faces"] = shown / len(pairs)
    for row in report["rows"]:
        row["new_faces"] = float(faces[row["method"]].pop(0))
    for name, found in report["methods"].items():
        own = numbers(report["rows"], name)
        found["new_faces"] = float(own[:, -1].mean())
        low, high = bootstrap_intervals(own - numbers(report["rows"], "ASUKA"), 0)
        found["from_asuka"] = {
            m: [float(a), float(b)] for m, a, b in zip(COMPARED, low, high)
        }
    write_report(report, path)
    print(page(report))
    print(path)


def numbers(rows: list, method: str):
    """Returns what was measured of each picture, (N, len(COMPARED))."""
    return np.array(
        [[row[m] for m in COMPARED] for row in rows if row["method"] == method]
    )


def load(options) -> dict:
    """Returns the models by their kind."""
    adapters = [options.inpaint] if options.inpaint else []
    return {
        "mae": presets.load_file(options.mae)[0],
        "sd": presets.load_file(*options.sd, adapters=adapters)[0],
        "asuka": presets.load_file(*options.asuka)[0],
    }


def rows(models: dict, options) -> dict:
    """Returns what completes a picture in each row of the table: name -> function.

    Args:
        models: see `load`.
        options: of the command line.
    """

    def by(name, **given):
        if name != "mae":
            given["num_steps"] = options.num_steps
        seeds = itertools.count(options.seed)  # pictures come one after the other
        return lambda image, mask: complete(
            models[name], image, mask, "original", next(seeds), **given
        )

    sd = functools.partial(by, "sd", guidance_scale=1.0)
    prior, renewed = by("mae"), sd(strength=STRENGTH)
    found = {
        "MAE": prior,
        "SD": sd(),
        f'SD, "{options.text}"': sd(prompt=options.text),
        "SD, learned prompt": sd(task="inpaint") if options.inpaint else None,
        "SD-Repaint": sd(repaint=True),
        "SD from the MAE's picture": lambda x, mask: renewed(prior(x, mask), mask),
        "ASUKA": by("asuka"),
        **{name: BASELINES[name] for name in CLASSICAL},
    }
    return {name: method for name, method in found.items() if method}


def watching(method, found: list):
    """Returns a method that also notes the faces in all that it completes."""

    def completed(image, mask):
        picture = method(image, mask)
        found.append(faces_in(picture))
        return picture

    return completed


@functools.cache
def detector():
    path = skimage.data.lbp_frontal_face_cascade_filename()
    return skimage.feature.Cascade(path)


def faces_in(picture) -> list:
    """Returns the boxes (top, bottom, left, right) of faces, in shares of the sides.

    Args:
        picture: uint8 (S, S, 3).

    Reference: Liao et al., Learning Multi-scale Block Local Binary Patterns for Face
    Recognition, ICB 2007, as scikit-image has it.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    found = detector().detect_multi_scale(
        grey, scale_factor=1.2, step_ratio=1, min_size=(48, 48), max_size=(SIDE, SIDE)
    )
    boxes = [(f["r"], f["height"], f["c"], f["width"]) for f in found]
    ends = [
        (top, top + height, left, left + width) for top, height, left, width in boxes
    ]
    return [tuple(x / SIDE for x in box) for box in ends]


def is_new(found: list, known: list, mask) -> bool:
    """Whether a face is in the hole where the picture has none.

    Args:
        found: boxes of faces in what was completed; see `faces_in`.
        known: of those in the picture.
        mask: (S, S), 1 in the hole.
    """

    def hidden(box):
        top, bottom, left, right = (round(x * len(mask)) for x in box)
        return np.mean(mask[top:bottom, left:right]) > 1 - MOST_KNOWN

    return any(hidden(box) and not any(meet(box, k) for k in known) for box in found)


def meet(box, other) -> bool:
    """Whether the middle of each of two boxes is in the other."""

    def within(a, b):
        rows, columns = (a[0] + a[1]) / 2, (a[2] + a[3]) / 2
        return b[0] <= rows <= b[1] and b[2] <= columns <= b[3]

    return within(box, other) and within(other, box)


def page(report: dict) -> str:
    """Returns the table in Markdown: means, and intervals of differences to ASUKA."""
    titles, lines = [MEASURES[name].title for name in MEASURED], []
    for name, found in report["methods"].items():
        line = [name]
        for m, (low, high) in found["from_asuka"].items():
            digits = MEASURES[m].digits if m in MEASURES else 3
            own = cell(found, m) if m in MEASURES else f"{found[m]:.{digits}f}"
            line.append(f"{own} ({low:+.{digits}f} to {high:+.{digits}f})")
        lines.append(line)
    known = ["(the true pictures)", *[""] * len(MEASURED)]
    lines.append([*known, f"faces in {report['true_pictures_with_faces']:.1%}"])
    return markdown(["", *titles, "new faces"], lines)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )

    def add(name, **settings):
        parser.add_argument(f"-{name}", f"--{name}", **settings)

    add("test_path", required=True, help="pictures not trained on")
    add("mask_path", help="of the test; else the model's masks")
    add("sd", required=True, nargs="+", help="weight files of sd_small")
    add("mae", required=True, help="weight file of the masked autoencoder")
    add("asuka", required=True, nargs="+", help="weight files of asuka_small")
    add("inpaint", help="weight file of the task's learned prompt")
    add("text", default="background", help="that Stable Diffusion has in one row")
    add("limit", type=int, default=200, help="most pictures of the test")
    add("num_steps", type=int, default=30)
    add("seed", type=int, default=0)
    add("output_path", default="outputs/asuka_rows")
    return parser.parse_args(argv)


if __name__ == "__main__":
    script(main)
