"""Context encoders: shapes, known pixels, golden numbers, conversion and steps."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conftest import check_animation
from inpainting_zoo import cli as runner
from inpainting_zoo import presets
from inpainting_zoo.context_encoder.architectures import TOPOLOGIES
from inpainting_zoo.context_encoder.model import joint_weights
from inpainting_zoo.context_encoder.networks import build_discriminator, build_generator
from inpainting_zoo.data.masks import MASKS
from inpainting_zoo.engine import backend
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.engine.steps import input_gradient
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.features.lpips import lpips_network
from inpainting_zoo.losses.adversarial import (
    logistic_critic_loss,
    non_saturating_generator_loss,
)
from inpainting_zoo.losses.ring_reconstruction import (
    ring_weights,
    weighted_squared_error,
)
from inpainting_zoo.models import sizes
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights
from inpainting_zoo.storage.variables import without_memory
from inpainting_zoo.training.data import with_preset_defaults
from inpainting_zoo.training.optimizers import (
    make_optimizer as make_trainings_optimizer,
)
from inpainting_zoo.weights.convert import convert_file
from parity import difference, golden, nhwc
from torch_writer import Writer, dictionary, number

# Learning rates of the generator and of the discriminator, and Adam's decay rates.
RATES = {
    "context_encoder": (2e-3, 2e-4, 0.5, 0.999),
    "context_encoder_conditional": (2e-3, 2e-4, 0.5, 0.999),
    "context_encoder_regions": (2e-3, 2e-4, 0.5, 0.999),
    "context_encoder_regions_64": (2e-3, 2e-4, 0.5, 0.999),
    "context_encoder_channelwise": (2e-3, 2e-4, 0.5, 0.999),
    "context_encoder_report_001": (2e-3, 2e-4, 0.5, 0.9),
    "context_encoder_report_000": (2e-3, 2e-4, 0.5, 0.9),
    "context_encoder_small": (2e-3, 2e-4, 0.5, 0.9),
    "context_encoder_faces_128": (2e-3, 2e-4, 0.5, 0.9),
}
NARROW = {"base_channels": 4, "bottleneck": 8, "discriminator_channels": 4}
# What both engines give for the conditional preset, from the seed and batch below.
SECOND_STEP = {
    "reconstruction": 0.40171,
    "adversarial": 0.85525,
    "discriminator": 1.28979,
    "psnr": 9.98145,
}
both_engines = pytest.mark.both_engines


def narrow(name="context_encoder", **overrides):
    return presets.build(name, **NARROW | overrides)


def random_pair(*size, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    return image, rng.integers(0, 2, size, np.uint8)


def square_hole(images, side):
    """Masks (B, S, S, 1) with a hole of so many pixels in the middle."""
    mask = np.zeros((*images.shape[:3], 1), "float32")
    first = (images.shape[1] - side) // 2
    mask[:, first : first + side, first : first + side] = 1
    return mask


def central(x):
    """The middle 64 of 128 pixels."""
    return x[:, 32:96, 32:96]


@pytest.mark.parametrize("name", RATES)
def test_learning_rates_after_the_warm_up(name):
    settings = with_preset_defaults(TrainSettings(preset=name, stage="joint"))
    with without_memory():
        factors = (1, narrow(name).discriminator_rate)
    optimizers = [make_trainings_optimizer("x", settings, 10**4, f) for f in factors]
    found = [float(optimizer._learning_rate(500)) for optimizer in optimizers]
    betas = (optimizers[1].beta_1, optimizers[1].beta_2)
    assert (*found, *betas) == pytest.approx(RATES[name])
    first = float(optimizers[0]._learning_rate(0))
    assert first == pytest.approx(RATES[name][0] / 100)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_networks_fit_together(topology):
    table = TOPOLOGIES[topology]
    generator = build_generator(topology, 4, 8)
    side = table.image_size
    image = np.random.default_rng(0).uniform(-1, 1, (2, side, side, 3))
    mask = square_hole(image, side // 4)
    prediction = ops.convert_to_numpy(generator([image, mask]))
    assert prediction.shape == image.shape
    assert np.abs(prediction).max() <= 1
    quarter = side // 4 if table.centre else 0
    known = np.ones(image.shape[:3], bool)
    known[:, quarter : side - quarter, quarter : side - quarter] = False
    np.testing.assert_array_equal(prediction[known], image.astype("float32")[known])
    region = prediction[:, quarter : side - quarter, quarter : side - quarter]
    discriminator = build_discriminator(topology, 4)
    logits = 25 if topology == "report_000" else 1
    assert discriminator(region).shape == (2, logits)


def test_the_hole_is_not_seen():
    generator = build_generator("centre", 4, 8)
    image = np.zeros((1, 128, 128, 3), "float32")
    mask = square_hole(image, 56)
    assert difference(generator([image, mask]), generator([image + mask, mask])) == 0


@pytest.mark.parametrize("name", ["context_encoder", "context_encoder_report_000"])
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (128, 128), (150, 301)])
def test_known_pixels_are_untouched_at_any_size(name, size):
    image, mask = random_pair(*size)
    mask[size[0] // 2, size[1] // 3] = 1
    completed = narrow(name).inpaint(image, mask)
    assert completed.shape == image.shape
    np.testing.assert_array_equal(completed[mask == 0], image[mask == 0])


def test_a_hole_anywhere_comes_into_the_centre_that_is_predicted():
    model = narrow("context_encoder_report_001")
    bias = model.generator.get_layer("decoder4").bias
    bias.assign(np.arctanh([0.0, 0.2, 0.6]))
    image = np.full((200, 260, 3), 255, np.uint8)
    for corner in ((0, 0), (190, 0), (90, 250)):
        mask = np.zeros((200, 260), np.uint8)
        mask[corner[0] : corner[0] + 10, corner[1] : corner[1] + 10] = 1
        top, left, side = sizes.window_of(mask != 0, 128, centre=True)
        rows, columns = np.nonzero(mask)
        assert rows.min() - top >= side // 4 and columns.min() - left >= side // 4
        assert rows.max() - top < 3 * side // 4 > columns.max() - left
        # Random weights add hardly anything to the last bias.
        hole = model.inpaint(image, mask)[mask == 1]
        np.testing.assert_allclose(hole, [[127.5, 153, 204]] * len(hole), atol=1)


@pytest.mark.parametrize(
    ("box", "centre", "window"),
    [
        ((32, 96, 32, 96), True, (0, 0, 128)),  # of 128 x 128 pixels
        ((40, 96, 32, 90), True, (0, 0, 128)),
        ((0, 64, 40, 60), True, (-32, 0, 128)),
        ((20, 90, 30, 100), True, (-15, -5, 140)),
        ((0, 128, 0, 128), True, (-64, -64, 256)),
        ((0, 128, 0, 128), False, (0, 0, 128)),
        ((120, 128, 0, 8), False, (0, 0, 128)),
    ],
)
def test_windows(box, centre, window):
    hole = np.zeros((128, 128), bool)
    hole[box[0] : box[1], box[2] : box[3]] = True
    top, left, side = sizes.window_of(hole, 128, centre)
    assert side == window[2]
    assert top == pytest.approx(window[0], abs=1)
    assert left == pytest.approx(window[1], abs=1)


@pytest.mark.parametrize(
    ("picture", "hole", "side"),
    [
        (513, 320, 512),  # hardly larger than the network's: nothing is shrunk
        (576, 384, 512),
        (577, 320, 580),  # an eighth more, or a hole of over three quarters, is
        (576, 385, 576),
        (1024, 100, 512),
        (1024, 300, 600),
    ],
)
def test_windows_of_other_sizes(picture, hole, side):
    mask = np.zeros((picture, picture), bool)
    mask[:hole, :hole] = True
    assert sizes.window_of(mask, 512, centre=False)[2] == side


def test_windows_reflect_beyond_the_picture_and_are_put_back():
    row = np.arange(3, dtype=np.uint8).reshape(1, 3, 1)
    square = sizes.take(row, -2, -3, 8)
    assert square[0, :, 0].tolist() == [1, 2, 1, 0, 1, 2, 1, 0]
    picture = np.zeros((1, 3, 1), np.uint8)
    sizes.put(square + 10, picture, -2, -3)
    np.testing.assert_array_equal(picture, row + 10)


def test_image_size_must_be_the_topologys():
    with pytest.raises(InputError, match="image_size: 128 for the topology centre"):
        narrow(image_size=64)
    with pytest.raises(InputError, match=r"topology: one of centre, .*'vgg'"):
        narrow(topology="vgg")
    with pytest.raises(InputError, match="conditional: only for a topology of the"):
        build_discriminator("regions", conditional=True)


@both_engines
def test_the_surroundings_are_padded_with_two_pixels_on_each_side():
    """As in the authors' code, where Keras's "same" would pad one and two."""
    discriminator = build_discriminator("centre", 1, conditional=True)
    layers = [f"discriminator_{name}" for name in ("region", "context")]
    for name in layers:
        kernel = np.zeros((5, 5, 3, 1), "float32")
        kernel[0, 0, 0] = 1  # takes the first of 5x5 pixels
        discriminator.get_layer(name).set_weights([kernel])
    outputs = [discriminator.get_layer(name).output for name in layers]
    look = keras.Model(discriminator.inputs, outputs)
    rng = np.random.default_rng(0)
    region = rng.uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
    image = rng.uniform(-1, 1, (1, 128, 128, 3)).astype("float32")
    found = look([region, image, np.zeros((1, 128, 128, 1), "float32")])
    framed, context = np.zeros((2, 1, 64, 64, 1))
    framed[:, 17:49, 17:49, 0] = region[:, ::2, ::2, 0]  # 2 x 17 = 32 + 2
    context[:, 1:, 1:, 0] = image[:, :-2:2, :-2:2, 0]
    assert difference(found[0], framed) == 0
    assert difference(found[1], context) == 0


def load(network, tensors):
    """Sets the weights of a network from those of a PyTorch one, both in order."""
    tensors = [t for name, t in tensors if not name.endswith("num_batches_tracked")]
    for layer in network.layers:
        count = len(layer.weights)
        taken, tensors = tensors[:count], tensors[count:]
        if taken and taken[0].ndim == 4:
            taken[0] = taken[0].transpose(2, 3, 1, 0)
        layer.set_weights(taken)
    assert not tensors


def prefixed(arrays, prefix):
    return [(name, a) for name, a in arrays.items() if name.startswith(prefix)]


def probability(logits):
    return ops.convert_to_numpy(ops.sigmoid(logits))


@both_engines
def test_port_of_the_authors_code():
    arrays = golden("context_encoder/centre_c8")
    generator = build_generator("centre", 8, 50)
    load(generator, prefixed(arrays, "G/"))
    discriminator = build_discriminator("centre", 8)
    load(discriminator, prefixed(arrays, "D/"))
    image = nhwc(arrays["real"])
    mask = square_hole(image, 56)
    fake, real = central(generator([image, mask])), central(image)
    assert difference(fake[:1], nhwc(arrays["fake"])) < 1e-5
    on_real, on_fake = discriminator(real), discriminator(fake)
    assert difference(probability(on_real), arrays["d_real"]) < 1e-5
    assert difference(probability(on_fake), arrays["d_fake"]) < 1e-5

    loss = float(logistic_critic_loss(on_real, on_fake))
    assert loss == pytest.approx(arrays["errD"], abs=1e-5)
    factors = joint_weights(999)
    weight = central(ring_weights(ops.convert_to_tensor(mask), 0))
    # The port has the factor of reconstruction once more in the weights.
    squared = factors["reconstruction"] * weighted_squared_error(real, fake, weight)
    assert float(squared) == pytest.approx(arrays["boyuan_errG_l2_weighted"], abs=1e-5)
    adversarial = factors["adversarial"] * non_saturating_generator_loss(on_fake)
    total = float(adversarial + factors["reconstruction"] * squared)
    assert total == pytest.approx(arrays["boyuan_errG"], abs=1e-5)
    # The Lua code logs the reconstruction without the ring, but learns with it.
    plain = factors["reconstruction"] * ops.mean(ops.square(real - fake))
    logged = float(adversarial + plain)
    assert logged == pytest.approx(arrays["lua_logged_errG_total"], abs=1e-5)


@both_engines
def test_gradient_of_the_authors_code():
    arrays = golden("context_encoder/centre_c8")
    discriminator = build_discriminator("centre", 8)
    load(discriminator, prefixed(arrays, "D/"))
    # Means over the two centres of which the first is stored.
    factors = {name: factor / 2 for name, factor in joint_weights(999).items()}
    image = nhwc(arrays["real"])[:1]
    weight = central(ring_weights(ops.convert_to_tensor(square_hole(image, 56)), 0))

    def joint(fake):
        squared = weighted_squared_error(central(image), fake, weight)
        adversarial = non_saturating_generator_loss(discriminator(fake))
        return (
            factors["reconstruction"] * squared + factors["adversarial"] * adversarial
        )

    gradient = input_gradient(joint, ops.convert_to_tensor(nhwc(arrays["fake"])))
    assert difference(gradient, nhwc(arrays["lua_grad_fake"])) < 1e-8


def seeded(arrays, prefix, base):
    """Draws the weights of a full-size network again, as the README says."""
    transposed = set(arrays["transposed"])
    names = zip(arrays[f"{prefix}keys"], arrays[f"{prefix}shapes"])
    for i, (name, shape) in enumerate(names):
        rng = np.random.RandomState(base + i)
        if name.endswith("num_batches_tracked"):
            continue
        shape = tuple(map(int, shape.split(",")))
        if name.endswith("running_var"):
            values = 0.5 + rng.random_sample(shape)
        else:
            values = rng.standard_normal(shape)
            if name.endswith("running_mean"):
                values = 0.1 * values
            elif len(shape) > 1:
                fan = np.prod(shape[1:])
                if name in transposed:
                    fan = shape[0] * shape[2] * shape[3] / 4
                values = 1.3 * values / np.sqrt(fan)
            else:
                scale = name.endswith(".weight")
                values = 1 + 0.1 * values if scale else 0.05 * values
        values = values.astype("float32")
        first = arrays[f"{prefix}check_first"][i]
        assert values.flat[0] == pytest.approx(first, rel=1e-6)
        yield name, values


@both_engines
@pytest.mark.long
def test_program_of_report_001():
    arrays = golden("context_encoder/report_001_seeded")
    generator = build_generator("report_001")
    load(generator, seeded(arrays, "", 20270000))
    discriminator = build_discriminator("report_001")
    load(discriminator, seeded(arrays, "d_", 20280000))
    image, real = nhwc(arrays["ctx"]), nhwc(arrays["center"])
    mask = square_hole(image, 64)
    fake = central(generator([image, mask]))
    assert difference(fake[:1], nhwc(arrays["fake"])) < 1e-5
    on_real, on_fake = discriminator(real), discriminator(fake)
    assert difference(probability(on_real), arrays["d_real"]) < 1e-5
    assert difference(probability(on_fake), arrays["d_fake"]) < 1e-5

    weight = central(ring_weights(ops.convert_to_tensor(mask), 7))
    squared = float(weighted_squared_error(real, fake, weight))
    assert squared == pytest.approx(arrays["rec_loss"], abs=1e-5)
    critic = float(logistic_critic_loss(on_real, on_fake)) / 2
    assert critic == pytest.approx(arrays["adv_loss"], abs=1e-5)
    joint = 0.999 * squared + 0.001 * float(non_saturating_generator_loss(on_fake))
    assert joint == pytest.approx(arrays["joint_loss"], abs=1e-5)


@both_engines
def test_layers_of_report_000():
    arrays = golden("context_encoder/report_000_c4")
    generator = build_generator("report_000", 4, 32)
    load(generator, prefixed(arrays, "G/"))
    image = nhwc(arrays["ctx"])
    prediction = generator([image, square_hole(image, 64)])
    assert difference(prediction, nhwc(arrays["out"])) < 1e-5
    # Report 001's discriminator has the same layers, for 64 pixels.
    for topology, x, key in (
        ("report_000", prediction, "d_on_128"),
        ("report_001", central(prediction), "d_on_64"),
    ):
        discriminator = build_discriminator(topology, 4)
        load(discriminator, prefixed(arrays, "D/"))
        assert difference(discriminator(x), arrays[key].reshape(1, -1)) < 1e-5


@pytest.fixture
def port(tmp_path):
    """The port's generator in a file, its tensors by their names."""
    arrays = prefixed(golden("context_encoder/centre_c8"), "G/")
    tensors = {name.removeprefix("G/"): array for name, array in arrays}
    tensors["main.3.num_batches_tracked"] = np.zeros(())
    np.savez(tmp_path / "port.npz", **tensors)
    return tmp_path / "port.npz", tensors


def check_port(path):
    """The file's generator gives what the port's gives."""
    model, metadata = presets.load_file(path)
    assert metadata["preset"] == "context_encoder"
    arrays = golden("context_encoder/centre_c8")
    image = nhwc(arrays["real"])[:1]
    fake = central(model.generator([image, square_hole(image, 56)]))
    assert difference(fake, nhwc(arrays["fake"])) < 1e-5


@both_engines
def test_converted_weights_give_what_the_port_gives(port, tmp_path):
    overrides = {"base_channels": 8, "bottleneck": 50}
    report = convert_file(port[0], "context_encoder", tmp_path / "ours.npz", overrides)
    assert report["tensors"] == 11 + 4 * 9
    assert report["ignored"] == ["main.3.num_batches_tracked"]
    check_port(tmp_path / "ours.npz")


@both_engines
def test_the_command_converts_the_ports_checkpoint(port, tmp_path, capsys):
    """Which holds the weights beside the epoch."""
    writer, source = Writer(), tmp_path / "netG_streetview.pth"
    weights = writer.state_dict(port[1])
    writer.save_stream(source, dictionary({"epoch": number(7), "state_dict": weights}))
    command = ["convert", "-preset", "context_encoder", "-source", str(source)]
    command += ["-save_to", str(tmp_path / "ours.npz")]
    assert runner.main([*command, "-set", "base_channels=8", "bottleneck=50"]) == 0
    assert "47 tensors" in capsys.readouterr().out
    check_port(tmp_path / "ours.npz")


def test_what_does_not_fit_is_named_and_nothing_is_written(port, tmp_path):
    path, tensors = port
    overrides = {"base_channels": 8, "bottleneck": 50}
    tensors["main.30.weight"] = tensors.pop("main.29.weight")
    np.savez(path, **tensors)
    with pytest.raises(
        WeightsError, match=r"missing: 1 \(main.29.weight\); unexpected"
    ):
        convert_file(path, "context_encoder", tmp_path / "ours.npz", overrides)
    with pytest.raises(InputError, match="only the topology 'centre'"):
        convert_file(path, "context_encoder_small", tmp_path / "ours.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["port.npz"]


def make_model(stage, name="context_encoder_small", **overrides):
    """A narrow model with weights that are the same on every engine."""
    keras.utils.set_random_seed(0)
    model = narrow(name, **overrides)

    def make_optimizer(name, factor, clip):
        return keras.optimizers.Adam(factor * 2e-3, 0.5, 0.9, name=name)

    model.begin(stage, make_optimizer, jit_compile=backend.BACKEND == "jax")
    return model


def batch(model):
    side = model.image_size
    small = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3), np.uint8)
    image = small.repeat(side // 4, axis=1).repeat(side // 4, axis=2)
    return {"image": image, "mask": square_hole(image, side // 2).astype("uint8")}


def fit(model, steps):
    """Trains on one batch and returns the logs of every step."""
    kept = []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda i, logs: kept.append(logs)
    )
    same = batch(model)
    batches = stream(lambda i: same, 0, steps)
    options = {"steps_per_epoch": steps, "verbose": 0, "shuffle": False}
    model.fit(batches, callbacks=[keep], **options)
    return kept


@both_engines
def test_joint_steps_move_both_networks_and_their_statistics():
    model = make_model("joint", "context_encoder_conditional")
    assert set(model.networks) == {"generator", "discriminator"}
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-3)
    rate = float(model.optimizers["discriminator"].learning_rate)
    assert rate == pytest.approx(2e-4)
    before = {k: ops.convert_to_numpy(v) for k, v in model.state().items()}
    logs = fit(model, 2)[-1]
    terms = {"reconstruction", "adversarial", "discriminator"}
    named = {"psnr", "generator_loss", "discriminator_loss"}
    assert set(logs) == terms | {f"weighted_{term}" for term in terms} | named
    total = logs["weighted_reconstruction"] + logs["weighted_adversarial"]
    assert logs["generator_loss"] == pytest.approx(total, rel=1e-5)
    assert logs["discriminator_loss"] == logs["weighted_discriminator"]
    weighted = 0.999 * logs["reconstruction"]
    assert logs["weighted_reconstruction"] == pytest.approx(weighted)
    for name, value in SECOND_STEP.items():
        assert logs[name] == pytest.approx(value, rel=1e-3), name
    still = [
        name
        for name, value in before.items()
        if difference(model.state()[name], value) == 0
    ]
    assert [n for n in still if "learning_rate" not in n] == ["seed_generator"]


@both_engines
def test_a_pretrained_encoder_stays_as_it_is(tmp_path):
    """While the decoder learns; a weight file holds both."""
    model = make_model("joint", "context_encoder_small", topology="alexnet")
    before = {k: ops.convert_to_numpy(v) for k, v in model.state().items()}
    alexnet, _ = lpips_network("alexnet")
    kernel = alexnet.get_layer("alexnet_conv4").kernel
    name = "generator/alexnet_conv4/kernel"
    np.testing.assert_array_equal(before[name], ops.convert_to_numpy(kernel))
    fit(model, 1)
    assert difference(model.state()[name], before[name]) == 0
    decoder = "generator/decoder0/kernel"
    assert difference(model.state()[decoder], before[decoder]) > 0
    overrides = NARROW | {"topology": "alexnet"}
    about = {"preset": "context_encoder_small", "overrides": overrides}
    save_weights(tmp_path / "x.npz", as_arrays(model.use_state()), about)
    loaded, _ = presets.load_file(tmp_path / "x.npz")
    for key in (name, decoder):
        found = ops.convert_to_numpy(loaded.use_state()[key])
        np.testing.assert_array_equal(found, model.state()[key])


@both_engines
def test_noise_is_of_training_alone():
    """Its deviation is what it should be; use and validation see the clean image."""
    model = narrow("context_encoder_small", noise=0.25)
    seen = []
    model.generator = lambda x, **_: seen.append(x[0])
    image = np.zeros((2, 128, 128, 3), "float32")
    mask = square_hole(image, 64)
    model.predict_as_trained(image, mask)
    model.predict_as_trained(image, mask)
    first, second = map(ops.convert_to_numpy, seen)
    assert first.std() == pytest.approx(0.25, rel=0.02)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
    model.call({"image": image, "mask": mask})
    assert np.all(ops.convert_to_numpy(seen[2]) == 0)


@both_engines
def test_reconstruction_falls_and_the_warm_up_has_no_discriminator():
    model = make_model("warm_up_generator")
    assert model.discriminator is None
    assert set(model.networks) == {"generator"}
    logs = fit(model, 25)
    assert logs[-1]["reconstruction"] < 0.7 * logs[0]["reconstruction"]
    error = 4 / 10 ** (logs[0]["psnr"] / 10)
    # Of 64 pixels a side, the ring of 7 weighs ten times.
    assert error < logs[0]["reconstruction"] < 10 * error


@both_engines
def test_validation_loss_by_hand():
    model = narrow("context_encoder_report_001")
    image = np.zeros((128, 128, 3), np.uint8)
    prediction = np.full_like(image, 51)  # 0.4 of 2
    mask = square_hole(image[None], 64)[0, ..., 0]
    # The ring of 7 pixels within the hole weighs ten times, what is around it nothing.
    mean_weight = (10 * (64**2 - 50**2) + 50**2) / 64**2
    found = model.validation_number(prediction, image, mask)
    assert found == pytest.approx(0.999 * 0.4**2 * mean_weight, rel=1e-4)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_training_needs_holes_in_what_is_predicted(topology):
    side = TOPOLOGIES[topology].image_size
    model = narrow(topology=topology, image_size=side)
    rng = np.random.default_rng(0)
    inside, beyond = (
        [np.stack([MASKS[name](rng, side, side)] * 2)[..., None] for name in names]
        for names in (("centre", "inner_centre", "circle"), ("blocks", "regions"))
    )
    for masks in inside if model.centre else inside + beyond:
        model.check_masks(masks)
    for masks in beyond if model.centre else []:
        with pytest.raises(InputError, match=f"masks: .*circle.* topology {topology}"):
            model.check_masks(masks)


def test_lambda_ratio():
    model = narrow(lambda_ratio=1, discriminator_weight=0.5)
    weights = {"reconstruction": 0.5, "adversarial": 0.5, "discriminator": 0.5}
    assert model.loss_weights == weights
    with pytest.raises(InputError, match=r"lambda_ratio must be .* at least 0"):
        narrow(lambda_ratio=-1)


@pytest.mark.long
def test_commands_of_both_stages(pictures, tmp_path, capsys):
    """As a user types them, down to an evaluation on the default mask."""
    common = ["-experiment_name", "ce", "-output_path", str(tmp_path)]
    train = [
        *("-model", "context_encoder_small", "-train_path", f"{pictures}/images"),
        *("-set", *(f"{k}={v}" for k, v in NARROW.items())),
        *("-batch_size", "2", "-steps", "2", *common),
    ]
    assert runner.main([*train, "-masks", "centre=1,blocks=9"]) == 4
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x[:6] == "error:"]
    assert "-masks" in line and "topology report_001" in line
    assert not list(tmp_path.rglob("*.npz"))
    assert runner.main([*train, "-warm_up_generator"]) == 0
    assert runner.main([*train, "-from_weights", "-lambda_ratio", "200"]) == 0
    recorded = json.loads((tmp_path / "ce" / "config.json").read_text())
    assert recorded["stage"] == "joint"
    assert recorded["settings"]["lambda_ratio"] == 200
    report = tmp_path / "report.json"
    test = ["-test_path", f"{pictures}/images", "-limit", "2", "-report", str(report)]
    assert runner.main(["evaluate", *test, *common]) == 0
    found = json.loads(report.read_text())["methods"]["ce"]
    assert found["bins"]["20-30"]["images"] == 2  # a quarter: the centre
    assert found["outside_max"] == 0
    log = EventAccumulator(str(tmp_path / "ce/logs/joint")).Reload()
    wanted = {"generator_loss", "discriminator_loss", "validation_loss"}
    assert wanted <= set(log.Tags()["scalars"])
    assert "validation/inpainted_image_0" in log.Tags()["images"]
    check_animation(tmp_path / "ce", 2, tmp_path / "x.gif")
