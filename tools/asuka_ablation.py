"""Trains ASUKA's decoder row by row and measures it, as the paper's ablation does.

    python tools/asuka_ablation.py -train_path DIR -test_path DIR -from_weights FOLDER

FOLDER holds all parts as docs/asuka.md has them, the alignment as well; or it is a file
of `tools/join_weights.py`, with its `-preset`. Rows and seeds
are experiments in outputs/asuka_ablation, which also gets ablation.json: means over
pictures and seeds, and how each row differs from the one before, picture by picture,
with 95 % intervals. An interrupted call goes on where it was. What else is given, such
as `-steps 20000 -vgg_weights FILE`, is for the training.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from inpainting_zoo.arguments import read_pairs
from inpainting_zoo.evaluation.tables import markdown, number
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.tools.commands import run, script, train_and_evaluate
from inpainting_zoo.tools.join_weights import join

PLAIN = {"conditional": False, "sees_mask": False}
# Arguments of the model, row by row; the first is Stable Diffusion's own decoder.
ROWS = {
    "VAE": {"decoder": PLAIN},
    "+ cond.": {"colours": 0, "generated": 0},
    "+ color": {"generated": 0},
    "+ latent": {},
}
MEASURED = ("lpips", "seam_colour", "seam_gradient", "psnr_hole")


def main(argv=None):
    options = parse(argv)
    tables = {
        (row, seed): measured(options, row, seed)
        for seed in options.seeds
        for row in ROWS
    }
    table = summary(tables)
    write_json(Path(options.output_path, "ablation.json"), table)
    print(page(table))


def measured(options, row: str, seed: int) -> list:
    """Trains a row where it is to be, and returns the numbers of its pictures."""
    name = f"{row.removeprefix('+ ').rstrip('.').lower()}_{seed}"
    pairs = [f"{k}={json.dumps(v)}" for k, v in ROWS[row].items()]
    arguments = [*options.set, *pairs]
    arguments = ["-set", *arguments] if arguments else []
    evaluation = ["-test_path", options.test_path, "-limit", options.limit]
    evaluation += ["-metrics", ",".join(MEASURED), "-methods", "none", "-seed", seed]
    evaluation += ["-mask_path", options.mask_path] if options.mask_path else []
    report = Path(options.output_path, f"{name}.json")
    if row == "VAE":
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


def summary(tables: dict) -> dict:
    """Returns means by row and measure, and paired differences to the row before.

    Args:
        tables: (row, seed) -> the rows of a report's CSV file, the same pictures in
            all; numbers of one method.
    """
    seeds = list(dict.fromkeys(seed for _, seed in tables))
    numbers = {
        row: np.mean([_numbers(tables[row, seed]) for seed in seeds], axis=0)
        for row in dict.fromkeys(row for row, _ in tables)
    }
    rows, former = {}, None
    for row, values in numbers.items():
        means = dict(zip(MEASURED, np.nanmean(values, axis=0).tolist()))
        rows[row] = {"means": means}
        if former is not None:
            change = values - former
            low, high = bootstrap_intervals(change, 0)
            ends = zip(np.nanmean(change, axis=0).tolist(), low, high)
            rows[row]["changes"] = {
                name: {"mean": mean, "interval": [float(a), float(b)]}
                for name, (mean, a, b) in zip(MEASURED, ends)
            }
        former = values
    return {"seeds": seeds, "pictures": len(former), "rows": rows}


def _numbers(table):
    """Returns (pictures, measures), nan where there is no number."""
    return np.array([[float(line[m] or "nan") for m in MEASURED] for line in table])


def page(table: dict) -> str:
    """Returns the table in Markdown."""
    lines = []
    for row, found in table["rows"].items():
        cells = [number(found["means"][name], name) for name in MEASURED]
        for i, name in enumerate(MEASURED):
            if change := found.get("changes", {}).get(name):
                low, high = change["interval"]
                digits = MEASURES[name].digits
                cells[i] += f" ({low:+.{digits}f} to {high:+.{digits}f})"
        lines.append([row, *cells])
    titles = [MEASURES[name].title for name in MEASURED]
    return markdown(["", *titles], lines)


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
