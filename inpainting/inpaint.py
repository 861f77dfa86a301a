"""The command that completes pictures: a file or a folder, once or in variants."""

import logging
from pathlib import Path

from inpainting_zoo.chosen import chosen_model
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.inpainting.picture import check_output, inpaint_file, is_picture
from inpainting_zoo.options import InpaintSettings
from inpainting_zoo.storage.files import refuse_replacing
from inpainting_zoo.video.job import VideoJob

log = logging.getLogger(__name__)


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
        for _, save_to in variants(settings):
            check_output(*paths, save_to, settings.in_place)
            refuse_replacing("save_to", [save_to], "a picture", is_picture)
            if save_to.exists() and not settings.in_place:
                log.warning("save_to: replaces the picture %r", str(save_to))
    name, model, weights = chosen_model(settings)
    check_options(model, settings)
    recipe = f"{name} {weights}"
    if video:
        return video.complete(model, recipe)
    return max(
        _complete(settings, model, recipe, seed, save_to)
        for seed, save_to in variants(settings)
    )


def check_options(model, settings: InpaintSettings):
    """Refuses options that the model does not take, and variants that are alike."""
    for name in settings.with_options:
        choose("with", name, model.OPTIONS or {"(this model takes none)": None})
    if settings.variants > 1 and not model.draws:
        raise InputError(
            "variants: must be 1 for a model that draws nothing at random and has one "
            f"answer, received {settings.variants}"
        )


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
        *("mask_dilation", "feathering", "max_pixels", "strategy", "in_place"),
    )
    options = {name: getattr(settings, name) for name in names}
    options |= {"seed": seed, **settings.with_options}
    paths = settings.image, settings.mask, save_to
    if Path(settings.image).is_dir():
        return inpaint_folder(model, *paths, recipe=recipe, **options)
    status = inpaint_file(model, *paths, **options)
    print(f"{status['output']}: {status['status']}, {status['seconds']:.1f} s")
    return 0
