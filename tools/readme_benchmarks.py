"""Sections of weights/README.md on comparisons that benchmarks/ makes."""

import math

from scipy.stats import t

from inpainting_zoo.evaluation.tables import headlines, markdown, number
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.tools.lambda_ratios import COLUMNS

DATA_RANGE = 20 * math.log10(2)  # what a data range of 2 for images on [0, 1] adds
STAGES = {"warm_up_generator": "stage 1", "wgan": "stage 2"}


def table1(report: dict) -> str:
    """Returns the section on attention and hole fills.

    Args:
        report: as tools/table1.py writes it.
    """
    varied = "other attention or another hole fill"
    compared = _compared("Attention and hole fills", varied, report)
    return "\n".join([compared, _claims(report)])


def losses(report: dict) -> str:
    """Returns the section on losses; see `table1`."""
    varied = f"other weights of pixels, or ID-MRF of VGG16\n({vgg_files(report)})"
    return _compared("Losses of GMCNN", varied, report)


def vgg_files(report: dict) -> str:
    """Says which files ID-MRF was by."""
    names = {"VGG19": report["vgg_weights"], "VGG16": report["vgg16_weights"]}
    listed = ", ".join(f"{k}: `{file or 'Keras'}`" for k, file in names.items())
    return f"{listed}; conv3_4 takes the place of conv4_2 where a file ends before that"


def shown_as(report: dict) -> str:
    """Says what the pictures of a test are."""
    return report.get("data_set") or "pictures"


def _compared(heading, varied, report):
    steps = " and ".join(f"{n} of {STAGES[s]}" for s, n in report["steps"].items())
    seeds = report["seeds"]
    options = f" ({' '.join(report['set'])})" if report["set"] else ""
    more = f", options `{' '.join(report['training'])}`" if report["training"] else ""
    head = f"""## {heading}

Preset `{report["preset"]}`{options} with {varied}, all
trained alike by `make table1`: steps {steps} of {report["batch_size"]} images, seeds
{", ".join(map(str, seeds))}{more}. Measured on
{report["images"]} {shown_as(report)}, {report["image_size"]} px, that were not
trained on: mean ± deviation over the seeds. "Gain" is the PSNR of a variant above that
of `none` with the same seed. It is "no difference" where its 95 % confidence interval
(Student's t) holds 0; by chance alone one in twenty does not.
"""
    parts = [head]
    for stage, title in STAGES.items():
        rows = {name: found[stage] for name, found in report["variants"].items()}
        rows |= report["baselines"]
        parts += [_measures(rows, title, len(seeds)), _by_area(rows, title)]
    return "\n".join(parts)


def _measures(rows, title, seeds):
    shown = headlines(rows.values())
    lines = [
        [
            name,
            *(number(found.get(m), m) for m in shown),
            number(found.get("gain"), "psnr"),
            verdict(found.get("gain"), seeds) if name != "none" else "-",
        ]
        for name, found in rows.items()
    ]
    titles = [MEASURES[m].title for m in shown]
    return markdown([title, *titles, "gain", "against `none`"], lines) + "\n"


def verdict(gain: dict | None, seeds: int) -> str:
    """Says whether a mean gain over seeds is one, by Student's t at 95 %."""
    if gain is None or gain["deviation"] is None:
        return "-"
    margin = t.ppf(0.975, seeds - 1) * gain["deviation"] / math.sqrt(seeds)
    if abs(gain["mean"]) <= margin:
        return "no difference"
    return "better" if gain["mean"] > 0 else "worse"


def _by_area(rows, title):
    bins = next(iter(rows.values()))["bins"]
    lines = [["pictures", *(found["images"] for found in bins.values())]]
    lines += [
        [name, *(number(found["bins"][area]["psnr"], "psnr") for area in bins)]
        for name, found in rows.items()
    ]
    return markdown([f"{title}: PSNR by hole area in %", *bins], lines) + "\n"


def _claims(report):
    lines = []
    for name, claim in report["claims"].items():
        found = report["variants"].get(name, {}).get("wgan", {})
        measured = [number(found.get(m), "psnr") for m in ("report_004", "psnr")]
        lines.append([name, f"{claim:.2f}", *measured])
    head = ["variant", "claimed", "here by that rule", "here, completed"]
    return f"""What the attention report claims in its Table 1, for pictures of 256 px,
beside stage 2 here. Its rule scores output that was not completed, with a data range
of 2 for images on [0, 1], which adds {DATA_RANGE:.2f} dB. Its 25.70 dB are an
exception: by that rule its published notebook gave the original network 27.47 dB.

{markdown(head, lines)}
"""


def exported(report: dict) -> str:
    """Returns the section on exported files.

    Args:
        report: as benchmarks/exported.py writes it.
    """
    rows = [
        [
            name,
            f"{row['bytes'] / 1e6:.1f}" if "bytes" in row else "",
            number(row["psnr"], "psnr"),
            f"{row['psnr_difference']:+.3f}",
            f"{row['seconds']:.3f}",
            f"{row['cpu_seconds']:.3f}",
        ]
        for name, row in report["files"].items()
    ]
    head = ["file", "MB", "PSNR", "difference", "s/image", "CPU s/image"]
    return f"""## Exported files

`{report["preset"]}` exported in every format and precision by `make exported`, and run
in the format's own runtime on {report["images"]} pictures of {report["image_size"]} px.

{markdown(head, rows)}
"""


def lambda_ratios(report: dict) -> str:
    """Returns the section on the context encoder's loss weights.

    Args:
        report: as tools/lambda_ratios.py writes it.
    """
    rows = [
        [ratio, *(number(row[m], m) for m in COLUMNS)]
        for ratio, row in (report["ratios"] | report.get("baselines", {})).items()
    ]
    # The hole is always in the centre.
    titles = [MEASURES[m].title.replace("hole", "centre") for m in COLUMNS]
    head = ["ratio", *titles]
    return f"""## Reconstruction against adversarial loss

Preset `{report["preset"]}` trained for {report["steps"]} steps with several ratios of
the two losses, by `make sweep`, and measured on
{report["images"]} {shown_as(report)} that were not trained on: in the centre, which is
predicted, and over the completed image.

{markdown(head, rows)}

![A face completed with each ratio](reports/lambda_ratios.png)

Report 001 (Meneust and Pinto, 2024), whose ratios these are, describes centres that
are blurred at 1000, sharper at 200 and unrelated to their surroundings at 1, after far
longer trainings.
"""
