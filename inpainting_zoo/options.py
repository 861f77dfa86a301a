"""Options of the command line, their defaults and their help."""

import argparse
import json

from inpainting_zoo.data.layouts import LAYOUTS
from inpainting_zoo.errors import InputError

DTYPES = ("float32", "bfloat16", "float16")
OPTIMIZERS = ("adam", "muon")
STRATEGIES = ("original", "resize", "crop")

# name, type or choices, default, help. A default of None is the preset's or derived.
TRAIN = (
    ("train_path", str, None, "folder, list file or samples[:train]: what to train on"),
    ("dataset_layout", tuple(LAYOUTS), None, "how a public dataset was unpacked"),
    ("mask_path", str, None, "folder of mask files, white in the hole"),
    ("masks", str, None, "generators by weight, such as rectangle=1,strokes=2,files=1"),
    ("invert_mask", bool, False, "mask files are black in the hole"),
    ("experiment_name", str, None, "folder in -output_path; the preset's name"),
    ("output_path", str, "outputs", "folder of experiments"),
    ("warm_up_generator", bool, False, "stage 1: reconstruction only"),
    (
        "from_weights",
        "optional",
        None,
        "start from the experiment's last state, or FILE",
    ),
    ("resume", bool, False, "continue an interrupted run exactly"),
    ("preset", str, "gmcnn_256", "model to train; see `runner.py presets`"),
    ("set", "pairs", {}, "arguments of the model to replace, key=value"),
    ("image_size", int, None, "side of training images in pixels; the preset's"),
    ("max_pixels", int, 64_000_000, "refuse larger pictures from their header"),
    ("max_zoom", float, 1.15, "crops are cut from images up to so many times larger"),
    ("batch_size", int, None, "images in a batch; the preset's"),
    ("critic_steps", int, None, "critic steps for one of the generator; 5"),
    ("id_mrf_weight", float, None, "factor of ID-MRF; 0.05; 0 needs no VGG19"),
    ("lambda_ratio", float, None, "weight of reconstruction to adversarial; 999"),
    ("epochs", int, 40, "passes over the training images"),
    ("steps", int, None, "generator steps, instead of -epochs"),
    ("optimizer", OPTIMIZERS, None, "the preset's or adam"),
    ("learning_rate", float, None, "after a warm-up; the preset's"),
    ("learning_rate_decay", ("none", "cosine"), "none", "over the steps of the stage"),
    ("adam_betas", "betas", None, "decay rates of Adam's two moments; the preset's"),
    ("validation_path", str, None, "pictures to validate on, instead of a split"),
    ("validation_split", float, 0.05, "share of the training images kept aside"),
    ("seed", int, 0, "of weights, data order, masks and everything else random"),
    ("mixed_precision", DTYPES, "float32", "of the generator; critics stay in float32"),
    ("run_eagerly", bool, False, "run operation by operation, to look inside"),
    ("jit_compile", bool, False, "compile the step with XLA (JAX always does)"),
    ("gpu", str, None, "number of the GPU to use, or none; all"),
    ("save_every", int, None, "steps between saved states; an epoch"),
    ("sample_every", int, None, "steps between sample pictures; an epoch"),
    ("vgg_weights", str, None, "VGG19 file (.h5 or .npz) instead of the download"),
)
MODEL = (
    ("preset", str, None, "model of the zoo; see `runner.py presets`"),
    ("experiment_name", str, None, "generator of an experiment in -output_path"),
    ("from_weights", str, None, "weight file of this library"),
    ("output_path", str, "outputs", "folder of experiments"),
    ("gpu", str, None, "number of the GPU to use, or none; all"),
)
EVALUATE = (
    ("test_path", str, "samples:test", "folder, list file or samples[:test]"),
    ("dataset_layout", tuple(LAYOUTS), None, "how a public dataset was unpacked"),
    ("mask_path", str, None, "folder of mask files, paired by name or in order"),
    ("masks", str, None, "generators by weight, instead of -mask_path; the model's"),
    ("invert_mask", bool, False, "mask files are black in the hole"),
    ("report", str, "outputs/report.json", "JSON file; CSV and PNG go beside it"),
    ("image_size", int, None, "side in pixels to evaluate at; the model's"),
    ("strategy", STRATEGIES, "original", "for sizes that are not the model's"),
    ("methods", str, None, "classical methods, such as telea,biharmonic, or none; all"),
    ("max_pixels", int, 64_000_000, "refuse larger pictures from their header"),
    ("limit", int, None, "evaluate the first so many images; all"),
    ("seed", int, 0, "of generated masks"),
    ("protocol", str, "completed_1", "completed_1, or report_004 for its numbers"),
    *MODEL,
)
INPAINT = (
    ("image", str, None, "picture or folder"),
    ("mask", str, None, "mask file, white in the hole, or folder of masks by name"),
    ("save_to", str, None, "file or folder to write"),
    ("invert_mask", bool, False, "masks are black in the hole"),
    ("resize_mask", bool, False, "fit a mask of another size by nearest neighbour"),
    ("mask_label", str, None, "number of the hole in a mask of labels, or any (but 0)"),
    ("mask_from", ("alpha",), None, "the hole is where the mask is transparent"),
    ("mask_dilation", float, 0.0, "pixels by which the hole is widened"),
    ("feathering", float, 0.0, "pixels of the widening to fade in over"),
    ("fill_alpha", bool, False, "make the completed hole opaque"),
    ("max_pixels", int, 64_000_000, "refuse larger pictures from their header"),
    (
        "strategy",
        STRATEGIES,
        None,
        "crop if the longer side is more than twice the model's, else original",
    ),
    ("in_place", bool, False, "allow the output to replace the input"),
    *MODEL,
)
ANIMATE = (
    ("experiment_name", str, None, "experiment in -output_path to show"),
    ("output_path", str, "outputs", "folder of experiments"),
    ("save_to", str, None, "GIF file to write; animation.gif in the experiment"),
    ("frames_per_second", float, 3.0, "pictures shown in a second"),
)
ALIASES = {"preset": ("-model", "--model")}
CONVERT = (
    ("preset", str, None, "which network the checkpoint belongs to"),
    (
        "source",
        str,
        None,
        ".pth, .pt, .safetensors, .npz or a TensorFlow 1 checkpoint",
    ),
    ("save_to", str, None, "weight file to write (.safetensors or .npz)"),
    ("set", "pairs", {}, "arguments of the preset to replace, key=value"),
)
EXPORT = (
    ("format", str, None, "saved_model, onnx or litert"),
    ("save_to", str, None, "file to write, or folder of a saved_model"),
    ("image_size", int, None, "fixed side in pixels; any size where the format can"),
    (
        "precision",
        ("float32", "float16", "int8"),
        "float32",
        "of the weights",
    ),
    ("pixels", ("uint8", "float32"), "uint8", "in and out: 0..255, or [-1, 1]"),
    *MODEL,
)
COMMANDS = {
    "train": (TRAIN, "train a model (the default command)"),
    "evaluate": (EVALUATE, "measure a model beside the classical methods"),
    "inpaint": (INPAINT, "complete a picture or a folder of pictures"),
    "animate": (ANIMATE, "show an experiment's samples over its epochs as a GIF"),
    "convert": (CONVERT, "turn an official checkpoint into a weight file"),
    "export": (EXPORT, "write a model as a SavedModel, ONNX or LiteRT file"),
    "presets": ((), "list what can be loaded"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{self.prog}: {message}")


def parse(argv):
    """Reads the command line; every long option takes one dash or two.

    Returns:
        `(command, settings, explicit)`: the command's name, every option by name, and
        those that were given.

    Raises:
        InputError: if an option is unknown or has a wrong value.
    """
    command = "train"
    if argv and not argv[0].startswith("-"):
        command, *argv = argv
    if command not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise InputError(f"command: one of {known}, received {command!r}")
    options, description = COMMANDS[command]
    parser = _Parser(
        prog=f"runner.py {command}" if command != "train" else "runner.py",
        description=description,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        epilog="commands: "
        + "; ".join(f"{name}: {about}" for name, (_, about) in COMMANDS.items()),
    )
    for name, kind, default, text in options:
        names = (f"-{name}", f"--{name}", *ALIASES.get(name, ()))
        parser.add_argument(*names, **_argument(kind), help=_help(text, default))
    explicit = vars(parser.parse_args(argv))
    return command, {name: d for name, _, d, _ in options} | explicit, explicit


def _argument(kind):
    if kind is bool:
        return {"action": "store_true"}
    if kind == "optional":
        return {"nargs": "?", "const": True, "metavar": "FILE"}
    if kind == "betas":
        return {"nargs": 2, "type": float, "metavar": "BETA"}
    if kind == "pairs":
        return {"nargs": "+", "action": _Pairs, "metavar": "KEY=VALUE"}
    if isinstance(kind, tuple):
        return {"choices": kind}
    return {"type": kind, "metavar": kind.__name__.upper()}


def _help(text, default):
    text = text.replace("%", "%%")
    return text if default in (None, False, {}) else f"{text} (default: {default})"


class _Pairs(argparse.Action):
    """Collects key=value; values are read as JSON where they can be."""

    def __call__(self, parser, namespace, values, option_string=None):
        pairs = {}
        for text in values:
            key, equals, value = text.partition("=")
            if not (key and equals):
                parser.error(f"argument {option_string}: key=value, received {text!r}")
            try:
                pairs[key] = json.loads(value)
            except json.JSONDecodeError:
                pairs[key] = value
        setattr(namespace, self.dest, pairs)
