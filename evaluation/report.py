"""The files of a report, JSON, CSV and a picture grid, and its text."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from inpainting_zoo.drawing import grid, save_png
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.protocol import BINS
from inpainting_zoo.evaluation.tables import interval, number, text
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.files import (
    refuse_overwriting,
    refuse_replacing,
    write_bytes,
)

# By which a former report is known: keys of the JSON, first columns of the CSV.
KEYS = {"protocol", "images", "methods", "versions", "seed", "weights_sha256"}
COLUMNS = ("name", "hole_area", "method")


def write_report(report: dict, path):
    """Writes a report: CSV per image, a PNG picture grid and JSON, of one stem.

    The JSON file comes last, so where it is, the others are.

    Args:
        report: as `protocol.evaluate` returns it.
        path: the JSON file.

    Raises:
        InputError: `path` does not end in .json.
    """
    path, table, picture = report_files(path)
    summary = {k: v for k, v in report.items() if k not in ("rows", "pictures")}
    # Names of files need not be UTF-8: they are written as they are.
    write_bytes(table, _csv(report["rows"]).encode(errors="surrogateescape"))
    if report["pictures"]:
        titles = list(report["pictures"][0])
        rows = [list(columns.values()) for columns in report["pictures"]]
        save_png(picture, grid(rows, titles))
    content = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    write_bytes(path, content.encode())


def report_files(path) -> tuple[Path, Path, Path]:
    """Returns the files of a report: JSON, CSV and PNG.

    Raises:
        InputError: `path` does not end in .json.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise InputError(f"report: must end in .json, received {str(path)!r}")
    return path, path.with_suffix(".csv"), path.with_suffix(".png")


def check_report(path, inputs: Iterable):
    """Checks that a report would replace nothing but a former report.

    Args:
        path: the JSON file.
        inputs: files and folders that the report is made from.

    Raises:
        InputError: if it would; names the file.
    """
    files = report_files(path)
    refuse_overwriting(files, inputs, "report: must be neither pictures nor masks")
    refuse_replacing("report", files, "a former report", _is_of_report)


def _is_of_report(file: Path) -> bool:
    """Whether a file is of a report; a picture is if one of those beside it is."""
    if file.suffix == ".png":
        return any(_is_of_report(file.with_suffix(s)) for s in (".csv", ".json"))
    if not file.is_file():
        return False
    if file.suffix == ".csv":
        with open(file, "rb") as lines:
            return lines.readline().startswith(",".join(COLUMNS).encode())
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and set(found) >= KEYS


def _csv(rows):
    content = io.StringIO()
    writer = csv.DictWriter(content, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return content.getvalue()


def format_report(report: dict) -> str:
    """Returns the report as text.

    A line per method with its measures, one with the intervals of the means, and one
    with the PSNR, or else the first measure of a picture, by hole area.
    """
    methods = report["methods"]
    some = next(iter(methods.values()))
    measured = [
        name
        for name in MEASURES
        if name in some["intervals"] or some.get(name) is not None
    ]
    # Of the usual measures the most important ones, and all that were asked for.
    sure = [name for name in measured if name in some["intervals"]]
    chosen = [m for m in sure if MEASURES[m].headline or not MEASURES[m].default]
    sure = chosen or sure
    bins = [(b, some["bins"][b]["images"]) for b in BINS if some["bins"][b]["images"]]
    totals = [["method", *(MEASURES[m].title for m in measured)]]
    intervals = [["95 % of means", *(MEASURES[m].title for m in sure)]]
    head = f"{report['images']} images, protocol {report['protocol']}"
    by = next((m for m in ("psnr", *MEASURES) if m in some["intervals"]), None)
    for name, found in methods.items():
        totals.append([name, *(number(found[m], m) for m in measured)])
    tables = [f"{head}\n{text(totals)}", *report["notes"]]
    if not by:  # measures of a set have neither intervals nor bins
        return "\n\n".join(tables)
    areas = [
        [f"{MEASURES[by].title} by hole %", *(b for b, _ in bins)],
        ["images", *(n for _, n in bins)],
    ]
    for name, found in methods.items():
        intervals.append([name, *(interval(found["intervals"][m], m) for m in sure)])
        areas.append([name, *(number(found["bins"][b][by], by) for b, _ in bins)])
    return "\n\n".join([*tables, text(intervals), text(areas)])
