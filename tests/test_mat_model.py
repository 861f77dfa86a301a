"""MAT as a model: many answers, options, sizes, masks, official files, training."""

import itertools

import numpy as np
import pytest
from keras import ops
from PIL import Image

from conftest import slow_on_jax
from inpainting_zoo import cli, presets
from inpainting_zoo.data.masks import MASKS
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.layers.pull_push import HOLE_FILLS
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights
from inpainting_zoo.storage.variables import without_memory
from inpainting_zoo.weights.convert import convert_file
from inpainting_zoo.weights.convert_mat import IGNORED, official_tensors
from parity import difference, golden, nhwc
from served import form, pixels, png, send, server
from torch_writer import (
    KINDS,
    NONE,
    Writer,
    call,
    dictionary,
    number,
    save_state_dict,
    storage,
    text,
    tuple_of,
)

both_engines = pytest.mark.both_engines
OFFICIAL = {
    "image_size": 128,
    "channels": [6, 8, 10, 12],
    "width": 12,
    "latent": 16,
    "mapping_layers": 4,
}
NARROW = {
    "channels": [2, 4],
    "width": 6,
    "latent": 8,
    "mapping_layers": 2,
    "depths": [1, 2, 1, 1, 1],
    "perceptual_weight": 0,
}


@pytest.fixture(scope="module")
def arrays():
    return golden("mat/tiny_128")


@pytest.fixture(scope="module")
def state_dict(arrays):
    return {k.removeprefix("sd/"): v for k, v in arrays.items() if k.startswith("sd/")}


def given(arrays):
    """As the docstring of `predict` has it."""
    first, second = arrays["mul_map_stage1"], arrays["mul_map_stage2"]
    inputs = {
        "image": nhwc(arrays["images_in"]),
        "mask": 1 - nhwc(arrays["masks_in"]),
        "z": arrays["z"],
        "stage1_map": first.reshape(2, 16, 16, 12).astype("float32"),
        "stage2_map": nhwc(second).astype("float32"),
    }
    return inputs


def run(model, inputs):
    inputs = {name: ops.convert_to_tensor(x) for name, x in inputs.items()}
    return ops.convert_to_numpy(model.compiled_call(inputs))


def close(found, expected):
    expected = nhwc(expected)
    return (np.abs(found - expected) <= 1e-3 + 1e-4 * np.abs(expected)).all()


@pytest.fixture(scope="module")
def converted(state_dict, tmp_path_factory):
    """The model of a converted file, with names as people's files have them."""
    folder = tmp_path_factory.mktemp("mat")
    source, target = folder / "official.npz", folder / "ours.safetensors"
    np.savez(source, **{f"w:model.{k}": v for k, v in state_dict.items()}, extra=1.0)
    convert_file(source, "mat_512", target, OFFICIAL)
    return presets.load_file(target)[0]


@both_engines
def test_a_converted_file_predicts_what_the_original_does(converted, arrays):
    found = converted.predict(given(arrays), verbose=0)
    assert close(found, arrays["output_const"])


@both_engines
@pytest.mark.long
def test_options_are_the_officials(converted, arrays):
    for case, options in {
        "const_trunc0p5": {"truncation": 0.5},
        "none_expected_mulmap0p5": {"expected": True, "noise": "none"},
    }.items():
        inputs = given(arrays) | converted.condition(**converted.chosen(options))
        assert close(run(converted, inputs), arrays[f"output_{case}"]), case


def test_official_names():
    """Of the whole network, with their shapes, but for constants."""
    with without_memory():
        variables = presets.build("mat_512").use_state()
    official = golden("mat/512_names")
    pairs = zip(official["names"], official["shapes"], strict=True)
    expected = {name: shape for name, shape in pairs if not IGNORED.fullmatch(name)}
    found = official_tensors(variables, presets.get("mat_512")["config"])
    assert {k: ",".join(map(str, shape)) for k, (_, shape, _) in found.items()} == (
        expected
    )


def same(model, state_dict):
    """Whether a model has the weights of an official state dict."""
    variables = model.use_state()
    for theirs, (ours, _, to_ours) in official_tensors(variables, OFFICIAL).items():
        assert difference(variables[ours], to_ours(state_dict[theirs])) == 0, theirs


def without_noise(arrays):
    """As generators are saved that were built without noise."""
    return {k: v for k, v in arrays.items() if "noise" not in k}


@both_engines
def test_files_without_noise(state_dict, tmp_path):
    path = tmp_path / "Places_512_FullData_G.pth"
    save_state_dict(path, without_noise(state_dict))
    model = presets.load("mat_512", path, **OFFICIAL)
    same(model, {k: 0 * v if "noise" in k else v for k, v in state_dict.items()})


def test_missing_tensors_are_named(state_dict, tmp_path):
    kept = {k: v for k, v in state_dict.items() if "to_square" not in k}
    np.savez(tmp_path / "torn.npz", **kept)
    with pytest.raises(WeightsError, match=r"missing: 4 \(synthesis.first_stage.to_sq"):
        presets.load("mat_512", tmp_path / "torn.npz", **OFFICIAL)


@pytest.mark.parametrize("name", ["512", "512_small", "256", "256_small"])
def test_masks_hide_as_much_as_the_official_ones(name):
    side, areas = int(name[:3]), golden("mat/mask_areas")[name]
    draw = MASKS[f"mat_{name}"]
    ours = [draw(np.random.default_rng(i), side, side).mean() for i in range(400)]
    assert np.mean(ours) == pytest.approx(np.mean(areas), abs=0.03)
    for share in (0.1, 0.25, 0.5, 0.75):
        expected = np.quantile(areas, share)
        assert np.quantile(ours, share) == pytest.approx(expected, abs=0.05)
    assert min(ours) > 0 and max(ours) < 1


@pytest.fixture(scope="module")
def narrow():
    return presets.build("mat_small", **NARROW)


def picture(height, width):
    """Noise, and a hole a third as high and wide."""
    rng = np.random.default_rng(0)
    hole = np.zeros((height, width), np.uint8)
    hole[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 1
    return rng.integers(0, 256, (height, width, 3), np.uint8), hole


@both_engines
def test_a_seed_is_an_answer(narrow):
    """The same again for the same seed, others for others; known pixels stay."""
    image, hole = picture(129, 150)
    found = [narrow.inpaint(image, hole, seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()
    for completed in found:
        np.testing.assert_array_equal(completed[hole == 0], image[hole == 0])
    assert narrow.draws


@both_engines
@slow_on_jax
def test_both_stages_add_to_a_fill():
    """Without colours of their own they leave what the image pyramid fills in."""
    model = presets.build("mat_small", **NARROW)
    synthesis = model.synthesis
    for layer in synthesis.layers:
        if layer.name.endswith("_rgb"):
            for v in layer.trainable_variables:
                v.assign(ops.zeros(v.shape))
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (1, 128, 128, 3)).astype("float32")
    mask = np.zeros((1, 128, 128, 1), "float32")
    mask[:, 30:60, 50:90] = 1
    given = {k: ops.zeros((1, *x.shape[1:])) for k, x in synthesis.input.items()}
    given |= {k: ops.array(x) for k, x in {"image": image, "mask": mask}.items()}
    filled = HOLE_FILLS["biharmonic"]()(image, mask)
    for prediction in synthesis(given):
        assert difference(prediction, filled) < 1e-6


def test_batches_are_predicted_by_name(narrow):
    """Each picture with what it was given, as alone."""
    rng = np.random.default_rng(0)
    drawn = [narrow.draw(np.random.default_rng(i), 128, 128) for i in range(2)]
    given = {k: np.concatenate([x[k] for x in drawn]) for k in drawn[0] if k != "noise"}
    given["image"] = rng.uniform(-1, 1, (2, 128, 128, 3)).astype("float32")
    given["mask"] = np.zeros((2, 128, 128, 1), "float32")
    given["mask"][:, 30:90, 40:80] = 1
    given["truncation"] = np.float32([[0.5], [1.0]])
    both = narrow.predict(given, verbose=0)
    for i in range(2):
        alone = narrow.predict({k: x[i : i + 1] for k, x in given.items()}, verbose=0)
        assert difference(both[i : i + 1], alone) < 1e-4
    known = given["mask"] == 0
    assert difference(np.where(known, both, 0), np.where(known, given["image"], 0)) == 0
    whole = {k: x.astype("uint8") if "_map" in k else x for k, x in given.items()}
    assert difference(narrow.predict(whole, verbose=0), both) == 0  # 0 and 1 as well
    with pytest.raises(InputError, match=r"x: must hold .*received none of the name z"):
        narrow.predict({"image": given["image"], "mask": given["mask"]})


def test_options(narrow):
    """Without maps, noise and truncation left nothing is drawn."""
    image, hole = picture(128, 128)
    fixed = {"truncation": 0.0, "expected": True, "noise": "none"}
    found = [narrow.inpaint(image, hole, seed=seed, **fixed) for seed in (0, 1)]
    np.testing.assert_array_equal(*found)
    for name in fixed:
        options = {**fixed, name: narrow.OPTIONS[name]}
        if name == "noise":
            continue  # adds nothing before training, when its strength is 0
        found = [narrow.inpaint(image, hole, seed=seed, **options) for seed in (0, 1)]
        assert (found[0] != found[1]).any(), name
    for options, words in (
        ({"truncation": 2}, "truncation: must be .* least 0 and at most 1, received 2"),
        ({"truncation": True}, "truncation: must be a finite number"),
        ({"expected": 1}, "expected: must be true or false, received 1"),
        ({"noise": "loud"}, "noise: one of stored, drawn, none, received 'loud'"),
        ({"style": 1}, "option: one of truncation, expected, noise, received 'style'"),
    ):
        with pytest.raises(InputError, match=words):
            narrow.inpaint(image, hole, **options)


def test_sizes(narrow, monkeypatch):
    """The network sees one square of its own size, whatever the picture's."""
    for height, width in ((129, 129), (40, 300), (1, 1)):
        image, hole = picture(height, width)
        fitted, unknown, _ = narrow.sizes.fit(image, hole)
        assert fitted.shape == (128, 128, 3) and unknown.shape == (128, 128)
    image, hole = picture(129, 129)
    hole[:128, :128] = 1  # of the network's side, in a picture that is larger by one
    sizes, run = [], narrow._run
    monkeypatch.setattr(
        narrow, "_run", lambda given: sizes.append(given["image"].shape) or run(given)
    )
    completed = complete(narrow, image, hole)
    assert sizes == [(1, 128, 128, 3)]
    np.testing.assert_array_equal(completed[hole == 0], image[hole == 0])
    image, hole = picture(256, 256)
    hole[:] = 0
    hole[4:12, 4:12] = hole[240:248, 240:248] = 1
    monkeypatch.setattr(narrow, "_run", lambda given: given["image"])
    seen, fit = [], narrow.sizes.fit
    monkeypatch.setattr(
        narrow.sizes.__class__, "fit", lambda _, *x: seen.append(x[0]) or fit(*x)
    )
    complete(narrow, image, hole)  # each hole at the picture's own size
    np.testing.assert_array_equal(seen[0][12:], image[12:128, :128])
    np.testing.assert_array_equal(seen[1][:112], image[128:240, 128:])
    for overrides, words in (
        ({"image_size": 192}, "image_size: must be a power of two, at least 128"),
        ({"image_size": 64}, "image_size: must be a power of two, at least 128"),
        ({"width": 7}, "heads: must divide the width of 7, received 2"),
        ({"depths": [1, 1]}, r"depths: must be 5 numbers, received \[1, 1\]"),
        ({"depths": [1, 1, 1, 1, -1]}, "depths: must be a whole number, at least 0"),
        ({"depths": [1, 1, 1, 1, "x"]}, "depths: must be a whole number, at least 0"),
        ({"channels": []}, r"channels: must be at least one number, received \[\]"),
        ({"channels": [1]}, "channels: must be a whole number, at least 2, received 1"),
        ({"channels": [2.5]}, "channels: must be a whole number, at least 2"),
        ({"mixing": 2.0}, "mixing must be .* at least 0 and at most 1, received 2.0"),
        ({"training_truncation": 1.5}, "training_truncation must be a number of at"),
        ({"dtype": "mixed_float16"}, "mixed_precision: must be float32 for MAT"),
        (
            {"perceptual": "vgg"},
            "perceptual: one of vgg19, vgg16, lpips, received 'vgg'",
        ),
    ):
        with pytest.raises(InputError, match=words):
            presets.build("mat_small", **NARROW | overrides)


@pytest.mark.long
def test_variants_by_the_command(narrow, tmp_path):
    """Different answers, and one for a seed, whichever variant it is."""
    weights = tmp_path / "weights.safetensors"
    about = {"preset": "mat_small", "overrides": NARROW}
    save_weights(weights, as_arrays(narrow.use_state()), about)
    image, hole = picture(60, 70)
    Image.fromarray(image).save(tmp_path / "image.png")
    Image.fromarray(255 * hole).save(tmp_path / "mask.png")
    command = ["inpaint", "-image", "image.png", "-mask", "mask.png"]
    command = [str(tmp_path / x) if ".png" in x else x for x in command]
    command += ["-from_weights", str(weights), "-with", "truncation=0.5", "-save_to"]
    several = ["-seed", "0", "-variants", "3"]
    assert cli.main([*command, str(tmp_path / "a.png"), *several]) == 0
    assert cli.main([*command, str(tmp_path / "b.png"), "-seed", "1"]) == 0
    first, second, third, alone = (
        np.asarray(Image.open(tmp_path / name))
        for name in ("a_1.png", "a_2.png", "a_3.png", "b.png")
    )
    for a, b in itertools.combinations((first, second, third), 2):
        assert (a != b).any()
    np.testing.assert_array_equal(second, alone)


def test_variants_of_the_page(narrow):
    """It asks for one after the other, by seeds."""
    image, hole = picture(60, 70)
    pair = {"image": png(image), "mask": png(255 * hole)}
    with server(lambda name: narrow) as address:
        found = []
        for seed in (0, 1, 2, 1):
            body = form(**pair, preset="mat_512", seed=str(seed))
            status, _, content = send(address, body=body)
            assert status == 200
            found.append(pixels(content))
    for a, b in itertools.combinations(found[:3], 2):
        assert (a != b).any()
    np.testing.assert_array_equal(found[3], found[1])
    np.testing.assert_array_equal(found[1], narrow.inpaint(image, hole, seed=1))


class Pickler(Writer):
    """Writes what the official program does with `pickle.dump`.

    Args:
        marker: file that would be made by who runs the code in it.
    """

    def __init__(self, marker):
        super().__init__()
        self.marker = marker

    def tensor(self, array):
        """A parameter, whose storage is a file of its own in the format before zip."""
        inner = Writer()
        inner.parts, inner.counts = {"7": array.tobytes()}, {"7": array.size}
        path = self.marker.with_name("storage")
        inner.save_stream(path, storage(KINDS[array.dtype.name], "7", array.size, NONE))
        content = path.read_bytes()
        held = call(
            "torch.storage._load_from_bytes",
            b"B" + len(content).to_bytes(4, "little") + content,
        )
        strides = [s // array.itemsize for s in array.strides]
        numbers = [tuple_of(*map(number, n)) for n in (array.shape, strides)]
        made = call("torch._utils._rebuild_tensor_v2", held, number(0), *numbers)
        return call("torch._utils._rebuild_parameter", made, b"\x88", NONE)

    def module(self, arrays):
        """Modules in each other, each with the code of its class."""
        parameters = {k: self.tensor(a) for k, a in arrays.items() if "." not in k}
        inner = {}
        for dotted in dict.fromkeys(k.partition(".")[0] for k in arrays if "." in k):
            start = f"{dotted}."
            below = {
                k.removeprefix(start): a
                for k, a in arrays.items()
                if k.startswith(start)
            }
            inner[dotted] = self.module(below)
        state = {"_parameters": parameters, "_buffers": {}, "_modules": inner}
        state = {k: dictionary(v) for k, v in state.items()}
        code = text(f"open({str(self.marker)!r}, 'w')")
        about = {"type": text("class"), "module_src": code, "state": dictionary(state)}
        kind = "torch_utils.persistence._reconstruct_persistent_obj"
        return call(kind, dictionary(about))


def test_official_pickles(state_dict, tmp_path):
    """The average of the generator is taken, and no code in them is run."""
    pickler = Pickler(tmp_path / "marker")
    other = {k: 0 * v for k, v in state_dict.items()}
    networks = {"G": other, "D": {"b4.conv.weight": np.zeros((2, 2), "float32")}}
    networks["G_ema"] = state_dict
    content = dictionary({k: pickler.module(v) for k, v in networks.items()})
    path = tmp_path / "Places_512_FullData.pkl"
    path.write_bytes(b"\x80\x03" + content + b".")
    model = presets.load("mat_512", path, **OFFICIAL)
    same(model, state_dict)
    assert not pickler.marker.exists()
    path.write_bytes(b"\x80\x03" + content[: len(content) // 2])
    with pytest.raises(WeightsError, match="must be a readable checkpoint"):
        presets.load("mat_512", path, **OFFICIAL)
