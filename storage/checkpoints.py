"""Weights and full training states as files: atomic, exact, without pickles."""

import json
import re
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from inpainting_zoo.errors import InputError, NumericError, WeightsError, some
from inpainting_zoo.storage.arrays import FORMATS, Arrays, read_arrays
from inpainting_zoo.storage.files import atomic, replacing, sha256, write_json
from inpainting_zoo.storage.variables import give

METADATA = "metadata"
KEYS = {"file", "stage", "step", "sha256"}
STATE = re.compile(r"\w+-\d{8,}\.npz")  # file names in a manifest


def save_weights(path, arrays: dict, metadata: dict, file_names: dict | None = None):
    """Writes named arrays and a JSON description to one file, atomically.

    Args:
        path: ends in .safetensors or .npz, which decides the format.
        arrays: name -> array of numbers.
        metadata: fit for JSON; says among others which model the arrays belong to.
        file_names: how names start -> how they start in the file, for programs that
            have names of their own; `load_weights` returns ours.

    Raises:
        InputError: if `path` ends in something else.
        NumericError: if an array holds NaN or infinity; nothing is written then.
    """
    suffix = check_suffix(path)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NumericError(
                f"{name}: must be finite to be saved, received NaN or Inf"
            )
    theirs = {
        ours: other
        for ours, other in (file_names or {}).items()
        if any(name.startswith(ours) for name in arrays)
    }
    if theirs:
        metadata = {**metadata, "names": theirs}
        arrays = {_restarted(name, theirs): a for name, a in arrays.items()}
    about = {METADATA: json.dumps(metadata)}
    if suffix == ".npz":
        with atomic(path) as file:
            np.savez(file, **arrays, **about)
        return
    # The library writes numbers as they lie in memory, whatever their strides.
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        with replacing(path, suffix) as part:
            save_file(arrays, part, about)
    except SafetensorError as error:  # a full disk is one as well
        raise OSError(None, str(error), str(path)) from error


def check_suffix(path) -> str:
    """Returns how a file for weights ends, which decides its format.

    Raises:
        InputError: if it ends in something else.
    """
    suffix = Path(path).suffix
    if suffix not in FORMATS:
        known = " or ".join(FORMATS)
        raise InputError(f"save_to: must end in {known}, received {str(path)!r}")
    return suffix


def load_weights(path) -> tuple[Arrays, dict]:
    """Opens what `save_weights` wrote; returns `(arrays, metadata)`.

    Raises:
        InputError: if there is no such file.
        WeightsError: if it is damaged or something else; see `read_arrays`.
    """
    if not Path(path).is_file():
        more = "; a folder needs its -preset as well" if Path(path).is_dir() else ""
        raise InputError(f"from_weights: must be a file, received {str(path)!r}{more}")
    return described(read_arrays(path), path)


def described(arrays: Arrays, path) -> tuple[Arrays, dict]:
    """Returns `(arrays, metadata)` of an opened file that `save_weights` wrote.

    Args:
        arrays: by the names in the file.
        path: of the file, for errors.

    Raises:
        WeightsError: if something else wrote it.
    """
    try:
        metadata = json.loads(arrays.metadata[METADATA])
        if not isinstance(metadata, dict):
            raise TypeError("its metadata is no object")
        ours = {v: k for k, v in metadata.pop("names", {}).items()}
        names = {_restarted(name, ours): name for name in arrays} if ours else {}
    except Exception as error:
        raise WeightsError(
            f"from_weights: must be a weight file of this library, received "
            f"{str(path)!r} ({error!r})"
        ) from error
    if names:
        shapes = {ours: arrays.shapes[name] for ours, name in names.items()}
        opened = arrays
        arrays = Arrays(shapes, lambda name: opened[names[name]], opened.metadata)
    return arrays, metadata


def _restarted(name, starts):
    """Returns a name that starts otherwise, if it starts as one that is known."""
    for old, new in starts.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def part_file(experiment, part: str = "generator") -> Path:
    """Returns the file of an experiment that use needs of a trained part.

    Args:
        experiment: its folder.
        part: of the model. Experiments of old have a "generator" in `.npz`.
    """
    path = Path(experiment, "weights", f"{part}.safetensors")
    former = path.with_suffix(".npz")
    return former if former.is_file() and not path.is_file() else path


def part_files(experiment) -> list:
    """Lists the files of an experiment that use needs, of all trained parts."""
    folder = Path(experiment, "weights")
    former = part_file(experiment)
    return sorted(folder.glob("*.safetensors")) or [former] * former.is_file()


def assign(variables: dict, arrays: Arrays, path="weights"):
    """Sets variables from the arrays of the same names, one after the other.

    Beside the model, memory holds one array at a time. Names and shapes are checked
    before the first variable changes; see `check`.

    Raises:
        WeightsError: also if an array is damaged, or holds NaN or infinity.
    """
    check(variables, arrays, path)
    for name, variable in variables.items():
        half = variable.dtype == "float16"
        give(variable, finite(name, arrays[name], "float16" if half else None, path))


def finite(name: str, array, dtype: str | None, path):
    """Returns an array in a type of NumPy, None for its own.

    Args:
        name: of the array, for errors.
        array: to check.
        dtype: to return it in, in the order of C.
        path: that it is of, for errors.

    Raises:
        WeightsError: if it holds NaN or infinity, or would in that type.
    """
    with np.errstate(over="ignore"):
        held = array if dtype is None else array.astype(dtype, "C", copy=False)
    if not np.isfinite(held).all():
        kind = f" in {dtype}" if held.dtype != array.dtype else ""
        raise WeightsError(
            f"{path}: must be finite{kind}, received NaN or Inf in {name}"
        )
    return held


def check(variables: dict, arrays: Arrays, path="weights"):
    """Checks that there is an array of the right shape for every variable.

    Args:
        variables: name -> Keras variable, all of which must be in `arrays`.
        arrays: name -> array; others than the variables' are ignored.
        path: named in errors.

    Raises:
        WeightsError: names the first missing or wrongly shaped arrays.
    """
    missing = [name for name in variables if name not in arrays]
    if missing:
        raise WeightsError(f"{path}: lacks {some(missing)}")
    wrong = [
        f"{name}: {tuple(v.shape)} expected, received {arrays.shapes[name]}"
        for name, v in variables.items()
        if tuple(v.shape) != arrays.shapes[name]
    ]
    if wrong:
        raise WeightsError(f"{path}: wrong shapes; {some(wrong)}")


def as_arrays(variables: dict) -> dict:
    """Returns name -> NumPy array of name -> Keras variable."""
    from keras import ops  # so that reading files takes no engine

    return {name: ops.convert_to_numpy(v) for name, v in variables.items()}


class Checkpoints:
    """The full states of an experiment: last few of each stage, with a manifest.

    They are `.npz` files, as those of runs that began long ago are: a state is for the
    run that wrote it, not for other programs.

    Args:
        folder: where `<stage>-<step>.npz` and `manifest.json` are.
        keep: how many states of a stage stay.
    """

    def __init__(self, folder, keep: int = 3):
        self.folder, self.keep = Path(folder), keep
        self.manifest = self.folder / "manifest.json"

    def entries(self):
        """Returns the manifest: a list of {"file", "stage", "step", "sha256"}.

        Raises:
            WeightsError: if it is damaged, or names files that are no states.
        """
        if not self.manifest.is_file():
            return []
        try:
            entries = json.loads(self.manifest.read_text())
            # Old states are deleted by name: never one outside the folder.
            known = [e.keys() >= KEYS and STATE.fullmatch(e["file"]) for e in entries]
            if not all(known):
                raise ValueError("no names of states")
        except Exception as error:
            raise WeightsError(
                f"{self.manifest}: must be a manifest of states, received {error!r}"
            ) from error
        return entries

    def save(self, stage: str, step: int, arrays: dict, metadata: dict):
        """Writes a state, then the manifest, then removes what is too old."""
        path = self.folder / f"{stage}-{step:08d}.npz"
        about = {"stage": stage, "step": step}
        save_weights(path, arrays, metadata | about)
        others = [e for e in self.entries() if e["file"] != path.name]
        same = [e for e in others if e["stage"] == stage]
        old = same[: max(0, len(same) - self.keep + 1)]
        entry = {"file": path.name, **about, "sha256": sha256(path)}
        write_json(self.manifest, [*(e for e in others if e not in old), entry])
        for e in old:
            (self.folder / e["file"]).unlink(missing_ok=True)

    def load(self, stage: str | None = None):
        """Returns `(arrays, metadata)` of the latest state (of a stage), or None.

        Raises:
            WeightsError: if its SHA-256 is not the manifest's.
        """
        entries = [e for e in self.entries() if stage in (None, e["stage"])]
        if not entries:
            return None
        path = self.folder / entries[-1]["file"]
        if not path.is_file() or sha256(path) != entries[-1]["sha256"]:
            raise WeightsError(
                f"{path}: must have the SHA-256 {entries[-1]['sha256']} of "
                f"{self.manifest.name}; it is missing or damaged. Take its line out of "
                "the manifest to use the state before it"
            )
        return load_weights(path)

    def check(self):
        """Raises InputError if there are states and no manifest.

        They are not ours to replace: only what the manifest names is.
        """
        if self.manifest.is_file():
            return
        if found := [p.name for p in self.folder.glob("*") if STATE.fullmatch(p.name)]:
            raise InputError(
                f"experiment_name: {self.manifest} must list the states beside it, "
                f"received none and {', '.join(sorted(found))}; put it back, or move "
                "them elsewhere to start anew"
            )

    def begin(self):
        """Prepares for saving: an empty manifest tells that nothing was saved yet."""
        if not self.manifest.is_file():
            write_json(self.manifest, [])
