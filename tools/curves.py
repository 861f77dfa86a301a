"""The picture of a training: losses and validation over its steps."""

import itertools
from io import BytesIO

from inpainting_zoo.storage.files import write_bytes
from inpainting_zoo.tools.training_report import in_order


def draw(report: dict, path):
    """Draws the history of a training report into a PNG file.

    Args:
        report: as `tools.training_report.training_report` returns it.
        path: the file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    history = report["history"]
    names = sorted({name for row in history for name in row} - {"step"})
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for name in names:
        points = [(row["step"], row[name]) for row in history if name in row]
        if not any(value for _, value in points):
            continue  # such as the known pixels of a generator that fills holes only
        if name.startswith("validation_psnr"):
            label = "in the hole" if name.endswith("hole") else "completed"
            axes[1].plot(*zip(*points), "o-", markersize=3, label=label)
        elif not name.startswith("validation_") and name != "psnr":
            axes[0].plot(*zip(*points), label=name.replace("_", " "))
    low, high = axes[0].get_ylim()
    if max(-low, high) > 1:  # critics may be far beyond
        axes[0].set_yscale("symlog", linthresh=1)
    if axes[0].dataLim.ymin >= 0:
        axes[0].set_ylim(bottom=0)
    ends = itertools.accumulate(part["steps"] for part in in_order(report)[:-1])
    for axis, end in itertools.product(axes, ends):
        axis.axvline(end, color="grey", linestyle=":")
    for axis, title in zip(axes, ("loss terms, unweighted", "validation PSNR, dB")):
        axis.set(title=title, xlabel="step")
        axis.legend()
    picture = BytesIO()
    figure.savefig(picture, dpi=100, metadata={"Software": None})
    pyplot.close(figure)
    write_bytes(path, picture.getvalue())
