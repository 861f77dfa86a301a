"""Files of strangers: refused, nothing in them executed, no memory taken."""

import io
import json
import os
import pickle
import struct
import zipfile

import h5py
import keras
import numpy as np
import pytest
from numpy.lib import format as npy

from inpainting_zoo import cli as runner
from inpainting_zoo import presets
from inpainting_zoo.errors import WeightsError

from .commands import EAGER, TINY

pytestmark = pytest.mark.row("S1")
MB = 2**20


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def make_keras(path, canary):
    """A model of Keras, `.keras` or `.h5`, whose Lambda layer runs on loading."""
    # The path is a constant of the code, which is all that is saved of a function.
    function = eval(
        f"lambda x: __import__('os').makedirs({str(canary)!r}, exist_ok=True) or x"
    )
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Lambda(function)(inputs))
    real = path.with_name(f"made{'.h5' if '.h5' in path.name else '.keras'}")
    model.save(real)
    real.rename(path)
    if canary.exists():
        canary.rmdir()  # made as the model was


def make_links(path, canary):
    """HDF5 whose weights lie in another file, to be read from there."""
    secret = path.with_name("secret.hdf5")
    with h5py.File(secret, "w") as file:
        file["x"] = np.full(4, 7, "f4")
    with h5py.File(path, "w") as file:
        file["external"] = h5py.ExternalLink(str(secret), "/x")
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(str(secret), "x", (4,))
        file.create_virtual_dataset("virtual", layout)


def make_pickle(path, canary):
    path.write_bytes(pickle.dumps(Canary(canary)))


def make_object_array(path, canary):
    np.savez(path, metadata=np.array([Canary(canary)], object))


def header(shape, descr="<f4"):
    file = io.BytesIO()
    about = {"descr": descr, "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, about)
    return file.getvalue()


def make_shape_bomb(path, canary):
    """An array that claims 4 TB, in a file of a few hundred bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("generator/kernel.npy", header((10**6, 10**6)))


def make_zip_bomb(path, canary):
    """768 MB of zeros in 3 MB."""
    deflated = (zipfile.ZIP_DEFLATED, True, 1)
    with (
        zipfile.ZipFile(path, "w", *deflated) as archive,
        archive.open("generator/kernel.npy", "w", force_zip64=True) as file,
    ):
        file.write(header((3, 2**26)))
        for _ in range(12):
            file.write(bytes(2**26))


def make_config_bomb(path, canary):
    """A description that asks for a generator of 10^14 weights."""
    about = {"preset": "gmcnn_small", "overrides": {"base_channels": 10**5}}
    np.savez(path, metadata=json.dumps(about))


def make_nested_json(path, canary):
    np.savez(path, metadata="[" * 10**5)


def make_negative_shape(path, canary):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header((-1, 2**40)))
        archive.writestr("metadata.npy", header((), "<U2") + struct.pack("8s", b""))


def make_safetensors(path, tensors, content=b""):
    head = json.dumps(tensors).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + content)


def make_large_tensor(path, canary):
    """A tensor that claims 4 TB, in a file of a few hundred bytes."""
    about = {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}
    make_safetensors(path, {"generator/kernel": about})


def make_overlapping_tensors(path, canary):
    """Many tensors that are the same 64 MB."""
    about = {"dtype": "U8", "shape": [2**26], "data_offsets": [0, 2**26]}
    tensors = {f"generator/{i}": about for i in range(100)}
    make_safetensors(path, tensors, bytes(2**26))


def make_large_header(path, canary):
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def make_config_bomb_of_tensors(path, canary):
    about = {"preset": "gmcnn_small", "overrides": {"base_channels": 10**5}}
    make_safetensors(path, {"__metadata__": {"metadata": json.dumps(about)}})


FILES = {
    "lambda.keras": make_keras,
    "lambda_keras.npz": make_keras,
    "lambda.h5": make_keras,
    "links.h5": make_links,
    "links_h5.npz": make_links,
    "pickle.pkl": make_pickle,
    "pickle.npz": make_pickle,
    "objects.npz": make_object_array,
    "shape.npz": make_shape_bomb,
    "zeros.npz": make_zip_bomb,
    "config.npz": make_config_bomb,
    "nested.npz": make_nested_json,
    "negative.npz": make_negative_shape,
    "pickle.safetensors": make_pickle,
    "shape.safetensors": make_large_tensor,
    "overlap.safetensors": make_overlapping_tensors,
    "header.safetensors": make_large_header,
    "config.safetensors": make_config_bomb_of_tensors,
}


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """A folder of files to be refused; each would make the folder `canary` in it."""
    folder = tmp_path_factory.mktemp("strangers")
    for name, make in FILES.items():
        make(folder / name, folder / "canary")
    return folder


def load_keras(path):
    # By its content: these models also have suffixes of other formats.
    real = path.with_name(f"loaded{'.h5' if '.h5' in path.name else '.keras'}")
    real.write_bytes(path.read_bytes())
    keras.saving.load_model(real, compile=False, safe_mode=False)


def load_objects(path):
    with np.load(path, allow_pickle=True) as file:
        file["metadata"]


TRUSTING = {
    "lambda.keras": load_keras,
    "lambda_keras.npz": load_keras,
    "lambda.h5": load_keras,
    "pickle.pkl": lambda path: pickle.loads(path.read_bytes()),
    "pickle.npz": lambda path: pickle.loads(path.read_bytes()),
    "objects.npz": load_objects,
}


@pytest.mark.parametrize("name", TRUSTING)
def test_the_canary_is_alive(strangers, name):
    """What the tests below would notice does happen to who trusts the file."""
    TRUSTING[name](strangers / name)
    assert (strangers / "canary").is_dir()
    (strangers / "canary").rmdir()


@pytest.mark.parametrize("name", ["external", "virtual"])
@pytest.mark.parametrize("file", ["links.h5", "links_h5.npz"])
def test_the_links_are_alive(strangers, file, name):
    with h5py.File(strangers / file) as found:
        np.testing.assert_array_equal(found[name], 7)


# It builds networks first, and reads files as the other commands do.
TRAINED_FROM = ("lambda.keras", "lambda.h5", "pickle.npz", "objects.npz", "shape.npz")


@pytest.mark.parametrize("name", FILES)
def test_weights_of_strangers(strangers, zoo, images, tmp_path, name, record_property):
    given = ("-from_weights", strangers / name)
    save_to = ("-save_to", tmp_path / "out.png")
    picture = ("-image", images / "0.png", "-mask", images / "1.png")
    train = ("-train_path", images, "-output_path", tmp_path, *TINY, *EAGER)
    commands = {
        "inpaint": ("inpaint", *picture, *save_to, *given),
        "evaluate": ("evaluate", "-report", tmp_path / "report.json", *given),
        "train": (*train, *given, "-steps", 1),
    }
    if name not in TRAINED_FROM:
        del commands["train"]
    growth = 0
    for command in commands.values():
        result = zoo.run(*command)
        assert result.code == 5, result.err
        assert name in result.error and "Traceback" not in result.err
        growth = max(growth, result.growth)
    record_property("memory growth in MB", growth // MB)
    assert growth < 500 * MB
    assert not (strangers / "canary").exists()
    assert not list(tmp_path.rglob("*.npz")) and not list(tmp_path.rglob("*.p*"))


@pytest.mark.parametrize(
    "name",
    [
        "lambda.keras",
        "lambda.h5",
        "links.h5",
        "pickle.npz",
        "objects.npz",
        "shape.npz",
    ],
)
def test_vgg_weights_of_strangers(strangers, zoo, images, tmp_path, name):
    train = ("-train_path", images, "-output_path", tmp_path, *TINY, *EAGER)
    given = ("-id_mrf_weight", 1, "-vgg_weights", strangers / name)
    result = zoo.run(*train, *given, "-steps", 1)
    assert result.code == 5, result.err
    assert name in result.error and "Traceback" not in result.err
    assert result.growth < 500 * MB
    assert not (strangers / "canary").exists()


@pytest.mark.parametrize("name", presets.shipped())
@pytest.mark.parametrize("place", [0.001, 0.5, 0.999])
def test_shipped_weights_with_another_byte(tmp_path, monkeypatch, name, place):
    """The table of presets knows the SHA-256 of each."""
    (weights,) = presets.get(name)["weights"].values()
    path = tmp_path / weights.file
    content = bytearray((presets.WEIGHTS / path.name).read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(presets, "WEIGHTS", tmp_path)
    with pytest.raises(WeightsError, match=f"instead of {presets.digest(name)}"):
        presets.verify(name)


@pytest.mark.parametrize("place", [0.5, 0.9])
def test_shipped_arrays_with_another_byte(images, tmp_path, monkeypatch, capsys, place):
    """The checksum of an array is looked at whenever it is read."""
    name = "gmcnn_faces_128"
    path = tmp_path / f"{name}.npz"
    content = bytearray((presets.WEIGHTS / path.name).read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(presets, "WEIGHTS", tmp_path)
    paths = ("-image", images / "0.png", "-mask", images / "1.png")
    save_to = ("-save_to", tmp_path / "out.png")
    command = ["inpaint", *map(str, (*paths, *save_to)), "-preset", name]
    assert runner.main(command) == 5
    assert path.name in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_refused_file_takes_no_memory_later(tmp_path):
    """Nor when Keras next initializes what was built without memory."""
    make_config_bomb(tmp_path / "config.npz", None)
    with pytest.raises(WeightsError, match="lacks"):
        presets.load_file(tmp_path / "config.npz")
    with keras.StatelessScope():
        pass


MANIFESTS = {
    "cut": "{",
    "elsewhere": '[{"file": "../../x.npz", "stage": "wgan", "step": 1, "sha256": ""}]',
    "incomplete": '[{"file": "wgan-00000001.npz"}]',
    "no list": '{"file": 1}',
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_manifest_of_strangers(zoo, images, tmp_path, kind):
    """States are deleted by the names in it, so none may lie elsewhere."""
    weights = tmp_path / "run" / "weights"
    weights.mkdir(parents=True)
    (weights / "manifest.json").write_text(MANIFESTS[kind])
    (tmp_path / "x.npz").write_bytes(b"")
    where = ("-train_path", images, "-output_path", tmp_path, "-experiment_name", "run")
    result = zoo.run(*TINY, *EAGER, *where, "-steps", 1)
    assert result.code == 5, result.err
    assert "manifest.json" in result.error
    assert (tmp_path / "x.npz").exists()
