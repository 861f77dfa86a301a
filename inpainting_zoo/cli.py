"""The command line: train (default), evaluate, inpaint, export and others."""

import logging
import os
import sys

from inpainting_zoo import options
from inpainting_zoo.errors import InputError, NumericError, WeightsError


def main(argv):
    """Runs a command; returns the exit code (see the README)."""
    try:
        command, settings, explicit = options.parse(argv)
        _choose_devices(settings.get("gpu"))
        return COMMANDS[command](settings, explicit) or 0
    except (InputError, NumericError, WeightsError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # a full disk, a folder that became read-only
        reason = f"{error.filename or argv}: {error.strerror or error}"
        print(f"error: {' '.join(reason.split())}", file=sys.stderr)
        return InputError.exit_code
    except KeyboardInterrupt:
        return 130


def train(settings, explicit):
    from inpainting_zoo.training.train import train

    if not settings["train_path"] and not settings["resume"]:
        raise InputError("-train_path: a folder of pictures is needed, received none")
    path = train(settings, explicit)
    print(f"generator: {path}")


def evaluate(settings, explicit):
    from types import SimpleNamespace

    from inpainting_zoo.evaluation.evaluate import evaluate

    evaluate(SimpleNamespace(**settings), lambda: _model(settings))


def inpaint(settings, explicit):
    from inpainting_zoo.inpainting.folder import inpaint_folder
    from inpainting_zoo.inpainting.picture import inpaint_file

    for name in ("image", "mask", "save_to"):
        _need(settings, name)
    name, model, weights = _model(settings)
    names = ("resize_mask", "invert_mask", "mask_label", "mask_from", "mask_dilation")
    names += ("feathering", "fill_alpha", "max_pixels", "strategy", "in_place")
    options = {n: settings[n] for n in names}
    paths = (settings["image"], settings["mask"], settings["save_to"])
    if os.path.isdir(settings["image"]):
        return inpaint_folder(model, *paths, recipe=f"{name} {weights}", **options)
    status = inpaint_file(model, *paths, **options)
    print(f"{status['output']}: {status['status']}, {status['seconds']:.1f} s")


def animate(settings, explicit):
    from pathlib import Path

    from inpainting_zoo.training.animate import animate

    _need(settings, "experiment_name")
    folder = Path(settings["output_path"], settings["experiment_name"])
    save_to = settings["save_to"] or folder / "animation.gif"
    animate(folder, save_to, settings["frames_per_second"])
    print(f"animation: {save_to}")


def convert(settings, explicit):
    from inpainting_zoo.weights import converting

    for name in ("preset", "source", "save_to"):
        _need(settings, name)
    report = converting.convert(
        settings["source"], settings["preset"], settings["save_to"], settings["set"]
    )
    print(
        f"{report['saved']}: {report['tensors']} tensors, {report['parameters']} "
        f"parameters, SHA-256 {report['sha256']}"
    )


def export(settings, explicit):
    from inpainting_zoo.exporting import export as exporting

    for name in ("format", "save_to"):
        _need(settings, name)
    # Before the model is built.
    exporting.check(settings["format"], settings["save_to"], settings["precision"])
    name, model, weights = _model(settings)
    names = ("format", "image_size", "precision", "pixels")
    options = {n: settings[n] for n in names}
    found = exporting.export(model, path=settings["save_to"], **options)
    side = found["image_size"]
    size = f"{side}x{side}" if side else "any size"
    print(f"{found['path']}: {name}, {size}, {found['bytes']} bytes, weights {weights}")


def presets(settings, explicit):
    from inpainting_zoo import presets

    print(presets.table())


def _need(settings, name):
    if not settings[name]:
        raise InputError(f"-{name}: is needed, received none")


def _model(settings):
    """Returns the name, the model and the weights' SHA-256 that the options ask for."""
    from pathlib import Path

    from inpainting_zoo import presets
    from inpainting_zoo.storage.checkpoints import part_file
    from inpainting_zoo.weights.read_checkpoint import digests

    preset, name = settings["preset"], settings["experiment_name"]
    path = settings["from_weights"]
    if name:
        path = part_file(Path(settings["output_path"], name))
        if not path.is_file():
            raise InputError(f"-experiment_name: must hold {path}, received none")
    if path and not preset:
        model, metadata = presets.load_file(path)
        return name or metadata["preset"], model, " ".join(digests(path).values())
    if not preset:
        raise InputError(
            "-preset, -experiment_name or -from_weights: one is needed, received none"
        )
    model = presets.load(preset, path)
    if not path:
        return name or preset, model, presets.digest(preset)
    return name or preset, model, " ".join(digests(path).values())


def _choose_devices(gpu):
    """Hides devices and the engine's chatter; must run before the engine is loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpu == "none" else gpu
        if gpu == "none":
            os.environ["JAX_PLATFORMS"] = "cpu"


COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "inpaint": inpaint,
    "animate": animate,
    "convert": convert,
    "export": export,
    "presets": presets,
}


def console():
    """Runs the command that the program was started with, and ends it."""
    sys.stdout.reconfigure(errors="surrogateescape")  # names that are not UTF-8
    sys.exit(main(sys.argv[1:]))
