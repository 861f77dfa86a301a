"""Building, using and loading presets; what holds for every one is in test_zoo."""

import inspect
import pkgutil
import subprocess
import sys
import typing

import keras
import numpy as np
import pytest

from conftest import slow_on_jax
from inpainting_zoo import presets
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.families import names_in
from inpainting_zoo.gmcnn import model as gmcnn_model
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights

# Arguments that are texts, or names with rules of their own.
FREE = {"dtype", "masks", "prompt", "pad_token", "first", "second"}


def small(**overrides):
    return presets.build("gmcnn_small", base_channels=4, **overrides)


def save(model, path, **metadata):
    save_weights(path, as_arrays(model.use_state()), metadata)
    return path


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2), (31, 33), (64, 48)])
def test_known_pixels_are_untouched_at_any_size(size):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    mask = rng.integers(0, 2, size, np.uint8)
    completed = small().inpaint(image, mask)
    assert completed.dtype == np.uint8
    assert completed.shape == image.shape
    np.testing.assert_array_equal(completed[mask == 0], image[mask == 0])


def test_without_a_hole_the_image_comes_back(caplog):
    image = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    completed = small().inpaint(image, np.zeros((9, 9)))
    np.testing.assert_array_equal(completed, image)
    assert "mask: has no hole, the picture stays as it is" in caplog.text


def test_prediction_does_not_see_what_is_under_the_hole():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 32, 3), np.uint8)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 8:20] = 1
    other = np.where(mask[..., None] == 1, np.uint8(255), image)
    model = small()
    np.testing.assert_array_equal(
        model.predict_image(image, mask), model.predict_image(other, mask)
    )


@pytest.mark.both_engines
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_weights_survive_the_disk(tmp_path, suffix):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    mask = np.tri(32, dtype=np.uint8)
    model = small()
    about = {"preset": "gmcnn_small", "overrides": {"base_channels": 4}}
    path = save(model, tmp_path / f"weights{suffix}", **about)
    loaded = presets.load("gmcnn_small", {"generator": path}, base_channels=4)
    by_file, _ = presets.load_file(path)
    completed = []
    for each in (model, loaded, by_file):
        each.run_eagerly = True  # compiling three would take long
        completed.append(each.inpaint(image, mask))
    np.testing.assert_array_equal(completed[1], completed[0])
    np.testing.assert_array_equal(completed[2], completed[0])


@pytest.mark.both_engines
def test_weights_in_half_precision_become_float32(tmp_path):
    model = small()
    arrays = as_arrays(model.use_state())
    halves = {name: array.astype("float16") for name, array in arrays.items()}
    save_weights(tmp_path / "halves.npz", halves, {})
    loaded = presets.load("gmcnn_small", tmp_path / "halves.npz", base_channels=4)
    for name, variable in loaded.use_state().items():
        assert variable.dtype == "float32"
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(variable), halves[name].astype("float32")
        )


def test_weights_of_another_width_are_named(tmp_path):
    path = save(small(), tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match="column1_conv0/kernel"):
        presets.load("gmcnn_small", path, base_channels=8)


def test_shares_are_at_most_1():
    for preset, name in (
        *(("sd15_inpainting", "prompt_dropped"), ("sd_small", "all_hole")),
        *(("asuka", "prior_dropped"), ("asuka_small", "generated")),
    ):
        with pytest.raises(InputError, match=rf"{name} must .* at most 1, received 2"):
            presets.configured(preset, **{name: 2})
        assert presets.configured(preset, **{name: 1})[name] == 1


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="gmcnn_256"):
        presets.load("gmcnn_512")
    with pytest.raises(InputError, match=r"gmcnn_small: .* received 'base_chanels'"):
        presets.build("gmcnn_small", base_chanels=3)
    with pytest.raises(InputError, match=r"context_encoder: .* received 'padding'"):
        presets.build("context_encoder", padding="same")
    with pytest.raises(InputError, match="hole_fill"):
        presets.build("gmcnn_small", hole_fill="white")


@pytest.mark.parametrize(
    "overrides",
    [{"base_channels": "4"}, {"image_size": 64.5}, {"lambda_ratio": None}],
)
def test_arguments_of_a_wrong_type_are_named(overrides):
    (argument,) = overrides
    with pytest.raises(InputError, match=f"context_encoder: {argument} must be "):
        presets.build("context_encoder", **overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        {"critic_channels": 0},
        {"local_size": -3},
        {"local_size": 1000},
        {"known_weight": -1},
        {"known_weight": float("nan")},
        {"known_weight": float("inf")},
    ],
)
def test_numbers_beyond_their_range_are_named(overrides):
    (argument,) = overrides
    with pytest.raises(InputError, match=rf"{argument}:? must be .* received"):
        presets.build("gmcnn_small", **overrides)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_arguments_are_known_before_the_engine_is(name):
    """What is read from a source is what its class takes, and so are its sizes."""
    family, model = presets.family(name), presets.model_class(name)
    taken = dict(inspect.signature(model.__init__).parameters)
    taken = {k: p for k, p in taken.items() if k not in ("self", "generator")}
    taken = {k: p for k, p in taken.items() if p.kind is not p.VAR_KEYWORD}
    taken = {**model.GENERATOR_OPTIONS, **taken}
    assert family.arguments.keys() == taken.keys()
    for argument, parameter in family.arguments.items():
        kind = taken[argument].annotation
        wanted = typing.get_args(kind) or (kind,)
        assert set(parameter.types) == set(wanted), argument
        assert parameter.default in (None, taken[argument].default), argument
    side, sizes = presets.sized(name)
    sizes.check(side)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_choices_are_known_before_the_engine_is(name):
    """All arguments that are names have a table, which is the one that decides."""
    family = presets.family(name)
    texts = {k for k, a in family.arguments.items() if a.annotation == "str"}
    assert texts - FREE == set(family.choices)
    for argument, place in family.choices.items():
        assert names_in(place) == [*pkgutil.resolve_name(place)]
        with pytest.raises(InputError, match=rf"^{name}: {argument}: one of .*, recei"):
            presets.configured(name, **{argument: "magic"})
    assert family.rules.keys() <= family.options.keys()
    tables = {k: r["choices"] for k, r in family.rules.items() if "choices" in r}
    for option, place in tables.items():
        assert names_in(place) == [*pkgutil.resolve_name(place)]
        assert family.options[option] in names_in(place)


def test_errors_of_programmers_are_not_those_of_users(monkeypatch):
    def broken(**arguments):
        raise TypeError("a bug")

    monkeypatch.setattr(gmcnn_model, "build_generator", broken)
    with pytest.raises(TypeError, match="a bug"):
        presets.build("gmcnn_small", image_size=32)


def test_a_file_for_every_part(tmp_path):
    path = save(small(), tmp_path / "weights.npz")
    for files in ({}, {"unet": path}, {"generator": path, "unet": path}):
        with pytest.raises(InputError, match="each of generator, received"):
            presets.load("gmcnn_small", files, base_channels=4)


@pytest.mark.both_engines
@slow_on_jax
@pytest.mark.long
def test_a_model_of_a_file_is_trained_as_any_other(tmp_path):
    """Its variables are like those of a model that was built at once."""
    about = {"preset": "gmcnn_small", "overrides": {"base_channels": 4}}
    path = save(small(), tmp_path / "weights.safetensors", **about)
    models = [presets.load("gmcnn_small", path, base_channels=4)]
    models += [presets.load_file(path)[0]]
    before = as_arrays(models[0].use_state())
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    mask = np.zeros((2, 32, 32, 1), np.uint8)
    mask[:, 8:24, 8:24] = 1
    states = []
    for model in models:
        model.begin(
            "warm_up_generator",
            lambda name, factor, clip: keras.optimizers.Adam(1e-2),
            run_eagerly=True,
        )
        batches = stream(lambda i: {"image": image, "mask": mask}, 0, 1)
        model.fit(batches, steps_per_epoch=1, verbose=0)
        states.append(as_arrays(model.use_state()))
    name = "generator/decoder_conv0/kernel"
    assert (states[0][name] != before[name]).any()
    assert list(states[0]) == list(states[1])
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name], name)


@pytest.mark.parametrize("name", presets.shipped())
def test_shipped_weights_have_a_licence_and_a_source(name):
    presets.verify(name)
    for weights in presets.get(name)["weights"].values():
        assert "non-commercial" in weights.licence and weights.source
        assert f"{weights.file}, " in presets.table()
    assert "MB, non-commercial" in presets.table()


def test_members_are_verified_too(tmp_path, monkeypatch):
    name, member = "ensemble_faces_128", "lama_faces_256"
    for each in (name, member, "gmcnn_faces_128_wgan"):
        for weights in presets.get(each)["weights"].values():
            (tmp_path / weights.file).symlink_to(presets.WEIGHTS / weights.file)
    monkeypatch.setattr(presets, "WEIGHTS", tmp_path)
    presets.verify(name)
    alone = (tmp_path / f"{name}.safetensors").stat().st_size
    assert presets.about(name)["bytes"] > presets.about(member)["bytes"] + alone
    (tmp_path / f"{member}.safetensors").unlink()
    (tmp_path / f"{member}.safetensors").write_bytes(b"other")
    with pytest.raises(WeightsError, match=f"{member}.* instead of"):
        presets.verify(name)


@pytest.mark.parametrize("name", sorted({*presets.trained()} - {*presets.shipped()}))
def test_downloads_have_a_licence_a_source_and_a_size(name, tmp_path, monkeypatch):
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path))
    for weights in presets.get(name)["weights"].values():
        assert weights.licence and weights.source and len(weights.digest) in (32, 64)
        assert all(url.startswith("https://") for url in weights.urls)
        assert f"{weights.size / 1e6:.1f} MB to download" in presets.table()


@pytest.mark.parametrize("name", ["sd15_inpainting", "sd2_inpainting", "asuka"])
def test_weights_to_bring_are_named_with_their_licence(name):
    published = presets.get(name)["published"]
    assert presets.known(published.digest) is published
    assert presets.about(name)["licence"] == published.licence
    assert f"to bring: {published.file} of {published.source}, " in presets.table()
    assert presets.known("0" * 64) is None
    assert presets.licence("sd_small") == ""


def test_presets_without_weights_cannot_be_verified():
    with pytest.raises(InputError, match=r"gmcnn_faces_128, .* received 'gmcnn_256'"):
        presets.verify("gmcnn_256")


def test_the_table_takes_no_engine():
    script = """
import sys
from inpainting_zoo import presets
from inpainting_zoo.storage import checkpoints
print(presets.table())
presets.verify("gmcnn_faces_128")
checkpoints.load_weights(presets.WEIGHTS / "gmcnn_faces_128.npz")
print("loaded:", {"keras", "tensorflow", "jax", "torch"} & set(sys.modules))
"""
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "gmcnn_256" in found.stdout
    assert found.stdout.splitlines()[-1] == "loaded: set()"


def test_generator_survives_serialization():
    model = small(attention="none", hole_fill="biharmonic")
    copy = keras.models.clone_model(model.generator)
    copy.set_weights(model.generator.get_weights())
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    mask = np.ones((1, 16, 16, 1), "float32")
    one, two = model.generator([image, mask]), copy([image, mask])
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(two)
    )


PEAK = """
import sys
from inpainting_zoo import presets
from inpainting_zoo.environment import peak_memory
if sys.argv[1] == "build":
    presets.build("lama_fourier")
else:
    presets.load("lama_fourier", sys.argv[1])
print(peak_memory())
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_loading_takes_hardly_more_memory_than_the_model(suffix, tmp_path):
    """Arrays are read one at a time: a tenth of 108 MB, not another 108."""
    path = tmp_path / f"weights{suffix}"
    save(presets.build("lama_fourier"), path, preset="lama_fourier")

    def peak(what):
        command = [sys.executable, "-c", PEAK, what]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(run.stdout)

    # Twice, because the engine itself takes a few MB more or less.
    built = max(peak("build") for _ in range(2))
    assert min(peak(str(path)) for _ in range(2)) < built + path.stat().st_size / 1e7
