"""Every model of the zoo by name; reading this table takes no engine."""

import contextlib
import importlib
import itertools
import logging
import math
import random
from collections.abc import Sequence
from pathlib import Path

from inpainting_zoo.asuka.presets import PRESETS as ASUKA_PRESETS
from inpainting_zoo.context_encoder.presets import PRESETS as CONTEXT_ENCODER_PRESETS
from inpainting_zoo.ensemble.presets import PRESETS as ENSEMBLE_PRESETS
from inpainting_zoo.ensemble.presets import ROLES
from inpainting_zoo.errors import InputError, WeightsError, choose, some
from inpainting_zoo.families import Family, names_in
from inpainting_zoo.gmcnn.presets import PRESETS as GMCNN_PRESETS
from inpainting_zoo.lama.presets import PRESETS as LAMA_PRESETS
from inpainting_zoo.mae.presets import PRESETS as MAE_PRESETS
from inpainting_zoo.mat.presets import PRESETS as MAT_PRESETS
from inpainting_zoo.patch_match.presets import PRESETS as PATCH_MATCH_PRESETS
from inpainting_zoo.stable_diffusion.presets import PRESETS as STABLE_DIFFUSION_PRESETS
from inpainting_zoo.storage.checkpoints import (
    METADATA,
    assign,
    check,
    described,
    load_weights,
)
from inpainting_zoo.storage.downloads import (
    SHIPPED,
    Weights,
    check_hash,
    locate,
    megabytes,
    place,
)
from inpainting_zoo.storage.variables import complete, without_memory
from inpainting_zoo.weights.converting import from_official
from inpainting_zoo.weights.read_checkpoint import read_tensors

log = logging.getLogger(__name__)
PRESETS = {
    **PATCH_MATCH_PRESETS,
    **GMCNN_PRESETS,
    **CONTEXT_ENCODER_PRESETS,
    **LAMA_PRESETS,
    **MAT_PRESETS,
    **MAE_PRESETS,
    **ENSEMBLE_PRESETS,
    **STABLE_DIFFUSION_PRESETS,
    **ASUKA_PRESETS,
}
# What `inpaint` takes where nothing is named; docs/patchmatch.md has the rule by which
# another takes its place.
DEFAULT = "patchmatch"
REASON = (
    "it fills photographs with sharp texture, not objects or text; for strokes and "
    "scratches name lama_photos_256, for faces lama_faces_256"
)
WEIGHTS = SHIPPED


def get(name: str) -> dict:
    """Returns a preset: description, family, config, training, weights by part, and
    where it has them the texture of its completions and "published": of weights that a
    user has to bring the best-known file.

    Raises:
        InputError: if no preset has this name.
    """
    return choose("preset", name, PRESETS)


def ready() -> list:
    """Returns the names of the presets that complete pictures without a download."""
    return [
        name
        for name, preset in PRESETS.items()
        if "weights" in preset and not any(w.urls for w in preset["weights"].values())
    ]


def shipped() -> list:
    """Returns the names of the presets whose trained weights are in the repository."""
    return [name for name in ready() if PRESETS[name]["weights"]]


def trained() -> list:
    """Returns the names of the presets with trained weights, shipped or elsewhere."""
    return [name for name, preset in PRESETS.items() if preset.get("weights")]


def known(digest: str) -> Weights | None:
    """Returns the weights that have a hash, of those that presets load or name."""
    named = itertools.chain.from_iterable(map(_named, PRESETS.values()))
    return next((weights for weights in named if weights.digest == digest), None)


def licence(name: str) -> str:
    """Returns what the weights of a preset may be used for, "" without any."""
    return ", ".join(dict.fromkeys(w.licence for w in _named(get(name))))


def _named(preset):
    """Returns the weights that a preset loads, and those that a user has to bring."""
    bring = [preset["published"]] if "published" in preset else []
    return [*preset.get("weights", {}).values(), *bring]


def text_options() -> set:
    """Returns the names of what models take for a picture that are texts."""
    taken = [p["family"].options.items() for p in PRESETS.values()]
    return {k for options in taken for k, value in options if isinstance(value, str)}


def model_class(name: str) -> type:
    """Returns the class of a preset's model; this loads the engine if it has one.

    Raises:
        InputError: if no preset has this name.
    """
    return family(name).load()


def family(name: str) -> Family:
    """Returns what is known of a preset's model without loading it.

    Raises:
        InputError: if no preset has this name.
    """
    return get(name)["family"]


def build(name: str, **overrides):
    """Builds a preset's model with random weights.

    Args:
        name: of the preset.
        **overrides: replace arguments of its configuration.

    Raises:
        InputError: if the preset or an argument is unknown, or of a wrong type.
    """
    model = model_class(name).create(**configured(name, **overrides))
    model.texture = get(name).get("texture")
    return model


def configured(name: str, **overrides) -> dict:
    """Returns the arguments of a preset's model, checked; this loads no engine.

    Args:
        name: of the preset.
        **overrides: replace arguments of its configuration.

    Raises:
        InputError: if the preset or an argument is unknown, or of a wrong type.
    """
    config, known = get(name)["config"] | overrides, family(name).arguments
    for argument, value in config.items():
        if argument not in known:
            raise InputError(
                f"{name}: arguments are {', '.join(known)}; received {argument!r}"
            )
        types, default = known[argument].types, known[argument].default
        decimal = float in types
        if not isinstance(value, (*types, int) if decimal else types):
            words = known[argument].annotation
            raise InputError(f"{name}: {argument} must be {words}, received {value!r}")
        if argument in family(name).choices:
            table = names_in(family(name).choices[argument])
            choose(f"{name}: {argument}", value, dict.fromkeys(table))
        # No count of ours is 0 unless that is its default, and no weight negative.
        least = int(not decimal and default != 0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        share = argument in family(name).shares
        inside = number and least <= value < math.inf  # NaN is not
        if number and not (inside and (value <= 1 or not share)):
            most = " and at most 1" if share else ""
            raise InputError(
                f"{name}: {argument} must be a number of at least {least}{most}, "
                f"received {value!r}"
            )
    return config


def sized(name: str, **overrides):
    """Returns what sizes a preset's model is made for and takes; loads no engine.

    Args:
        name: of the preset.
        **overrides: replace arguments of its configuration.

    Returns:
        `(image_size, sizes)`, see `models.inpainter.Inpainter`.

    Raises:
        InputError: see `configured`; if networks cannot be of that size.
    """
    defaults = {k: a.default for k, a in family(name).arguments.items()}
    config = defaults | configured(name, **overrides)
    return config["image_size"], family(name).sizes(**config)


def check_trained(name: str):
    """Checks that a preset comes with weights, or needs none.

    Raises:
        InputError: if not; names those that do.
    """
    if "weights" not in get(name):
        raise InputError(
            f"preset: {name} comes without trained weights (with them: "
            f"{', '.join(trained()) or 'none yet'}); name a file with -from_weights"
        )


@contextlib.contextmanager
def _random_as_before():
    """Leaves Python's random numbers to the host: Keras draws seeds from them.

    They are of initial weights, which loaded ones replace.
    """
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@_random_as_before()
def load(
    name: str,
    weights: str | Path | dict | None = None,
    adapters: Sequence[str | Path] = (),
    **overrides,
):
    """Builds a preset's model with trained weights.

    Args:
        name: of the preset.
        weights: a file of this library or of the official program, as
            `weights.read_checkpoint` takes them, or such a file for every part by the
            part's name; by default the preset's own. What a file of the same preset
            has on record of the arguments holds where they are not given.
        adapters: files that stand beside the weights, such as LoRA's of Stable
            Diffusion and the prompts of its tasks.
        **overrides: replace arguments of its configuration.

    Raises:
        InputError: if the preset or a file does not exist, or there is none.
        WeightsError: if a file is damaged or does not fit.
    """
    preset = get(name)
    if weights is None:
        check_trained(name)
        weights = {p: _own(w) for p, w in preset["weights"].items()}
    files = weights if isinstance(weights, dict) else {None: weights}
    # Before the engine, which what cannot be read does not need.
    opened = {part: read_tensors(path, "from_weights") for part, path in files.items()}
    if None in opened and METADATA in opened[None].metadata:
        configured(name, **overrides)
        found = {weights: described(opened[None], weights)}
        return _described_model(name, found, _opened(name, adapters), overrides)
    beside = _opened(name, adapters)
    overrides |= _arguments(name, beside)
    config, held = preset["config"] | overrides, []
    # Gigabytes are not taken for a file that does not fit.
    with without_memory() if files else contextlib.nullcontext([]) as built:
        model = build(name, **overrides)
    state = _without(beside, model.use_state())
    parts = _parts_of(state)
    _check_networks(name, parts, weights)
    if isinstance(weights, dict) and set(files) != set(parts):
        raise InputError(
            f"weights: a file for each of {', '.join(parts)}, received "
            f"{', '.join(files) or 'none'}"
        )
    for part, path in files.items():
        own = {k: v for k, v in state.items() if part in (None, k.split("/")[0])}
        arrays, metadata = ours(opened[part], path, own, name, config)
        check(own, arrays, path)
        held.append((own, arrays, path))
        if "published" in preset and not metadata:
            log.info("licence of such weights: %s", preset["published"].licence)
    for variables, arrays, path in held:
        assign(variables, arrays, path)
    _assign_beside(model, beside)
    complete(built)
    return model


def _check_networks(name, parts, weights):
    """Refuses weights for a model that has no parts."""
    if weights and not parts:
        raise InputError(
            f"from_weights: none for {name}, which has no networks, received {weights}"
        )


def _own(weights):
    """Returns the file of a preset's own weights, which is downloaded if need be."""
    try:
        return locate(weights, WEIGHTS)
    except (InputError, WeightsError) as error:
        raise type(error)(
            f"{error}; -from_weights FILE takes them saved anew, or in another format"
        ) from error


def is_ours(source: str | Path) -> bool:
    """Whether weights were saved by this library, and not by an official program."""
    return METADATA in read_tensors(source, "from_weights").metadata


def open_weights(source, *about, **options):
    """Opens weights of this library or of an official program by our names.

    Args:
        source: see `weights.read_checkpoint.read_tensors`.
        *about, **options: what `ours` takes after the source.

    Raises:
        InputError: also if there is no such file.
        WeightsError: also if it is damaged.
    """
    return ours(read_tensors(source, "from_weights"), source, *about, **options)


def ours(
    tensors, source, variables: dict, name: str, config: dict, beginning: bool = False
):
    """Returns weights of this library or of an official program by our names.

    Args:
        tensors: opened, by the names in the file.
        source: that they are of, for errors.
        variables: that they are for, by our names.
        name: of the preset.
        config: arguments of its model.
        beginning: see `weights.converting.from_official`.

    Returns:
        `(arrays, metadata)`; official files have no metadata.

    Raises:
        InputError, WeightsError: see `weights.converting.from_official`.
    """
    if METADATA in tensors.metadata:
        return described(tensors, source)
    folder = family(name).folder
    about = (variables, name, folder, config, source, beginning)
    return from_official(tensors, *about)[0], {}


def _opened(name, adapters):
    """Returns path -> arrays of files that stand beside a preset's weights."""
    module = family(name).adapters
    if adapters and not module:
        raise InputError(
            f"adapters: must not be given for {name}, which takes none, received "
            f"{', '.join(map(str, adapters))}"
        )
    return {
        path: importlib.import_module(module).read_adapter(path) for path in adapters
    }


def _arguments(name, opened):
    """Returns the arguments of a model that has a place for all that files hold."""
    module, found = family(name).adapters, {}
    for path, arrays in opened.items() if module else ():
        more = importlib.import_module(module).arguments(arrays, path)
        lists = {k: [*found.get(k, []), *v] for k, v in more.items() if type(v) is list}
        found |= more | lists
    return found


def _without(beside, state):
    """Returns the variables of parts that adapters do not hold."""
    parts = {part for arrays in beside.values() for part in _parts_of(arrays)}
    return {k: v for k, v in state.items() if k.split("/")[0] not in parts}


def _parts_of(names):
    """Returns the parts that variables by their names are of, in their order."""
    return dict.fromkeys(name.split("/")[0] for name in names)


def _check_held_once(argument, held):
    """Returns part -> the file that holds it; refuses one in two files."""
    holders = {}
    for path, parts in held.items():
        for part in parts:
            if part in holders:
                raise InputError(
                    f"{argument}: must hold a part once, received {part} in "
                    f"{holders[part]} and {path}"
                )
            holders[part] = path
    return holders


def _assign_beside(model, beside):
    """Sets what adapters hold."""
    state = model.use_state()
    holders = {path: _parts_of(arrays) for path, arrays in beside.items()}
    holders = _check_held_once("adapters", holders)
    for path, arrays in beside.items():
        if others := [name for name in arrays if name not in state]:
            raise WeightsError(
                f"adapters: {path} must hold what has a place in the model, of LoRA "
                f"the projections of attention, received {some(others)}"
            )
        held = {k: v for k, v in state.items() if holders.get(k.split("/")[0]) == path}
        assign(held, arrays, path)


def described_by(metadata: dict, path: str | Path) -> str:
    """Returns the preset that a weight file is for.

    Args:
        metadata: of the file, see `load_weights`.
        path: of the file, for errors.

    Raises:
        WeightsError: if it does not say.
    """
    if "preset" not in metadata:
        raise WeightsError(f"{path}: must name its preset; give -preset as well")
    return metadata["preset"]


@_random_as_before()
def load_file(*paths: str | Path, adapters: Sequence[str | Path] = (), **overrides):
    """Builds the model that a weight file describes, with its weights.

    Args:
        *paths: the file, or those of several parts of one model. Parts that are in none
            are those that they were trained with: of a file, or the preset's own.
        adapters: see `load`.
        **overrides: replace arguments that the file has on record.

    Returns:
        `(model, metadata)`.

    Raises:
        InputError: if there is no such file, or nothing to take a part from.
        WeightsError: if one is damaged, or does not say which model it is for.
    """
    files = {path: load_weights(path) for path in paths}
    _, metadata = files[paths[0]]
    name = described_by(metadata, paths[0])
    beside = _opened(name, adapters) if adapters else {}
    return _described_model(name, files, beside, overrides), metadata


def _described_model(name, files, beside, given):
    """Builds a preset's model with the weights of files of ours.

    Args:
        name: of the preset.
        files: path -> `(arrays, metadata)`.
        beside: path -> arrays, see `_opened`.
        given: arguments that replace those on record.
    """
    first = next(iter(files))
    held = {}  # file -> variables of the parts that it holds
    try:
        overrides = {}
        for path, (_, told) in files.items():
            overrides |= _recorded(name, told, given, path)
        opened = {path: arrays for path, (arrays, _) in files.items()}
        overrides |= given | _arguments(name, opened | beside)
        # A file cannot ask for more memory than it holds.
        with without_memory() as built:
            model = build(name, **overrides)
    except WeightsError:
        raise
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{first}: must describe a model; {error}") from error
    state = _without(beside, model.use_state())
    parts = _parts_of(state)
    for path, (arrays, _) in files.items():
        found = parts.keys() & _parts_of(arrays)
        found = found or parts  # a file of something else: says what it lacks
        held[path] = {k: v for k, v in state.items() if k.split("/")[0] in found}
        check(held[path], arrays, path)
    _check_networks(name, parts, first)
    _check_held_once("from_weights", {path: _parts_of(v) for path, v in held.items()})
    for path, (arrays, _) in files.items():
        assign(held[path], arrays, path)
    _assign_beside(model, beside)
    taken = {part for variables in held.values() for part in _parts_of(variables)}
    others = [part for part in parts if part not in taken]
    load_parts(model, name, others, files[first][1].get("frozen"), **overrides)
    complete(built)
    return model


def _recorded(name, metadata, given, path):
    """Returns the arguments that a file has on record of the preset it is taken for.

    A file of another preset is for what fits by its shapes; but what they do not tell
    and the weights need as it was, see `Family.bound`, must be the same.
    """
    recorded, saved_as = metadata.get("overrides", {}), metadata.get("preset", name)
    if saved_as == name:
        return recorded
    if saved_as not in PRESETS:  # of another version
        return {}
    theirs, ours = get(saved_as)["config"] | recorded, get(name)["config"] | given
    for argument in family(name).bound:
        default = family(name).arguments[argument].default
        was, now = (config.get(argument, default) for config in (theirs, ours))
        if was != now and family(saved_as) is not family(name):
            raise WeightsError(
                f"{path}: must be of a model like {name}, received one of {saved_as}"
            )
        if was != now:
            raise WeightsError(
                f"{path}: must be taken as {saved_as} that it was saved for, with "
                f"{argument} {was!r}, received {name} with {now!r}"
            )
    return {}


def load_parts(
    model, name: str, parts, source=None, beginning: bool = False, **overrides
):
    """Loads some parts of a model from a file, or else from its preset's own weights.

    Args:
        model: an `Inpainter`.
        name: of its preset.
        parts: names of the parts, such as those that a stage of training leaves frozen.
        source: weights that may hold them; see `open_weights`.
        beginning: whether a training begins, in which what official weights lack and
            training makes stays random.
        **overrides: see `build`.

    Raises:
        InputError: if the preset has no weights for one.
        WeightsError: if a file is damaged or does not fit.
    """
    weights, config = get(name).get("weights", {}), get(name)["config"] | overrides
    if source and parts:
        wanted = model.use_state(*parts)
        arrays, metadata = open_weights(source, wanted, name, config, beginning)
        held = _parts_of(arrays)
        for part in held.keys() & parts:
            variables = model.use_state(part)
            if beginning and not metadata:
                variables = {k: v for k, v in variables.items() if k in arrays}
            assign(variables, arrays, source)
        parts = [part for part in parts if part not in held]
    for part in parts:
        if part not in weights:
            raise InputError(
                f"preset: {name} must come with weights of its part {part}, received "
                f"{', '.join(weights) or 'none'}; name a file that holds it with "
                "-from_weights"
            )
        path, variables = _own(weights[part]), model.use_state(part)
        arrays, _ = open_weights(path, variables, name, get(name)["config"])
        assign(variables, arrays, path)


def digest(name: str) -> str:
    """Returns the SHA-256 of a preset's weights, of each part if it has several."""
    return " ".join(weights.digest for weights in get(name)["weights"].values())


def verify(name: str):
    """Hashes the weights of a preset and of its members, which no start does by itself.

    Those that are neither shipped nor in the cache are downloaded first.

    Args:
        name: of the preset.

    Raises:
        InputError: if it comes without weights, or they cannot be downloaded.
        WeightsError: if a file is damaged; names both hashes.
    """
    if name not in trained():
        raise InputError(f"preset: one of {', '.join(trained())}, received {name!r}")
    for weights in _needed(name):
        path = locate(weights, WEIGHTS)
        check_hash(path, weights.digest, path)


def about(name: str) -> dict:
    """Returns what helps to choose a preset; this loads no engine.

    Args:
        name: of a preset.

    Returns:
        name, description, `licence`, bytes (of the weights that it comes with, and of
        its members') and here: whether it completes pictures without a download.

    Raises:
        InputError: if no preset has this name.
    """
    weights = _needed(name)
    files = [place(w, WEIGHTS) for w in weights]
    there = [file.is_file() for file in files]
    sizes = [
        f.stat().st_size if t else w.size for w, f, t in zip(weights, files, there)
    ]
    return {
        "name": name,
        "description": get(name)["description"],
        "licence": licence(name),
        "bytes": sum(sizes),
        "here": all(there),
    }


def _needed(name) -> list:
    """Returns the weights of a preset, then those of the presets that it joins."""
    preset = get(name)
    members = [preset["config"].get(role) for role in ROLES]
    known = [PRESETS[member] for member in members if member in PRESETS]
    return [w for each in (preset, *known) for w in each.get("weights", {}).values()]


def table() -> str:
    """Returns a text table of what can be loaded, in two lines if it has weights."""
    lines = []
    for name, preset in PRESETS.items():
        weights = preset.get("weights", {})
        held = "" if "weights" in preset else "no trained weights"
        lines.append(f"{name:<27} {preset['description']:<60} {held}".rstrip())
        lines += [f"{'':<27} {part}: {_words(w)}" for part, w in weights.items()]
        if published := preset.get("published"):
            about = f"{published.file} of {published.source}, {published.licence}"
            lines.append(f"{'':<27} to bring: {about}")
    return "\n".join(lines)


def _words(weights):
    path = place(weights, WEIGHTS)
    there = path.is_file()
    size = megabytes(path.stat().st_size if there else weights.size)
    size = size if there else f"{size} to download"
    official = ["official"] if weights.official else []
    return ", ".join([weights.file, size, *official, weights.licence])
