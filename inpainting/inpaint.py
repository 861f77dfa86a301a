"""The command that completes pictures: a file or a folder, once or in variants."""

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.chosen import Later, identified, named
from inpainting_zoo.data.captions import read_table
from inpainting_zoo.data.images import read_header, read_image
from inpainting_zoo.errors import InputError
from inpainting_zoo.families import Family, check_options
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.inpainting.on_ray import rows_on_ray
from inpainting_zoo.inpainting.picture import check_output, check_replaced, inpaint_file
from inpainting_zoo.options import InpaintSettings
from inpainting_zoo.storage.files import sha256
from inpainting_zoo.storage.shards import parse_shard
from inpainting_zoo.video.job import VideoJob


def inpaint(settings: InpaintSettings) -> int:
    """Completes a picture, a folder of pictures or a video; returns the exit code.

    Raises:
        InputError: if the model does not take an option, or files break a rule.
    """
    video = None
    if settings.video:
        video = VideoJob(settings)
    elif not Path(settings.image).is_dir():
        paths = settings.image, settings.mask
        for name in ("shard", "ray"):
            if getattr(settings, name):
                raise InputError(
                    f"{name}: must be of a folder, received the file {settings.image!r}"
                )
        if settings.with_from:
            raise InputError(
                f"with_from: must be for a folder, received it for {settings.image!r}"
            )
        for argument, path in zip(("image", "mask"), paths):
            read_header(path, settings.max_pixels, argument)
        outputs = [save_to for _, save_to in variants(settings)]
        for save_to in outputs:
            check_output(*paths, save_to, settings.in_place)
        itself = settings.image if settings.in_place else None
        check_replaced(outputs, settings.overwrite, itself)
    elif settings.overwrite:
        raise InputError(
            "overwrite: must be for a file, since a folder run replaces what it has "
            f"recorded, received {settings.image!r}"
        )
    if settings.preset or not settings.names_a_model:  # known without an engine
        family = presets.family(settings.preset or presets.DEFAULT)
        check_chosen(settings, family.options, family.rules, family.draws)
        check_reference(settings, family)
    model = recipe = None
    if not settings.ray:  # whose workers load it, each for itself
        model, recipe = later(settings)
    if video:
        return video.complete(model.load(), recipe())
    return max(
        _complete(settings, model, recipe, seed, save_to)
        for seed, save_to in variants(settings)
    )


def load(settings: InpaintSettings):
    """Returns the model that completes, and its recipe: its name and its weights'.

    Raises:
        InputError: if it is not there, or does not take an option.
        WeightsError: if the weights are damaged or do not fit.
    """
    model, recipe = later(settings)
    return model.load(), recipe()


def later(settings: InpaintSettings) -> tuple[Later, Callable]:
    """Returns what `load` does, of a model that is not loaded yet.

    What returns the recipe reads all of the weights, which one picture does not need.
    """
    name, digest, loading = identified(settings)
    references = settings.reference or []

    def checked():
        model = loading()
        check_chosen(settings, model.OPTIONS, model.RULES, model.draws)
        model.refer_to(*(read_image(x, settings.max_pixels) for x in references))
        return model

    def recipe():
        precision = [*settings.overrides.values()]
        return " ".join([name, digest(), *precision, *map(sha256, references)])

    return Later(checked), recipe


def check_chosen(settings: InpaintSettings, options, rules, draws: bool | None):
    """Refuses options that a model does not take, and variants that are alike.

    Args:
        options, rules: that it takes, see `families.check_options`.
        draws: whether another seed gives another picture; None if that is not known.
    """
    check_options(settings.with_options, options, rules, "with")
    own_options(settings, options)
    if settings.variants > 1 and draws is False:
        raise InputError(
            "variants: must be 1 for a model that draws nothing at random and has one "
            f"answer, received {settings.variants}"
        )


def check_reference(settings: InpaintSettings, family: Family):
    """Refuses references for a model that learns from none, see `Completer`."""
    learned = {name for names in family.inputs.values() for name in names}
    if settings.reference and "reference" not in learned:
        raise InputError(
            "reference: must be for a model that looks at others, received "
            f"{', '.join(settings.reference)}"
        )


def own_options(settings: InpaintSettings, options) -> dict | None:
    """Reads what single pictures of a folder are completed with.

    Args:
        options: that the model takes, by name; a table may have those that are texts.

    Returns:
        Name of a picture -> its options; None without a table.

    Raises:
        InputError: if the model takes no text, or the table breaks a rule.
    """
    if not (path := settings.with_from):
        return None
    texts = [name for name, value in options.items() if isinstance(value, str)]
    if not texts:
        raise InputError(
            f"with_from: must be for a model that takes a text, received {path!r}"
        )
    table = read_table(path, "with_from", texts)
    return {name: {k: v for k, v in row.items() if v} for name, row in table.items()}


def variants(settings: InpaintSettings) -> list:
    """Lists (seed, where it is saved) of every result that is wanted."""
    path, count = Path(settings.save_to), settings.variants
    if count == 1:
        return [(settings.seed, path)]
    named = (f"{path.stem}_{i + 1}{path.suffix}" for i in range(count))
    return [(settings.seed + i, path.with_name(name)) for i, name in enumerate(named)]


def _complete(settings, model, recipe, seed, save_to):
    names = (
        *("resize_mask", "invert_mask", "mask_label", "mask_from", "fill_alpha"),
        *("mask_dilation", "feathering", "texture", "strategy"),
        *("max_pixels", "in_place"),
    )
    options = {name: getattr(settings, name) for name in names}
    options |= {"seed": seed, **settings.with_options}
    paths = settings.image, settings.mask, save_to
    if Path(settings.image).is_dir():
        options["shard"] = settings.shard and parse_shard(settings.shard)
        if settings.with_from:
            options["own"] = own_options(settings, model.OPTIONS)
        if settings.ray:
            options["elsewhere"] = on_ray(settings)
            paths = map(os.path.abspath, paths)  # workers may be in another folder
        named_by = recipe() if recipe else ""
        return inpaint_folder(model, *paths, recipe=named_by, **options)
    status = inpaint_file(model, *paths, **options)
    print(f"{status['output']}: {status['status']}, {status['seconds']:.1f} s")
    return 0


def on_ray(settings: InpaintSettings):
    """Returns what completes the pictures of a folder on a Ray cluster."""
    places = {"output_path": os.path.abspath(settings.output_path)}
    if settings.from_weights:
        places["from_weights"] = os.path.abspath(settings.from_weights)
    for name in ("adapters", "reference"):
        if given := getattr(settings, name):
            places[name] = [*map(os.path.abspath, given)]
    loading = partial(load, dataclasses.replace(named(settings), **places))
    gpus = settings.gpu != "none"
    return partial(rows_on_ray, settings.ray, loading, gpus=gpus)
