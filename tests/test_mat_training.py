"""Training of MAT: its losses, lazy terms, averages, and what a state holds."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from conftest import slow_on_jax
from inpainting_zoo import cli, presets
from inpainting_zoo.benchmarks.cases import random_vgg
from inpainting_zoo.engine import backend
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.errors import InputError
from inpainting_zoo.features import vgg
from inpainting_zoo.features.load import loader
from inpainting_zoo.layers.minibatch_deviation import MinibatchDeviation
from inpainting_zoo.layers.truncation import Truncation
from inpainting_zoo.losses.adversarial import lazily
from inpainting_zoo.losses.feature_distance import absolute_feature_distance
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.mat.model import TAPS
from inpainting_zoo.models.pixels import as_floats
from parity import difference

both_engines = pytest.mark.both_engines
NARROW = {
    "channels": [2],
    "width": 6,
    "latent": 4,
    "mapping_layers": 1,
    "depths": [1, 1, 1, 1, 1],
    "perceptual_weight": 0,
}


def begun(stage="adversarial", features=None, **overrides):
    keras.utils.set_random_seed(0)
    model = presets.build("mat_small", **NARROW | overrides)
    adam = functools.partial(keras.optimizers.Adam, beta_1=0.0, beta_2=0.99)
    model.begin(
        stage,
        lambda name, factor, clip: adam(1e-3 * factor, name=name),
        features,
        run_eagerly=backend.BACKEND == "tensorflow",
    )
    return model


def batch(i):
    rng = np.random.default_rng(i)
    mask = np.zeros((2, 128, 128, 1), np.uint8)
    mask[:, 40:90, 20 + i : 90 + i] = 1
    return {"image": rng.integers(0, 256, (2, 128, 128, 3), np.uint8), "mask": mask}


def as_inputs(batch):
    return as_floats(batch["image"], batch["mask"])


def fit(model, start, stop):
    """Trains; returns the logs of the last step."""
    history = model.fit(
        stream(batch, start, stop), steps_per_epoch=stop - start, verbose=0
    ).history
    return {name: values[-1] for name, values in history.items()}


def numbers(model):
    return {name: ops.convert_to_numpy(v) for name, v in model.state().items()}


@both_engines
@slow_on_jax
def test_reconstruction_is_the_mean_difference_of_the_hole():
    """Of both predictions, which are pasted: all that differs is in the hole."""
    model, inputs = begun("reconstruction"), as_inputs(batch(0))
    predictions = [ops.convert_to_numpy(x) for x in model.generate(*inputs)]
    model.generate = lambda image, mask: predictions
    loss, logs = model.reconstruction_loss(*inputs)
    image, mask = (ops.convert_to_numpy(x) for x in inputs)
    count = 3 * mask.sum()
    expected = [float(np.abs(x - image).sum() / count) for x in predictions]
    names = ("reconstruction", "coarse_reconstruction")
    assert [float(logs[name]) for name in names] == pytest.approx(expected, rel=1e-4)
    assert float(loss) == pytest.approx(sum(expected), rel=1e-4)


@both_engines
@pytest.mark.slow
def test_reconstruction_learns():
    """The same pictures again and again, without a discriminator."""
    model = begun("reconstruction", average=0)
    first = fit(model, 0, 1)["generator_loss"]
    assert fit(model, 0, 12)["generator_loss"] < 0.9 * first
    assert model.discriminator is None


@both_engines
@pytest.mark.long
def test_states_hold_all_that_training_goes_on_from():
    """R1 in every second step, random numbers, averages: the same step again."""
    model = begun(gradient_penalty_every=2, average=4.0)
    logs = fit(model, 0, 1)
    assert logs["gradient_penalty"] > 0
    terms = logs["discriminator"] + logs["coarse_discriminator"]
    terms += 5 * logs["gradient_penalty"]
    assert logs["discriminator_loss"] == pytest.approx(terms, rel=1e-5)
    terms = logs["adversarial"] + logs["coarse_adversarial"]
    assert logs["generator_loss"] == pytest.approx(terms, rel=1e-5)
    middle = numbers(model)
    assert fit(model, 1, 2)["gradient_penalty"] == 0
    end = numbers(model)
    for name, variable in model.state().items():
        variable.assign(middle[name])
    fit(model, 1, 2)
    for name, value in numbers(model).items():
        np.testing.assert_array_equal(value, end[name], err_msg=name)
    moved = [name for name in end if (end[name] != middle[name]).any()]
    for kind in ("mapping_average", "noise_strength", "coarse_head", "seed_generator"):
        assert any(kind in name for name in moved), kind
    # The second step of two images: the half-life is a twentieth of those seen.
    name, keep = "generator/coarse_entry/kernel", 0.5 ** (2 / (0.05 * 4))
    averaged = keep * middle[f"average/{name}"] + (1 - keep) * end[name]
    np.testing.assert_allclose(end[f"average/{name}"], averaged, rtol=1e-5, atol=1e-6)
    used = ops.convert_to_numpy(model.use_state()[name])
    np.testing.assert_array_equal(used, end[f"average/{name}"])


def test_lazy_terms():
    """One optimizer step more for n of them: rates and betas to the power n/(n+1)."""
    model = begun()
    generator, discriminator = model.optimizers.values()
    assert float(generator.learning_rate) == pytest.approx(1e-3 * 4 / 5)
    assert float(discriminator.learning_rate) == pytest.approx(1e-3 * 16 / 17)
    assert generator.beta_2 == pytest.approx(0.99 ** (4 / 5))
    assert discriminator.beta_2 == pytest.approx(0.99 ** (16 / 17))
    assert generator.beta_1 == discriminator.beta_1 == 0
    found = [
        float(lazily(lambda: ops.ones(()), lambda i=i: ops.array(i), 4))
        for i in range(5)
    ]
    assert found == [4, 0, 0, 0, 4]
    for without in ({"gradient_penalty_every": 1}, {"gradient_penalty_weight": 0.0}):
        rates = [
            float(optimizer.learning_rate)
            for optimizer in begun(**without).optimizers.values()
        ]
        assert rates == pytest.approx([1e-3 * 4 / 5, 1e-3])


@both_engines
def test_truncation_follows_the_average():
    layer, w = Truncation(decay=0.5), np.array([[2.0, 4.0], [4.0, 0.0]], "float32")
    half = np.full((2, 1), 0.5, "float32")
    assert difference(layer([w, half]), w / 2) == 0
    # The average is half of the mean, (3, 2), from then on.
    moved = (w + np.array([1.5, 1])) / 2
    assert difference(layer([w, half], training=True), moved) == 0
    assert difference(layer([w, 0 * half]), np.array([[1.5, 1]] * 2)) == 0


@both_engines
def test_styles_are_mixed_from_a_layer_on():
    model = presets.build("mat_small", **NARROW, mixing=1.0, training_truncation=1.0)
    changed = []
    for _ in range(4):
        styles = ops.convert_to_numpy(model._styles(2, 8, 4))
        steps = np.abs(np.diff(styles, axis=1)).max(axis=(0, 2))
        changed.append(np.flatnonzero(steps))
    assert all(len(places) == 1 for places in changed)
    # The first z of a batch alone moves the average.
    layer, given = model.mapping.get_layer("mapping_average"), []
    (average,) = layer.non_trainable_variables
    before, call = ops.convert_to_numpy(average), layer.call
    layer.call = lambda inputs, training=None: (
        given.append(ops.convert_to_numpy(inputs[0])) or call(inputs, training=training)
    )
    model._styles(2, 8, 4)
    expected = layer.decay * before + (1 - layer.decay) * given[0].mean(axis=0)
    assert len(given) == 2 and difference(average, expected) < 1e-6
    model.mixing = 0.0
    styles = ops.convert_to_numpy(model._styles(2, 8, 4))
    assert np.abs(np.diff(styles, axis=1)).max() == 0


def test_groups_of_pictures():
    """Of 4 pictures in groups of 2: 0 with 2 and 1 with 3."""
    x = np.array([0, 5, 2, 5], "float32").reshape(4, 1, 1, 1)
    found = ops.convert_to_numpy(MinibatchDeviation(2)(x))[..., 1].ravel()
    np.testing.assert_allclose(found, [1, 1e-4, 1, 1e-4], rtol=1e-4)
    with pytest.raises(InputError, match="a multiple of 3, or less, received 4"):
        MinibatchDeviation(3)(x)


def test_a_batch_that_groups_do_not_divide(pictures, tmp_path, capsys):
    """By the command: refused in a line, before there is an experiment."""
    words = ["train", "-preset", "mat_small", "-train_path", str(pictures)]
    words += ["-output_path", str(tmp_path), "-experiment_name", "mat", "-steps", "1"]
    words += ["-batch_size", "6", "-set", "group=4", "perceptual_weight=0"]
    words += [f"{k}={v}" for k, v in NARROW.items() if k != "perceptual_weight"]
    assert cli.main(words) == 4
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "error: -batch_size: must be a multiple of 4, or less, received 6"
    assert not any(path.is_file() for path in (tmp_path / "mat").rglob("*"))


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_features_before_the_relu(network, tmp_path, caplog):
    """They are what a ReLU makes the features after it of, and said in the log."""
    load, taps = loader({network: random_vgg(tmp_path / "vgg.npz")}), TAPS[network]
    overrides = NARROW | {"perceptual": network, "perceptual_weight": 0.1}
    model = presets.build("mat_small", **overrides)
    with caplog.at_level("INFO"):
        model.make_stage("adversarial", load)
    words = f"perceptual loss: {network}, {', '.join(taps)}, features divided by 57"
    assert words in caplog.text
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    before = model.features(image)
    after = load(network, tuple(taps))(image)
    for x, y in zip(before, after):
        assert difference(ops.relu(x), ops.convert_to_numpy(y)) < 1e-4
        assert float(ops.min(x)) < 0
    with pytest.raises(InputError, match="train without it: -set perceptual_weight=0"):
        model.make_stage("adversarial", loader({network: tmp_path / "gone.npz"}))


@both_engines
@slow_on_jax
def test_a_step_by_features(tmp_path):
    """The term is the distance of features over their scale."""
    load = loader({"vgg16": random_vgg(tmp_path / "vgg.npz")})
    overrides = NARROW | {"perceptual": "vgg16", "perceptual_weight": 0.1}
    model = begun(features=load, **overrides)
    logs = fit(model, 0, 1)
    parts = {name: logs[name] for name in ("adversarial", "coarse_adversarial")}
    parts["perceptual"] = 0.1 * logs["perceptual"]
    assert logs["generator_loss"] == pytest.approx(sum(parts.values()), rel=1e-4)
    image, _ = as_inputs(batch(0))
    maps = model.features(-image), model.features(image)
    weights = [w / vgg.CAFFE for w in TAPS["vgg16"].values()]
    expected = float(absolute_feature_distance(*maps, weights))
    model.generate = lambda image, mask: [-image, image]
    _, found = model.generator_loss(*as_inputs(batch(0)))
    assert float(found["perceptual"]) == pytest.approx(expected, rel=1e-4)


@both_engines
@pytest.mark.slow
def test_a_step_by_lpips():
    """The term is the distance of the whole prediction."""
    image = x = keras.Input((None, None, 3))
    maps = [x := keras.layers.Conv2D(2, 3, 2, "same")(x) for _ in range(2)]
    network, heads = keras.Model(image, maps), [np.float32([1, i]) for i in range(2)]
    asked = []

    def load(*names):
        asked.append(names)
        return network, heads

    overrides = NARROW | {"perceptual": "lpips", "perceptual_weight": 10}
    model = begun(features=load, **overrides)
    assert asked == [("lpips_vgg16", None)]
    logs = fit(model, 0, 1)
    parts = {name: logs[name] for name in ("adversarial", "coarse_adversarial")}
    parts["perceptual"] = 10 * logs["perceptual"]
    assert logs["generator_loss"] == pytest.approx(sum(parts.values()), rel=1e-4)
    image, mask = as_inputs(batch(0))
    expected = perceptual_similarity_loss(network(-image), network(image), heads)
    model.generate = lambda image, mask: [-image, image]
    _, found = model.generator_loss(image, mask)
    assert float(found["perceptual"]) == pytest.approx(float(expected), rel=1e-4)


def test_a_network_that_cannot_be_downloaded(pictures, tmp_path, monkeypatch, capsys):
    """By the command: one line says where to put it, and how to do without."""
    monkeypatch.setattr(vgg, "URL", "http://127.0.0.1:9")  # nothing listens there
    for folder in ("KERAS_HOME", "INPAINTING_ZOO_HOME"):
        monkeypatch.setenv(folder, str(tmp_path))
    command = ["train", "-preset", "mat_small", "-batch_size", "2"]
    command += ["-train_path", str(pictures / "images"), "-output_path", str(tmp_path)]
    options = {k: v for k, v in NARROW.items() if k != "perceptual_weight"}
    assert cli.main([*command, "-set", *(f"{k}={v}" for k, v in options.items())]) == 4
    *_, line = capsys.readouterr().err.splitlines()
    file = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert line.startswith(
        f"error: -vgg_weights: {file}: must be at {tmp_path / file} or be downloaded"
    )
    assert line.endswith(
        "put it there or name it with -vgg_weights; or train without it: "
        "-set perceptual_weight=0"
    )


def test_distances_of_features():
    """A quarter of 1 and half of 2."""
    target = [np.zeros((1, 2, 2, 1), "float32")] * 2
    generated = [target[0] + 1, target[1] - 2]
    found = absolute_feature_distance(generated, target, (1 / 4, 1 / 2))
    assert float(found) == pytest.approx(1.25)
