"""Measures how much the completions of a picture differ from seed to seed.

    python tools/diversity.py -from_weights FILE -test_path DIR -mask_path DIR

completes each picture by the seeds 0, 1, ... and takes the mean LPIPS (AlexNet) of all
pairs of its completions: 0 says that there is one answer. Prints the mean over pictures
and its 95 % interval, and the LPIPS to the truth; `-save_to FILE.png` shows variants of
the first pictures.
"""

import argparse
import itertools
from functools import partial

import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.arguments import Pairs
from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.data.images import list_images
from inpainting_zoo.drawing import grid, masked, save_png
from inpainting_zoo.errors import InputError
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.lpips import Lpips
from inpainting_zoo.options.fields import TEXTS
from inpainting_zoo.tools.commands import script

SHOWN = 6


def main(argv=None):
    options = parse(argv)
    if options.from_weights:
        model, _ = presets.load_file(options.from_weights)
    else:
        model = presets.load(options.preset)
    if not model.draws:
        raise InputError(
            "preset: must be of a model that draws, received "
            f"{options.preset or options.from_weights}"
        )
    images = list_images(options.test_path, "test_path")[: options.limit]
    masks = list_images(options.mask_path, "mask_path") if options.mask_path else None
    pairs = EvaluationPairs(
        images,
        "files" if masks else model.masks,
        options.image_size or model.image_size,
        mask_files=masks,
    )
    lpips, rows, shown = Lpips(), [], []
    for name, image, mask in pairs:
        variants = [
            model.inpaint(image, mask, seed=seed, **options.with_options)
            for seed in range(options.variants)
        ]
        rows.append(distances(lpips.distance, image, variants))
        print(f"{name}: {rows[-1][0]:.4f}, to the truth {rows[-1][1]:.4f}", flush=True)
        if len(shown) < SHOWN:
            shown.append([masked(image, mask), *variants, image])
    means, ends = np.nanmean(rows, axis=0), bootstrap_intervals(rows, seed=0)
    for text, mean, low, high in zip(("of variants", "to the truth"), means, *ends):
        print(f"LPIPS {text}: {mean:.4f} ({low:.4f} to {high:.4f})")
    if options.save_to:
        seeds = [f"seed {i}" for i in range(options.variants)]
        save_png(options.save_to, grid(shown, ["masked", *seeds, "ground truth"]))


def distances(distance, image, variants) -> tuple:
    """Returns the mean distance of variants to each other, and to the image.

    Args:
        distance: takes two pictures.
        image: uint8 (H, W, 3).
        variants: two pictures or more, of the same shape.
    """
    pairs = itertools.combinations(variants, 2)
    apart = np.mean([distance(a, b) for a, b in pairs])
    return float(apart), float(np.mean([distance(image, x) for x in variants]))


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("-preset", help="of a model that draws")
    model.add_argument("-from_weights", help="file of a model that draws")
    parser.add_argument("-test_path", required=True, help="pictures not trained on")
    parser.add_argument("-mask_path", help="their masks, or others")
    parser.add_argument("-image_size", type=int, help="of pictures; the model's")
    parser.add_argument("-variants", type=int, default=5, help="of each picture")
    parser.add_argument(
        "-with",
        dest="with_options",
        action=partial(Pairs, texts=TEXTS),
        nargs="+",
        default={},
        metavar="KEY=VALUE",
        help="options of the model, such as truncation=0.5",
    )
    parser.add_argument("-limit", type=int, help="the first so many; all")
    parser.add_argument("-save_to", help="picture of variants, .png")
    options = parser.parse_args(argv)
    if options.variants < 2:
        parser.error(f"-variants: must be at least 2, received {options.variants}")
    return options


if __name__ == "__main__":
    script(main)
