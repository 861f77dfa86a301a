"""Trains a context encoder with several weights of its losses and compares them.

A high ratio of reconstruction to adversarial loss gives blurry centres, a low one
sharp centres that ignore what surrounds them. Needs folders of pictures, such as

    python tools/lambda_ratios.py -train_path faces -test_path faces_test

and leaves in outputs/lambda_ratios the experiments, ratios.json, and two pictures with
a row for each ratio: ratios.png of an embedded face, pictures.png of the test.
Further options, such as `-mixed_precision bfloat16`, are those of training.
"""

import argparse
from pathlib import Path

from inpainting_zoo.evaluation.tables import number, text
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.tools.commands import train_and_evaluate

ROOT = Path(__file__).parent.parent
RATIOS = (1, 100, 200, 1000)
COLUMNS = ("l1_hole", "l2_hole", "psnr_hole", "l1", "l2", "psnr")


def main():
    options = parse()
    output = Path(options.output_path)
    rows = {}
    for ratio in options.ratios:
        name = f"ratio_{ratio:g}"
        training = ["-preset", options.preset, "-train_path", options.train_path,
                    "-lambda_ratio", ratio, "-steps", options.steps,
                    "-save_every", 250, "-sample_every", 250,
                    *options.training]  # fmt: skip
        evaluation = ["-test_path", options.test_path]
        found = train_and_evaluate(name, output, training, evaluation)
        rows[ratio] = found["methods"][name] | {"images": found["images"]}
    show(options, output)
    save(rows, options, output)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("-train_path", required=True)
    parser.add_argument("-test_path", required=True)
    parser.add_argument("-preset", default="context_encoder_small")
    parser.add_argument("-steps", type=int, default=1500, help="of each ratio")
    parser.add_argument("-ratios", type=float, nargs="+", default=RATIOS)
    parser.add_argument("-pictures", type=int, default=6, help="in pictures.png")
    parser.add_argument("-output_path", default="outputs/lambda_ratios")
    options, options.training = parser.parse_known_args()
    return options


def show(options, output):
    """Writes rows: what is known, what each ratio makes of it, the truth."""
    from inpainting_zoo import presets
    from inpainting_zoo.data.embedded import face
    from inpainting_zoo.data.evaluation import EvaluationPairs
    from inpainting_zoo.data.images import fit_image, list_images
    from inpainting_zoo.drawing import grid, masked, save_png
    from inpainting_zoo.storage.checkpoints import part_file

    files = [part_file(output / f"ratio_{ratio:g}") for ratio in options.ratios]
    models = [presets.load_file(path)[0] for path in files]
    images = list_images(options.test_path, "-test_path")[: options.pictures]
    pairs = EvaluationPairs(images, models[0].masks, models[0].image_size)
    faces = [fit_image(face(margin), pairs.image_size) for margin in (0, 10, 20)]
    titles = ["masked", *(f"x{ratio:g}" for ratio in options.ratios), "ground truth"]
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


def save(rows, options, output):
    """Writes and prints the measures of the hole and of the whole image."""
    table = {f"{ratio:g}": {m: row[m] for m in COLUMNS} for ratio, row in rows.items()}
    about = {
        "preset": options.preset,
        "steps": options.steps,
        "images": next(iter(rows.values()))["images"],
    }
    write_json(output / "ratios.json", about | {"ratios": table})
    lines = [[r, *(number(row[m], m) for m in COLUMNS)] for r, row in table.items()]
    print(text([["ratio", *(MEASURES[m].title for m in COLUMNS)], *lines]))


if __name__ == "__main__":
    main()
