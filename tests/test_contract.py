"""What the base gives every family, shown by the smallest family that uses it all."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.data.images import list_images
from inpainting_zoo.data.training import TrainingPairs
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.models.inpainter import Inpainter
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.models.stage import Stage

pytestmark = pytest.mark.both_engines
SIDE = 8


class Tinted(Inpainter):
    """Predicts one colour: a frozen part, a learned tint, a prompt and some noise."""

    STAGES = ("tint", "prompt", "layer")
    OPTIONS = {"strength": 1.0}  # noqa: RUF012

    def __init__(self, average=None, clip=None, rate=1.0, inputs=(), dtype="float32"):
        super().__init__(SIDE, Sizes(multiple=4, least=SIDE))
        self.encoder, self.tint = network("encoder"), network("tint", dtype)
        self.prompt = self.add_weight(shape=(3,), initializer="zeros", name="prompt")
        self.options = {
            "average": average,
            "clip": {"tint": clip} if clip else {},
            "rates": {"tint": rate},
            "inputs": inputs,
        }

    @property
    def parts(self):
        return {"encoder": self.encoder, "tint": self.tint}

    def make_stage(self, name, features):
        if name == "layer":
            return Stage(self.step, {"layer": self.tint.get_layer("tint")})
        if name == "prompt":
            return Stage(self.step, {"prompt": [self.prompt]})
        return Stage(self.step, {"tint": self.tint}, batches=2, **self.options)

    def step(self, batch, minimize):
        (name,) = self.stage.learns
        return minimize(name, lambda: self.colour_loss(batch))

    def colour_loss(self, batch):
        empty = np.zeros((batch["image"].shape[0], SIDE, SIDE, 1), "float32")
        inputs = {**batch, "noise": empty, "strength": empty[:, :1, 0]}
        loss = ops.mean(self.call(inputs) - batch["image"])
        return loss, {"loss": loss}

    def condition(self, strength):
        return {"strength": np.full((1, 1), strength, "float32")}

    def draw(self, rng, height, width):
        return {"noise": rng.random((1, height, width, 1), np.float32)}

    def call(self, inputs):
        noise = inputs["noise"] * inputs["strength"][:, None, None]
        x = self.encoder(inputs["image"] * (1 - inputs["mask"])) * 0
        return x + self.tint(ops.zeros_like(x)) + self.prompt + noise

    def validation_loss(self, prediction, image, mask):
        return ops.mean(ops.abs(prediction - image))


def network(name, dtype="float32"):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(3, 1, name=name, dtype=dtype)(image)
    return keras.Model(image, ops.cast(x, "float32"), name=name)


def sgd(name, factor, clip):
    return keras.optimizers.SGD(0.5 * factor, global_clipnorm=clip, name=name)


def begun(stage="tint", **options):
    model = Tinted(**options)
    model.begin(stage, sgd)
    return model


def batch(number=4, colour=128):
    image = np.full((number, SIDE, SIDE, 3), colour, np.uint8)
    mask = np.zeros((number, SIDE, SIDE, 1), np.uint8)
    mask[:, 2:5, 3:6] = 1
    return {"image": image, "mask": mask}


def fit(model, steps, **options):
    options = {"steps_per_epoch": steps, "verbose": 0, "shuffle": False, **options}
    return model.fit(stream(lambda i: batch(), 0, steps), **options)


def bias(model):
    return ops.convert_to_numpy(model.tint.get_layer("tint").bias)


def test_a_state_holds_what_the_stage_changes_and_nothing_frozen():
    tint, prompt = begun(average=8), begun("prompt")
    names = {f"tint/tint/{v}" for v in ("kernel", "bias")}
    state = {n for n in tint.state() if "optimizer" not in n}
    assert state == names | {f"average/{n}" for n in names} | {"seed_generator"}
    state = {n for n in prompt.state() if "optimizer" not in n}
    assert state == {f"prompt/{prompt.prompt.path}", "seed_generator"}
    fit(prompt, 2)
    # d mean / d prompt is a third for each colour; two steps of half of it.
    np.testing.assert_allclose(prompt.prompt, [-1 / 3] * 3, atol=1e-6)
    assert bias(prompt).tolist() == [0, 0, 0]
    assert not prompt.trained_parts and set(tint.trained_parts) == {"tint"}


def test_use_takes_the_average_of_the_weights():
    """Steps of -1/60 see two images each; from the 20th on the average keeps half."""
    model, average = begun(average=2, rate=0.1), 0.0
    for step in range(1, 23):
        keep = 0.5 ** (2 / min(2, 0.05 * 2 * step))
        average = keep * average + (1 - keep) * -step / 60
    fit(model, 22)
    np.testing.assert_allclose(bias(model), [-22 / 60] * 3, atol=1e-6)
    used = {name: ops.convert_to_numpy(v) for name, v in model.use_state().items()}
    assert set(used) == {f"{n}/{n}/{v}" for n in ("encoder", "tint") for v in KINDS}
    np.testing.assert_allclose(used["tint/tint/bias"], [average] * 3, atol=1e-6)
    image, mask = batch(1)["image"][0], batch(1)["mask"][0, ..., 0]
    found = model.predict_image(image, mask, strength=0.0)
    assert np.unique(found).tolist() == [round((average + 1) * 127.5)]
    plain = begun(rate=0.1)
    fit(plain, 22)
    found = plain.predict_image(image, mask, strength=0.0)
    assert np.unique(found).tolist() == [round((-22 / 60 + 1) * 127.5)]


KINDS = ("kernel", "bias")


def test_rates_and_clipping_are_the_stages():
    """The gradient of the bias is a third for each colour, of length 3 ** -0.5."""
    model = begun(rate=0.1)
    fit(model, 1)
    np.testing.assert_allclose(bias(model), [-1 / 60] * 3, atol=1e-6)
    model = begun(clip=0.1)
    fit(model, 1)
    np.testing.assert_allclose(np.linalg.norm(bias(model)), 0.05, atol=1e-6)


def test_a_seed_gives_the_same_picture_alone_and_in_a_batch():
    model, rng = Tinted(), np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 5, 11, 3), np.uint8)
    masks = np.zeros((3, 5, 11), np.uint8)
    masks[0, 1:3, 4:9] = masks[2, :, :2] = 1
    both = model.inpaint_batch(images, masks, seed=3)
    for i in range(3):
        alone = model.inpaint(images[i], masks[i], seed=3)
        np.testing.assert_array_equal(both[i], alone)
        known = masks[i] == 0
        np.testing.assert_array_equal(alone[known], images[i][known])
    assert (model.inpaint(images[0], masks[0], seed=4) != both[0]).any()
    weak = model.inpaint(images[0], masks[0], seed=3, strength=0.5)
    assert (weak[masks[0] == 1] < both[0][masks[0] == 1]).mean() > 0.9
    with pytest.raises(InputError, match="option: one of strength, received 'prompt'"):
        model.inpaint(images[0], masks[0], prompt="a cat")
    assert model.draws and not presets.build("gmcnn_small", base_channels=2).draws


def test_a_dilated_hole_fades_in_within_its_ring():
    model = Tinted()
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[4, 4] = 1
    options = {"strength": 0.0, "mask_dilation": 2, "feathering": 1}
    found = model.inpaint(image, mask, **options)[..., 0]
    # A disc of 2 pixels. At distances 1 and 2 ** 0.5 from what is known the weight is
    # half of that: (255 + 128) / 2, and 255 - 127 * 0.707.
    assert found[4].tolist() == [255, 255, 192, 165, 128, 165, 192, 255]
    assert (found[:2] == 255).all() and found[3, 3] < 255 and found[2, 3] == 255
    with pytest.raises(InputError, match=r"feathering: 0 to mask_dilation \(1\)"):
        model.inpaint(image, mask, mask_dilation=1, feathering=2)
    with pytest.raises(InputError, match="mask_dilation: at least 0"):
        model.inpaint(image, mask, mask_dilation=-1)


def test_keras_evaluates_and_validates():
    model = begun()
    data = [batch(), batch(colour=255)]
    found = model.evaluate(stream(data.__getitem__, 0, 2), verbose=0, return_dict=True)
    # Noise in the hole; known pixels are right.
    assert 10 < found["psnr"] < 40 and 0.3 < found["loss"] < 1
    losses = [
        model.evaluate(
            stream(lambda i, one=one: one, 0, 1), verbose=0, return_dict=True
        )["loss"]
        for one in data
    ]
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    held_out = stream(data.__getitem__, 0, 2)
    history = fit(model, 2, validation_data=held_out, validation_steps=2).history
    assert history["val_psnr"][0] > 10 and np.isfinite(history["val_loss"]).all()


def test_keras_names_each_measure_once():
    model = begun()
    found = model.evaluate(stream(lambda i: batch(), 0, 1), verbose=0)
    named = dict(zip(model.metrics_names, found, strict=True))
    again = model.evaluate(stream(lambda i: batch(), 0, 1), verbose=0, return_dict=True)
    assert named == again and set(named) == {"loss", "psnr"}


def test_what_is_no_batch_or_optimizer_is_told():
    model, image = begun(), batch()["image"]
    for wrong in ({"image": image}, image):
        with pytest.raises(InputError, match="batch: must be a dict with image and"):
            model.training_step(wrong)
    with pytest.raises(InputError, match="make_optimizer: must be a function of name"):
        model.begin(model.stage_name, keras.optimizers.SGD(1e-3))


def test_complete_says_what_inpaint_says(caplog):
    """Of an empty hole, of one that leaves nothing, and of wrong arguments."""
    model = presets.load("patchmatch")
    image, hole = np.full((9, 9, 3), 7, np.uint8), np.zeros((9, 9), np.uint8)
    complete(model, image, hole)
    assert "mask: has no hole, the picture stays as it is" in caplog.text
    complete(model, image, hole + 1)
    assert "leaves nothing known, so the picture becomes mid-grey" in caplog.text
    notes = []
    complete(model, image, hole + 1, notes=notes)
    assert len(notes) == 1 and caplog.text.count("leaves nothing known") == 1
    for wrong, words in (
        ({"seed": -1}, "seed: must be a whole number, at least 0, received -1"),
        ({"seed": "a"}, "seed: must be a whole number, at least 0, received 'a'"),
        ({"mask_dilation": "a"}, "mask_dilation: at least 0 pixels, received 'a'"),
        ({"mask_dilation": np.inf}, "mask_dilation: at least 0 pixels, received inf"),
    ):
        for call in (functools.partial(complete, model), model.inpaint):
            with pytest.raises(InputError, match=words):
                call(image, hole + 1, **wrong)
    with pytest.raises(InputError, match="model: must be one that `load` returns"):
        complete("patchmatch", image, hole)
    with pytest.raises(InputError, match="images: must be a list of pictures"):
        model.inpaint_batch("docs", hole)
    with pytest.raises(InputError, match="images: must be a list of files"):
        TrainingPairs("samples", "centre", 8, 1, seed=0)
    with pytest.raises(InputError, match="images: must be a folder, a list file"):
        list_images(None)


def test_averages_begin_at_the_weights_that_are_loaded():
    model = begun(average=2)
    tint = model.tint.get_layer("tint").bias
    tint.assign([0.5] * 3)
    model.restart_averages()
    tint.assign([0.25] * 3)  # as a step would, which the average has not seen
    used = ops.convert_to_numpy(model.use_state()["tint/tint/bias"])
    assert used.tolist() == [0.5] * 3 and bias(model).tolist() == [0.25] * 3
    found = model.evaluate(stream(lambda i: batch(), 0, 1), verbose=0, return_dict=True)
    # 0.5 and noise of the seed 0, of a grey of 1/255: by the average, not the weights.
    noise = model.draw(np.random.default_rng(0), SIDE, SIDE)["noise"]
    expected = np.abs(0.5 + noise - (128 / 127.5 - 1)).mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-4)


def test_a_part_is_trained_if_a_layer_of_it_is():
    assert set(begun("layer").trained_parts) == {"tint"}


def test_losses_are_scaled_where_layers_compute_in_float16():
    scaled = keras.optimizers.LossScaleOptimizer
    assert isinstance(begun(dtype="mixed_float16").optimizer, scaled)
    assert not isinstance(begun().optimizer, scaled)


def test_batches_must_hold_what_a_stage_takes():
    with pytest.raises(InputError, match=r"batch: must hold target .* lacks target"):
        begun(inputs=("target",)).training_step(batch())


def test_pictures_and_masks_of_a_batch_belong_together():
    images, masks = np.zeros((3, 8, 8, 3), np.uint8), np.ones((1, 8, 8), np.uint8)
    with pytest.raises(InputError, match=r"images: .* received 3 of .* and 1 masks"):
        Tinted().inpaint_batch(images, masks)
    with pytest.raises(InputError, match=r"received 0 of no size"):
        Tinted().inpaint_batch([], [])
    with pytest.raises(InputError, match="seed: must be a whole number, at least 0"):
        Tinted().inpaint(images[0], masks[0], seed=-1)


def test_stages_are_named():
    with pytest.raises(InputError, match="one of tint, prompt, layer, received"):
        begun("wgan")
