"""The command `evaluate`: a model beside the classical methods, on one's pictures."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from inpainting_zoo.chosen import chosen_with_options
from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.data.images import MAX_PIXELS, list_images
from inpainting_zoo.data.layouts import list_split
from inpainting_zoo.data.masks import mixture_from
from inpainting_zoo.data.names import list_masks, without_masks
from inpainting_zoo.data.objects import list_objects
from inpainting_zoo.environment import versions
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation import protocol, report_000, report_004, res
from inpainting_zoo.evaluation.baselines import BASELINES, NEAREST, listed
from inpainting_zoo.evaluation.nearest_neighbour import nearest_neighbour
from inpainting_zoo.evaluation.progress import resumable
from inpainting_zoo.evaluation.report import check_report, format_report, write_report
from inpainting_zoo.evaluation.shares import joined, measure_shard, shards_of
from inpainting_zoo.features.inception_files import by_network
from inpainting_zoo.inpainting import strategies
from inpainting_zoo.metrics.measures import FILES, chosen_measures, wanted_measures
from inpainting_zoo.models.pixels import blend, dilate
from inpainting_zoo.models.texture import check_library
from inpainting_zoo.options import EvaluateSettings
from inpainting_zoo.storage import shards


def evaluate(settings: EvaluateSettings):
    """Measures a model, writes the report and prints it; or does a share of that.

    Raises:
        InputError: an option breaks its rule, or the report would overwrite a file that
            is no former report.
    """
    score = PROTOCOLS[settings.protocol]
    images, mask_files, objects = list_files(settings)
    known = list_known(settings, images)
    baselines = choose_baselines(settings.methods, known, settings.max_pixels)
    files = {"vgg16": settings.lpips_weights, **by_network(settings.inception_weights)}
    # What can be refused is refused before an engine is loaded.
    check_used(settings, wanted_measures(settings.metrics, files, len(images)), files)
    if settings.masks:
        mixture_from(settings.masks, mask_file=mask_files, objects=objects)
    paths = ("test_path", "mask_path", "objects_path", "train_path")
    inputs = [path for name in paths if (path := getattr(settings, name))]
    annotated = {getattr(labels, "file", labels) for labels in objects}
    files_seen = [*images, *mask_files, *sorted(annotated), *known]
    files_seen += filter(None, files.values())
    check_report(settings.report, [*inputs, *files_seen])
    name, model, digest = chosen_with_options(settings)
    weights = digest()
    baselines.pop(name, None)  # the preset patchmatch is one of them
    if settings.protocol == "completed_1" and settings.texture is None:
        own = model.texture or "none"
        settings = dataclasses.replace(settings, texture=own)
    from inpainting_zoo.engine.backend import explicit_settings

    with explicit_settings():
        measures = chosen_measures(settings.metrics, files, len(images))
        pairs = make_pairs(settings, model, images, mask_files, objects)
        about = decisive(dataclasses.replace(settings, shard=None), weights, files_seen)
        about["methods"] = [name, *baselines]
        if settings.shard:
            methods = completions(settings, name, model, baselines)
            shard = shards.parse_shard(settings.shard)
            measure_shard(shard, settings.report, pairs, name, methods, measures, about)
            print(f"share {settings.shard}: {shard.within(shards_of(settings.report))}")
            return
        with resumable(Path(settings.report).with_suffix(".parts"), about) as progress:
            kept = {
                "weights_sha256": weights,
                "measures": measures,
                "progress": progress,
            }
            report = score(settings, pairs, name, model, baselines, **kept)
            write_report(report, settings.report)
    show(settings, name, report)


def check_used(settings, measures: dict, files: dict):
    """Refuses files that nothing would take.

    Args:
        settings: `EvaluateSettings`.
        measures: that are wanted.
        files: network -> its file.
    """
    networks = {measure.network for measure in measures.values()}
    for network, path in files.items():
        if path and network not in networks:
            raise InputError(
                f"{FILES[network]}: must be for a measure by {network}, received "
                f"{str(path)!r} for -metrics {settings.metrics}"
            )
    methods = settings.methods
    if settings.train_path and methods and NEAREST not in listed(methods):
        raise InputError(
            f"train_path: must be for the method {NEAREST}, received -methods {methods}"
        )


def join_report(path: str):
    """Writes the report that shares have measured, and prints it.

    Raises:
        InputError: if a share has not come to its end, or the report would replace
            something else than a former one.
    """
    check_report(path, ())
    found = joined(path)
    found.report["notes"] += notes_on(found.settings)
    write_report(found.report, path)
    shards.remove(shards_of(path))
    settings = dataclasses.replace(found.settings, report=str(path))
    show(settings, found.name, found.report)


def show(settings, name: str, report: dict):
    """Prints a report that is written, and logs it where it is of an experiment."""
    print(format_report(report))
    print(f"report: {settings.report}, with .csv and .png beside it")
    if settings.experiment_name:
        log_test(settings, report["methods"][name])


def choose_baselines(names: str | None, known=(), max_pixels: int = MAX_PIXELS):
    """Returns the classical methods of a list such as "telea,biharmonic".

    Args:
        names: separated by commas; "none" for none, None for all.
        known: pictures that `nearest_neighbour` takes from; none is without it.
        max_pixels: larger ones of these are refused.
    """
    chosen = [*BASELINES, *([NEAREST] if known else [])]
    chosen = chosen if names is None else listed(names)
    methods = {name: BASELINES.get(name) for name in chosen}
    if "patchmatch" in methods:
        check_library("methods")
    if NEAREST in methods:
        if not known:
            raise InputError(f"train_path: is needed by {NEAREST}, received none")
        methods[NEAREST] = nearest_neighbour(known, max_pixels)
    return methods


def list_known(settings, images: list) -> list:
    """Returns the pictures of `train_path`, none of which may be evaluated on."""
    path = settings.train_path
    known = without_masks(list_images(path, "train_path"), "train_path") if path else []
    if both := {*map(Path.resolve, known)}.intersection(map(Path.resolve, images)):
        raise InputError(
            f"train_path: must hold no picture of -test_path, received {min(both)}"
        )
    return known


def list_files(settings) -> tuple[list, list, list]:
    """Returns the pictures to evaluate on, and the files of masks and of objects."""
    path, layout = settings.test_path, settings.dataset_layout
    mask_path, objects_path = settings.mask_path, settings.objects_path
    images = (
        list_split(layout, path, "val") if layout else list_images(path, "test_path")
    )
    masks = list_masks(mask_path, path)
    images = without_masks(images, "test_path", masks)
    objects = list_objects(objects_path, settings.test_path)
    return images[: settings.limit], masks, objects


def make_pairs(
    settings, model, images: list, mask_files: list, objects: list
) -> EvaluationPairs:
    """Returns pairs of the size and with the masks that are asked for.

    Without any these are the model's size, and the mask files or the model's masks.
    """
    return EvaluationPairs(
        images,
        settings.masks or ("files" if mask_files else model.masks),
        settings.image_size or model.image_size,
        settings.seed,
        mask_files=mask_files,
        invert_mask=settings.invert_mask,
        max_pixels=settings.max_pixels,
        objects=objects,
        mask_label=settings.mask_label,
    )


def decisive(settings, weights_sha256: str, files: list) -> dict:
    """Returns all that decides the numbers of a report, fit for JSON."""
    states = [(str(file), file.stat()) for file in map(Path, files)]
    seen = json.dumps([(name, s.st_size, s.st_mtime_ns) for name, s in states])
    return {
        "settings": settings.as_dict(),
        "weights_sha256": weights_sha256,
        "files": hashlib.sha256(seen.encode(errors="surrogateescape")).hexdigest(),
        "versions": versions(),
    }


def by_completion(settings, pairs, name, model, baselines, **kept) -> dict:
    """Returns the report of completed pictures, by the protocol."""
    methods = completions(settings, name, model, baselines)
    report = protocol.evaluate(
        pairs, methods, pairs.seed, strategy=settings.strategy, **kept
    )
    report["notes"] += notes_on(settings)
    return report


def completions(settings, name, model, baselines) -> dict:
    """Returns complete(image, mask) of the model and of the others, by name."""
    options = {"texture": settings.texture, **settings.with_options}
    methods = {name: completing(model, settings.strategy, **options), **baselines}
    ring = settings.mask_dilation, settings.feathering
    if not any(ring):
        return methods
    return {name: widening(method, *ring) for name, method in methods.items()}


def notes_on(settings) -> list:
    """Returns what should be known of how pictures were completed."""
    ring = settings.mask_dilation, settings.feathering
    words = "holes are widened by {} pixels, {} of which fade in; as they were, "
    notes = [words.format(*ring) + "they are measured"] if any(ring) else []
    if settings.texture not in (None, "none"):
        notes += [f"texture by {settings.texture}, after what the model predicts"]
    if settings.mixed_precision != "float32":
        notes += [f"networks in {settings.mixed_precision}"]
    if given := settings.with_options:
        notes += ["the model's options: " + ", ".join(f"{k}={given[k]}" for k in given)]
    return notes


def completing(model, strategy: str, **options) -> Callable:
    """Returns complete(image, mask) by which a model takes pictures of any size.

    Args:
        model: a `models.completer.Completer`.
        strategy: of `inpainting.strategies`.
        **options: of `Completer.inpaint`.
    """
    if strategy == "original":  # which must fail, not shrink, without memory
        return partial(model.inpaint, **options)
    options = {"strategy": strategy, "notes": [], **options}
    return partial(strategies.complete, model, **options)


def widening(method: Callable, mask_dilation: float, feathering: float) -> Callable:
    """Returns a method that completes wider holes; see `models.pixels.dilate`."""

    def complete(image, mask, *further):
        wide = dilate(mask, mask_dilation, feathering)
        completed = method(image, wide, *further)
        return blend(completed, image, mask, wide, feathering)

    return complete


def by_report_000(settings, pairs, name, model, baselines, **kept) -> dict:
    """Returns the report of pictures that the model is shown enlarged."""
    options = settings.with_options
    enlarged = report_000.enlarging(model, pairs.image_size, pairs.seed, **options)
    methods = {name: enlarged, **baselines}
    report = protocol.evaluate(pairs, methods, pairs.seed, **kept)
    report["notes"] += notes_on(settings)
    return report | {"protocol": report_000.NAME}


def by_report_004(
    settings, pairs, name, model, baselines, weights_sha256, **kept
) -> dict:
    """Returns the report of raw outputs, by the rule of report 004, begun anew."""
    if not model.parts or model.members:
        raise InputError(
            "protocol: completed_1 for a model without networks or of other models, "
            f"which has no raw output, received {report_004.NAME}"
        )
    model.sizes.check(pairs.image_size)
    return report_004.evaluate(pairs, name, model, baselines, weights_sha256)


def log_test(settings, found: dict):
    """Logs what was measured of an experiment into its folder, for TensorBoard."""
    from inpainting_zoo.training.experiment import Experiment

    experiment = Experiment(Path(settings.output_path, settings.experiment_name))
    experiment.log_test(f"test_{Path(settings.report).stem}", found)


def by_moves(settings, pairs, name, model, baselines, **kept) -> dict:
    """Returns the report of moved subjects, see `evaluation.res`."""
    return res.evaluate(settings, model, name, baselines, pairs.images, **kept)


PROTOCOLS = {
    protocol.NAME: by_completion,
    report_000.NAME: by_report_000,
    report_004.NAME: by_report_004,
    res.NAME: by_moves,
}
