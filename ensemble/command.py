"""The command `ensemble`: from pictures to a table, one model in memory at a time."""

import logging
import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from inpainting_zoo import memory, presets
from inpainting_zoo.chosen import chosen_model
from inpainting_zoo.engine.backend import explicit_settings
from inpainting_zoo.ensemble.cache import Cache
from inpainting_zoo.ensemble.model import Ensemble
from inpainting_zoo.ensemble.presets import ROLES
from inpainting_zoo.environment import peak_memory
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation import protocol
from inpainting_zoo.evaluation.progress import resumable
from inpainting_zoo.evaluation.report import check_report, format_report, write_report
from inpainting_zoo.features.load import FEATURES, loader
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.measures import chosen_measures, finite_mean
from inpainting_zoo.models.pixels import paste
from inpainting_zoo.options import EnsembleSettings, TrainSettings
from inpainting_zoo.options.model import ModelSettings
from inpainting_zoo.training.experiment import Experiment
from inpainting_zoo.training.record import resumed
from inpainting_zoo.training.train import train

log = logging.getLogger(__name__)
OWN = "ensemble"  # its row of the table


@explicit_settings()
def ensemble(settings: EnsembleSettings):
    """Makes pictures, masks and members' completions, trains the stages, measures.

    What is done is not done again; an interrupted training goes on exactly.

    Raises:
        InputError: if a setting or file breaks a rule, or memory does not suffice.
    """
    overrides = dict(settings.set)
    overrides |= dict(zip(ROLES, settings.members or ()))
    if settings.image_size:
        overrides["image_size"] = settings.image_size
    model = presets.build(settings.preset, **overrides)
    model.sizes.check(model.image_size)
    measures = chosen_measures(settings.metrics)
    cache, size, members = Cache(Path(settings.cache)), model.image_size, model.members
    overrides |= {r: member.source for r, member in members.items() if r in overrides}
    check_report(report_file(settings, cache), ())
    with memory.limited(settings.memory_limit):
        if not steps_of(experiment_of(settings, cache), "combiner"):
            # What it lacks is said now, and not after hours.
            model.load_features(loader(dict.fromkeys(FEATURES, settings.vgg_weights)))
            memory.give_back()
        cache.fill(settings, size, model.masks)
        for member in members.values():
            cache.complete(member, settings.seed)
            log.info(
                "%s: done, peak of memory %.0f MB", member.name, peak_memory() or 0
            )
        for stage in model.parts:
            train_stage(settings, cache, members, stage, overrides)
            memory.give_back()
        report = measure(settings, cache, members, size, measures)
    print(format_report(report))
    print(in_words(report["gain"]))


def train_stage(settings, cache: Cache, members: dict, stage: str, overrides: dict):
    """Trains a stage, or what is left of it.

    Args:
        settings: `EnsembleSettings`.
        cache: which is full.
        members: by their role.
        stage: its name.
        overrides: arguments of the model to replace.

    Raises:
        InputError: if it was trained for more steps, or came to its end after fewer.
    """
    experiment = experiment_of(settings, cache)
    known = {field.name for field in TrainSettings.options()}
    chosen = {k: v for k, v in settings.as_dict().items() if k in known}
    chosen |= {
        "train_path": str(cache.list_of("train")),
        "validation_path": str(cache.list_of("validation")),
        "mask_path": str(cache.masks),
        "aligned": cache.aligned(members),
        "output_path": str(cache.experiments),
        "experiment_name": experiment.folder.name,
        "stage": stage,
        "set": overrides,
        "max_zoom": 1.0,  # completions are not resampled
    }
    # What was decided when the pictures were made.
    decided = ("dataset_layout", "masks", "invert_mask", "mask_label", "image_size")
    chosen = {k: v for k, v in chosen.items() if k not in decided and v is not None}
    done = steps_of(experiment, stage)
    ended = done > 0 and experiment.stage != stage
    if done > settings.steps or (ended and done < settings.steps):
        raise InputError(
            f"steps: must stay {done}, for which {stage} of {experiment.folder.name} "
            f"was trained, received {settings.steps}; choose another -experiment_name"
        )
    wanted = TrainSettings(**chosen, resume=done > 0, given=frozenset(chosen))
    if done < settings.steps:
        train(wanted)
        return
    log.info("%s: done before, %d steps", stage, done)
    if experiment.stage == stage:
        resumed(wanted)  # which refuses others


def experiment_of(settings, cache: Cache) -> Experiment:
    """Returns the experiment of an ensemble."""
    return Experiment(cache.experiments / (settings.experiment_name or settings.preset))


def steps_of(experiment: Experiment, stage: str) -> int:
    """Returns how many steps of a stage are done and saved."""
    steps = [e["step"] for e in experiment.checkpoints.entries() if e["stage"] == stage]
    return steps[-1] if steps else 0


def measure(settings, cache: Cache, members: dict, size: int, measures: dict) -> dict:
    """Measures an ensemble beside its members, and writes the report.

    Returns:
        The report of `protocol.evaluate`, with the "members" by role, "choice", the
        better member by bin of hole area, and "gain"; see `gain`.
    """
    name = experiment_of(settings, cache).folder.name
    where = {"experiment_name": name, "output_path": str(cache.experiments)}
    _, model, digest = chosen_model(ModelSettings(**where))
    weights = digest()
    choice = better_by_area(cache.pairs("train", members, settings.seed, size))
    about = {"weights_sha256": weights, "measures": [*measures], "seed": settings.seed}
    path = report_file(settings, cache)
    with resumable(path.with_suffix(".parts"), about) as progress:
        report = protocol.evaluate(
            cache.pairs("validation", members, settings.seed, size),
            methods(model, choice),
            settings.seed,
            weights_sha256=weights,
            measures=measures,
            progress=progress,
        )
        report |= {
            "members": {role: member.source for role, member in members.items()},
            "choice": choice,
            "gain": gain(report, settings.seed),
        }
        write_report(report, path)
    print(f"report: {path}, with .csv and .png beside it")
    return report


def report_file(settings, cache: Cache) -> Path:
    """Returns where the report goes, beside the experiment."""
    return cache.experiments / f"{experiment_of(settings, cache).folder.name}.json"


def methods(model: Ensemble, choice: dict) -> dict:
    """Returns complete(image, mask, completed) by name, of what members completed.

    Args:
        model: the ensemble.
        choice: see `better_by_area`.
    """

    def stacked(image, mask, completed):
        prediction = model.predict_aligned(image, mask, completed)
        return paste(prediction, image, mask[..., None])

    def average(image, mask, completed):
        first, second = (completed[role].astype("uint16") for role in ROLES)
        return ((first + second + 1) // 2).astype("uint8")

    def by_area(image, mask, completed):
        return completed[choice[protocol.hole_bin(mask.mean())]]

    members = {
        role: lambda image, mask, completed, role=role: completed[role]
        for role in ROLES
    }
    return {OWN: stacked, **members, "average": average, "by_hole_area": by_area}


def better_by_area(pairs) -> dict:
    """Returns bin of hole area -> the member of the smaller mean squared error.

    Args:
        pairs: training pictures with both completions; bins without any take the
            member that is better on all.
    """
    worse = defaultdict(list)  # by how much the first is
    for _, image, mask, completed in (pairs[i] for i in range(len(pairs))):
        first, second = (
            np.mean(np.square(completed[role] - image.astype("float32")))
            for role in ROLES
        )
        worse[protocol.hole_bin(mask.mean())].append(first - second)
    everywhere = [value for found in worse.values() for value in found]
    return {
        area: ROLES[int(np.mean(worse.get(area, everywhere)) > 0)]
        for area in protocol.BINS
    }


def gain(report: dict, seed: int) -> dict:
    """Returns by how much the ensemble is better than its better member.

    Args:
        report: of `protocol.evaluate`.
        seed: of the bootstrap.

    Returns:
        For "psnr" and "lpips", where they were measured: "over", the member of the
        better mean; "mean" of the finite differences, and their "interval" of 95 % over
        pictures, None for one picture.
    """
    found = {}
    for name, better in (("psnr", max), ("lpips", min)):
        means = {role: report["methods"][role].get(name) for role in ROLES}
        if None in means.values():
            continue
        over = better(means, key=means.get)
        ours, theirs = (
            np.array([row[name] for row in report["rows"] if row["method"] == method])
            for method in (OWN, over)
        )
        with np.errstate(invalid="ignore"):  # of two that are perfect
            difference = ours - theirs
        if (mean := finite_mean(difference.tolist())) is None:
            continue
        ends = bootstrap_intervals(difference[:, None], seed)[:, 0].tolist()
        sure = ends if math.isfinite(ends[0]) else None
        found[name] = {"over": over, "mean": mean, "interval": sure}
    return found


def in_words(gains: dict) -> str:
    """Returns the gain as text, a line for each measure."""
    lines = []
    for name, found in gains.items():
        ends = " to ".join(f"{end:+.4f}" for end in found["interval"] or ())
        about = f"({ends or 'one picture has no interval'})"
        lines.append(f"{OWN} - {found['over']}, {name}: {found['mean']:+.4f} {about}")
    return "\n".join(lines)
