"""Trains variants of an ensemble alike and compares them with simpler ways to join.

    python tools/ensemble_ablation.py -train_path scenes -members lama_big patchmatch

leaves in outputs/ensemble_ablation a cache for each seed, which all variants share,
and ablation.json: means and deviations over seeds of each variant, of both members, of
their average and of the better one by hole area. An interrupted run goes on where it
was. Further options, such as `-per_category 20`, are those of `runner.py ensemble`.
"""

import argparse
import json
from pathlib import Path

from inpainting_zoo.ensemble.command import OWN
from inpainting_zoo.evaluation.tables import headlines, markdown, number
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.tools.commands import run, script, spent
from inpainting_zoo.tools.table1 import mean_and_deviation

# Arguments of the model: those of the report, and what variants have instead. A preset
# may have others, so all are given.
REPORT = {"color_space": "hvi", "skips": "true", "blend": "false", "denoise": "true"}
INSTEAD = {
    "hvi": {},
    "rgb": {"color_space": "rgb"},
    "hvi_without_denoisers": {"denoise": "false"},
    "rgb_without_denoisers": {"color_space": "rgb", "denoise": "false"},
    "hvi_without_skips": {"skips": "false"},
    "rgb_without_skips": {"color_space": "rgb", "skips": "false"},
    "hvi_blended": {"blend": "true"},
    "rgb_blended": {"color_space": "rgb", "blend": "true"},
    "rgb_blended_without_denoisers": {
        "color_space": "rgb",
        "blend": "true",
        "denoise": "false",
    },
}
VARIANTS = {name: REPORT | changed for name, changed in INSTEAD.items()}


def main(argv=None):
    options = parse(argv)
    reports = {}
    for seed in options.seeds:
        for variant in options.variants:
            reports[variant, seed] = measure(options, variant, seed)
    table = summary(reports)
    write_json(Path(options.output_path, "ablation.json"), table)
    print(page(table))


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )

    def add(name, **settings):
        parser.add_argument(f"-{name}", f"--{name}", **settings)

    add("variants", nargs="+", choices=VARIANTS, default=[*VARIANTS])
    add("seeds", type=int, nargs="+", default=[0])
    add("set", nargs="+", default=[], help="of the model, for all")
    add("output_path", default="outputs/ensemble_ablation")
    for name in ("seed", "cache", "experiment_name"):
        add(name, help="not one for all: it is chosen for each run")
    options, options.further = parser.parse_known_args(argv)
    for name in ("seed", "cache", "experiment_name"):
        if getattr(options, name) is not None:
            parser.error(f"-{name}: is chosen for each run, received one")
    varied = {key for variant in VARIANTS.values() for key in variant}
    if taken := sorted(varied & {pair.partition("=")[0] for pair in options.set}):
        parser.error(f"-set: what variants are of is theirs, received {taken[0]}")
    return options


def measure(options, variant: str, seed: int) -> dict:
    """Trains and measures a variant; returns its report, with the "seconds" it took."""
    cache = Path(options.output_path, f"seed_{seed}")
    pairs = [f"{key}={value}" for key, value in VARIANTS[variant].items()]
    arguments = [*pairs, *options.set]
    run("ensemble", "-cache", cache, "-experiment_name", variant, "-seed", seed,
        *(["-set", *arguments] if arguments else []), *options.further)  # fmt: skip
    report = json.loads((cache / "experiments" / f"{variant}.json").read_text())
    return report | {"seconds": spent(cache / "experiments" / variant)}


def summary(reports: dict) -> dict:
    """Returns means and deviations over seeds by method.

    Args:
        reports: (variant, seed) -> report of the command, with "seconds". What does not
            learn is the same beside all variants of a seed.
    """
    rows, gains = {}, {}
    for (variant, seed), report in reports.items():
        for method, row in report["methods"].items():
            rows.setdefault(variant if method == OWN else method, {})[seed] = row
        gains.setdefault(variant, {})[seed] = report["gain"]
    some = next(iter(reports.values()))
    kept = {key: some[key] for key in ("images", "image_size", "members", "versions")}
    methods = {
        method: {
            m: mean_and_deviation([row[m] for row in found.values()])
            for m in headlines([*found.values()])
        }
        for method, found in rows.items()
    }
    for variant in gains:
        seconds = [r["seconds"] for (name, _), r in reports.items() if name == variant]
        methods[variant] |= {"seconds": mean_and_deviation(seconds)}
    seeds = list(dict.fromkeys(seed for _, seed in reports))
    return kept | {"seeds": seeds, "methods": methods, "gains": gains}


def page(table: dict) -> str:
    """Returns the table in Markdown, with the gains of each seed over a better member.

    A gain is the mean of the pictures' differences, with its interval of 95 %.
    """
    measured = headlines([*table["methods"].values()])
    by_seed = [found for seeds in table["gains"].values() for found in seeds.values()]
    compared = [name for name in measured if any(name in found for found in by_seed)]
    lines = []
    for method, row in table["methods"].items():
        seeds = table["gains"].get(method, {}).values()
        gains = [
            "; ".join(gained(found[name], name) for found in seeds if name in found)
            for name in compared
        ]
        minutes = f"{row['seconds']['mean'] / 60:.0f}" if "seconds" in row else ""
        cells = [number(row.get(name), name) for name in measured]
        lines.append([method, *cells, *gains, minutes])
    titles = [MEASURES[name].title for name in measured]
    titles += [f"{MEASURES[name].title} gained" for name in compared]
    return markdown(["", *titles, "minutes"], lines)


def gained(found: dict, measure: str) -> str:
    """Returns a gain as text; see `ensemble.command.gain`."""
    numbers = [found["mean"], *(found["interval"] or ())]
    mean, *ends = (f"{x:+.{MEASURES[measure].digits}f}" for x in numbers)
    return f"{mean} ({' to '.join(ends)})" if ends else mean


if __name__ == "__main__":
    script(main)
