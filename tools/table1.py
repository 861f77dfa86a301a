"""Trains variants of GMCNN alike, with several seeds, and compares them.

    python tools/table1.py -train_path faces -mask_path masks -test_path faces_test
        -test_masks masks_test -vgg_weights vgg19.npz

leaves in outputs/table1 the experiments, a report of each and table1.json: means and
deviations over the seeds, for both stages, beside the classical methods, and the PSNR
by the attention report's rule. What is done with the same arguments is not done again,
and an interrupted training goes on where it was. Further options, such as
`-mixed_precision bfloat16`, are those of training.
"""

import argparse
import json
import statistics
from pathlib import Path

from inpainting_zoo.evaluation.protocol import BINS
from inpainting_zoo.evaluation.tables import headlines
from inpainting_zoo.storage.checkpoints import part_file
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.tools.commands import run, script, train_and_evaluate
from inpainting_zoo.tools.measure import MEASURED

ROOT = Path(__file__).parent.parent
STAGES = ("warm_up_generator", "wgan")
METRICS = ("-metrics", ",".join(MEASURED))
# Arguments of the model, by variant; "none" is what the others are compared with. None
# has the name of a classical method.
VARIANTS = {
    "none": {"attention": "none", "hole_fill": "pull_push"},
    "se": {"attention": "se", "hole_fill": "pull_push"},
    "a2": {"attention": "a2", "hole_fill": "pull_push"},
    "se_report": {"attention": "se_report", "hole_fill": "pull_push"},
    "a2_report": {"attention": "a2_report", "hole_fill": "pull_push"},
    "zero_fill": {"attention": "none", "hole_fill": "zero"},
    "biharmonic_fill": {"attention": "none", "hole_fill": "biharmonic"},
    "laplacian": {
        "attention": "none",
        "hole_fill": "pull_push",
        "confidence_kernel": "laplacian",
    },
    "vgg16": {
        "attention": "none",
        "hole_fill": "pull_push",
        "id_mrf_network": "vgg16",
    },
}
# Those that learn by another loss; the others are of another network.
LOSSES = ("laplacian", "vgg16")
# PSNR in Table 1 of the attention report, in dB, by its own rule.
CLAIMS = {"none": 25.70, "se_report": 27.78, "a2_report": 27.3}


def main(argv=None):
    options = parse(argv)
    output = Path(options.output_path)
    reports = {}
    for seed in options.seeds:  # one of each variant first, then the next
        for variant in options.variants:
            reports[variant, seed] = measure(options, output, variant, seed)
    table = about(options) | summary(reports)
    write_json(output / "table1.json", table)
    show(table)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )

    def add(name, **settings):  # in both spellings, none of which is one of training
        parser.add_argument(f"-{name}", f"--{name}", **settings)

    for name in ("train_path", "mask_path", "test_path", "test_masks", "vgg_weights"):
        add(name, required=True)
    add("vgg16_weights", help="of the variant vgg16, instead of the download")
    add("data_set", default="", help="what the pictures of the test are, for captions")
    add("preset", default="gmcnn_small")
    add("steps", type=int, default=1500, help="of stage 1")
    add("wgan_steps", type=int, default=300, help="of stage 2")
    add("seeds", type=int, nargs="+", default=[0, 1, 2])
    add("seed", help="not one for all: see -seeds")
    add("variants", nargs="+", choices=VARIANTS, default=[*VARIANTS])
    add("set", nargs="+", default=[], help="of the model, for all")
    add("batch_size", type=int, default=8)
    add("output_path", default="outputs/table1")
    options, options.training = parser.parse_known_args(argv)
    if options.seed is not None:
        parser.error(f"-seed: must be given as -seeds, received {options.seed}")
    return options


def measure(options, output, variant, seed) -> dict:
    """Trains and evaluates both stages unless that is done; returns stage -> report.

    Each report's "own" is the row of the network itself, with "report_004" in it.
    """
    reports = {}
    all_arguments = arguments(options, output, variant, seed)
    for stage, (name, training, evaluation) in all_arguments.items():
        found = train_and_evaluate(name, output, training, [*evaluation, *METRICS])
        own = found["methods"].pop(name)
        weights = found["weights_sha256"]
        own["report_004"] = by_report_004(name, output, weights, evaluation)
        reports[stage] = found | {"own": own}
    return reports


def by_report_004(name, output, weights_sha256, evaluation) -> float:
    """Returns an experiment's PSNR by the attention report's rule."""
    path = output / f"{name}_report_004.json"
    if path.is_file():
        report = json.loads(path.read_text())
        if report["weights_sha256"] == weights_sha256:
            return report["methods"][name]["psnr"]
    run("evaluate", "-experiment_name", name, "-output_path", output,
        "-report", path, "-protocol", "report_004", *evaluation)  # fmt: skip
    return json.loads(path.read_text())["methods"][name]["psnr"]


def arguments(options, output, variant, seed) -> dict:
    """Returns stage -> name and arguments of training and of evaluation."""
    pairs = [f"{key}={value}" for key, value in VARIANTS[variant].items()]
    common = ["-train_path", options.train_path, "-mask_path", options.mask_path,
              "-preset", options.preset, "-set", *pairs, *options.set, "-seed", seed,
              "-learning_rate_decay", "cosine", "-save_every", 100,
              "-sample_every", 500, "-batch_size", options.batch_size,
              *options.training]  # fmt: skip
    first = part_file(output / f"{variant}_{seed}_{STAGES[0]}")
    vgg = options.vgg16_weights if variant == "vgg16" else options.vgg_weights
    own = {
        STAGES[0]: ["-steps", options.steps, "-warm_up_generator"],
        STAGES[1]: ["-steps", options.wgan_steps, "-from_weights", first,
                    *(["-vgg_weights", vgg] if vgg else [])],
    }  # fmt: skip
    evaluation = ["-test_path", options.test_path, "-mask_path", options.test_masks]
    return {
        stage: (f"{variant}_{seed}_{stage}", [*common, *own[stage]], evaluation)
        for stage in STAGES
    }


def about(options) -> dict:
    return {
        "preset": options.preset,
        "data_set": options.data_set,
        "vgg_weights": Path(options.vgg_weights).name,
        "vgg16_weights": options.vgg16_weights and Path(options.vgg16_weights).name,
        "steps": dict(zip(STAGES, (options.steps, options.wgan_steps))),
        "set": options.set,
        "batch_size": options.batch_size,
        "training": options.training,
        "seeds": options.seeds,
        "claims": CLAIMS,
    }


def summary(reports: dict) -> dict:
    """Returns means and deviations over seeds, and the classical methods.

    Args:
        reports: (variant, seed) -> stage -> report of an evaluation, in which "own" is
            the network's row and "methods" has the others'.
    """
    variants, (some, *_) = {}, reports.values()
    for variant in dict.fromkeys(variant for variant, _ in reports):
        seeds = [seed for name, seed in reports if name == variant]
        variants[variant] = {"set": VARIANTS[variant]}
        for stage in STAGES:
            rows = [reports[variant, seed][stage]["own"] for seed in seeds]
            row = over_seeds(rows)
            by_theirs = [row["report_004"] for row in rows]
            row["report_004"] = mean_and_deviation(by_theirs)
            if ("none", seeds[0]) in reports:
                plain = [reports["none", seed][stage]["own"] for seed in seeds]
                gains = [a["psnr"] - b["psnr"] for a, b in zip(rows, plain)]
                row["gain"] = mean_and_deviation(gains)
            variants[variant][stage] = row
    report = some[STAGES[0]]
    kept = {key: report[key] for key in ("images", "image_size", "versions")}
    classical = {name: over_seeds([row]) for name, row in report["methods"].items()}
    return kept | {"variants": variants, "baselines": classical}


def over_seeds(rows: list) -> dict:
    """Returns each measure as mean and deviation, over all holes and by their area."""
    row = {m: mean_and_deviation([row[m] for row in rows]) for m in headlines(rows)}
    row["bins"] = {
        area: {
            "images": rows[0]["bins"][area]["images"],
            "psnr": mean_and_deviation([row["bins"][area]["psnr"] for row in rows]),
        }
        for area in BINS
        if rows[0]["bins"][area]["images"]
    }
    return row


def mean_and_deviation(values: list) -> dict:
    """Returns the mean, and the sample standard deviation of two values or more.

    A value may be None, that of nothing; then both are.
    """
    if None in values:
        return {"mean": None, "deviation": None}
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "deviation": deviation}


def show(table):
    from inpainting_zoo.tools.readme_benchmarks import table1

    print(table1(table))


if __name__ == "__main__":
    script(main)
