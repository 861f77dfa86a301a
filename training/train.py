"""The training command: one stage of one experiment."""

import time
from pathlib import Path

import keras
import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.data.evaluation import EvaluationPairs, readable_pairs
from inpainting_zoo.data.images import list_images
from inpainting_zoo.data.layouts import list_split
from inpainting_zoo.data.training import TrainingPairs
from inpainting_zoo.engine import backend
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.features.load import loader
from inpainting_zoo.training.callbacks import NumericGuard, Progress, Samples, Saver
from inpainting_zoo.training.event_log import EventLog
from inpainting_zoo.training.experiment import Experiment
from inpainting_zoo.training.optimizers import make_optimizer

VALIDATION_IMAGES = 40
DTYPES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def train(settings: dict, explicit: dict):
    """Trains one stage and returns the path of the generator for use.

    Args:
        settings: every option of the command line by name, defaults included.
        explicit: only the options that were given.
    """
    name = settings["experiment_name"] or settings["preset"]
    experiment = Experiment(Path(settings["output_path"]) / name)
    experiment.clean()
    if settings["resume"]:
        settings = experiment.resumed_settings(explicit)
    stages = presets.model_class(settings["preset"]).STAGES
    stage = stages[0 if settings["warm_up_generator"] else -1]
    settings = with_preset_defaults(settings, stage)
    about = {"preset": settings["preset"], "overrides": _overrides(settings)}

    keras.utils.set_random_seed(settings["seed"])
    backend.deterministic()
    model = presets.build(
        settings["preset"],
        seed=settings["seed"],
        dtype=DTYPES[settings["mixed_precision"]],
        **about["overrides"],
    )
    training, validation = load_data(settings, model.image_size, model.masks)

    def lengths():
        """Returns the steps of an epoch and of the stage, once it has begun."""
        per_epoch = max(1, training.steps_per_epoch // model.stage.batches)
        return per_epoch, settings["steps"] or settings["epochs"] * per_epoch

    model.begin(
        stage,
        lambda name, **options: make_optimizer(name, settings, lengths()[1], **options),
        loader({"vgg19": settings["vgg_weights"]}),
        run_eagerly=settings["run_eagerly"],
        jit_compile=settings["jit_compile"],
    )
    per_step, (per_epoch, total) = model.stage.batches, lengths()
    fingerprint = training.fingerprint()
    start = experiment.start(model, stage, settings, about, fingerprint)
    if start >= total:
        print(f"nothing to do: step {start} of {total} is saved already")
        return experiment.generator
    experiment.record(stage, {**settings, "steps": total}, model)
    print(
        f"{stage}: {settings['preset']}, {len(training.images)} images, {total} steps "
        f"of {per_step} x {settings['batch_size']} images, from step {start}, "
        f"{backend.BACKEND}, {settings['mixed_precision']}"
    )

    def save(model, step):
        position = {"epoch": step / per_epoch, "fingerprint": fingerprint}
        experiment.save(model, stage, step, about, position)

    failures = []

    def load(i):
        try:
            batches = [training.batch(i * per_step + j) for j in range(per_step)]
            joined = {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}
            model.check_masks(joined["mask"])
        except Exception as error:
            failures.append(error)
            raise
        return joined

    log = EventLog(experiment.folder / "logs" / stage)
    log.hyper_parameters({**settings, "steps": total})
    samples = Samples(
        start,
        settings["sample_every"] or per_epoch,
        total,
        log,
        validation,
        experiment.folder / "predicted_pics" / stage,
    )
    saver = Saver(start, settings["save_every"] or per_epoch, total, save)
    progress = Progress(start, total, stage)
    began = time.perf_counter()
    try:
        model.fit(
            stream(load, start, total),
            steps_per_epoch=total - start,
            callbacks=[NumericGuard(start), progress, saver, samples],
            verbose=0,
            shuffle=False,
        )
    except Exception as error:
        if failures:  # the engine hides them behind an error of its own
            raise failures[0] from error
        raise
    finally:
        progress.bar.close()
        saver.restore_signals()
        seconds = time.perf_counter() - began
        experiment.summarize(stage, start, samples, len(training.unreadable), seconds)
    if training.unreadable:
        print(f"skipped {len(training.unreadable)} unreadable files")
    print(f"{stage}: done in {seconds:.0f} s; see {experiment.folder}")
    return experiment.generator


def load_data(settings: dict, size: int, default_masks: str):
    """Returns training pairs without end and a list of those to validate on."""
    seed, masks = settings["seed"], settings["masks"]
    options = {n: settings[n] for n in ("invert_mask", "max_pixels")}
    options["mask_files"] = None
    if settings["mask_path"]:
        options["mask_files"] = list_images(settings["mask_path"], "-mask_path")
        masks = masks or "files=1"
    masks = masks or default_masks
    images, held_out = split_images(settings)
    training = TrainingPairs(
        images,
        masks,
        size,
        settings["batch_size"],
        seed,
        max_zoom=settings["max_zoom"],
        **options,
    )
    shown = (held_out or images)[:VALIDATION_IMAGES]
    validation = EvaluationPairs(shown, masks, size, seed, **options)
    # Of all pictures, since one is more than 1 % of those kept aside.
    training.unreadable.totals["validation"] = len(images) + len(held_out or ())
    return training, readable_pairs(validation, training.unreadable)


def split_images(settings: dict):
    """Returns the pictures to train on and those kept aside."""
    path, layout = settings["train_path"], settings["dataset_layout"]
    held_out = None
    if settings["validation_path"]:
        held_out = list_images(settings["validation_path"], "-validation_path")
    if layout:
        images = list_split(layout, path, "train")
        return images, held_out or list_split(layout, path, "val")
    images = list_images(path, "-train_path")
    if held_out or not settings["validation_split"]:
        return images, held_out
    count = max(1, round(settings["validation_split"] * len(images)))
    order = np.random.default_rng(settings["seed"]).permutation(len(images))
    kept, held_out = sorted(order[count:]), order[:count]
    return [images[i] for i in kept], [images[i] for i in held_out]


def with_preset_defaults(settings: dict, stage: str) -> dict:
    """Fills in what the preset decides where the command line does not.

    Args:
        settings: every option of training by name; None is for the preset to decide.
        stage: of training.
    """
    defaults = {
        name: value[stage] if isinstance(value, dict) else value
        for name, value in presets.get(settings["preset"])["training"].items()
    }
    given = {k: v for k, v in settings.items() if v is not None}
    general = {"optimizer": "adam", "adam_betas": [0.5, 0.9]}
    return {**settings, **general, **defaults, **given}


def _overrides(settings):
    """Arguments of the model that the command line replaces."""
    names = ("image_size", "critic_steps", "id_mrf_weight", "lambda_ratio")
    given = {n: settings[n] for n in names if settings[n] is not None}
    return {**given, **settings["set"]}
