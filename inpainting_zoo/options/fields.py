"""Fields that settings of several commands have, and what they must fulfil."""

import os
import re

from inpainting_zoo.errors import InputError
from inpainting_zoo.settings import found, option
from inpainting_zoo.storage.shards import parse_shard

WARM_UP = "warm_up_generator"
MOST_SEED = 2**32 - 1
MOST_DILATION = 10_000  # pixels
LAYOUTS = "inpainting_zoo.data.layouts:LAYOUTS"
STRATEGIES = "inpainting_zoo.inpainting.strategies:STRATEGIES"
TEXTURES = "inpainting_zoo.models.texture:TEXTURES"
PRECISIONS = "inpainting_zoo.engine.precisions:DTYPES"
PRESET = "inpainting_zoo.presets:get"
TEXTS = "inpainting_zoo.presets:text_options"
# Arguments of every model that are settings of the run.
RUN_SETTINGS = {"seed": "-seed", "dtype": "-mixed_precision"}


def seed(text: str):
    """Returns the field of a seed, as every generator of random numbers takes it."""
    return option(0, text, least=0, most=MOST_SEED)


def max_pixels():
    """Returns the field of the limit that protects the memory."""
    text = "refuse larger pictures from their header"
    return option(64_000_000, text, least=1)


def masks(text: str):
    """Returns the field of a mixture of mask generators."""
    return option(None, text, check="inpainting_zoo.data.masks:parse_mixture")


def metrics():
    """Returns the field of the measures."""
    text = "measures, such as psnr,ssim,lpips; those that need no further file"
    return option(None, text, check="inpainting_zoo.metrics.measures:listed")


def mask_label():
    """Returns the field that says which number of a mask of labels is the hole."""
    text = "number of the hole in a mask of labels, or any (but 0)"
    return option(None, text, check=_check_mask_label)


def objects():
    """Returns the field of the pictures that say where objects are."""
    text = "folder of label pictures by name, or COCO's JSON, for masks of objects"
    return option(None, text)


def shard():
    """Returns the field of the share that a process does of a run."""
    text = "do the share I/N of the pictures, from 0/N to N-1/N; see the command join"
    return option(None, text, check=parse_shard)


def _check_mask_label(value):
    if value != "any" and not (value.isdecimal() and 1 <= int(value) <= 65535):
        raise InputError(
            f"mask_label: must be a number from 1 to 65535, or any, received {value!r}"
        )


def check_process(value):
    parse_shard(value, "process")


def _check_gpu(value):
    if not re.fullmatch(r"none|\d+(,\d+)*", value):
        raise InputError(f"gpu: must be a number or none, received {value!r}")


def check_name(value):
    path = os.path.normpath(value)
    if not value or os.path.isabs(value) or path.split(os.sep)[0] in ("..", "."):
        raise InputError(
            "experiment_name: must be the name of a folder in -output_path, received "
            f"{value!r}"
        )


def gpu():
    """Returns the field that chooses devices."""
    text = "number of the GPU to use, or none; all"
    return option(None, text, check=_check_gpu)


def mixed_precision(text: str):
    """Returns the field of the precision of networks."""
    return option("float32", text, choices=PRECISIONS)


def check_precision(precision: str, preset: str):
    """Refuses a precision that a preset's networks cannot have."""
    known = found(PRESET)(preset)["family"].precisions
    if precision not in known:
        raise InputError(
            f"mixed_precision: must be {' or '.join(known)} for {preset}, received "
            f"{precision}"
        )


def check_mask_files(settings):
    """Refuses what says how mask files are read where there are none."""
    for name in ("mask_label", "invert_mask"):
        if getattr(settings, name) not in (None, False) and not settings.mask_path:
            raise InputError(
                f"{name}: needs mask files by -mask_path, received none of them"
            )


def check_pictures(settings, *names, whole: bool = False):
    """Refuses folders and lists that hold no picture, before an engine is loaded.

    Args:
        settings: that name them.
        *names: of the settings.
        whole: whether lists must name nothing that is not there.
    """
    list_images = found("inpainting_zoo.data.images:list_images")
    for name in names:
        value = getattr(settings, name)
        if name == "objects_path":  # which may be annotations
            found("inpainting_zoo.data.objects:list_objects")(value)
            continue
        for source in value.values() if isinstance(value, dict) else [value]:
            if not source:
                continue
            listed = list_images(str(source), name, warn=False)
            if not (whole and os.path.isfile(source)):
                continue
            if missing := [path for path in listed if not path.is_file()]:
                raise InputError(
                    f"{name}: must list files that are there, received "
                    f"{str(missing[0])!r}"
                )


def check_files(settings, *names):
    """Refuses files that are not there; a setting may be a list of them."""
    for name in names:
        given = getattr(settings, name) or []
        for path in given if isinstance(given, list) else [given]:
            if not os.path.isfile(path):
                raise InputError(f"{name}: must be a file, received {str(path)!r}")


def check_weights(name: str, path):
    """Refuses weights that are not there: a file, a folder, TensorFlow's prefix."""
    if not any(map(os.path.exists, (path, f"{path}.index"))):
        raise InputError(
            f"{name}: must be a file or folder of weights, received {str(path)!r}"
        )


def refuse_run_settings(arguments):
    for name in arguments.keys() & RUN_SETTINGS.keys():
        raise InputError(
            f"set: must hold arguments of the model, received {name}, which is a "
            f"setting of a training run: use {RUN_SETTINGS[name]}"
        )
