"""Stable Diffusion as a model: the whole pipeline, options, known pixels."""

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, NumericError
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.layers.dot_product_attention import DotProductAttention
from inpainting_zoo.models.pixels import dilate
from inpainting_zoo.stable_diffusion import samplers
from parity import difference, golden, nhwc
from tiny_diffusion import NARROW, tiny_model

pytestmark = pytest.mark.both_engines
ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
PIPELINES = {
    "ddim_cfg7.5": {"sampler": "ddim"},
    "ddim_nocfg": {"sampler": "ddim", "guidance_scale": 1.0},
    "euler_cfg7.5": {"sampler": "euler"},
    "pndm_cfg7.5": {"sampler": "pndm"},
    "dpmpp2m_cfg7.5": {"sampler": "dpmpp"},
}


@pytest.fixture(scope="module")
def arrays():
    return golden("diffusion/pipeline_inpaint_tiny")


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def narrow():
    return presets.build("sd2_inpainting", **NARROW)


@pytest.fixture(scope="module")
def photograph():
    """A picture larger than the network's, and two holes in it."""
    picture = np.random.default_rng(0).integers(0, 256, (40, 23, 3), np.uint8)
    hole = np.zeros((40, 23), np.uint8)
    hole[3:8, 5:11] = hole[20:22, 1:3] = 1
    return picture, hole


def golden_inputs(model, arrays, **options):
    """What `call` takes, as the pipeline of the golden was given it."""
    given = {"num_steps": 4, "prompt": "another than the negative", **options}
    inputs = model.condition(**model.OPTIONS | given)
    for name in {"prompt", "negative_prompt"} & set(inputs):
        ids = arrays[f"in/{name.replace('negative_prompt', 'negative')}_ids"]
        inputs[name] = ids.astype("int32")
    inputs["noise"] = nhwc(arrays["in/initial_latents"])
    return inputs | {k: nhwc(arrays[f"in/{k}"]) for k in ("image", "mask")}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_pipeline_of_diffusers(model, arrays, name):
    """From picture, mask, noise and prompts to pixels."""
    inputs = golden_inputs(model, arrays, **PIPELINES[name])
    found = model._run(inputs)
    assert difference(found, nhwc(arrays[f"{name}/decoded_raw"])) < 5e-4


def test_the_same_texts_are_computed_once(photograph, monkeypatch):
    """As without any; the picture is that of both, whatever the guidance."""
    model, shapes = presets.build("sd2_inpainting", **NARROW), []
    chosen = model.OPTIONS | {"num_steps": 2, "prompt": "a cat"}
    rng = np.random.default_rng(3)
    inputs = model.draw(rng, 16, 16) | {"mask": np.ones((1, 16, 16, 1), "float32")}
    inputs["image"] = rng.uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    once = model.condition(**chosen | {"negative_prompt": "A cat"})
    assert "negative_prompt" not in once
    both = {**once, "negative_prompt": once["prompt"]}
    denoise = model.denoise

    def watched(given, **options):
        shapes.append(given[0].shape[0])
        return denoise(given, **options)

    monkeypatch.setattr(model, "denoise", watched)
    found = [ops.convert_to_numpy(model._run(inputs | x)) for x in (once, both)]
    assert [*dict.fromkeys(shapes)] == [1, 2]
    assert difference(*found) < 1e-5
    assert "negative_prompt" in model.condition(**chosen)


@pytest.mark.long
def test_the_graph_of_all_steps_is_the_same(narrow):
    """As Keras's `evaluate` takes it."""
    chosen = {**narrow.OPTIONS, "num_steps": 3, "sampler": "pndm", "strength": 0.9}
    rng = np.random.default_rng(1)
    inputs = narrow.condition(**chosen) | narrow.draw(rng, 16, 16)
    inputs["image"] = rng.uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    inputs["mask"] = np.ones((1, 16, 16, 1), "float32")
    inputs = {k: ops.convert_to_tensor(v) for k, v in inputs.items()}
    found = ops.convert_to_numpy(narrow._run(inputs))
    assert difference(narrow.compiled_call(inputs), found) < 1e-5


def test_pictures(narrow, photograph):
    """Known pixels stay, alone and in a batch; seeds and prompts change the rest."""
    picture, hole = photograph
    chosen = {"num_steps": 2, "prompt": "a dog"}
    plain = narrow.inpaint(picture, hole, **chosen)
    np.testing.assert_array_equal(plain[hole == 0], picture[hole == 0])
    again = narrow.inpaint_batch([picture[::-1], picture], [hole[::-1], hole], **chosen)
    # Sums of a batch may be taken in another order: a level of 255 at most.
    np.testing.assert_allclose(again[1].astype(int), plain, atol=1)
    np.testing.assert_array_equal(again[1][hole == 0], picture[hole == 0])
    assert narrow.draws
    for options in (
        {"seed": 1},
        {"prompt": "a cat"},
        {"negative_prompt": "blurry"},
        {"guidance_scale": 1.0},
        {"num_steps": 3},
        {"sampler": "euler"},
        {"strength": 0.5},
        {"repaint": True},
    ):
        other = narrow.inpaint(picture, hole, **chosen | options)
        np.testing.assert_array_equal(other[hole == 0], picture[hole == 0])
        assert (other != plain).any(), options


def test_a_large_photograph_is_completed_in_crops(narrow, photograph):
    """Of the network's size around each hole, at full resolution."""
    picture = np.tile(photograph[0], (3, 5, 1))
    hole = np.zeros(picture.shape[:2], np.uint8)
    hole[5:9, 6:10] = hole[100:104, 90:93] = 1
    found = complete(narrow, picture, hole, num_steps=1)
    np.testing.assert_array_equal(found[hole == 0], picture[hole == 0])
    assert (found != picture).any(-1)[hole == 1].mean() > 0.9


def test_a_weak_change_keeps_what_is_there(narrow):
    """One step of a thousand adds hardly any noise to what the picture has."""
    chosen = {**narrow.OPTIONS, "num_steps": 500, "sampler": "ddim"}
    rows = {s: narrow.condition(**{**chosen, "strength": s}) for s in (1.0, 0.002)}
    assert rows[1.0]["rows"].shape[1] == 500 and "picture_weight" not in rows[1.0]
    last = rows[0.002]
    assert last["rows"].shape[1] == 1 and last["rows"][0, 0, 0] == 1
    assert last["picture_weight"] > 0.999 and last["noise_weight"] < 0.05


@pytest.mark.parametrize("sampler", ["ddim", "euler", "pndm"])
def test_repainting_puts_what_is_known_into_the_latents(narrow, monkeypatch, sampler):
    """At the noise of each step; the U-Net is shown an empty picture beside it."""
    rng, shown = np.random.default_rng(2), []
    chosen = {"num_steps": 3, "sampler": sampler, "repaint": True, "prompt": "a"}
    inputs = narrow.condition(**narrow.OPTIONS | chosen) | narrow.draw(rng, 16, 16)
    inputs["image"] = rng.uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    inputs["mask"] = np.zeros((1, 16, 16, 1), "float32")
    inputs["mask"][:, 3:6, 9:12] = 1
    known = narrow.encode({"image": inputs["image"] * (1 - inputs["mask"])})
    known, step = ops.convert_to_numpy(known), narrow.shrinks
    cells = inputs["mask"].reshape(1, 16 // step, step, 16 // step, step).max((2, 4))
    cells = cells[..., None] == 0
    assert 0 < cells.mean() < 1
    predict_noise = narrow.predict_noise

    def seen(latents, timestep, alpha, given):
        shown.append([ops.convert_to_numpy(x) for x in (latents, alpha)])
        nothing = narrow.encode({"image": ops.zeros_like(inputs["image"])})
        expected = ops.concatenate([ops.ones_like(nothing[..., :1]), nothing], -1)
        assert difference(given["known"], ops.convert_to_numpy(expected)) < 1e-6
        return predict_noise(latents, timestep, alpha, given)

    monkeypatch.setattr(narrow, "predict_noise", seen)
    monkeypatch.setattr(narrow, "decode", lambda inputs: inputs["latents"])

    def steps(state, rows):
        for i in range(rows.shape[1]):
            state["history"] = narrow.advance({**state, "row": rows[:, i]})
        return state["history"]

    last = narrow._sample(inputs, lambda name: getattr(narrow, name), steps)
    assert len(shown) == {"pndm": 4}.get(sampler, 3)
    for latents, alpha in [*shown, (ops.convert_to_numpy(last), 1.0)]:
        expected = samplers.add_noise(known, inputs["noise"], alpha)
        assert np.abs(np.where(cells, latents - expected, 0)).max() < 1e-4
        assert np.abs(np.where(cells, 0, latents - expected)).max() > 1e-2


def test_options_are_checked(narrow, photograph):
    for options, words in (
        (
            {"guidance_scale": 0.5},
            "guidance_scale: must .* at least 1, received 0.5",
        ),
        ({"guidance_scale": "7"}, "guidance_scale: must be .* received '7'"),
        ({"prompt": 7}, "prompt: must be text, received 7"),
        ({"sampler": "heun"}, "sampler: one of ddim, .*, received 'heun'"),
        ({"steps": 3}, "option: one of prompt, .* received 'steps'"),
    ):
        with pytest.raises(InputError, match=words):
            narrow.inpaint(*photograph, **options)
    with pytest.raises(
        InputError, match=r"unet, its argument: one of channels, .*'wid"
    ):
        presets.build("sd2_inpainting", **NARROW | {"unet": {"width": 3}})
    with pytest.raises(InputError, match="predicts: one of noise, velocity"):
        presets.build("sd2_inpainting", **NARROW, predicts="x")


def test_holes_that_latents_lose_are_remarked(narrow):
    """Of 16 pixels the network sees the mask in rows and columns 0 and 8 alone."""
    hole = np.zeros((16, 16), np.uint8)
    hole[:, 5] = 1
    mask = hole[None, ..., None].astype("float32")
    known = narrow.encode_known(
        {"image": np.zeros_like(mask, shape=(1, 16, 16, 3)), "mask": mask}
    )
    assert not ops.convert_to_numpy(known)[..., 0].any()
    (line,) = narrow.remarks(hole)
    assert line.startswith("mask: has parts thinner than the 8 pixels of a latent")
    assert "-mask_dilation 8" in line
    assert not narrow.remarks(hole, repaint=True)  # which covers every such latent
    assert not narrow.remarks(dilate(hole, 8))
    hole[:] = 0
    hole[6:14, 5:13] = 1  # its border is in cells beside that of its middle
    assert not narrow.remarks(hole)


def test_a_thin_part_of_a_large_hole_is_remarked():
    model = presets.build("sd2_inpainting", **NARROW | {"image_size": 64})
    hole = np.zeros((64, 64), np.uint8)
    hole[20:40, 3:20] = 1
    assert not model.remarks(hole)
    hole[30, 20:60] = 1
    assert len(model.remarks(hole)) == 1
    notes, picture = [], np.zeros((64, 64, 3), np.uint8)
    complete(model, picture, hole, notes=notes, num_steps=1)
    assert notes == model.remarks(hole)


def test_long_prompts_are_remarked(narrow, photograph):
    hole = np.ones_like(photograph[1])
    assert narrow.remarks(hole, prompt="a cat") == []
    found = narrow.remarks(hole, prompt="cat " * 80)
    assert found == ["prompt: 75 tokens are read, 5 are not"]


def test_velocity_is_noise_by_another_name():
    """From alpha = 0.36: noise = 0.6 v + 0.8 x."""
    model = presets.build("sd2_inpainting", **NARROW, predicts="velocity")
    data, noise = (np.full((1, 2, 2, 4), value, "float32") for value in (3.0, -2.0))
    alpha = np.float32(0.36)
    shown = samplers.add_noise(data, noise, alpha)
    found = model.noise_of(samplers.velocity(data, noise, alpha), shown, alpha)
    assert difference(found, noise) < 1e-5


def test_a_conditional_decoder_sees_what_is_known(photograph):
    """Known pixels matter to the prediction by more than the latents' mask."""
    autoencoder = {**NARROW["autoencoder"], "channels": (4, 8, 16, 16)}
    decoder = {"conditional": True}
    model = presets.build(
        "sd15_inpainting", **NARROW | {"autoencoder": autoencoder}, decoder=decoder
    )
    found = model.inpaint(*photograph, num_steps=1)
    picture, hole = photograph
    np.testing.assert_array_equal(found[hole == 0], picture[hole == 0])
    names = {layer.name for layer in model.decoder.layers}
    assert "decoder.condition_encoder.layers.4" in names


@pytest.mark.parametrize("part", ["unet", "decoder"])
def test_numbers_that_are_not_finite_are_found(photograph, part):
    model = presets.build("sd15_inpainting", **NARROW)
    model.parts[part].variables[-1].assign(np.full(4 - (part == "decoder"), np.nan))
    layer = {"unet": "conv_out", "decoder": "decoder.conv_out"}[part]
    words = f"^{part}: must compute finite numbers, .* from its layer {layer} on; "
    with pytest.raises(NumericError, match=words):
        model.inpaint(*photograph, num_steps=1, guidance_scale=1.0)
    assert model.parts[part].count_params()  # it is the network again


def test_what_saves_memory_changes_nothing(photograph, monkeypatch):
    """Attention in slices, and embeddings: a text is embedded once."""
    model = presets.build("sd15_inpainting", **NARROW)
    options = {"num_steps": 2, "prompt": "a cat"}
    sizes, denoise = [], model.denoise

    def noted(inputs):
        sizes.append(inputs[0].shape[0])
        return denoise(inputs)

    monkeypatch.setattr(model, "denoise", noted)
    expected = model.inpaint(*photograph, **options).astype(int)
    sliced = model.inpaint(*photograph, **options, attention_slices=3)
    assert np.abs(sliced - expected).max() <= 1
    layer = model.unet.get_layer(f"{ATTENTION}.heads")
    assert layer.slices == 3
    assert sizes == [2, 1, 1]  # both texts of guidance at once, or one after the other
    for variable in model.text_encoder.variables:
        variable.assign(np.full(variable.shape, np.nan))
    np.testing.assert_array_equal(model.inpaint(*photograph, **options), expected)
    assert layer.slices == 1
    with pytest.raises(NumericError, match=r"^text_encoder: must compute finite"):
        model.inpaint(*photograph, **{**options, "prompt": "a dog"})
    for value in (-1, True, 2.0):
        with pytest.raises(InputError, match="attention_slices: must be"):
            model.inpaint(*photograph, **options, attention_slices=value)


def test_a_text_encoder_that_learns_is_asked_anew(photograph):
    model = presets.build("sd15_inpainting", **NARROW, text_learns=True)
    options = {"num_steps": 1, "prompt": "a cat"}
    model.inpaint(*photograph, **options)
    model.begin("denoising", lambda name, **_: keras.optimizers.SGD(name=name))
    for variable in model.text_encoder.variables:
        variable.assign(np.full(variable.shape, np.nan))
    with pytest.raises(NumericError, match=r"^text_encoder"):
        model.inpaint(*photograph, **options)


def test_slices_are_cut_whatever_the_batch(monkeypatch):
    """The graph for batches of any size has as many products as there are slices."""
    layer = DotProductAttention(2, slices=3)
    query = keras.Input((4, 4, 8))
    found = keras.Model(query, layer(query, query, query))
    random = np.random.default_rng(0).normal(size=(5, 4, 4, 8)).astype("float32")
    expected = DotProductAttention(2)(random, random, random)
    assert difference(found(random), expected) < 1e-6
    sizes, attend = [], ops.dot_product_attention

    def watched(queries, *others, **options):
        sizes.append(queries.shape[1])
        return attend(queries, *others, **options)

    monkeypatch.setattr(ops, "dot_product_attention", watched)
    layer.call(query, query, query)  # calling it would look at shapes alone
    assert sizes == [6, 6, 4]


def test_shares_of_what_is_learned_without():
    """Of a thousand, within five deviations: holes that hide all, and no prompt."""
    shares = {"all_hole": 0.25, "prompt_dropped": 0.1}
    model, count = (
        presets.build("sd15_inpainting", **NARROW, **shares, prompt="a"),
        1000,
    )
    hidden = model._learned_masks(np.zeros((count, 2, 2, 1), "float32"))
    hidden = ops.convert_to_numpy(hidden)
    assert (hidden.min((1, 2, 3)) == hidden.max((1, 2, 3))).all()  # all or nothing
    prompts = ops.convert_to_numpy(model._learned_prompts(count))
    none, given = (model._embedded(text) for text in ("", "a"))
    assert difference(none, given) > 1e-3
    dropped = np.abs(prompts - none).max((1, 2)) < 1e-5
    kept = np.abs(prompts - given).max((1, 2)) < 1e-5
    assert (dropped != kept).all()
    for found, share in zip((hidden[:, 0, 0, 0] == 1, dropped), shares.values()):
        deviation = (share * (1 - share) / count) ** 0.5
        assert abs(found.mean() - share) < 5 * deviation
    for share, all_of_them in ((0.0, False), (1.0, True)):
        options = dict.fromkeys(shares, share)
        model = presets.build("sd15_inpainting", **NARROW, **options, prompt="a")
        masks = model._learned_masks(np.zeros((50, 2, 2, 1), "float32"))
        assert (ops.convert_to_numpy(masks) == all_of_them).all()
        expected = model._embedded("" if all_of_them else "a")
        learned = ops.convert_to_numpy(model._learned_prompts(50))
        np.testing.assert_allclose(learned, expected[None].repeat(50, 0), atol=1e-5)


@pytest.mark.parametrize("predicts", ["noise", "velocity"])
def test_the_loss_of_denoising(arrays, predicts):
    """Of a network that knows the answer; what it is shown; and by hand for zeros."""
    model = presets.build("sd15_inpainting", **NARROW, predicts=predicts)
    rng = np.random.default_rng(0)
    latents, noise = rng.normal(size=(2, 2, 2, 2, 4)).astype("float32")
    inputs = {"latents": latents, "noise": noise, "timestep": np.array([3, 900])}
    inputs |= {"known": np.ones((2, 2, 2, 5), "float32"), "prompt": None}
    alpha = samplers.signal()[[3, 900]].reshape(2, 1, 1, 1)
    target = noise if predicts == "noise" else samplers.velocity(latents, noise, alpha)
    seen = []

    def answer(x, training):
        seen.extend(x)
        return ops.convert_to_tensor(np.float32(target + 0.5))

    model.unet = answer
    loss, logs = model.denoising_loss(**inputs)
    assert float(loss) == pytest.approx(0.25, rel=1e-4) and set(logs) == {"unet_loss"}
    shown = samplers.add_noise(latents, noise, alpha)
    assert difference(seen[0], np.concatenate([shown, inputs["known"]], -1)) < 1e-5
    assert ops.convert_to_numpy(seen[1]).tolist() == [3, 900]
