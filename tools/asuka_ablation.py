"""Trains ASUKA's decoder row by row and measures it, as the paper's ablation does.

    python tools/asuka_ablation.py -train_path DIR -test_path DIR -from_weights FOLDER

FOLDER holds all parts as docs/asuka.md has them, the alignment as well; or it is a file
of `tools/join_weights.py`, with its `-preset`. The first row is its decoder as it is;
all others are trained alike. Rows and seeds are experiments in outputs/asuka_ablation,
which also gets ablation.json: means over pictures and seeds, and how each row differs
from the one before, in each seed, and in the mean of all seeds with its 95 % interval,
which says what other pictures would change, not what other seeds would. An interrupted
call goes on where it was. What else is given, such as `-steps 20000 -sample_every 1000
-vgg_weights FILE`, is for the training.
"""

import argparse
import csv
import json
import os
import re
from pathlib import Path

import numpy as np

from inpainting_zoo.arguments import read_pairs
from inpainting_zoo.environment import versions
from inpainting_zoo.evaluation.tables import markdown, number
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.files import write_bytes, write_json
from inpainting_zoo.tools.commands import (
    keep_arguments,
    run,
    script,
    some_of,
    spent,
    train_and_evaluate,
)
from inpainting_zoo.tools.join_weights import join
from inpainting_zoo.weights.read_checkpoint import digests

PLAIN = {"conditional": False, "sees_mask": False}
# Arguments of the model, row by row; the first is Stable Diffusion's own decoder.
UNTRAINED = "VAE as it is"
ROWS = {
    UNTRAINED: {"decoder": PLAIN},
    "VAE": {"decoder": PLAIN, "colours": 0, "generated": 0},
    "+ cond.": {"colours": 0, "generated": 0},
    "+ color": {"generated": 0},
    "+ latent": {},
}
MEASURED = ("lpips", "seam_colour", "seam_gradient", "psnr_hole")


def main(argv=None):
    options = parse(argv)
    folder = Path(options.output_path)
    about = {k: v for k, v in vars(options).items() if k != "seeds"}
    about["weights_sha256"] = digests(options.from_weights)
    keep_arguments(folder / "arguments.json", about)
    images = [str(p.absolute()) for p in some_of(options.test_path, options.limit)]
    write_bytes(folder / "test.txt", os.fsencode("\n".join(images)))
    tables, seconds = {}, {}
    for seed in options.seeds:
        for row in ROWS:
            tables[row, seed] = measured(options, row, seed, folder / "test.txt")
            seconds[row, seed] = spent(folder / named(row, seed))
    made = {"arguments": about, "versions": versions()}
    table = made | summary(tables, seconds)
    write_json(folder / "ablation.json", table)
    print(page(table))


def named(row: str, seed: int) -> str:
    """Returns the experiment's name, such as "cond_0"."""
    return f"{re.sub('[^a-z]+', '_', row.lower()).strip('_')}_{seed}"


def measured(options, row: str, seed: int, test: Path) -> list:
    """Trains a row where it is to be, and returns the numbers of its pictures."""
    name = named(row, seed)
    pairs = [f"{k}={json.dumps(v)}" for k, v in ROWS[row].items()]
    arguments = [*options.set, *pairs]
    arguments = ["-set", *arguments] if arguments else []
    evaluation = ["-test_path", test, "-metrics", ",".join(MEASURED)]
    evaluation += ["-methods", "none", "-seed", seed]
    evaluation += ["-mask_path", options.mask_path] if options.mask_path else []
    report = Path(options.output_path, f"{name}.json")
    if row == UNTRAINED:
        weights = report.with_suffix(".safetensors")
        if not weights.is_file() and Path(options.from_weights).is_file():
            overrides = read_pairs(options.set) | ROWS[row]
            join([options.from_weights], weights, options.preset, **overrides)
        elif not weights.is_file():
            run("convert", "-preset", options.preset, "-source", options.from_weights,
                "-save_to", weights, *arguments)  # fmt: skip
        if not report.is_file():
            run("evaluate", "-from_weights", weights, "-report", report, *evaluation)
    else:
        training = ["-preset", options.preset, "-stage", "decoder", "-seed", seed]
        training += ["-train_path", options.train_path]
        training += ["-from_weights", options.from_weights]
        training += [*options.further, *arguments]
        train_and_evaluate(name, options.output_path, training, evaluation)
    with open(report.with_suffix(".csv"), newline="") as file:
        return [*csv.DictReader(file)]


def summary(tables: dict, seconds: dict) -> dict:
    """Returns means by row and measure, and paired differences to the row before.

    Args:
        tables: (row, seed) -> the rows of a report's CSV file, the same pictures in
            all; numbers of one method.
        seconds: (row, seed) -> how long it was trained.
    """
    seeds = list(dict.fromkeys(seed for _, seed in tables))
    numbers = {
        row: np.array([_numbers(tables[row, seed]) for seed in seeds])
        for row in dict.fromkeys(row for row, _ in tables)
    }
    rows, former = {}, None
    for row, values in numbers.items():
        means = dict(zip(MEASURED, np.nanmean(values, axis=(0, 1)).tolist()))
        rows[row] = {"means": means}
        rows[row]["seconds"] = sum(seconds[row, seed] for seed in seeds)
        if former is not None:
            change = values - former  # (seeds, pictures, measures)
            low, high = bootstrap_intervals(change.mean(axis=0), 0)
            each = np.nanmean(change, axis=1)
            rows[row]["changes"] = {
                name: {
                    "mean": float(each[:, i].mean()),
                    "interval": [float(low[i]), float(high[i])],
                    "seeds": each[:, i].tolist(),
                }
                for i, name in enumerate(MEASURED)
            }
        former = values
    return {"seeds": seeds, "pictures": former.shape[1], "rows": rows}


def _numbers(table):
    """Returns (pictures, measures), nan where there is no number."""
    return np.array([[float(line[m] or "nan") for m in MEASURED] for line in table])


def page(table: dict) -> str:
    """Returns the table in Markdown: means, and changes to the row before.

    These have the 95 % interval of the mean of all seeds, and each seed's own.
    """
    lines = []
    for row, found in table["rows"].items():
        cells = [number(found["means"][name], name) for name in MEASURED]
        for i, name in enumerate(MEASURED):
            if change := found.get("changes", {}).get(name):
                digits = MEASURES[name].digits
                low, high, *each = (
                    f"{x:+.{digits}f}" for x in (*change["interval"], *change["seeds"])
                )
                cells[i] += f" ({low} to {high}; {', '.join(each)})"
        lines.append([row, *cells, f"{found['seconds'] / 60:.0f}"])
    titles = [MEASURES[name].title for name in MEASURED]
    return markdown(["", *titles, "minutes"], lines)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )

    def add(name, **settings):
        parser.add_argument(f"-{name}", f"--{name}", **settings)

    for name in ("train_path", "test_path", "from_weights"):
        add(name, required=True)
    add("mask_path", help="of the test; the model's masks")
    add("seeds", type=int, nargs="+", default=[0, 1, 2])
    add("limit", type=int, default=200, help="most pictures of the test")
    add("preset", default="asuka")
    add("set", nargs="+", default=[], help="of the model, for all rows")
    add("output_path", default="outputs/asuka_ablation")
    options, options.further = parser.parse_known_args(argv)
    return options


if __name__ == "__main__":
    script(main)
