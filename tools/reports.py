"""Measures what can be measured of the reports' tables, and writes docs/reports.md.

    python tools/reports.py -only 000 004_pairs -faces_pairs DIR -train_path DIR

Its parts are report 000's squares and circles, report 001's sweep (which trains),
report 002's perceptual measures, and of report 004 its rule on its pairs, its Table 1
and what it says of losses (which train). Means are kept in weights/reports. What was
measured with the same weights and settings is not measured again, an interrupted
evaluation or training goes on where it was, and what is not chosen stays on the page.
Further options, such as `-mixed_precision bfloat16`, are those of training.
"""

import argparse
from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.data.images import list_images
from inpainting_zoo.evaluation.baselines import BASELINES, NEAREST
from inpainting_zoo.features.inception_files import by_network
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.files import write_bytes
from inpainting_zoo.tools.commands import run, script
from inpainting_zoo.tools.measure import MEASURED, is_done, measured
from inpainting_zoo.tools.reports_page import page
from inpainting_zoo.tools.table1 import LOSSES, VARIANTS
from inpainting_zoo.weights.read_checkpoint import digests

ROOT = Path(__file__).parent.parent
TOOLS = Path(__file__).parent
FACES, SCENES = "faces_pairs_40", "scenes_test"
NOTHING: dict = {}
PIXELS = ("psnr", "psnr_hole", "l1", "l1_hole", "l2", "l2_hole")
FEWEST = 2048  # pictures of which FID, U-IDS and P-IDS are measured
PATHS = {
    "faces_pairs": f"images and masks of {FACES}",
    "train_path": "pictures to train on, and for the nearest neighbour",
    "test_path": "pictures to test trainings on",
    "mask_path": "masks to train on",
    "test_masks": "masks to test trainings on",
    "vgg_weights": "VGG19 for ID-MRF",
    "scenes": f"pictures of {SCENES}",
    "scene_masks": "masks for these, in order",
}


def main(argv=None):
    options = parse(argv)
    for name in options.only:
        part, _ = PARTS[name]
        part(options)
    write_bytes(options.page, page(options.reports).encode())
    print(options.page)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )

    def add(name, **settings):
        parser.add_argument(f"-{name}", f"--{name}", **settings)

    add("only", nargs="*", choices=PARTS, default=[*PARTS], help="parts; all")
    for name, text in PATHS.items():
        add(name, help=text)
    add("presets", nargs="+", default=presets.ready(), help="NAME or NAME=WEIGHTS")
    add(
        "inception_weights",
        nargs="+",
        help="files for FID, U-IDS and P-IDS; report 002 takes torchvision's",
    )
    add("data_set", default="", help="what test_path shows, for captions")
    add("sweep_steps", type=int, default=1000, help="of each training of 001_sweep")
    add("steps", type=int, default=600, help="of stage 1, of 004_table1, 004_losses")
    add("wgan_steps", type=int, default=100, help="of their stage 2")
    add("seeds", type=int, nargs="+", default=[0, 1, 2], help="of these")
    add("vgg16_weights", help="of 004_losses, instead of the download")
    add("limit", type=int, help="first pictures of each evaluation; all")
    add("output_path", default="outputs/reports", type=Path)
    add("reports", default=ROOT / "weights" / "reports", type=Path)
    add("page", default=ROOT / "docs" / "reports.md", type=Path)
    options, options.further = parser.parse_known_args(argv)
    for name in options.only:
        _, needed = PARTS[name]
        if missing := [f"-{path}" for path in needed if not getattr(options, path)]:
            parser.error(f"{', '.join(missing)}: needed by {name}, received none")
    return options


def squares_and_circles(options):
    """Measures report 000's two shapes of holes, and the nearest neighbour."""
    neighbours = len(list_images(options.train_path, "-train_path"))
    words = ["-test_path", Path(options.faces_pairs, "images"), "-masks"]
    beside = {NEAREST: ("-train_path", options.train_path)}
    about = {"test_set": FACES, "neighbours": neighbours}
    for model in options.presets:
        preset = presets.get(model.partition("=")[0])
        folder, side = preset["family"].folder, preset["config"].get("image_size", 512)
        enlarged = folder == "stable_diffusion" and side > 128
        for mask in ("centre", "circle"):
            kind, holes = f"report_000/{mask}", [*words, mask]
            holes += ["-protocol", "report_000"] if enlarged else []
            evaluate(options, kind, model, 128, about, holes, PIXELS, beside=beside)


def perceptual(options):
    """Measures what report 002's tables hold, but for what `make numbers` has."""
    words = ["-test_path", options.scenes, "-mask_path", options.scene_masks]
    pictures = len(list_images(options.scenes, "-scenes"))
    about, measures = {"test_set": SCENES}, [*MEASURED]
    files = by_network(options.inception_weights)
    if files and min(pictures, options.limit or pictures) >= FEWEST:
        measures += [
            name
            for name in MEASURES
            if MEASURES[name].network in files and not name.startswith("kid")
        ]
        words += ["-inception_weights", *options.inception_weights]
    for model in options.presets:
        kept = options.reports / f"{model}_on_{SCENES}_at_256.json"
        done = is_done(kept, about | identity(options, model), [model], measures)
        if not done:
            evaluate(options, "report_002/scenes", model, 256, about, words, measures)


def pairs(options):
    """Measures the shipped GMCNNs on report 004's pairs, by its rule and by ours."""
    folder, about = Path(options.faces_pairs), {"test_set": FACES}
    words = ["-test_path", folder / "images", "-mask_path", folder / "masks"]
    words += ["-strategy", "original"]
    rule = [*words, "-protocol", "report_004"]
    first = next(filter(_is_gmcnn, presets.ready()))
    for model in filter(_is_gmcnn, options.presets):
        for kind, said, measures in (
            ("report_004/rule", rule, ["psnr"]),
            ("report_004/completed", words, PIXELS),
        ):
            evaluate(options, kind, model, 256, about, said, measures, first)


def _is_gmcnn(model):
    return presets.family(model.partition("=")[0]).folder == "gmcnn"


def sweep(options):
    """Trains report 001's ratios, and what it would try next."""
    output = options.output_path / "lambda_ratios"
    names = "train_path", "test_path", "data_set"
    train(options, "lambda_ratios.py", output, names, "-steps", options.sweep_steps)
    for name in ("json", "png"):
        found = (output / f"ratios.{name}").read_bytes()
        write_bytes(options.reports / f"lambda_ratios.{name}", found)


def table1(options):
    """Trains report 004's Table 1."""
    compare(options, "table1", [name for name in VARIANTS if name not in LOSSES])


def losses(options):
    """Trains what report 004 says of its losses."""
    compare(options, "losses", ["none", *LOSSES])


def compare(options, name, variants):
    """Trains variants of GMCNN with several seeds."""
    output = options.output_path / name
    names = (*COMPARED, "vgg16_weights", "data_set", "steps", "wgan_steps")
    further = "-variants", *variants, "-seeds", *options.seeds
    train(options, "table1.py", output, names, *further)
    found = (output / "table1.json").read_bytes()
    write_bytes(options.reports / f"{name}.json", found)


def train(options, script, output, names, *words):
    """Runs a script of trainings, which resumes by itself."""
    given = {name: getattr(options, name) for name in names}
    words += tuple(word for name, x in given.items() if x for word in (f"-{name}", x))
    run(*words, "-output_path", output, *options.further, script=TOOLS / script)


def evaluate(
    options, kind, model, side, about, words, measures, first=None, beside=NOTHING
):
    """Measures a preset on pictures of a side, unless that is done.

    Args:
        kind: report and what is measured for it; where the means are kept.
        model: a preset, or preset=weights.
        about: what decides the numbers beside preset, weights and limit.
        words: of the command.
        measures: names of those that are kept.
        first: the preset that the classical methods are measured beside, once for all;
            the first of the zoo.
        beside: name of a further such method -> words of the command that it needs.
    """
    preset, _, source = model.partition("=")
    about = about | identity(options, model)
    words = ["-preset", preset, *words, "-image_size", side]
    words += ["-from_weights", source] if source else []
    words += ["-limit", options.limit] if options.limit else []
    if "report_004" not in words:
        words += ["-metrics", ",".join(measures)]
    if "-strategy" not in words:
        size = presets.get(preset)["config"].get("image_size", 512)
        words += ["-strategy", "original" if side <= size else "resize"]
    methods = [preset]
    if preset == (first or presets.ready()[0]):
        methods += [*BASELINES, *beside]
        words += [word for further in beside.values() for word in further]
    else:
        words += ["-methods", "none"]
    kept, full = (
        folder / f"{kind}_of_{preset}.json"
        for folder in (options.reports, options.output_path)
    )
    for file in (kept, full):
        file.parent.mkdir(parents=True, exist_ok=True)
    measured(kept, full, about, words, methods, measures)


def identity(options, model) -> dict:
    """Returns what a report says of its model and of how many pictures it is."""
    preset, _, source = model.partition("=")
    about = {"preset": preset, "limit": options.limit}
    if source:
        return about | {"weights": Path(source).name, "files": digests(source)}
    return about | {"weights_sha256": presets.digest(preset)}


# What measures each part, and the paths that it needs.
COMPARED = ("train_path", "mask_path", "test_path", "test_masks", "vgg_weights")
PARTS = {
    "000": (squares_and_circles, ("faces_pairs", "train_path")),
    "001_sweep": (sweep, ("train_path", "test_path")),
    "002": (perceptual, ("scenes", "scene_masks")),
    "004_pairs": (pairs, ("faces_pairs",)),
    "004_table1": (table1, COMPARED),
    "004_losses": (losses, COMPARED),
}


if __name__ == "__main__":
    script(main)
