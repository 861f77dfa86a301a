"""Trains a context encoder with several weights of its losses and compares them.

A high ratio of reconstruction to adversarial loss gives blurry centres, a low one
sharp centres that ignore what surrounds them. Beside the ratios there are variants, at
the highest of report 001's ratios. Needs folders of pictures, such as

    python tools/lambda_ratios.py -train_path faces -test_path faces_test

and leaves in outputs/lambda_ratios the experiments, ratios.json, and two pictures with
a row for each: ratios.png of an embedded face, pictures.png of the test. What is done
with the same arguments is not done again, and an interrupted training goes on where it
was. Further options, such as `-mixed_precision bfloat16`, are those of training.
"""

import argparse
from pathlib import Path

from inpainting_zoo.data.images import fit_image, list_images, read_image
from inpainting_zoo.drawing import grid, masked, save_png
from inpainting_zoo.evaluation.tables import number, text
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.tools.commands import script, train_and_evaluate

ROOT = Path(__file__).parent.parent
RATIOS = (1, 100, 200, 1000)
COLUMNS = ("l1_hole", "l2_hole", "psnr_hole", "l1", "l2", "psnr")
# What report 001 would try next: arguments of the model, and of what side its pictures,
# trained and measured on, are before they are enlarged to the model's.
VARIANTS = {
    "noise": (["noise=0.1"], None),
    "alexnet": (["topology=alexnet"], None),
    "from_64": ([], 64),
}
RATIO = 1000  # of the variants


def main():
    options = parse()
    output = Path(options.output_path)
    runs = {
        f"{ratio:g}": (f"ratio_{ratio:g}", ratio, [], None) for ratio in options.ratios
    }
    runs |= {name: (name, RATIO, *VARIANTS[name]) for name in options.variants}
    reports = {name: measure(options, output, *run) for name, run in runs.items()}
    show(options, output, {name: experiment for name, (experiment, *_) in runs.items()})
    save(reports, options, output)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )

    def add(name, **settings):
        parser.add_argument(f"-{name}", f"--{name}", **settings)

    add("train_path", required=True)
    add("test_path", required=True)
    add("data_set", default="", help="what the pictures of the test are, for captions")
    add("preset", default="context_encoder_small")
    add("steps", type=int, default=1500, help="of each training")
    add("ratios", type=float, nargs="+", default=RATIOS)
    add("variants", nargs="*", choices=VARIANTS, default=[*VARIANTS])
    add("set", nargs="+", default=[], help="of the model, for all")
    add("pictures", type=int, default=6, help="in pictures.png")
    add("output_path", default="outputs/lambda_ratios")
    options, options.training = parser.parse_known_args()
    return options


def measure(options, output, name, ratio, arguments, side) -> dict:
    """Trains and evaluates an experiment; returns its report, its own row as "own".

    Args:
        arguments: of the model.
        side: that all pictures are shrunk to before; None leaves them.
    """
    paths = {"train": options.train_path, "test": options.test_path}
    if side:
        folder = output / f"pictures_{side}"
        paths = {k: shrunk(path, folder / k, side) for k, path in paths.items()}
    given = [*options.set, *arguments]
    training = ["-preset", options.preset, "-train_path", paths["train"],
                "-lambda_ratio", ratio, "-steps", options.steps,
                "-save_every", 250, "-sample_every", 250,
                *(["-set", *given] if given else []), *options.training]  # fmt: skip
    found = train_and_evaluate(name, output, training, ["-test_path", paths["test"]])
    return found | {"own": found["methods"].pop(name)}


def shrunk(source, folder: Path, side: int) -> Path:
    """Writes pictures as squares of a side; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, path in enumerate(list_images(source)):
        file = folder / f"{i:06}.png"
        if not file.is_file():
            save_png(file, fit_image(read_image(path), side))
    return folder


def show(options, output, experiments: dict):
    """Writes rows: what is known, what each experiment makes of it, the truth."""
    from inpainting_zoo import presets
    from inpainting_zoo.data.embedded import face
    from inpainting_zoo.data.evaluation import EvaluationPairs
    from inpainting_zoo.storage.checkpoints import part_file

    files = [part_file(output / experiment) for experiment in experiments.values()]
    models = [presets.load_file(path)[0] for path in files]
    images = list_images(options.test_path, "-test_path")[: options.pictures]
    pairs = EvaluationPairs(images, models[0].masks, models[0].image_size)
    faces = [fit_image(face(margin), pairs.image_size) for margin in (0, 10, 20)]
    names = [name if name in VARIANTS else f"x{name}" for name in experiments]
    titles = ["masked", *names, "ground truth"]
    for name, shown in {
        "ratios": [(image, pairs[0][2]) for image in faces],
        "pictures": [(image, mask) for _, image, mask in pairs],
    }.items():
        rows = [
            [masked(image, mask) for image, mask in shown],
            *([m.inpaint(image, mask) for image, mask in shown] for m in models),
            [image for image, _ in shown],
        ]
        save_png(output / f"{name}.png", grid(rows, row_labels=titles))


def save(reports, options, output):
    """Writes and prints the measures of the hole and of the whole image."""

    def shown(rows):
        return {name: {m: row[m] for m in COLUMNS} for name, row in rows.items()}

    some = next(iter(reports.values()))
    table = shown({name: report["own"] for name, report in reports.items()})
    classical = shown(some["methods"])
    about = {
        "preset": options.preset,
        "steps": options.steps,
        "data_set": options.data_set,
        "images": some["images"],
        "ratios": {k: row for k, row in table.items() if k not in VARIANTS},
        "variants": {k: row for k, row in table.items() if k in VARIANTS},
        "baselines": classical,
    }
    write_json(output / "ratios.json", about)
    rows = (table | classical).items()
    lines = [[name, *(number(row[m], m) for m in COLUMNS)] for name, row in rows]
    print(text([["ratio", *(MEASURES[m].title for m in COLUMNS)], *lines]))


if __name__ == "__main__":
    script(main)
