"""Measures every preset that is shipped with weights, for weights/README.md.

    python weights/measure.py -faces_pairs DIR -scenes DIR -scene_masks DIR

evaluates each at its own size and pasted back at 256 px, and keeps the means in
weights/reports. What was measured with the same weights is not measured again.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import presets  # noqa: E402
from files import write_bytes  # noqa: E402
from training.commands import run  # noqa: E402

REPORTS = ROOT / "weights" / "reports"
PASTED_BACK_AT = 256
KEPT = ("protocol", "images", "image_size", "strategy", "seed", "weights_sha256")
MEASURES = ("psnr", "psnr_hole", "ssim", "l1")
BENCHMARKS = {
    "table1.json": "outputs/table1/table1.json",
    "lambda_ratios.json": "outputs/lambda_ratios/ratios.json",
}


def main():
    options = parse()
    pairs = Path(options.faces_pairs)
    test_sets = {
        "faces_pairs_40": (pairs / "images", pairs / "masks"),
        "scenes_test": (options.scenes, options.scene_masks),
    }
    for preset in presets.PRESETS:
        if "weights" in presets.get(preset):
            for test_set, paths in test_sets.items():
                measure(preset, test_set, paths, options)
    for name, source in BENCHMARKS.items():
        if (ROOT / source).is_file():
            write_bytes(REPORTS / name, (ROOT / source).read_bytes())


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-faces_pairs", required=True, help="holds images and masks")
    parser.add_argument("-scenes", required=True, help="folder of pictures")
    parser.add_argument("-scene_masks", required=True, help="folder of mask files")
    parser.add_argument("-limit", type=int, help="first pictures of each; all")
    parser.add_argument("-output_path", default="outputs/numbers", type=Path)
    return parser.parse_args()


def measure(preset, test_set, paths, options):
    size = presets.get(preset)["config"]["image_size"]
    limit = ("-limit", options.limit) if options.limit else ()
    for side in sorted({size, PASTED_BACK_AT}):
        name = f"{preset}_on_{test_set}_at_{side}.json"
        kept, full = REPORTS / name, options.output_path / name
        about = {"preset": preset, "test_set": test_set, "limit": options.limit}
        if is_done(kept, about | {"weights_sha256": presets.digest(preset)}):
            continue
        run("evaluate", "-preset", preset, "-report", full, *limit,
            "-test_path", paths[0], "-mask_path", paths[1], "-image_size", side,
            "-strategy", "original" if side == size else "resize")  # fmt: skip
        report = about | trimmed(json.loads(full.read_text()))
        write_bytes(kept, json.dumps(report, indent=1).encode() + b"\n")


def is_done(path: Path, about: dict) -> bool:
    """Whether a report is there and says the same as `about`."""
    return path.is_file() and about.items() <= json.loads(path.read_text()).items()


def trimmed(report: dict) -> dict:
    """Returns the means and bins of a report of `runner.py evaluate`, rounded."""
    kept = {key: report[key] for key in KEPT}
    methods = {}
    for name, found in report["methods"].items():
        bins = {
            area: {"images": row["images"], **_rounded(row)}
            for area, row in found["bins"].items()
            if row["images"]
        }
        outside = {"outside_max": found["outside_max"]}
        methods[name] = {**_rounded(found), **outside, "bins": bins}
    return kept | {"versions": report["versions"], "methods": methods}


def _rounded(row):
    return {
        measure: row[measure] if row[measure] is None else round(row[measure], 6)
        for measure in MEASURES
    }


if __name__ == "__main__":
    main()
