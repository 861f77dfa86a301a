"""Joins what was trained in several experiments into one weight file.

    python tools/join_weights.py -preset asuka_small -files FILE... -save_to FILE

Files are those in the `weights` of experiments: `unet`, `encoder` and `decoder` of
`sd_small`, `generator` of a masked autoencoder for ASUKA, and its `alignment` once that
is trained. What none of them holds is new, and named.
"""

import argparse

import keras

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError, some
from inpainting_zoo.storage.checkpoints import (
    as_arrays,
    assign,
    check_suffix,
    load_weights,
    save_weights,
)
from inpainting_zoo.storage.files import refuse_replacing
from inpainting_zoo.tools.commands import script

OURS = "generator/", "mae/"  # of a masked autoencoder: in its own file, in ASUKA


def main(argv=None):
    options = parse(argv)
    check_suffix(options.save_to)
    refuse_replacing("save_to", [options.save_to], "joined weights", is_joined)
    new = join(options.files, options.save_to, options.preset)
    print(f"{options.save_to}: new are {some(new) if new else 'none'}")


def join(files: list, save_path, preset: str, seed: int = 0, **overrides) -> list:
    """Writes one weight file of the arrays of several.

    Args:
        files: weight files of this library; of two that hold an array the later counts.
        save_path: to write.
        preset: whose model they are parts of.
        seed: of what is in none of them.
        **overrides: of the preset's arguments, beside those that files of this preset
            were trained with.

    Returns:
        The names of arrays that are in none.

    Raises:
        InputError: if a file is missing, or holds nothing of the model.
        WeightsError: if one is damaged, or of another shape.
    """
    opened, found = {path: load_weights(path) for path in files}, {}
    for _, about in opened.values():
        if about.get("preset") == preset:
            found |= about["overrides"]
    overrides = found | overrides
    keras.utils.set_random_seed(seed)
    state = presets.build(preset, **overrides).use_state()
    new = dict.fromkeys(state)
    for path, (arrays, _) in opened.items():
        held = {_name(name): name for name in arrays if _name(name) in state}
        if not held:
            raise InputError(f"files: must hold parts of {preset}, received {path}")
        assign({theirs: state[ours] for ours, theirs in held.items()}, arrays, path)
        new = {name: None for name in new if name not in held}
    about = {"preset": preset, "overrides": overrides, "joined": [*map(str, files)]}
    save_weights(save_path, as_arrays(state), about)
    return [*new]


def _name(name):
    own, theirs = OURS
    return theirs + name.removeprefix(own) if name.startswith(own) else name


def is_joined(path) -> bool:
    """Whether a file is one that `join` wrote."""
    try:
        return "joined" in load_weights(path)[1]
    except (InputError, WeightsError):
        return False


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("-files", required=True, nargs="+", help="weight files")
    parser.add_argument("-save_to", required=True, help=".safetensors file to write")
    parser.add_argument("-preset", required=True, help="whose parts these are")
    return parser.parse_args(argv)


if __name__ == "__main__":
    script(main)
