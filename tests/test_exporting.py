"""Exported files, in the runtimes that they are for, do what the models do."""

import dataclasses
import re
import textwrap

import keras
import numpy as np
import onnxruntime
import pytest
from keras import ops
from PIL import Image

from conftest import ROOT, run
from inpainting_zoo import cli as runner
from inpainting_zoo import presets
from inpainting_zoo.benchmarks.exported import RUNTIMES, compare
from inpainting_zoo.data import embedded as samples
from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.errors import InputError
from inpainting_zoo.exporting import export as exporting
from inpainting_zoo.exporting import formats
from inpainting_zoo.layers.attention import DoubleAttention
from inpainting_zoo.layers.pull_push import PullPush
from inpainting_zoo.layers.upsampling import PaddedUpsampling2D
from inpainting_zoo.metrics.image_quality import psnr
from inpainting_zoo.models.inpainter import GeneratorInpainter
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights

GMCNN = {"base_channels": 4, "image_size": 32, "attention": "a2"}
# Fixed sides keep graphs small; 30 is no multiple of 4.
CASES = {
    "saved_model": ({"hole_fill": "biharmonic"}, None),
    "onnx": ({"hole_fill": "pull_push"}, 30),
    "litert": ({"hole_fill": "biharmonic"}, 30),
}
OPEN_SHAPES = [(1, 32, 32), (2, 33, 45), (1, 5, 3)]


@pytest.fixture(scope="module", params=CASES)
def exported(request, tmp_path_factory):
    """What the command wrote: model, completing function, fixed side, line printed."""
    format, folder = request.param, tmp_path_factory.mktemp(request.param)
    fill, side = CASES[format]
    keras.utils.set_random_seed(0)
    model = presets.build("gmcnn_small", **GMCNN, **fill)
    about = {"preset": "gmcnn_small", "overrides": {**GMCNN, **fill}}
    weights, path = folder / "weights.npz", folder / "exported"
    save_weights(weights, as_arrays(model.use_state()), about)
    path = path.with_suffix(formats.get(format).suffix)
    command = ["export", "-format", format, "-save_to", path, "-from_weights", weights]
    command += ["-image_size", side] if side else []
    found = run(*command, "-pixels", "float32", timeout=600)
    assert found.returncode == 0, found.stderr
    return model, RUNTIMES[format](path), side, found.stdout


def random(shape, seed=0):
    """Images on [-1, 1] and masks with a hole of half the width."""
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1, 1, (*shape, 3)).astype("float32")
    mask = np.zeros((*shape, 1), "float32")
    mask[:, : 1 + shape[1] // 2, shape[2] // 4 : 1 + 3 * shape[2] // 4] = 1
    return image, mask


def expected(model, image, mask):
    """What a file should return, of images padded to what fits by NumPy."""
    fitted = [model.sizes.fit(*pair) for pair in zip(image, mask[..., 0])]
    inputs = [np.stack([pair[i] for pair in fitted]) for i in (0, 1)]
    inputs[1] = inputs[1][..., None]
    prediction = np.asarray(model.generator(inputs))
    prediction = np.stack([restore(x) for (*_, restore), x in zip(fitted, prediction)])
    return np.where(mask != 0, prediction, image)


def check(complete, model, shape):
    """Predictions agree with the model's, known pixels are what they were."""
    image, mask = random(shape)
    completed, known = complete(image, mask), np.broadcast_to(mask == 0, image.shape)
    np.testing.assert_array_equal(completed[known], image[known])
    assert np.abs(completed - expected(model, image, mask)).max() < 1e-4
    assert np.abs(completed - image)[~known].mean() > 0.1


@pytest.mark.long
def test_what_the_command_writes_agrees_with_the_model(exported):
    model, complete, side, line = exported
    for shape in [(1, side, side)] if side else OPEN_SHAPES:
        check(complete, model, shape)
    assert (f"{side}x{side}" if side else "any size") in line


@pytest.mark.long
def test_an_onnx_file_takes_any_size(tmp_path):
    keras.utils.set_random_seed(0)
    image, mask = keras.Input((None, None, 3)), keras.Input((None, None, 1))
    filled = PullPush(levels=3, iterations=2)(image, mask)
    x = PaddedUpsampling2D(1, 6)(ops.concatenate([filled, mask], axis=-1))
    x = keras.layers.Conv2D(8, 3, dilation_rate=6, activation="elu")(x)
    x = DoubleAttention()(keras.layers.AveragePooling2D(2)(x))
    x = keras.layers.Conv2D(3, 1)(PaddedUpsampling2D(2, 0, "bilinear")(x))
    generator = keras.Model([image, mask], ops.clip(filled + x * mask, -1, 1))
    model = GeneratorInpainter(generator, 32, Sizes(multiple=4))
    path = tmp_path / "tiny.onnx"
    exporting.export(model, "onnx", path, pixels="float32")
    for shape in OPEN_SHAPES:
        check(RUNTIMES["onnx"](path), model, shape)


@pytest.mark.parametrize(
    ("format", "side"),
    [
        pytest.param("onnx", None, marks=pytest.mark.long),
        ("litert", 30),
        ("saved_model", None),
    ],
)
def test_fourier_transforms_are_written_as_products(format, side, tmp_path):
    """LiteRT has few of them and tf2onnx converts none, so their files hold none."""
    keras.utils.set_random_seed(0)
    model = presets.build("lama_small", base_channels=2, blocks=1, downsamplings=2)
    path = tmp_path / f"lama{formats.get(format).suffix}"
    exporting.export(model, format, path, image_size=side, pixels="float32")
    for shape in [(1, side, side)] if side else OPEN_SHAPES:
        check(RUNTIMES[format](path), model, shape)
    if format != "saved_model":
        assert not re.search(rb"FFT|DFT", path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "sides"), [("onnx", (104, 139)), ("litert", (128,))]
)
def test_products_are_exact_through_as_many_blocks_as_presets_have(
    format, sides, tmp_path
):
    """Narrow, but 9 blocks deep, of features of 13, 18 and 16 pixels."""
    keras.utils.set_random_seed(0)
    model = presets.build("lama_small", base_channels=4)
    path = tmp_path / f"lama{formats.get(format).suffix}"
    side = None if formats.get(format).any_size else sides[0]
    exporting.export(model, format, path, image_size=side, pixels="float32")
    for side in sides:
        check(RUNTIMES[format](path), model, (1, side, side))


@pytest.fixture(scope="module")
def encoder():
    """A context encoder and what it completes: images, masks, completed images."""
    keras.utils.set_random_seed(0)
    model = presets.build("context_encoder_small")
    files = samples.files("test")[:2]
    pairs = [pair[1:] for pair in EvaluationPairs(files, model.masks, model.image_size)]
    completed = np.stack([model.inpaint(*pair) for pair in pairs])
    images, masks = (np.stack(arrays) for arrays in zip(*pairs))
    return model, images, masks[..., None].astype("uint8"), completed


@pytest.mark.parametrize("format", ["onnx", "litert"])
@pytest.mark.long
def test_precisions_are_close_and_smaller(format, encoder, tmp_path):
    model, images, masks, completed = encoder
    weights = 4 * model.generator.count_params()  # bytes in float32
    limits = {"float16": (55, 0.52), "int8": (35, 0.3)}
    for precision, (least, share) in limits.items():
        path = tmp_path / f"{precision}{formats.get(format).suffix}"
        found = exporting.export(model, format, path, precision=precision)
        assert found["image_size"] == 128
        assert found["bytes"] == path.stat().st_size < share * weights
        complete = RUNTIMES[format](path)
        for image, mask, truth in zip(images, masks, completed):
            (found,) = complete(image[None], mask[None])
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(
                found[mask[..., 0] == 0], image[mask[..., 0] == 0]
            )
            assert psnr(found, truth) > least


def test_a_saved_model_takes_uint8_and_replaces_a_former_one(encoder, tmp_path):
    model, images, masks, completed = encoder
    path = tmp_path / "exported"
    (path / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/left_over"):
        (path / name).touch()
    exporting.export(model, "saved_model", path)
    assert not (path / "variables/left_over").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["exported"]
    found = RUNTIMES["saved_model"](path)(images, masks)
    assert np.abs(found.astype(int) - completed).max() <= 1
    np.testing.assert_array_equal(found[masks[..., 0] == 0], images[masks[..., 0] == 0])


def test_the_example_of_the_page_runs(encoder, tmp_path, monkeypatch):
    model, images, masks, completed = encoder
    monkeypatch.chdir(tmp_path)
    exporting.export(model, "onnx", "NAME.onnx")
    Image.fromarray(images[0]).save("image.png")
    Image.fromarray(masks[0, ..., 0] * 255).save("mask.png")
    text = (ROOT / "docs" / "command_line.md").read_text()
    example = re.search(r"    import numpy as np, onnxruntime\n(    .*\n|\n)*", text)
    exec(textwrap.dedent(example[0]), {})
    found = np.asarray(Image.open("completed.png"))
    assert np.abs(found.astype(int) - completed[0]).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-save_to", "a.onnx"], "-format: is needed"),
        (["-format", "onnx"], "-save_to: is needed"),
        (["-format", "pb", "-save_to", "a.pb"], "saved_model, onnx, litert"),
        (["-format", "onnx", "-save_to", "a.pb"], "-save_to: must end in .onnx"),
        (["-format", "litert", "-save_to", "a"], "-save_to: must end in .tflite"),
        (["-format", "saved_model", "-save_to", "."], "a former saved_model"),
        (["-format", "saved_model", "-save_to", "a", "-precision", "int8"], "float32"),
        (["-format", "onnx", "-save_to", "a.onnx", "-precision", "int4"], "int4"),
        (["-format", "onnx", "-save_to", "a.onnx"], "-from_weights"),
    ],
)
def test_wrong_input_gets_one_line_and_exit_code_4(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "not ours").touch()
    model = [] if message == "-from_weights" else ["-preset", "gmcnn_faces_128"]
    assert runner.main(["export", *arguments, *model]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert [p.name for p in tmp_path.iterdir()] == ["not ours"]


def test_a_missing_package_is_named(tmp_path, monkeypatch, capsys):
    needy = dataclasses.replace(formats.get("onnx"), packages=("keras", "not_there"))
    monkeypatch.setitem(formats.FORMATS, "onnx", needy)
    arguments = ["-format", "onnx", "-save_to", str(tmp_path / "a.onnx")]
    arguments += ["-preset", "gmcnn_faces_128"]
    assert runner.main(["export", *arguments]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs not_there" in line
    assert 'pip install "keras-inpainting-zoo[export]"' in line


def test_sizes_that_cannot_be(encoder, tmp_path):
    for size, message in ((64, "must be 128 for this model"), (0, "received 0")):
        with pytest.raises(InputError, match=message):
            exporting.export(encoder[0], "onnx", tmp_path / "a.onnx", size)


def run_onnx(path):
    """Returns the names of a file's inputs, and what runs it."""
    session = onnxruntime.InferenceSession(path)
    names = [x.name for x in session.get_inputs()]
    return names, lambda inputs: session.run(None, inputs)[0]


def run_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()
    names = sorted(runner.get_input_details())
    return names, lambda inputs: runner(**inputs)["completed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "opened"), [("onnx", run_onnx), ("litert", run_litert)]
)
def test_what_is_drawn_is_an_input(format, opened, tmp_path):
    """Style and maps of MAT, by name; another style gives another picture."""
    keras.utils.set_random_seed(0)
    config = {"channels": [2], "width": 6, "latent": 4, "mapping_layers": 1}
    model = presets.build("mat_small", depths=[1, 2, 1, 1, 1], **config)
    path = tmp_path / f"mat{formats.get(format).suffix}"
    exporting.export(model, format, path, pixels="float32")
    names, complete = opened(path)
    drawn_names = ["z", "stage1_map", "stage2_map"]
    assert sorted(names) == sorted(["image", "mask", *drawn_names])
    image, mask = random((1, 128, 128))
    found = []
    for seed in (0, 1):
        drawn = model.draw(np.random.default_rng(seed), 128, 128)
        inputs = {"image": image, "mask": mask} | {k: drawn[k] for k in drawn_names}
        completed = complete(inputs)
        prediction = model.predict(inputs, verbose=0)
        expected = np.where(mask != 0, prediction, image)
        assert np.abs(completed - expected).max() < 1e-4
        np.testing.assert_array_equal(
            completed[mask[..., 0] == 0], image[mask[..., 0] == 0]
        )
        found.append(completed)
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.slow
def test_the_table_of_exported_files_draws_what_the_model_draws(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    config = {"channels": [2], "width": 6, "latent": 4, "mapping_layers": 1}
    config["depths"] = [1, 2, 1, 1, 1]
    model, weights = presets.build("mat_small", **config), tmp_path / "mat.npz"
    about = {"preset": "mat_small", "overrides": config}
    save_weights(weights, as_arrays(model.use_state()), about)
    onnx = dataclasses.replace(formats.get("onnx"), precisions=("float32",))
    monkeypatch.setattr(formats, "FORMATS", {"onnx": onnx})
    table = compare(str(weights), tmp_path, "samples:test", limit=2)
    assert table["images"] == 2 and set(table["files"]) == {"keras", "onnx float32"}
    found = table["files"]["onnx float32"]
    assert abs(found["psnr_difference"]) < 0.01 and found["outside_max"] == 0
