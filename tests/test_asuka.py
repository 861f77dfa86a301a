"""ASUKA as a model: the prior that leads it, what its decoder learns from, files."""

import re

import numpy as np
import pytest
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.layers.colour_jitter import change_colours, jitter_colours
from inpainting_zoo.losses.adaptive_weight import adaptive_weight
from inpainting_zoo.stable_diffusion import samplers
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights
from parity import difference
from tiny_asuka import FILES, NARROW_ASUKA, write_folder
from tiny_diffusion import NARROW_SMALL

pytestmark = pytest.mark.both_engines


@pytest.fixture(scope="module")
def model():
    return presets.build("asuka", **NARROW_ASUKA)


@pytest.fixture(scope="module")
def inputs():
    """Two pictures whose holes are of one pixel's width, between the prior's cells."""
    rng = np.random.default_rng(0)
    mask = np.zeros((2, 16, 16, 1), "float32")
    mask[:, 3:8, 5] = 1
    image = rng.uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    return {"image": image, "mask": mask}


def test_the_prior_sees_no_pixel_of_the_hole(model, inputs):
    found = model.lead(inputs)
    assert found.shape == (2, 16, 4)
    other = np.where(inputs["mask"] == 1, 0.7, inputs["image"]).astype("float32")
    assert difference(model.lead({**inputs, "image": other}), found) == 0
    assert difference(model.lead({**inputs, "image": -other}), found) > 1e-3


def test_the_strength_of_the_prior(model, inputs):
    """At 0 all pictures have one condition; halfway it is the mean of both ends."""
    whole = ops.convert_to_numpy(model.lead(inputs))
    none, half, all_of_it = (
        ops.convert_to_numpy(
            model.lead({**inputs, "prior_strength": np.full(2, s, "float32")})
        )
        for s in (0, 0.5, 1)
    )
    assert difference(none[0], none[1]) < 1e-6 < difference(whole[0], whole[1])
    assert difference(half, (none + whole) / 2) < 1e-5
    assert difference(all_of_it, whole) < 1e-5
    defaults = {**model.OPTIONS, "num_steps": 2}
    assert "prior_strength" not in model.condition(**defaults)
    for wrong in (-0.1, 1.5, "1", True):
        with pytest.raises(InputError, match="prior_strength: must be a finite number"):
            model.chosen({"prior_strength": wrong})


def test_pictures(model):
    """Known pixels stay; another prior gives another picture."""
    picture = np.random.default_rng(0).integers(0, 256, (20, 19, 3), np.uint8)
    hole = np.zeros((20, 19), np.uint8)
    hole[5:9, 6:12] = 1
    options = {"num_steps": 2, "sampler": "euler"}
    found = model.inpaint(picture, hole, **options)
    np.testing.assert_array_equal(found[hole == 0], picture[hole == 0])
    weak = model.inpaint(picture, hole, prior_strength=0.0, **options)
    assert (weak[hole == 1] != found[hole == 1]).any()
    assert model.remarks(hole, **options) == []


def test_the_estimate_of_a_perfect_network_is_what_there_was(model, inputs):
    """By a U-Net that finds the noise that was added."""
    narrow = presets.build("asuka", **NARROW_ASUKA)
    latents = ops.convert_to_tensor(np.full((2, 2, 2, 4), 0.3, "float32"))
    narrow.predict_noise = lambda noisy, timestep, alpha, given: (
        (noisy - ops.sqrt(alpha) * latents) / ops.sqrt(1 - alpha)
    )
    narrow.generated_until = 999
    found = narrow.estimate(latents, inputs["image"], inputs["mask"])
    assert difference(found, ops.convert_to_numpy(latents)) < 1e-4
    narrow.predict_noise = lambda noisy, timestep, alpha, given: 0 * noisy
    narrow.generated_until = 0
    found = narrow.estimate(latents, inputs["image"], inputs["mask"])
    spread = np.abs(ops.convert_to_numpy(found) - 0.3).max()
    least = samplers.signal()[0]
    assert 0 < spread < 5 * ((1 - least) / least) ** 0.5


def test_colours():
    """Half as bright again; no contrast; no colour; a whole turn of the hue."""
    colours = np.zeros((1, 1, 2, 3), "float32")
    colours[0, 0] = [[0.2, 0.4, 0.6], [0.4, 0.4, 0.4]]

    def change(**changed):
        names = ("brightness", "contrast", "saturation", "hue")
        given = [np.full((1, 1, 1, 1), changed.get(n, 0), "float32") for n in names]
        return ops.convert_to_numpy(change_colours(colours, *given))

    assert difference(change(), colours) < 1e-5
    assert difference(change(brightness=0.5), 1.5 * colours) < 1e-5
    luma = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
    found = change(contrast=-1)
    assert difference(found, np.full_like(colours, (luma + 0.4) / 2)) < 1e-5
    grey = np.broadcast_to([[[[luma]], [[0.4]]]], (1, 2, 1, 1)).reshape(1, 1, 2, 1)
    assert difference(change(saturation=-1), np.repeat(grey, 3, axis=-1)) < 1e-5
    assert difference(change(hue=4), colours) < 1e-4
    assert np.abs(change(hue=1) - colours).max() > 0.1
    model = presets.build("asuka", **NARROW_ASUKA)
    same = jitter_colours(colours, 0.0, model.seed_generator)
    assert difference(same, colours) < 1e-5
    pictures = np.repeat(colours, 3, axis=0)
    drawn = ops.convert_to_numpy(jitter_colours(pictures, 0.5, model.seed_generator))
    assert np.abs(drawn[0] - drawn[1]).max() > 0.01
    assert drawn.min() >= 0 and drawn.max() <= 1


def test_adaptive_weights():
    """Of a loss three times as steep; of one that is flat; never beyond 10,000."""
    kernel = np.ones((2, 2), "float32")
    weight = adaptive_weight(lambda k: 3 * ops.sum(k), ops.sum, kernel)
    assert float(weight) == pytest.approx(6 / (2 + 1e-4), rel=1e-5)
    weight = adaptive_weight(lambda k: 3 * ops.sum(k), lambda k: 0 * ops.sum(k), kernel)
    assert float(weight) == 1e4
    weight = adaptive_weight(lambda k: 0 * ops.sum(k), ops.sum, kernel)
    assert float(weight) == 0


def test_wrong_arguments():
    for options, words in (
        ({"generated": 1.5}, "generated must be .* at most 1, received 1.5"),
        ({"generated_until": 1000}, "generated_until: must be under 1000"),
        ({"image_size": 20}, "image_size: must be a multiple of the .* 8 px"),
        ({"feature_blocks": 3}, "feature_blocks: must be 1 to the 2"),
        ({"alignment": {"depth": 2}}, "alignment, its argument: one of"),
        ({"mae": {"blocks": 2}}, "mae, its argument: one of"),
    ):
        with pytest.raises(InputError, match=words):
            presets.build("asuka", **{**NARROW_ASUKA, **options})
    with pytest.raises(InputError, match="unet: its context_channels are the text's"):
        unet = {**NARROW_SMALL["unet"], "context_channels": 4}
        presets.build("sd_small", **{**NARROW_SMALL, "unet": unet})
    plain = {"decoder": {"conditional": False, "sees_mask": False}}
    model = presets.build("asuka", **{**NARROW_ASUKA, **plain})
    with pytest.raises(InputError, match="decoder: must be conditional where"):
        model.make_stage("decoder", None)


def test_files_of_parts(model, tmp_path):
    """A folder of diffusers with two more; an autoencoder of our own; FLUX refused."""
    folder = write_folder(tmp_path / "whole", model, *FILES)
    loaded = presets.load("asuka", folder, **NARROW_ASUKA)
    for name, variable in model.use_state().items():
        assert difference(loaded.use_state()[name], as_arrays({0: variable})[0]) == 0

    ours = presets.build("mae_small", **NARROW_ASUKA["mae"])
    mixed = write_folder(tmp_path / "mixed", model, "unet", "vae", "alignment")
    (mixed / "mae").mkdir()
    path = mixed / "mae" / "generator.safetensors"
    about = {"preset": "mae_small", "overrides": NARROW_ASUKA["mae"]}
    save_weights(path, as_arrays(ours.use_state()), about)
    loaded = presets.load("asuka", mixed, **NARROW_ASUKA)
    found = {k.removeprefix("mae/"): v for k, v in loaded.use_state("mae").items()}
    expected = as_arrays({k: ours.use_state()[f"generator/{k}"] for k in found})
    assert len(found) > 20
    for name, array in expected.items():
        assert difference(found[name], array) == 0

    lacking = write_folder(tmp_path / "lacking", model, "unet", "vae", "mae")
    with pytest.raises(WeightsError, match=r"missing: 16 \(alignment\.0\.bias"):
        presets.load("asuka", lacking, **NARROW_ASUKA)
    for name in ("1.linear1.weight", "decoder.up_layers.0.weight"):
        np.savez(tmp_path / "flux.npz", **{name: np.zeros((4, 4), "float32")})
        with pytest.raises(WeightsError, match=re.escape("lead FLUX.1-Fill")):
            presets.load("asuka", tmp_path / "flux.npz", **NARROW_ASUKA)
