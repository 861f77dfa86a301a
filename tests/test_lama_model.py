"""LaMa as a model: sizes, stages, states, masks, official files."""

import functools
import sys

import keras
import numpy as np
import pytest
from keras import ops
from safetensors.numpy import save_file

from conftest import needs
from inpainting_zoo import cli, presets
from inpainting_zoo.data.masks import MASKS
from inpainting_zoo.engine import backend
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.errors import InputError
from inpainting_zoo.features.load import loader
from inpainting_zoo.lama.model import JUDGED
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.storage.checkpoints import as_arrays
from inpainting_zoo.storage.variables import without_memory
from inpainting_zoo.training.experiment import Experiment
from inpainting_zoo.weights.convert import convert_file
from inpainting_zoo.weights.convert_lama import IGNORED, official_tensors
from parity import difference, golden, nhwc
from tiny_vgg import write
from torch_writer import Writer, dictionary, number, save_state_dict, thing

both_engines = pytest.mark.both_engines
NARROW = {
    "base_channels": 2,
    "blocks": 1,
    "discriminator_channels": 2,
    "image_size": 16,
    "judged": "prediction",
    "perceptual": "vgg19",
    "perceptual_weight": 0,
}


def begun(stage, preset="lama_small", dtype="float32", features=None, **overrides):
    keras.utils.set_random_seed(0)
    model = presets.build(preset, dtype=dtype, **NARROW | overrides)
    adam = functools.partial(keras.optimizers.Adam, 1e-3)
    model.begin(
        stage,
        lambda name, factor, clip: adam(global_clipnorm=clip, name=name),
        features,
        run_eagerly=backend.BACKEND == "tensorflow",
    )
    return model


def batch(i):
    rng = np.random.default_rng(i)
    image = rng.integers(0, 256, (2, 16, 16, 3), np.uint8)
    mask = np.zeros((2, 16, 16, 1), np.uint8)
    mask[:, 4:12, 2 + i : 9 + i] = 1
    return {"image": image, "mask": mask}


def fit(model, start, stop):
    """Trains; returns the logs of the last step."""
    history = model.fit(
        stream(batch, start, stop), steps_per_epoch=stop - start, verbose=0
    ).history
    return {name: values[-1] for name, values in history.items()}


def numbers(model):
    return {name: ops.convert_to_numpy(v) for name, v in model.state().items()}


@both_engines
@pytest.mark.long
@pytest.mark.parametrize("judged", JUDGED)
def test_states_hold_all_that_training_goes_on_from(judged, tmp_path):
    """R1 in every second step, averages, moving statistics: the same steps again."""
    options = {"gradient_penalty_every": 2, "average": 4.0, "judged": judged}
    features = loader({"vgg19": write(tmp_path / "vgg.npz")})
    model = begun("adversarial", features=features, **options)
    logs = [fit(model, i, i + 1) for i in range(2)]
    if judged == "prediction":
        assert logs[0]["gradient_penalty"] > 0 == logs[1]["gradient_penalty"]
    else:
        assert "gradient_penalty" not in logs[0] and "shown" not in logs[0]
    middle = numbers(model)
    fit(model, 2, 4)
    end = numbers(model)
    for name, variable in model.state().items():
        variable.assign(middle[name])
    fit(model, 2, 4)
    again = numbers(model)
    for name, value in end.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)
    moved = [name for name in end if (end[name] != middle[name]).any()]
    for kind in ("discriminator", "average", "moving_variance", "entry"):
        assert any(kind in name for name in moved)


@both_engines
@pytest.mark.long
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_pairs_without_a_hole(dtype, tmp_path):
    """Teach nothing, and no number is lost; at a side that VGG halves unevenly."""
    needs(dtype)
    features = loader({"vgg16": write(tmp_path / "vgg.npz")})
    options = {"judged": "completed", "perceptual": "vgg16", "image_size": 24}
    model = begun("adversarial", dtype=dtype, features=features, **options)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (2, 24, 24, 3), np.uint8)
    whole = {"image": image, "mask": np.zeros((2, 24, 24, 1), np.uint8)}
    logs = model.fit(stream(lambda i: whole, 0, 2), steps_per_epoch=2, verbose=0)
    last = {name: values[-1] for name, values in logs.history.items()}
    assert np.isfinite([*last.values()]).all()
    assert last["adversarial"] == last["discriminator"] == 0
    # XLA fuses the two pictures' features in ways that round differently.
    rounding = 1e-6 if dtype == "float32" else 1e-4
    assert last["perceptual"] == pytest.approx(0, abs=rounding)


@pytest.mark.long
def test_stages():
    model = begun("reconstruction")
    logs = fit(model, 0, 1)
    assert set(model.networks) == {"generator"} and model.stage.clip == {
        "generator": 1.0
    }
    terms = logs["known"] + 5 * logs["hole"]
    assert logs["generator_loss"] == pytest.approx(terms, rel=1e-5)
    model = begun("adversarial", "lama_big")
    assert model.stage.rates == {"discriminator": 0.1} and not model.averages
    logs = fit(model, 0, 1)
    terms = 10 * logs["known"] + 10 * logs["adversarial"]
    terms += 100 * logs["feature_matching"]
    assert logs["generator_loss"] == pytest.approx(terms, rel=1e-5)
    terms = logs["discriminator"] + 0.001 * logs["gradient_penalty"]
    assert logs["discriminator_loss"] == pytest.approx(terms, rel=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.long
def test_mixed_precision(dtype):
    needs(dtype)
    model = begun("reconstruction", dtype=dtype)
    wide = begun("reconstruction")
    assert model.generator.get_layer("block0_conv0").compute_dtype == dtype[6:]
    losses = [fit(m, 0, 1)["generator_loss"] for m in (model, wide)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@both_engines
def test_a_smooth_fill_is_what_an_untrained_network_adds_to():
    """Without a last convolution the hole is the fill, known pixels are grey."""
    model = presets.build("lama_small", hole_fill="pull_push", **NARROW)
    model.generator.get_layer("exit").kernel.assign(np.zeros((7, 7, 2, 3)))
    image = ops.full((1, 16, 16, 3), 0.5)
    mask = ops.convert_to_tensor(batch(0)["mask"][:1].astype("float32"))
    found = model.call({"image": image, "mask": mask})
    assert difference(found, 0.5 * ops.convert_to_numpy(mask) + 0 * image) < 1e-6


def test_any_size_is_padded_as_officially():
    """Below and to the right, from the edge on."""
    model = presets.build("lama_small", **NARROW)
    image = np.random.default_rng(0).integers(0, 256, (19, 33, 3), np.uint8)
    hole = np.zeros((19, 33), np.uint8)
    hole[15:19, 30:] = 1
    padded, unknown, restore = model.sizes.fit(image, hole)
    assert padded.shape == (24, 40, 3)
    np.testing.assert_array_equal(padded[19:], padded[14:19][::-1])
    np.testing.assert_array_equal(unknown[:, 33:], unknown[:, 26:33][:, ::-1])
    np.testing.assert_array_equal(restore(padded), image)
    assert model.sizes.fit(image[:3, :5], hole[:3, :5])[0].shape == (16, 16, 3)
    with pytest.raises(InputError, match="a multiple of 8, at least 16, received 20"):
        model.sizes.check(20)


@both_engines
def test_predictions_are_of_the_pictures_size():
    """Those of a picture that NumPy has padded, cut back; spectra of odd sides too."""
    model = presets.build("lama_small", **NARROW)
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (1, 33, 47, 3)).astype("float32")
    mask = (rng.uniform(size=(1, 33, 47, 1)) < 0.3).astype("float32")
    margins = [(0, 0), (0, 7), (0, 1), (0, 0)]
    padded = [np.pad(x, margins, mode="symmetric") for x in (image, mask)]
    expected = ops.convert_to_numpy(model.generator(padded))[:, :33, :47]
    found = model.call({k: ops.array(x) for k, x in (("image", image), ("mask", mask))})
    assert difference(found, expected) < 2e-5
    for size in ((33, 47), (35, 49)):  # of which Keras makes a graph for any size
        given = {"image": np.resize(image, (1, *size, 3))}
        given["mask"] = np.resize(mask, (1, *size, 1))
        assert model.predict(given, verbose=0).shape == (1, *size, 3)
    tiny = {"image": ops.array(image[:, :5, :3]), "mask": ops.array(mask[:, :5, :3])}
    assert model.call(tiny).shape == (1, 5, 3, 3)


@pytest.mark.parametrize(
    ("options", "padded"),
    [
        ({"downsamplings": 1}, (20, 34)),
        ({"downsamplings": 2}, (20, 36)),
        ({"downsamplings": 4}, (32, 48)),
        ({"downsamplings": 2, "local_fourier": True, "base_channels": 8}, (24, 40)),
        ({"local_fourier": True, "base_channels": 4}, (32, 48)),
    ],
)
def test_sizes_follow_from_the_generator(options, padded):
    """A picture of 19x33 pixels, and one of a single pixel."""
    model = presets.build("lama_small", **NARROW | {"image_size": 32} | options)
    image = np.random.default_rng(0).integers(0, 256, (19, 33, 3), np.uint8)
    hole = np.zeros((19, 33), np.uint8)
    hole[4:12, 8:20] = 1
    assert model.sizes.fit(image, hole)[1].shape == padded
    assert presets.sized("lama_small", **options)[1] == model.sizes
    completed = model.inpaint(image, hole)
    np.testing.assert_array_equal(completed[hole == 0], image[hole == 0])
    assert model.inpaint(image[:1, :1], np.ones((1, 1))).shape == (1, 1, 3)


def test_local_fourier_units_need_quarters_of_channels():
    options = NARROW | {"local_fourier": True}
    with pytest.raises(
        InputError, match=r"\(8\) times .* multiple of 32 .* received 2"
    ):
        presets.build("lama_small", **options)
    presets.build("lama_small", **options, topology="regular")  # which has none


@both_engines
def test_stages_start_from_the_weights_that_use_takes(tmp_path, caplog):
    """From the experiment's state, and from its file for use, which hold the same."""
    caplog.set_level("INFO")
    about = {"preset": "lama_small", "overrides": NARROW}
    first, experiment = begun("reconstruction"), Experiment(tmp_path)
    fit(first, 0, 3)
    experiment.save(first, "reconstruction", 3, about, {"fingerprint": "x"})
    expected, last = as_arrays(first.use_state()), numbers(first)
    assert any((last[name] != array).any() for name, array in expected.items())
    for source in (True, str(experiment.generator)):
        second = begun("adversarial")
        settings = TrainSettings(preset="lama_small", from_weights=source)
        assert experiment.start(second, "adversarial", settings, about, "x") == 0
        state = numbers(second)
        for name, array in expected.items():
            np.testing.assert_array_equal(state[name], array)
            np.testing.assert_array_equal(state.get(f"average/{name}", array), array)
    assert "generator: the weights that use takes, not the last ones" in caplog.text


PUBLISHED = {
    "thin_256": "lama_thin_256",
    "medium_256": "lama_medium_256",
    "thick_256": "lama_thick_256",
    "thin_512": "lama_thin_512",
    "medium_512": "lama_medium_512",
    "thick_512": "lama_thick_512",
    "training_256": "lama_training",
    "training_thin_256": "lama_training_thin",
}


@pytest.mark.parametrize("theirs", PUBLISHED)
def test_masks_hide_as_much_as_the_official_ones(theirs):
    """Mean and quantiles of areas, before those over a half are drawn again."""
    mask, side = MASKS[PUBLISHED[theirs]], int(theirs[-3:])
    draw = functools.partial(mask.func, **mask.keywords | {"max_area": 1})
    ours = [draw(np.random.default_rng(i), side, side).mean() for i in range(800)]
    areas = golden("lama/mask_areas")[theirs]
    for measure in (np.mean, np.median, lambda a: np.quantile(a, 0.9)):
        assert measure(ours) == pytest.approx(measure(areas), abs=0.05)


OFFICIAL = {"base_channels": 8, "blocks": 2}


@pytest.fixture(scope="module")
def state_dict():
    arrays = golden("lama/tiny_d3_b2")
    return {k.removeprefix("sd/"): v for k, v in arrays.items() if k.startswith("sd/")}


@both_engines
def test_official_files_give_what_the_original_gives(state_dict, tmp_path):
    """Under each of the prefixes that people's files have, converted and directly."""
    found = {}
    for prefix in ("", "generator.", "model.generator.", "model."):
        tensors = {f"w:{prefix}{name}": array for name, array in state_dict.items()}
        if prefix:
            tensors["w:discriminator.model0.0.weight"] = np.zeros((8, 3, 4, 4))
        source = tmp_path / f"{prefix}official.npz"
        np.savez(source, **tensors, image=np.zeros(3))
        target = tmp_path / f"{prefix}ours.npz"
        convert_file(source, "lama_big", target, OFFICIAL)
        with np.load(target) as file:
            found[prefix] = {k: file[k] for k in file if k != "metadata"}
    for arrays in found.values():
        for name, array in found[""].items():
            np.testing.assert_array_equal(arrays[name], array)
    model = presets.load("lama_big", tmp_path / "generator.official.npz", **OFFICIAL)
    arrays = golden("lama/tiny_d3_b2")
    image, mask, expected = (nhwc(arrays[k]) for k in ("image", "mask", "predicted"))
    inputs = {"image": ops.convert_to_tensor(2 * image - 1), "mask": mask}
    prediction = model.compiled_call(inputs)
    assert difference((prediction + 1) / 2, expected) < 2e-5


def prefixed(prefix, arrays):
    return {prefix + name: array for name, array in arrays.items()}


def write_torchscript(path, arrays):
    writer = Writer()
    writer.save(path, writer.module(prefixed("model.generator.", arrays)), "big-lama")


def write_lightning(path, arrays):
    writer, others = Writer(), {"discriminator.model0.0.weight": np.zeros((8, 3, 4, 4))}
    state_dict = writer.state_dict(prefixed("generator.", arrays) | others)
    config = thing("omegaconf.dictconfig.DictConfig", {"_metadata": number(1)})
    value = {"epoch": number(39), "state_dict": state_dict, "hyper_parameters": config}
    writer.save(path, dictionary(value))


FILES = {
    "big-lama.pt": write_torchscript,
    "best.ckpt": write_lightning,
    "generator.pth": save_state_dict,
    "generator.safetensors": lambda path, arrays: save_file(arrays, path),
    "generator.npz": lambda path, arrays: np.savez(path, **arrays),
}


@both_engines
@pytest.mark.parametrize("name", FILES)
@pytest.mark.long
def test_files_as_people_have_them(state_dict, tmp_path, monkeypatch, name):
    """By the commands, without PyTorch: directly, and converted."""
    monkeypatch.setitem(sys.modules, "torch", None)
    FILES[name](tmp_path / name, state_dict)
    model = presets.load("lama_big", tmp_path / name, **OFFICIAL)
    arrays = golden("lama/tiny_d3_b2")
    image, mask, expected = (nhwc(arrays[k]) for k in ("image", "mask", "predicted"))
    inputs = {"image": ops.convert_to_tensor(2 * image - 1), "mask": mask}
    assert difference((model.compiled_call(inputs) + 1) / 2, expected) < 2e-5
    command = ["convert", "-preset", "lama_big", "-source", str(tmp_path / name)]
    command += ["-save_to", str(tmp_path / "ours.safetensors"), "-set"]
    assert cli.main(command + [f"{k}={v}" for k, v in OFFICIAL.items()]) == 0
    converted, _ = presets.load_file(tmp_path / "ours.safetensors")
    direct = as_arrays(model.use_state())
    for key, array in as_arrays(converted.use_state()).items():
        np.testing.assert_array_equal(array, direct[key])


def test_official_names():
    """Of the whole network, with their shapes, but for counters of batches."""
    with without_memory():
        variables = presets.build("lama_big").use_state()
    found = official_tensors(variables, presets.get("lama_big")["config"])
    official = golden("lama/big_names")
    pairs = zip(official["names"], official["shapes"], strict=True)
    expected = {name: shape for name, shape in pairs if not IGNORED.fullmatch(name)}
    assert {k: ",".join(map(str, shape)) for k, (_, shape, _) in found.items()} == (
        expected
    )


def test_official_names_of_the_network_without_fourier():
    """Paddings and activations are numbered as well."""
    config = presets.get("lama_regular")["config"]
    with without_memory():
        variables = presets.build("lama_regular").use_state()
    names = official_tensors(variables, config)
    assert names["model.1.weight"][1] == (64, 4, 7, 7)
    assert names["model.11.running_var"][1] == (512,)
    assert names["model.13.conv_block.1.weight"][1] == (512, 512, 3, 3)
    assert names["model.21.conv_block.6.bias"][1] == (512,)
    assert names["model.22.weight"][1] == (512, 256, 3, 3)
    assert names["model.29.weight"][1] == (64,)
    assert names["model.32.weight"][1] == (3, 64, 7, 7)
    assert len(names) == len(variables) == 2 * 26 + 4 * 25


def test_the_log_names_what_the_perceptual_network_compares(tmp_path, caplog):
    model = presets.build("lama_small", **NARROW | {"perceptual_weight": 30})
    with caplog.at_level("INFO"):
        model.make_stage("reconstruction", loader())  # compares nothing
        assert "perceptual" not in caplog.text
        load = loader({"vgg19": write(tmp_path / "vgg.npz")})
        model.make_stage("adversarial", load)
    layers = "block1_conv2, block2_conv2, block3_conv3"
    assert f"perceptual loss: vgg19, {layers}" in caplog.text


def test_a_perceptual_network_is_asked_for_by_name(tmp_path):
    model = presets.build("lama_small", **NARROW | {"perceptual_weight": 30})
    with pytest.raises(InputError, match=r"gone.npz'; or train without it: -set"):
        model.make_stage("adversarial", loader({"vgg19": tmp_path / "gone.npz"}))
    model = presets.build("lama_small", **NARROW | {"perceptual": "resnet50"})
    model.stage_weights["adversarial"]["perceptual"] = 30
    with pytest.raises(InputError, match=r"encoder_epoch_20\.pth .* resnet50_dilated"):
        model.make_stage("adversarial", loader())
