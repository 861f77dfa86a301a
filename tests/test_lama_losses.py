"""LaMa's discriminator and losses against the official program."""

import keras
import numpy as np
import pytest
from keras import ops

from conftest import slow_on_jax
from inpainting_zoo import presets
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.engine.steps import input_gradient
from inpainting_zoo.features.load import loader
from inpainting_zoo.lama.architectures import PERCEPTUAL
from inpainting_zoo.lama.model import JUDGED, resize_nearest
from inpainting_zoo.layers.feature_discriminator import (
    build_feature_discriminator,
    share_of_patches,
)
from inpainting_zoo.layers.patch_discriminator import build_discriminator
from inpainting_zoo.losses.adversarial import (
    logistic_critic_loss,
    non_saturating_generator_loss,
    r1_penalty,
    relativistic_loss,
)
from inpainting_zoo.losses.feature_distance import (
    feature_matching_loss,
    perceptual_loss,
)
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.losses.reconstruction import weighted_absolute_error
from inpainting_zoo.models.pixels import paste
from inpainting_zoo.weights.convert_lama import KINDS, tensor
from parity import difference, golden, logged_gradients, nhwc
from tiny_vgg import write
from torch_writer import Writer

pytestmark = pytest.mark.both_engines


@pytest.fixture(scope="module")
def arrays():
    return golden("lama/discriminator_losses")


@pytest.fixture
def model(arrays):
    """The smallest LaMa with the official discriminator of the golden."""
    model = presets.build("lama_fourier", base_channels=2, blocks=1, image_size=64)
    model.loss_weights = model.stage_weights["adversarial"]
    model.discriminator = build_discriminator(8)
    for variable in model.discriminator.variables:
        _, to_ours = tensor(variable.path, tuple(variable.shape))
        variable.assign(to_ours(arrays[f"sd/{official(variable.path)}"]))
    return model


def official(path):
    """Returns what the official program calls a variable of the discriminator."""
    layer, kind = path.removeprefix("discriminator").split("/")
    number, _, norm = layer.partition("_")
    return f"model{number}.{int(bool(norm))}.{KINDS[kind]}"


def pictures(arrays):
    """Real and fake colours and their mask."""
    names = ("eval/real", "fake", "mask")
    return [ops.convert_to_tensor(nhwc(arrays[name])) for name in names]


def test_activations(model, arrays):
    """In use. The state was written after a step, of a pass for real and for fake."""
    moved = [v for v in model.discriminator.variables if "moving" in v.name]
    after = [ops.convert_to_numpy(v) for v in moved]
    for variable in moved:
        variable.assign(np.zeros(variable.shape, "float32"))
    for colours in pictures(arrays)[:2]:
        model.judge(colours)
    for variable, state in zip(moved, after):
        variable.assign((state - ops.convert_to_numpy(variable)) / 0.9**2)
    found = model.discriminator.predict(nhwc(arrays["eval/real"]), verbose=0)
    assert difference(found[-1], nhwc(arrays["eval/logits"])) < 2e-5
    for i, features in enumerate(found[:-1]):
        assert difference(features, nhwc(arrays[f"eval/feat{i}"])) < 2e-5
    assert len(found) == 6


def test_the_discriminators_loss(model, arrays):
    """Of real, fake and mask: logits, terms, and derivatives by all weights."""
    real, fake, mask = pictures(arrays)
    logits = [model.judge(colours)[-1] for colours in (real, fake)]
    for found, name in zip(logits, ("real", "fake")):
        assert difference(found, nhwc(arrays[f"d/{name}_pred"])) < 2e-5
    called_real = float(non_saturating_generator_loss(logits[0]))
    assert called_real == pytest.approx(float(arrays["d/real_softplus_mean"]), rel=1e-5)
    hole = resize_nearest(mask, 7, 7)
    assert difference(hole, nhwc(arrays["d/mask_resized_nearest"])) == 0

    logs, gradients = logged_gradients(
        model.discriminator,
        lambda: model.discriminator_loss(fake, real, mask),
    )
    assert logs["discriminator_loss"] == pytest.approx(arrays["d/loss"], rel=1e-5)
    penalty = logs["weighted_gradient_penalty"]
    assert penalty == pytest.approx(arrays["d/r1_times_coef"], rel=1e-5)
    for path, gradient in gradients.items():
        _, to_ours = tensor(path, gradient.shape)
        expected = to_ours(arrays[f"d/grad/{official(path)}"])
        assert difference(gradient, expected) < 1e-5 + 1e-4 * np.abs(expected).max()


def test_the_generators_loss(model, arrays):
    """All but the perceptual one, and the derivative by the prediction."""
    real, fake, mask = pictures(arrays)

    def loss(fake):
        model.predict_as_trained = lambda image, mask: 2 * fake - 1
        return model.generator_loss(2 * real - 1, mask)

    def run(inputs):
        fake = inputs["fake"]
        return input_gradient(lambda x: loss(x)[0], fake), loss(fake)[1]

    variables = model.discriminator.variables
    gradient, logs = compiled(run, variables)({"fake": ops.convert_to_tensor(fake)})
    for ours, theirs in {
        "weighted_adversarial": "adv_loss_weighted",
        "feature_matching": "feature_matching_unweighted",
        "weighted_known": "l1_weighted",
        "generator_loss": "total_without_resnetpl",
    }.items():
        assert float(logs[ours]) == pytest.approx(
            float(arrays[f"g/{theirs}"]), rel=2e-5
        )
    expected = nhwc(arrays["g/grad_fake"])
    assert difference(gradient, expected) < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("judged", JUDGED)
def test_known_pixels_are_judged_or_not(judged, model, arrays, monkeypatch, tmp_path):
    real, fake, mask = pictures(arrays)
    weights = {**model.loss_weights, "known": 0.0}
    monkeypatch.setattr(model, "judged", JUDGED[judged])
    if model.judged.features:
        model.make_stage("adversarial", loader({"vgg19": write(tmp_path / "vgg.npz")}))
    monkeypatch.setattr(model, "loss_weights", weights)

    def loss(fake):
        model.predict_as_trained = lambda image, mask: 2 * fake - 1
        return model.generator_loss(2 * real - 1, mask)[0]

    moved = [*model.discriminator.variables]
    if model.features:
        moved += model.features.variables
    run = compiled(lambda inputs: input_gradient(loss, inputs["fake"]), moved)
    gradient = ops.convert_to_numpy(run({"fake": ops.convert_to_tensor(fake)}))
    known = ops.convert_to_numpy(mask)[..., 0] == 0
    assert gradient[~known].any()
    assert gradient[known].any() == (judged == "prediction")


def test_lpips_as_the_perceptual_loss(model, arrays, monkeypatch):
    """Of all five layers, of which the discriminator sees the first three."""
    real, fake, mask = pictures(arrays)
    image = x = keras.Input((None, None, 3))
    maps = [x := keras.layers.Conv2D(2, 3, 1 + (i > 0), "same")(x) for i in range(5)]
    network, heads = keras.Model(image, maps), [np.float32([1, i]) for i in range(5)]
    monkeypatch.setattr(model, "judged", JUDGED["completed"])
    monkeypatch.setattr(model, "perceptual", PERCEPTUAL["lpips"])
    model.make_stage("adversarial", lambda name, taps: (network, heads))
    model.predict_as_trained = lambda image, mask: 2 * fake - 1
    assert [x.name for x in model.discriminator.inputs] == [
        "features0",
        "features1",
        "features2",
    ]
    completed = paste(2 * fake - 1, 2 * real - 1, mask)
    both = network(completed), network(2 * real - 1)
    _, logs = model.generator_loss(2 * real - 1, mask)
    assert len(logs["shown"][0]) == 3
    expected = float(perceptual_similarity_loss(*both, heads))
    assert float(logs["perceptual"]) == pytest.approx(expected, rel=1e-5)
    assert expected > 0


def test_only_the_hole_is_called_fake():
    """softplus(-2) where real is called real; the fake logit is 2 in both patches."""
    logits = np.full((1, 1, 2, 1), 2.0, "float32")
    mask = np.array([1.0, 0.0], "float32").reshape(1, 1, 2, 1)
    low, high = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))
    found = logistic_critic_loss(logits, logits, mask)
    assert float(found) == pytest.approx(low + (low + high) / 2, rel=1e-6)
    assert float(logistic_critic_loss(logits, logits)) == pytest.approx(low + high)


def test_what_pictures_share_is_not_judged():
    """Patches of weights 3 and 1 are apart by 2 and -1, whatever both logits are."""
    weight = np.array([3.0, 1.0], "float32").reshape(1, 1, 2, 1)
    others = np.array([5.0, -40.0], "float32").reshape(1, 1, 2, 1)
    logits = others + np.array([2.0, -1.0], "float32").reshape(1, 1, 2, 1)
    found = relativistic_loss(logits, others, weight)
    expected = (3 * np.log1p(np.exp(-2.0)) + np.log1p(np.exp(1.0))) / 4
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert float(relativistic_loss(logits, others, 0 * weight)) == 0


def test_what_is_judged_in_features():
    """Their scale does not count; a logit for each 4x4 pixels of each feature."""
    discriminator = build_feature_discriminator((2, 3), (1, 4), width=5)
    rng = np.random.default_rng(0)
    maps = [
        rng.standard_normal((2, 16 // s, 24 // s, c)).astype("float32")
        for c, s in ((2, 1), (3, 4))
    ]
    found = [ops.convert_to_numpy(x) for x in discriminator(maps)]
    assert [x.shape[1:] for x in found] == 4 * [(4, 6, 5)] + [(4, 6, 2)]
    scaled = [ops.convert_to_numpy(x) for x in discriminator([3 * x for x in maps])]
    assert difference(scaled[-1], found[-1]) < 1e-5
    changed = [maps[0], maps[1] + (np.arange(6) == 5)[:, None]]
    moved = ops.convert_to_numpy(discriminator(changed)[-1]) != found[-1]
    assert moved[..., 3:, 1].any() and not moved[..., 0].any()
    assert not moved[..., :3, 1].any()  # the heads see two places to each side
    empty = {"0": 0 * maps[0], "1": 0 * maps[1]}

    def total(inputs):
        judged = lambda x: discriminator([x, inputs["1"]])[-1]  # noqa: E731
        return input_gradient(judged, inputs["0"])

    gradient = compiled(total, discriminator.variables)(
        {name: ops.convert_to_tensor(x) for name, x in empty.items()}
    )
    assert np.isfinite(ops.convert_to_numpy(gradient)).all()


def test_patches_know_how_much_of_them_is_hole():
    mask = np.zeros((1, 8, 12, 1), "float32")
    mask[0, :4, 6:8] = mask[0, 4:, 8:] = 1
    share = ops.convert_to_numpy(share_of_patches(mask, 2, 3))[0, ..., 0]
    np.testing.assert_array_equal(share, [[0, 0.5, 0], [0, 0, 1]])


def test_r1_of_a_linear_critic():
    """Of slope 3 at each of 12 numbers: 12 * 9, whatever the image."""
    found = r1_penalty(lambda x: 3 * x, ops.ones((2, 2, 2, 3)))
    assert float(found) == pytest.approx(108)


def test_distances_of_features():
    """Squares of 1 and 2, of maps whose mean squares are 4 and 1."""
    target = [np.full((1, 2, 2, 1), v, "float32") for v in (2, 1)]
    generated = [target[0] + 1, target[1] + 2]
    assert float(feature_matching_loss(generated, target)) == pytest.approx(2.5)
    assert float(perceptual_loss(generated, target)) == pytest.approx(5)
    found = perceptual_loss(generated, target, relative=True)
    assert float(found) == pytest.approx(1 / 4 + 4)
    with pytest.raises(ValueError):
        perceptual_loss(generated, target[:1])


def test_weighted_absolute_error():
    x = np.array([1.0, -3.0], "float32").reshape(1, 1, 2, 1)
    assert float(weighted_absolute_error(0 * x, x, x * x)) == (1 + 27) / 2


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """Frozen ResNet-50 of the golden's seeds, and the golden."""
    arrays = golden("lama/resnetpl_seeded")
    seeded = {}
    for i, (name, shape) in enumerate(zip(arrays["keys"], arrays["shapes"])):
        seeded[name] = draw(i, name, tuple(map(int, filter(None, shape.split(",")))))
        first = np.ravel(seeded[name])[0]
        assert first == pytest.approx(arrays["check_first"][i], abs=1e-6)
    path = tmp_path_factory.mktemp("resnet") / "encoder_epoch_20.pth"
    writer = Writer()
    writer.save_stream(path, writer.state_dict(seeded))
    return loader({"resnet50_dilated": path}), arrays


def draw(number, name, shape):
    """A tensor of the goldens' recipe; see tests/goldens/README.md."""
    rng = np.random.RandomState(20_240_000 + number)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, "float32")
    if name.endswith("running_var"):
        return (0.5 + rng.random_sample(shape)).astype("float32")
    values = rng.standard_normal(shape)
    if name.endswith("running_mean"):
        values = 0.1 * values
    elif len(shape) > 1:
        values = values / np.prod(shape[1:]) ** 0.5
    elif name.endswith(".weight"):
        values = 1 + 0.1 * values
    else:
        values = 0.05 * values
    return values.astype("float32")


@slow_on_jax
def test_resnet_perceptual_loss(resnet):
    features, arrays = resnet
    network = features("resnet50_dilated", [f"layer{i}" for i in (1, 2, 3, 4)])
    both = np.concatenate([nhwc(arrays[k]) for k in ("pred", "target")])
    maps = network.predict(2 * both - 1, verbose=0)
    target = [found[1:] for found in maps]
    losses = [float(perceptual_loss([x[:1]], [x[1:]])) for x in maps]
    np.testing.assert_allclose(losses, arrays["mse_per_stage"], rtol=1e-5)
    weighted = 30 * float(perceptual_loss([x[:1] for x in maps], target))
    assert weighted == pytest.approx(float(arrays["loss_weight30"]), rel=1e-5)

    def gradient(inputs):
        def loss(x):
            return 30 * perceptual_loss(network(2 * x - 1), target)

        return input_gradient(loss, inputs["image"])

    prediction = {"image": ops.convert_to_tensor(both[:1])}
    found = compiled(gradient, network.variables)(prediction)
    expected = nhwc(arrays["grad_pred"])
    assert difference(found, expected) < 1e-3 * np.abs(expected).max()
    for i, found in enumerate(x[:1] for x in maps):
        expected = nhwc(arrays[f"feat{i}_slice_first8ch"])
        assert difference(found[..., :8], expected) < 2e-5
        mean, deviation = arrays[f"feat{i}_mean_std"]
        assert float(ops.mean(found)) == pytest.approx(mean, rel=1e-4)
        assert float(ops.std(found)) == pytest.approx(deviation, rel=1e-3)


@pytest.mark.long
def test_a_step_of_the_official_recipe(resnet):
    """All terms with their weights; both networks move."""
    load, _ = resnet
    narrow = {"base_channels": 2, "blocks": 1, "image_size": 64}
    narrow |= {"discriminator_channels": 2, "perceptual": "resnet50"}
    model = presets.build("lama_fourier", **narrow)
    model.begin(
        "adversarial",
        lambda name, factor, clip: keras.optimizers.Adam(1e-3 * factor, name=name),
        load,
    )
    rng = np.random.default_rng(0)
    mask = np.zeros((2, 64, 64, 1), np.uint8)
    mask[:, 10:40, 20:50] = 1
    batch = {"image": rng.integers(0, 256, (2, 64, 64, 3), np.uint8), "mask": mask}
    before = {k: ops.convert_to_numpy(v) for k, v in model.state().items()}
    history = model.fit(
        stream(lambda i: batch, 0, 1), steps_per_epoch=1, verbose=0
    ).history
    logs = {name: values[-1] for name, values in history.items()}
    weights = {"known": 10, "adversarial": 10, "feature_matching": 100}
    weights["perceptual"] = 30
    total = sum(weight * logs[name] for name, weight in weights.items())
    assert logs["generator_loss"] == pytest.approx(total, rel=1e-4)
    assert logs["perceptual"] > 0
    for name in ("generator", "discriminator"):
        moved = [
            np.abs(ops.convert_to_numpy(v) - before[k]).max()
            for k, v in model.state().items()
            if k.startswith(f"{name}/") and "moving_" not in k
        ]
        assert max(moved) > 1e-6
