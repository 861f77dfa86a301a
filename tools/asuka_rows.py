"""Measures ASUKA beside what it is made of, as the rows of the paper's comparison.

    python tools/asuka_rows.py -test_path DIR -sd FILE... -mae FILE -asuka FILE...

Files are those in the `weights` of experiments; `-inpaint FILE` is the prompt that is
learned for SEELE's task. Writes rows.json, with .csv and .png beside it, into
`-output_path`. "New faces" is the share of pictures in whose hole a detector finds one
where the picture has none: the one kind of object that a model of faces adds unasked.
"""

import argparse
import functools
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
from inpainting_zoo.metrics.measures import MEASURES, chosen_measures
from inpainting_zoo.tools.commands import script

MEASURED = ("lpips", "seam_colour", "seam_gradient", "psnr_hole")
CLASSICAL = ("biharmonic", "patchmatch")
TEXT = "background"
STRENGTH = 0.75  # of Stable Diffusion that starts from the autoencoder's picture
SIDE = 192  # in pixels, at which faces are looked for
MOST_KNOWN = 0.7  # of a face's box; one that is known by more is the picture's


def main(argv=None):
    options = parse(argv)
    images = list_images(options.test_path, "test_path")[: options.limit]
    masks = list_images(options.mask_path, "mask_path") if options.mask_path else None
    path = Path(options.output_path, "rows.json")
    check_report(path, images)
    models = load(options)
    mixture = "files" if masks else models["sd"].masks
    side = models["sd"].image_size
    pairs = EvaluationPairs(images, mixture, side, options.seed, mask_files=masks)
    methods = rows(models, options.seed, options.num_steps, bool(options.inpaint))
    faces = {name: [] for name in methods}
    watched = {name: watching(m, faces[name]) for name, m in methods.items()}
    measures = chosen_measures(",".join(MEASURED))
    report = protocol.evaluate(pairs, watched, options.seed, measures=measures)
    for index, (_, image, mask) in enumerate(pairs):
        known = faces_in(image)
        for found in faces.values():
            found[index] = is_new(found[index], known, mask)
    for name, found in faces.items():
        report["methods"][name]["new_faces"] = float(np.mean(found))
    write_report(report, path)
    print(page(report))
    print(path)


def load(options) -> dict:
    """Returns the models by their kind."""
    adapters = [options.inpaint] if options.inpaint else []
    return {
        "mae": presets.load_file(options.mae)[0],
        "sd": presets.load_file(*options.sd, adapters=adapters)[0],
        "asuka": presets.load_file(*options.asuka)[0],
    }


def rows(models: dict, seed: int, num_steps: int, learned: bool) -> dict:
    """Returns what completes a picture in each row of the table: name -> function.

    Args:
        models: see `load`.
        seed: of all that is drawn.
        num_steps: of the sampler.
        learned: whether there is a prompt of the task "inpaint".
    """

    def by(name, **options):
        if name != "mae":
            options["num_steps"] = num_steps
        return functools.partial(
            complete, models[name], strategy="original", seed=seed, **options
        )

    sd = functools.partial(by, "sd", guidance_scale=1.0)
    prior, renewed = by("mae"), sd(strength=STRENGTH)
    found = {
        "MAE": prior,
        "SD": sd(),
        f'SD, "{TEXT}"': sd(prompt=TEXT),
        "SD, learned prompt": sd(task="inpaint") if learned else None,
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
    """Returns the table in Markdown."""
    titles = [MEASURES[name].title for name in MEASURED]
    lines = [
        [name, *(cell(found, m) for m in MEASURED), f"{found['new_faces']:.1%}"]
        for name, found in report["methods"].items()
    ]
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
    add("limit", type=int, default=200, help="most pictures of the test")
    add("num_steps", type=int, default=30)
    add("seed", type=int, default=0)
    add("output_path", default="outputs/asuka_rows")
    return parser.parse_args(argv)


if __name__ == "__main__":
    script(main)
