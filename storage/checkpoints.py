"""Weights and full training states as `.npz` files: atomic, exact, without pickles."""

import json
import re
from pathlib import Path

import numpy as np
from keras import ops

from inpainting_zoo.errors import InputError, NumericError, WeightsError
from inpainting_zoo.storage.arrays import read_npz
from inpainting_zoo.storage.files import atomic, sha256, write_bytes

METADATA = "metadata"
KEYS = {"file", "stage", "step", "sha256"}
STATE = re.compile(r"\w+-\d{8,}\.npz")  # file names in a manifest


def save_weights(path, arrays: dict, metadata: dict):
    """Writes named arrays and a JSON description to one `.npz` file, atomically.

    Args:
        path: the file.
        arrays: name -> array of numbers.
        metadata: fit for JSON; says among others which model the arrays belong to.

    Raises:
        NumericError: if an array holds NaN or infinity; nothing is written then.
    """
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NumericError(
                f"{name}: must be finite to be saved, received NaN or Inf"
            )
    with atomic(path) as file:
        np.savez(file, **arrays, **{METADATA: json.dumps(metadata)})


def load_weights(path):
    """Reads what `save_weights` wrote; returns `(arrays, metadata)`.

    Raises:
        InputError: if there is no such file.
        WeightsError: if it is damaged, holds NaN, or is something else; see `read_npz`.
    """
    if not Path(path).is_file():
        raise InputError(f"from_weights: must be a file, received {str(path)!r}")
    arrays = read_npz(path)
    try:
        metadata = json.loads(str(arrays.pop(METADATA)))
        if not isinstance(metadata, dict):
            raise TypeError("its metadata is no object")
        if names := [n for n, array in arrays.items() if not np.isfinite(array).all()]:
            raise ValueError(f"NaN or infinity in {', '.join(names)}")
    except Exception as error:
        raise WeightsError(
            f"from_weights: must be a weight file of this library, received "
            f"{str(path)!r} ({error})"
        ) from error
    return arrays, metadata


def assign(variables: dict, arrays: dict, path="weights"):
    """Sets variables from the arrays of the same names, after `check`."""
    check(variables, arrays, path)
    for name, variable in variables.items():
        variable.assign(arrays[name])


def check(variables: dict, arrays: dict, path="weights"):
    """Checks that there is an array of the right shape for every variable.

    Args:
        variables: name -> Keras variable, all of which must be in `arrays`.
        arrays: name -> array; others than the variables' are ignored.
        path: named in errors.

    Raises:
        WeightsError: names every missing or wrongly shaped array.
    """
    missing = [name for name in variables if name not in arrays]
    if missing:
        raise WeightsError(f"{path}: lacks {', '.join(missing)}")
    wrong = [
        f"{name}: {tuple(v.shape)} expected, received {arrays[name].shape}"
        for name, v in variables.items()
        if tuple(v.shape) != arrays[name].shape
    ]
    if wrong:
        raise WeightsError(f"{path}: wrong shapes; {'; '.join(wrong)}")


def as_arrays(variables: dict):
    """Returns name -> NumPy array of name -> Keras variable."""
    return {name: ops.convert_to_numpy(v) for name, v in variables.items()}


class Checkpoints:
    """The full states of an experiment: last few of each stage, with a manifest.

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
        self._write([*(e for e in others if e not in old), entry])
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

    def begin(self):
        """Prepares for saving: an empty manifest tells that nothing was saved yet.

        Raises:
            InputError: if there are states and no manifest. They are not ours to
                replace: only what the manifest names is.
        """
        if self.manifest.is_file():
            return
        if found := [p.name for p in self.folder.glob("*") if STATE.fullmatch(p.name)]:
            raise InputError(
                f"experiment_name: {self.manifest} must list the states beside it, "
                f"received none and {', '.join(sorted(found))}; put it back, or move "
                "them elsewhere to start anew"
            )
        self._write([])

    def _write(self, entries):
        write_bytes(self.manifest, json.dumps(entries, indent=1).encode() + b"\n")
