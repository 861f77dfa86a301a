"""Evaluations of which several processes do a share each: measured alone, then joined.

A share keeps its rows, vectors and pictures in NAME.shards/3-of-16 beside NAME.json.
"""

import dataclasses
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.progress import VECTOR, Progress, resumable
from inpainting_zoo.evaluation.protocol import PICTURES, Scores, measure, titles
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.options import EvaluateSettings
from inpainting_zoo.storage import shards
from inpainting_zoo.storage.files import atomic
from inpainting_zoo.storage.shards import Shard

PARTS, SHOWN = "parts", "pictures.npz"


@dataclasses.dataclass(frozen=True)
class Joined:
    """What shares have measured together.

    Args:
        settings: of the evaluation.
        name: of its model.
        report: as `protocol.evaluate` returns it.
    """

    settings: EvaluateSettings
    name: str
    report: dict


def shards_of(report: str | Path) -> Path:
    """Returns the folder of all shares of a report."""
    return Path(report).with_suffix(".shards")


def measure_shard(
    shard: Shard, report, pairs, name: str, methods: dict, measures: dict, about: dict
):
    """Measures a share of the pairs, into a folder of its own; goes on after a stop.

    Args:
        shard: which of the pairs.
        report: path of the report to come.
        pairs: all of them; see `protocol.evaluate`.
        name: of the model.
        methods, measures: see `protocol.evaluate`.
        about: all that decides the numbers, the same for all shares; "settings" and
            "weights_sha256" among it.
    """
    folder, count, size = shard.within(shards_of(report)), len(pairs), pairs.image_size
    with resumable(folder / PARTS, about, keep=True) as progress:
        shards.begin(folder)
        scores = Scores(methods, measures, count, size, progress)
        shown = measure(pairs, methods, scores, shard.of(range(count)))
        with atomic(folder / SHOWN) as file:
            stacks = {str(i): np.stack([*c.values()]) for i, c in shown.items()}
            np.savez_compressed(file, **stacks)
        found = {"name": name, "methods": [*methods], "measures": [*measures]}
        found |= {"image_size": size, "count": count}
        shards.finish(folder, {"about": about, **found})


def joined(path: str | Path) -> Joined:
    """Returns the report that one process would have made.

    Args:
        path: of the report to come.

    Raises:
        InputError: if a share is missing, damaged or has not come to its end.
    """
    folders, found = shards.finished(shards_of(path), "report")
    about, count, methods = found["about"], found["count"], found["methods"]
    settings = EvaluateSettings(**about["settings"])
    parts = [Progress(folder / PARTS, about) for folder in folders]
    for i, part in enumerate(parts):
        if len(part.pictures) != len(Shard(i, len(parts)).of(range(count))):
            raise InputError(
                f"report: must have whole shares, received {str(folders[i])!r}, of "
                "which files are missing; run it again"
            )
    shown = {}
    for folder in folders:
        with np.load(folder / SHOWN) as stacks:
            shown |= {int(i): dict(zip(titles(methods), stacks[i])) for i in stacks}
    scores = Scores(
        methods,
        {name: MEASURES[name] for name in found["measures"]},
        *(count, found["image_size"], _in_turn(parts, count)),
    )
    report = scores.report(
        *(settings.protocol, settings.seed, about["weights_sha256"], settings.strategy)
    )
    pictures = [shown[i] for i in range(min(PICTURES, count))]
    return Joined(settings, found["name"], report | {"pictures": pictures})


def _in_turn(parts, count):
    """What shares have measured, in the order of the pictures."""
    together = Progress()
    names = [[file.removesuffix(VECTOR) for file in part.sizes] for part in parts]
    vectors = [{n: p.vectors(n) for n in own} for p, own in zip(parts, names)]
    for i in range(count):
        place, part = divmod(i, len(parts))
        own = {name: found[place] for name, found in vectors[part].items()}
        together.add(parts[part].pictures[place], own)
    return together
