"""The evaluation protocol: one rule for the command, the notebook and the tables."""

import csv
import io
import json
import math
import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from inpainting_zoo.drawing import grid, masked, save_png
from inpainting_zoo.environment import versions
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation import scoring as rules
from inpainting_zoo.evaluation.scoring import to_uint8
from inpainting_zoo.storage.files import write_bytes

MEASURES = ("psnr", "psnr_hole", "ssim", "l1", "l1_hole", "l2", "l2_hole")
BINS = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60", "above")


def evaluate(
    pairs,
    methods: dict,
    seed: int,
    protocol: str = "completed_1",
    weights_sha256: str | None = None,
    pictures: int = 8,
) -> dict:
    """Complete every picture by every method and measure the results.

    Args:
        pairs: sequence of (name, image uint8 (S, S, 3), mask uint8 (S, S)), 1 in the
            hole; for "report_004" as `rules.report_004_pair` makes them.
        methods: name -> complete(image, mask) -> uint8 (S, S, 3); the model under its
            preset's or experiment's name, beside `**BASELINES`. For "report_004" see
            there.
        seed: what the masks and crops of `pairs` were drawn with; recorded.
        protocol: a name in `rules.PROTOCOLS`.
        weights_sha256: of the model's weight file; recorded.
        pictures: how many of the first pairs are kept for the picture grid.

    Returns:
        "protocol", "images", "methods" (name -> means, "identical", "outside_max" and
        "bins" by hole area in percent, each bin with its number of "images"),
        "versions", "seed", "weights_sha256", all fit for JSON; "rows", a dict per
        image and method; "pictures", a dict title -> uint8 image per kept pair.
        Infinite and undefined (nan) values are left out of the means; a mean of
        nothing is None.

    Raises:
        InputError: no pairs, no methods, or a method returned something else.
    """
    score = rules.get(protocol)
    if not len(pairs) or not methods:
        received = f"{len(pairs)} pairs and {len(methods)} methods"
        raise InputError(f"evaluate: at least one pair and method, received {received}")
    rows, shown = [], []
    for name, image, mask in tqdm(pairs, "evaluate", unit="image", disable=None):
        outputs = {m: _output(m, methods[m], image, mask) for m in methods}
        about = {"name": name, "hole_area": float(np.mean(mask))}
        for method, output in outputs.items():
            rows.append(about | {"method": method} | score(image, output, mask))
        if len(shown) < pictures:
            shown.append(_columns(image, mask, outputs))
    return {
        "protocol": protocol,
        "images": len(pairs),
        "methods": {
            m: _summary([r for r in rows if r["method"] == m]) for m in methods
        },
        "versions": versions(),
        "seed": seed,
        "weights_sha256": weights_sha256,
        "rows": rows,
        "pictures": shown,
    }


def _output(name, method, image, mask):
    output = np.asarray(method(image.copy(), mask.copy()))
    if output.shape != image.shape:
        raise InputError(f"{name}: output of {image.shape}, received {output.shape}")
    return output


def _columns(image, mask, outputs):
    inputs = {"input": masked(to_uint8(image), mask >= 0.5)}
    results = {name: to_uint8(output) for name, output in outputs.items()}
    return inputs | results | {"ground truth": to_uint8(image)}


def _summary(rows):
    """Totals of one method, and the same by hole area."""
    bins = {name: [] for name in BINS}
    for row in rows:
        bins[hole_bin(row["hole_area"])].append(row)
    by_area = {b: {"images": len(found), **_totals(found)} for b, found in bins.items()}
    return {**_totals(rows), "bins": by_area}


def _totals(rows):
    totals = {}
    for measure in MEASURES:
        values = [row.get(measure, math.nan) for row in rows]
        finite = [value for value in values if math.isfinite(value)]
        totals[measure] = float(np.mean(finite)) if finite else None
    totals["identical"] = sum(row["psnr"] == math.inf for row in rows)
    outside = [row["outside_max"] for row in rows if "outside_max" in row]
    return totals | {"outside_max": max(outside, default=None)}


def hole_bin(area: float) -> str:
    """The bin of a hole area in [0, 1]: "10-20" is over 10 and up to 20 %."""
    # Rounded, because 0.6 * 10 and the like may end in ...0001.
    return BINS[min(max(math.ceil(round(area * 10, 9)) - 1, 0), len(BINS) - 1)]


def write_report(report: dict, path):
    """Write the report: JSON, and beside it CSV per image and a PNG picture grid.

    The JSON file comes last, so where it is, the others are.

    Args:
        report: as `evaluate` returns it.
        path: the JSON file; the others have its stem.

    Raises:
        InputError: `path` does not end in .json.
    """
    path, table, picture = report_files(path)
    summary = {k: v for k, v in report.items() if k not in ("rows", "pictures")}
    if report["pictures"]:
        titles = list(report["pictures"][0])
        rows = [list(columns.values()) for columns in report["pictures"]]
        save_png(picture, grid(rows, titles))
    # Names of files need not be UTF-8: they are written as they are.
    write_bytes(table, _csv(report["rows"]).encode(errors="surrogateescape"))
    content = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    write_bytes(path, content.encode())


def report_files(path) -> tuple[Path, Path, Path]:
    """The files of a report: JSON, CSV and PNG.

    Raises:
        InputError: `path` does not end in .json.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise InputError(f"-report: must end in .json, received {str(path)!r}")
    return path, path.with_suffix(".csv"), path.with_suffix(".png")


def refuse_overwriting(path, inputs):
    """Checks that a report's files are none of the files that it is made from.

    Raises:
        InputError: if one is; names it.
    """
    former = [file for file in report_files(path) if file.exists()]
    written = {_identity(file): file for file in former}
    for file in filter(os.path.exists, inputs if written else ()):
        if hit := written.get(_identity(file)):
            raise InputError(
                "-report: must overwrite neither pictures nor masks, received "
                f"{str(path)!r}, which would overwrite {str(hit)!r}"
            )


def _identity(path):
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _csv(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def format_table(report: dict) -> str:
    """The report as text: a line per method, then PSNR by hole area."""
    methods = report["methods"]
    bins = [(b, next(iter(methods.values()))["bins"][b]["images"]) for b in BINS]
    bins = [(b, count) for b, count in bins if count]
    totals = [["method", "PSNR", "hole PSNR", "SSIM", "L1", "hole L1", "L2"]]
    totals[0] += ["hole L2", "identical", "outside"]
    areas = [
        ["PSNR by hole %", *(b for b, _ in bins)],
        ["images", *(n for _, n in bins)],
    ]
    for name, found in methods.items():
        digits = dict.fromkeys(MEASURES, 4) | {"psnr": 2, "psnr_hole": 2}
        numbers = [_number(found[m], digits[m]) for m in MEASURES]
        ends = [found["identical"], _number(found["outside_max"], 0)]
        totals.append([name, *numbers, *ends])
        psnrs = [_number(found["bins"][b]["psnr"], 2) for b, _ in bins]
        areas.append([name, *psnrs])
    head = f"{report['images']} images, protocol {report['protocol']}"
    return "\n".join([head, *_align(totals), "", *_align(areas)])


def _number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def _align(rows):
    """Lines of text: the first column to the left, numbers to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    for name, *cells in rows:
        numbers = (f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        yield "  ".join([f"{name:<{first}}", *numbers])
