"""What is known of a training before its engine: its pictures, masks and defaults."""

import dataclasses

import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.data.captions import read_prompts, rows_of
from inpainting_zoo.data.evaluation import EvaluationPairs, readable_pairs
from inpainting_zoo.data.images import list_images
from inpainting_zoo.data.layouts import COMPANIONS, list_split
from inpainting_zoo.data.masks import mixture_from
from inpainting_zoo.data.names import list_masks, relative_names, without_masks
from inpainting_zoo.data.objects import list_objects
from inpainting_zoo.data.training import TrainingPairs, check_batch_size
from inpainting_zoo.errors import InputError
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.storage.checkpoints import METADATA, Checkpoints, described
from inpainting_zoo.training.record import check_new, check_same_generator
from inpainting_zoo.weights.read_checkpoint import read_tensors


def check_training(settings: TrainSettings, **decided):
    """Checks all that can be known of a training before an engine is loaded.

    Args:
        settings: with those that are needed.
        **decided: arguments of the model beside those of the settings.

    Raises:
        InputError: names the first that breaks a rule.
    """
    settings = with_preset_defaults(settings)
    side, sizes = presets.sized(settings.preset, **overridden(settings), **decided)
    sizes.check(side)
    masks = list_masks(
        settings.mask_path, settings.train_path, settings.validation_path
    )
    images, _ = split_images(settings, masks)
    check_batch_size(settings.batch_size, images)
    if settings.masks and settings.dataset_layout not in COMPANIONS:  # has objects
        mixture_from(settings.masks, mask_file=masks, objects=settings.objects_path)


def check_stage(settings: TrainSettings):
    """Checks that a stage can start from what is named, before an engine is loaded.

    Raises:
        InputError: names the first that breaks a rule.
    """
    stage = with_preset_defaults(settings).stage
    if settings.dataset_layout not in COMPANIONS:  # which has further pictures itself
        wanted = presets.family(settings.preset).inputs.get(stage, ())
        check_aligned(wanted, settings.aligned, f"{stage} of {settings.preset}")
    states = Checkpoints(settings.folder / "weights")
    check_new(states, stage)
    if settings.from_weights is True and not states.entries():
        raise InputError(
            f"from_weights: {states.folder} must hold a saved state, received none; "
            "run -warm_up_generator first or name a weight file"
        )
    if isinstance(settings.from_weights, str):
        tensors = read_tensors(settings.from_weights, "from_weights")
        if METADATA in tensors.metadata:
            _, metadata = described(tensors, settings.from_weights)
            about = {"preset": settings.preset, "overrides": overridden(settings)}
            check_same_generator(metadata, about, settings.from_weights)


def check_aligned(wanted, given, stage: str):
    """Checks that a stage has the further pictures that it takes, and no others.

    Args:
        wanted: their names.
        given: names of those that there are.
        stage: of which model; named in the error.

    Raises:
        InputError: if one is missing, or not taken.
    """
    if set(wanted) != set(given):
        shown = [", ".join(sorted(names)) or "nothing" for names in (wanted, given)]
        raise InputError(
            f"aligned: {shown[0]} in the stage {stage}, received {shown[1]}"
        )


def load_data(settings: TrainSettings, size: int, default_masks: str):
    """Returns training pairs without end and a list of those to validate on."""
    files = list_masks(
        settings.mask_path, settings.train_path, settings.validation_path
    )
    masks = settings.masks or ("files=1" if files else default_masks)
    options = {
        "mask_files": files,
        "invert_mask": settings.invert_mask,
        "mask_label": settings.mask_label,
        "max_pixels": settings.max_pixels,
    }
    if settings.objects_path:
        options["objects"] = list_objects(settings.objects_path, settings.train_path)
    aligned = {
        name: list_images(str(folder), "aligned")
        for name, folder in settings.aligned.items()
    }
    images, held_out = split_images(settings, files)
    if settings.dataset_layout in COMPANIONS:
        found = COMPANIONS[settings.dataset_layout]([*images, *(held_out or ())])
        options["objects"] = found.pop("objects")
        aligned |= found
    captions = None
    if settings.captions:
        names = dict(zip(relative_names(images), images))
        rows = rows_of([*names], read_prompts(settings.captions), "captions")
        captions = {names[name]: row["prompt"] for name, row in rows.items()}
    training = TrainingPairs(
        images,
        masks,
        size,
        settings.batch_size,
        settings.seed,
        max_zoom=settings.max_zoom,
        aligned=aligned,
        captions=captions,
        crops=settings.crops,
        **options,
    )
    shown = (held_out or images)[: settings.validation_images]
    validation = EvaluationPairs(
        shown, masks, size, settings.seed, aligned=aligned, **options
    )
    # Of all pictures, since one is more than 1 % of those kept aside.
    training.unreadable.totals["validation"] = len(images) + len(held_out or ())
    return training, readable_pairs(validation, training.unreadable)


def split_images(settings: TrainSettings, masks: list, choose_of=list):
    """Returns the pictures to train on and those kept aside.

    Args:
        settings: where they are.
        masks: files that are used as masks, which may lie among them.
        choose_of: takes the pictures that there are to train on, returns those to take.

    Raises:
        InputError: if none is left to train on.
    """
    path, layout, held_out = settings.train_path, settings.dataset_layout, None
    if settings.validation_path:
        held_out = list_images(settings.validation_path, "validation_path")
        held_out = without_masks(held_out, "validation_path", masks)
    listed = (
        list_split(layout, path, "train") if layout else list_images(path, "train_path")
    )
    images = choose_of(without_masks(listed, "train_path", masks))
    if layout and not held_out:
        held_out = without_masks(list_split(layout, path, "val"), "train_path", masks)
    share = settings.validation_split
    if held_out or layout or not share:
        return images, held_out
    count = max(1, round(share * len(images)))
    if count >= len(images):
        raise InputError(
            f"validation_split: must leave a picture to train on (0 keeps none aside), "
            f"received {share} of {len(images)}"
        )
    order = np.random.default_rng(settings.seed).permutation(len(images))
    kept, held_out = sorted(order[count:]), order[:count]
    return [images[i] for i in kept], [images[i] for i in held_out]


def with_preset_defaults(settings: TrainSettings) -> TrainSettings:
    """Fills in the stage and what the preset decides where the settings do not."""
    stage = settings.stage or presets.family(settings.preset).stages[-1]
    general = {"optimizer": "adam", "adam_betas": [0.5, 0.9], "stage": stage}
    defaults = {
        name: value[stage] if isinstance(value, dict) else value
        for name, value in presets.get(settings.preset)["training"].items()
    }
    filled = general | defaults
    missing = {k: v for k, v in filled.items() if getattr(settings, k) is None}
    return dataclasses.replace(settings, **missing)


def overridden(settings: TrainSettings) -> dict:
    """Returns the arguments of the model that the settings replace."""
    names = ("image_size", "critic_steps", "id_mrf_weight", "lambda_ratio")
    given = {n: getattr(settings, n) for n in names}
    return {k: v for k, v in given.items() if v is not None} | settings.set
