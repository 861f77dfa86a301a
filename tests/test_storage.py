"""Weight files of both formats, read an array at a time; files that must not go."""

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from inpainting_zoo.errors import InputError, NumericError, WeightsError
from inpainting_zoo.storage.arrays import read_arrays
from inpainting_zoo.storage.checkpoints import (
    assign,
    load_weights,
    part_file,
    save_weights,
)
from inpainting_zoo.storage.files import refuse_overwriting, write_json

both_formats = pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
ARRAYS = {
    "a/kernel": np.arange(6, dtype="float32").reshape(2, 3).T,  # not as rows lie
    "a/half": np.array([0.5, -1], "float16"),
    "step": np.array(3),
    "flags": np.array([True, False]),
}


class Variable:
    """As much of a Keras variable as `assign` needs."""

    dtype = "float32"

    def __init__(self, shape):
        self.shape, self.value = shape, None

    def assign(self, value):
        self.value = value


@both_formats
def test_what_is_saved_comes_back(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_weights(path, ARRAYS, {"preset": "p", "steps": [1, 2]})
    arrays, metadata = load_weights(path)
    assert metadata == {"preset": "p", "steps": [1, 2]}
    assert arrays.shapes == {name: a.shape for name, a in ARRAYS.items()}
    assert set(arrays) == set(ARRAYS) and len(arrays) == 4
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name])
    assert "metadata" not in arrays
    assert os.listdir(tmp_path) == [path.name]
    with pytest.raises(KeyError):
        arrays["metadata"]


def test_bfloat16_becomes_float32(tmp_path):
    about = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    head = json.dumps({"a": about}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"\x80\x3f\x40\xc0")
    array = read_arrays(path)["a"]
    assert array.dtype == "float32"
    np.testing.assert_array_equal(array, [1, -3])


def test_eight_bits_are_refused(tmp_path):
    about = {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}
    head = json.dumps({"a": about}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"\0")
    with pytest.raises(WeightsError, match="F8_E4M3"):
        read_arrays(path)


@both_formats
def test_what_is_not_finite_is_neither_saved_nor_assigned(tmp_path, suffix):
    path, bad = tmp_path / f"weights{suffix}", np.array([1, np.inf], "float32")
    with pytest.raises(NumericError, match="b: must be finite"):
        save_weights(path, {"a": np.zeros(2), "b": bad}, {})
    assert not list(tmp_path.iterdir())
    np.savez(tmp_path / "bad.npz", a=np.zeros(2), b=bad, metadata="{}")
    arrays, _ = load_weights(tmp_path / "bad.npz")
    with pytest.raises(WeightsError, match="NaN or Inf in b"):
        assign({name: Variable((2,)) for name in "ab"}, arrays, "bad.npz")


@both_formats
def test_all_shapes_are_checked_before_an_array_is_read(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_weights(path, {"a": np.zeros(2), "b": np.zeros(3)}, {})
    arrays, _ = load_weights(path)
    variables = {"a": Variable((2,)), "b": Variable((2,))}
    with pytest.raises(WeightsError, match=r"b: \(2,\) expected, received \(3,\)"):
        assign(variables, arrays, path)
    with pytest.raises(WeightsError, match=r"lacks 2 \(c, d\)"):
        assign(variables | dict.fromkeys("cd", Variable((1,))), arrays, path)
    assert variables["a"].value is None


@both_formats
def test_files_that_are_cut(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_weights(path, {"a": np.zeros(1000)}, {})
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="intact"):
        load_weights(path)


def test_names_of_weight_files(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.npz or \.safetensors"):
        save_weights(tmp_path / "weights.h5", {}, {})
    with pytest.raises(InputError, match="must be a file"):
        load_weights(tmp_path / "none.npz")
    np.savez(tmp_path / "bare.npz", a=np.zeros(2))
    with pytest.raises(WeightsError, match="weight file of this library"):
        load_weights(tmp_path / "bare.npz")


def test_experiments_of_old_have_another_file(tmp_path):
    new, old = (
        tmp_path / "weights" / f"generator{s}" for s in (".safetensors", ".npz")
    )
    assert part_file(tmp_path) == new
    old.parent.mkdir()
    old.touch()
    assert part_file(tmp_path) == old
    new.touch()
    assert part_file(tmp_path) == new


MEASURE = """
import sys
from pathlib import Path
import numpy as np
from inpainting_zoo.storage.checkpoints import assign, load_weights

class Variable:
    dtype = "float32"
    def __init__(self, shape):
        self.shape, self.value = shape, np.zeros(shape, "float32")
        self.value += 1  # so that it takes its memory
    def assign(self, value):
        self.value[:] = value

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(li.split()[1]) for li in lines if li.startswith(field)) * 1024

before = memory("VmRSS")
variables = {f"a{i}": Variable((2**18,)) for i in range(64)}
arrays, _ = load_weights(sys.argv[1])
assign(variables, arrays)
print((memory("VmHWM") - before) / (64 * 2**20))
"""


@both_formats
def test_assigning_takes_little_more_memory_than_the_model(tmp_path, suffix):
    """64 MB of float32 in 64 arrays."""
    path, rng = tmp_path / f"weights{suffix}", np.random.default_rng(0)
    arrays = {f"a{i}": rng.random(2**18, "float32") for i in range(64)}
    save_weights(path, arrays, {})
    command = [sys.executable, "-c", MEASURE, str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0.9 < float(found.stdout) < 1.1


def test_files_that_are_read_are_not_overwritten(tmp_path):
    one, two, link = (tmp_path / name for name in ("one", "two", "link"))
    rule = "report: must not be a picture"
    one.touch()
    two.touch()
    os.link(two, link)
    refuse_overwriting([one, tmp_path / "new"], [two, tmp_path / "none"], rule)
    with pytest.raises(InputError, match=f"^{rule}, received '{link}'.* '{two}'$"):
        refuse_overwriting([link], [one, two], rule)


def test_json_is_for_people(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1]})
    assert (tmp_path / "a.json").read_text() == '{\n "a": [\n  1\n ]\n}\n'
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", float("nan"), allow_nan=False)
