"""Masked autoencoders against the original programs, and what they learn from."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.features.normalization import imagenet, of_imagenet
from inpainting_zoo.mae.networks import (
    MaskToken,
    build_features,
    join_patches,
    positions,
    split_patches,
)
from inpainting_zoo.weights.convert import convert_file
from parity import difference, golden, nhwc
from tiny_asuka import NARROW_MAE

pytestmark = pytest.mark.both_engines
GOLDENS = {
    "mae_inpaint_plain_tiny": False,
    "mae_inpaint_finetune_tiny": True,
}


def tiny(config, partial):
    """Arguments of the model that a golden is of."""
    return {
        "patch": config["patch_size"],
        "width": config["embed_dim"],
        "depth": config["depth"],
        "heads": config["num_heads"],
        "decoder_width": config["decoder_embed_dim"],
        "decoder_depth": config["decoder_depth"],
        "decoder_heads": config["decoder_num_heads"],
        "partial": partial,
    }


@pytest.mark.parametrize("name", GOLDENS)
def test_networks(name, tmp_path):
    """Through a file of the official names: encoder, features, picture."""
    arrays = golden(f"diffusion/{name}")
    config = json.loads(str(arrays["config_json"]))
    options = tiny(config, GOLDENS[name])
    official = {k.removeprefix("sd/"): v for k, v in arrays.items() if k[:3] == "sd/"}
    np.savez(tmp_path / "official.npz", **official)
    source, saved = tmp_path / "official.npz", tmp_path / "ours.safetensors"
    report = convert_file(source, "mae_base", saved, options)
    assert sorted(report["ignored"]) == ["decoder_pos_embed", "pos_embed"]
    model, _ = presets.load_file(saved)
    for key, width in (("pos_embed", 32), ("decoder_pos_embed", 24)):
        assert difference(positions(16, width), official[key]) < 1e-6
    mask = nhwc(arrays["in/mask_u8"]).astype("float32")
    masked = nhwc(arrays["in/masked_image_f16"]).astype("float32")
    # What is in the hole is not seen.
    image = ops.convert_to_numpy(of_imagenet(masked)) * (1 - mask) + 0.3 * mask
    features = build_features(model.generator, config["feature_decoder_layer"])
    found = features.predict([image, mask], verbose=0)
    assert difference(found, arrays["out/feature"]) < 1e-4
    known = imagenet(image) * (1 - mask)
    whole = ops.convert_to_tensor(1 - arrays["out/patch_mask"])
    encoded = model.encoder([model.embedding(known), whole])
    assert difference(encoded, arrays["out/encoder"]) < 1e-4
    found = imagenet(model.generator.predict([image, mask], verbose=0))
    expected = nhwc(arrays["out/image_f16"]).astype("float32")
    assert difference(found, expected) < 2e-3  # they are of 16 bits
    crop = nhwc(arrays["out/image_crop_f32"])
    errors = [
        np.abs(found[:, i : i + 32, j : j + 32] - crop).max()
        for i in range(0, 225, 16)
        for j in range(0, 225, 16)
    ]
    assert min(errors) < 1e-4


def test_patches_and_their_loss():
    """Those of the original with the same noise; its loss is of its prediction."""
    arrays = golden("diffusion/mae_tiny")
    image = nhwc(arrays["in/image"])
    patches = split_patches(ops.convert_to_tensor(image), 8)
    assert difference(patches, arrays["out/patchify"]) == 0
    assert difference(join_patches(patches, 32, 8), image) == 0
    model = narrow(image_size=32, patch=8)
    noise = ops.convert_to_tensor(arrays["in/noise"])
    kept, removed, place = model.choose_patches(ops.zeros_like(noise), noise)
    assert difference(removed, arrays["out/mask"]) == 0
    assert difference(place, arrays["out/ids_restore"]) == 0
    assert difference(kept, np.argsort(arrays["in/noise"], axis=1)[:, :4]) == 0
    # The original's prediction in the place of ours.
    predicted = ops.convert_to_tensor(arrays["out/pred"])
    model.decoder = lambda inputs, training: predicted
    colours = of_imagenet(ops.convert_to_tensor(image))
    loss, _ = model.pretraining_loss(colours, ops.zeros_like(noise), noise)
    assert float(loss) == pytest.approx(float(arrays["out/loss"]), rel=1e-5)


def narrow(**options):
    return presets.build("mae_small", **{**NARROW_MAE, **options})


def test_removed_patches_are_as_good_as_not_asked():
    """The stage's loss, where patches are dropped, is that of a mask over them."""
    model, rng = narrow(partial=False), np.random.default_rng(0)
    image = ops.convert_to_tensor(rng.uniform(-1, 1, (2, 16, 16, 3)).astype("float32"))
    noise = ops.convert_to_tensor(rng.random((2, 16)).astype("float32"))
    hole = np.zeros((2, 16), "float32")
    hole[:, 5] = 1
    loss, _ = model.pretraining_loss(image, ops.convert_to_tensor(hole), noise)
    _, removed, _ = model.choose_patches(ops.convert_to_tensor(hole), noise)
    removed = ops.convert_to_numpy(removed)
    assert removed.sum(axis=1).tolist() == [12, 12] and removed[:, 5].all()
    mask = join_patches(np.repeat(removed[..., None], 16, axis=-1), 16, 4)
    found = model.generator([image, mask])
    assert float(loss) == pytest.approx(
        float(model.hole_error(found, image, mask)), rel=1e-4
    )


def test_a_hole_is_not_seen_and_all_may_be_one():
    model, rng = narrow(), np.random.default_rng(0)
    image = rng.uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    mask = np.zeros((1, 16, 16, 1), "float32")
    mask[:, 3:9, 2:11] = 1
    other = np.where(mask == 1, rng.uniform(-1, 1, image.shape), image)
    one, two = (model.generator([x.astype("float32"), mask]) for x in (image, other))
    assert difference(one, two) == 0
    nothing = model.generator([image, np.ones_like(mask)])
    assert np.isfinite(ops.convert_to_numpy(nothing)).all()


def test_mask_tokens():
    """A whole patch, a half one and a hole; alpha stays within 0 and 1."""
    tokens, known = np.full((1, 3, 2), 5.0), np.full((1, 3, 2), 9.0)
    area = np.array([[0.0, 0.5, 1.0]])
    layer = MaskToken()
    layer([tokens, area, known])
    layer.token.assign([[[1.0, 1.0]]])
    for alpha, mixed in ((0.75, 3.0), (2.0, 1.0), (-1.0, 9.0)):
        layer.alpha.assign(alpha)
        found = ops.convert_to_numpy(layer([tokens, area, known]))
        assert found[0, :, 0].tolist() == [5, mixed, 1]
    layer.alpha.assign(1.0)
    optimizer = keras.optimizers.SGD(0.25)
    optimizer.build([layer.alpha])
    for gradient, expected in ((-1.0, 1.0), (1.0, 0.75)):  # no step goes beyond
        optimizer.apply([ops.array(gradient)])
        assert float(layer.alpha) == expected
    plain = MaskToken()
    plain([tokens, area])
    plain.token.assign([[[1.0, 1.0]]])
    assert ops.convert_to_numpy(plain([tokens, area]))[0, :, 0].tolist() == [5, 1, 1]


def test_hole_error():
    """0.1 in the hole, in colours of [-1, 1], is 0.05 / 0.229 deviations of red."""
    model = narrow()
    image = np.zeros((1, 16, 16, 3), "float32")
    mask = np.zeros((1, 16, 16, 1), "float32")
    mask[:, :2] = 1
    prediction = image + 0.1
    expected = np.mean([(0.05 / d) ** 2 for d in (0.229, 0.224, 0.225)])
    found = model.hole_error(prediction, image, mask)
    assert float(found) == pytest.approx(expected, rel=1e-4)
    assert float(model.hole_error(prediction, image, 0 * mask)) == 0


def test_wrong_arguments():
    for options, words in (
        ({"patch": 5}, "patch: must divide the image's side of 16 pixels, received 5"),
        ({"heads": 3}, "heads: must divide a width .* received 3 for 8"),
        ({"decoder_heads": 3}, "decoder_heads: must divide .* received 3 for 8"),
        ({"removed": 0.99}, "removed: must leave and remove some of 16 patches"),
        ({"removed": 0.01}, "removed: must leave and remove some of 16 patches"),
    ):
        with pytest.raises(InputError, match=words):
            narrow(**options)
    with pytest.raises(InputError, match="feature_blocks: must be 1 to the 2"):
        build_features(narrow().generator, 3)
