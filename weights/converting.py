"""Official checkpoints by the names and layouts of this library."""

import importlib
import importlib.util
import re
from collections import Counter

import numpy as np

from inpainting_zoo.errors import InputError, WeightsError, some
from inpainting_zoo.storage.arrays import Arrays

NOTHING = re.compile("(?!)")
OFFICIAL = ("gmcnn_official_pytorch", "gmcnn_official_tf1", "context_encoder")
OFFICIAL += ("lama_big", "lama_fourier", "lama_regular", "mat_512", "mat_256")


def converter_of(family: str) -> str:
    """Returns the module of the official names of a family; loads nothing.

    Raises:
        InputError: if none are known.
    """
    module = f"inpainting_zoo.weights.convert_{family}"
    if not importlib.util.find_spec(module):
        raise InputError(f"preset: no official names are known of {family}")
    return module


def from_official(
    tensors: Arrays,
    variables: dict,
    preset: str,
    family: str,
    config: dict,
    source,
    beginning: bool = False,
) -> tuple[Arrays, list]:
    """Gives an official checkpoint our names and layouts, an array at a time.

    What a family's program calls its tensors is in `weights/convert_<family>.py`:
    `official_tensors(variables, config)`, and `IGNORED`, which matches the names of
    training state that use does not need; where some files lack tensors, which are 0
    then, `OPTIONAL`, which matches those; where training makes some, `NEW`; where there
    is more than one layout,
    `canonical(tensors, variables, config)`, which gives what was opened the names of
    the first.

    Args:
        tensors: by their official names, which a wrapper such as "module." may precede.
        variables: of the parts that the checkpoint is for, by our names.
        preset: name of the preset, for errors.
        family: that it is of.
        config: arguments of its model.
        source: of the tensors, for errors.
        beginning: whether a training begins, so that tensors may lack that are `NEW`.

    Returns:
        `(arrays by our names, names of ignored tensors)`.

    Raises:
        InputError: if nobody has published weights for such a model.
        WeightsError: if a tensor is missing, unexpected or of a wrong shape, or, when
            it is read, not of finite floats.
    """
    if (fill := config.get("hole_fill", "zero")) != "zero":
        raise InputError(
            f"preset: must be the official network, of hole_fill 'zero', received "
            f"{fill!r}"
        )
    converter = importlib.import_module(converter_of(family))
    if hasattr(converter, "canonical"):
        tensors = converter.canonical(tensors, variables, config)
    expected = converter.official_tensors(variables, config)
    new = getattr(converter, "NEW", NOTHING) if beginning else NOTHING
    expected = {
        name: tensor
        for name, tensor in expected.items()
        if name in tensors or not new.fullmatch(name)
    }
    prefix = _prefix(tensors, expected, source)
    expected = {prefix + name: tensor for name, tensor in expected.items()}
    optional = getattr(converter, "OPTIONAL", NOTHING)
    absent = {
        name: shape
        for name, (_, shape, _) in expected.items()
        if name not in tensors and optional.fullmatch(name.removeprefix(prefix))
    }
    others = [name for name in tensors if name not in expected]
    ignored = [name for name in others if _ignored(name, prefix, expected, converter)]
    needed = {name: t for name, t in expected.items() if name not in absent}
    _compare(tensors, needed, set(others) - set(ignored), preset, source)
    theirs = {ours: name for name, (ours, _, _) in expected.items()}

    def read(ours):
        name = theirs[ours]
        _, _, to_ours = expected[name]
        if name in absent:
            return to_ours(np.zeros(absent[name], "float32"))
        tensor = tensors[name]
        if tensor.dtype.kind != "f" or not np.isfinite(tensor).all():
            raise WeightsError(
                f"{source} does not fit {preset}: not finite floats: {name}"
            )
        return to_ours(tensor)

    shapes = {name: tuple(variables[name].shape) for name in theirs}
    return Arrays(shapes, read), ignored


def _prefix(tensors, expected, source):
    """Finds what precedes the expected names, such as "state_dict.module.".

    Of several networks that fit as well, the one is taken that is called an average.
    """
    fitting = Counter()
    for name in tensors:
        for start in (0, *(m.end() for m in re.finditer("[./]", name))):
            if name[start:] in expected:
                _, shape, _ = expected[name[start:]]
                fitting[name[:start]] += tensors.shapes[name] == shape
    best = [prefix for prefix in fitting if fitting[prefix] == max(fitting.values())]
    averages = [prefix for prefix in best if "ema" in prefix.lower()]
    if len(best) > 1 and len(averages) != 1:
        raise WeightsError(
            f"{source}: must hold one network of this kind, received "
            f"{', '.join(map(repr, best))}; save one of them to a file of its own"
        )
    return next(iter(averages or best), "")


def _ignored(name, prefix, expected, converter):
    """Whether a tensor is of a training: of other networks, a slot, or a counter."""
    parent = name.rpartition("/")[0]
    return (
        not name.startswith(prefix)
        or parent in expected  # such as kernel/Momentum
        or bool(converter.IGNORED.fullmatch(name.removeprefix(prefix)))
    )


def _compare(tensors, expected, unexpected, preset, source):
    """Refuses tensors that are not the expected ones, in one line.

    Raises:
        WeightsError: with counts and a few names of what is missing, unexpected or of
            a wrong shape; where nothing fits, of what the file holds.
    """
    missing = [name for name in expected if name not in tensors]
    if len(missing) == len(expected):
        raise WeightsError(
            f"{source} does not fit {preset}: it holds {some([*tensors])}, none is "
            f"called as {min(missing)} is; try {', '.join(OFFICIAL)}"
        )
    problems = {
        "missing": missing,
        "unexpected": [name for name in tensors if name in unexpected],
        "wrong shape": [
            f"{name} is {tensors.shapes[name]} instead of {shape}"
            for name, (_, shape, _) in expected.items()
            if name in tensors and tensors.shapes[name] != shape
        ],
    }
    words = [f"{what}: {some(names)}" for what, names in problems.items() if names]
    if words:
        raise WeightsError(f"{source} does not fit {preset}: {'; '.join(words)}")
