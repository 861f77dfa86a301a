"""Writes weights/README.md from the reports in weights/reports, and draws the curves.

python weights/make_readme.py
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from files import write_bytes  # noqa: E402
from metrics.protocol import BINS  # noqa: E402
from weights.curves import draw  # noqa: E402
from weights.markdown import TITLES, number, table  # noqa: E402
from weights.readme_benchmarks import exported, lambda_ratios, table1  # noqa: E402

REPORTS = ROOT / "weights" / "reports"
LARGE = ("40-50", "50-60", "above")  # holes over 40 %
HEAD = """# Weights

Trained weights that the presets load by themselves, how they were made, and what they
measure. `make numbers` writes this page from the files in `reports`.
"""
NUMBERS = """## Numbers

The completed image against the truth, by the protocol that `runner.py evaluate`
follows: means over the pictures, PSNR in dB, L1 on [0, 1]; "hole PSNR" is that of the
hole alone. Beside the networks stand mean colour, OpenCV's Telea and Navier-Stokes, and
scikit-image's biharmonic inpainting. At a size that is not a preset's own, pictures are
completed at the preset's and the result is enlarged into their holes. `faces_pairs_40`
are faces with irregular holes, `faces_centre` the same faces with a square hole of half
their side, `scenes_test` scenes with irregular holes.
"""
EXAMPLES = """## Examples

Three kinds of holes in one portrait, which no preset was trained on, cropped about as
closely as the faces that they were trained on.

![The portrait completed by each method](reports/examples.png)
"""


def main():
    trainings, _ = read(REPORTS)
    for report in trainings:
        draw(report, REPORTS / f"{report['preset']}.png")
    write_bytes(ROOT / "weights" / "README.md", readme(REPORTS).encode())


def read(folder: Path):
    """Returns the reports of trainings and those of evaluations."""
    return (
        [json.loads(path.read_text()) for path in sorted(folder.glob(pattern))]
        for pattern in ("*_training.json", "*_on_*_at_*.json")
    )


def readme(folder: Path) -> str:
    """Returns the page that belongs to a folder of reports."""
    trainings, evaluations = read(folder)
    parts = [HEAD]
    parts += [files(trainings)] if trainings else ["No weights are shipped yet.\n"]
    parts += [training(report) for report in trainings]
    if evaluations:
        parts += [NUMBERS, *comparisons(evaluations), about(evaluations)]
    if (folder / "examples.png").is_file():
        parts += [EXAMPLES]
    sections = {"exported": exported, "table1": table1, "lambda_ratios": lambda_ratios}
    for name, section in sections.items():
        path = folder / f"{name}.json"
        parts += [section(json.loads(path.read_text()))] if path.is_file() else []
    return "\n".join(parts)


def files(trainings) -> str:
    rows = [
        [f"`{t['preset']}`", f"`{t['file']}`", f"{t['bytes'] / 1e6:.1f} MB",
         f"`{t['sha256']}`"]
        for t in trainings
    ]  # fmt: skip
    return table(["preset", "file", "size", "SHA-256"], rows) + "\n"


def training(report) -> str:
    cpu = report["cpu"] or {"model": "a CPU that was not recorded", "cores": "?"}
    lines = [
        f"Stage `{report['stage']}`: {report['steps']} of {report['planned_steps']} "
        f"steps of {report['batch_size']} images of {report['image_size']} px, seed "
        f"{report['seed']}, {report['precision']}.",
        f"{report['hours']} hours on {cpu['model']}, {cpu['cores']} cores "
        f"({', '.join(report['devices'])}).",
        f"{libraries(report)}; engine {report['engine']}.",
    ]
    return f"""## {report["preset"]}

    python {report["command"]}

{chr(10).join(f"- {line}" for line in lines)}

![Loss and validation PSNR over the steps](reports/{report["preset"]}.png)
"""


def libraries(report) -> str:
    return ", ".join(f"{name} {number}" for name, number in report["versions"].items())


def comparisons(evaluations):
    """Yields a section for each test set and size, with all presets in its tables."""
    groups = {}
    for report in evaluations:
        key = report["test_set"], report["image_size"], report["images"]
        groups.setdefault(key, []).append(report)
    for (test_set, size, images), reports in sorted(groups.items()):
        methods = {r["preset"]: r["methods"][r["preset"]] for r in reports}
        methods |= reports[0]["methods"]  # the classical ones, the same in all
        yield f"### {test_set} at {size} px, {images} pictures\n"
        rows = [
            [name, *(number(found[m], m) for m in TITLES)]
            for name, found in methods.items()
        ]
        yield table(["method", *TITLES.values()], rows) + "\n"
        yield by_area(methods)


def by_area(methods) -> str:
    """Returns the table of PSNR by hole area."""
    first = next(iter(methods.values()))["bins"]
    areas = [area for area in BINS if area in first]
    head = ["PSNR by hole area in %", *areas, "over 40"]
    counts = [first[area]["images"] for area in areas]
    large = sum(first[area]["images"] for area in areas if area in LARGE)
    rows = [["pictures", *counts, large]]
    for name, found in methods.items():
        numbers = [found["bins"][area]["psnr"] for area in areas]
        rows.append(
            [name, *(number(n, "psnr") for n in [*numbers, over_40(found["bins"])])]
        )
    return table(head, rows) + "\n"


def over_40(bins) -> float | None:
    """The mean PSNR over all pictures whose hole is over 40 % of them."""
    found = [bins[area] for area in LARGE if area in bins]
    found = [row for row in found if row["psnr"] is not None]
    images = sum(row["images"] for row in found)
    total = sum(row["images"] * row["psnr"] for row in found)
    return total / images if images else None


def about(evaluations) -> str:
    report = evaluations[0]
    outside = max(
        found["outside_max"] for r in evaluations for found in r["methods"].values()
    )
    return (
        f"Protocol {report['protocol']}, seed {report['seed']}, {libraries(report)}. "
        f"The largest change of a known pixel is {outside}.\n"
    )


if __name__ == "__main__":
    main()
