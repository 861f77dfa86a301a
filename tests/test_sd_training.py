"""Training of Stable Diffusion by its commands: one part learns, others come along."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from inpainting_zoo import presets
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.checkpoints import as_arrays, load_weights, save_weights
from inpainting_zoo.tools.autoencoder import main as measure
from stages import assert_known_stay, run, whole_and_in_parts
from tiny_diffusion import NARROW, NARROW_SMALL

pytestmark = [pytest.mark.both_engines, pytest.mark.long]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of all parts."""
    path = tmp_path_factory.mktemp("weights") / "all.safetensors"
    arrays = as_arrays(presets.build("sd15_inpainting", **NARROW).use_state())
    save_weights(path, arrays, {"preset": "sd15_inpainting", "overrides": NARROW})
    return path


@pytest.mark.slow
def test_trained_resumed_and_used(pictures, weights, tmp_path, capsys):
    """Four steps in one run are two and two; use finds the parts that stayed frozen."""
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW.items()]
    options += ["average=4", 'prompt="a cat"', "predicts=velocity"]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    begun = [*common, "-preset", "sd15_inpainting", "-set", *options]
    begun += ["-batch_size", 2, "-learning_rate", 1e-2, "-from_weights", weights]
    begun += ["-validation_images", 1, "-sample_every", 100]
    state, names = whole_and_in_parts(begun, common, tmp_path, "denoising")
    assert names == {"unet", "unet_optimizer", "average", "seed_generator"}
    former, _ = load_weights(weights)
    key = "unet/conv_in/kernel"
    assert np.abs(state[key] - former[key]).max() > 1e-3

    picture, mask = (pictures / folder / "0.png" for folder in ("images", "masks"))
    saved = tmp_path / "completed.png"
    use = ["inpaint", "-image", picture, "-mask", mask, "-save_to", saved]
    use += ["-output_path", tmp_path, "-experiment_name", "parts"]
    assert run(*use, "-with", "prompt=a cat", "num_steps=2", "sampler=euler") == 0
    before, after, _ = assert_known_stay(picture, mask, saved)
    assert (after != before).any()
    assert run(*use, "-overwrite", "-with", "num_steps=0") == 4
    assert "num_steps: must be a whole number" in capsys.readouterr().err


@pytest.mark.slow
def test_a_lora_is_trained_resumed_and_used(pictures, weights, tmp_path, capsys):
    """Four steps in one run are two and two; its file stands beside the weights."""
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW.items()]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    begun = [*common, "-preset", "sd15_inpainting", "-from_weights", weights]
    begun += ["-stage", "denoising", "-set", *options, "lora_rank=2", 'prompt="a cat"']
    begun += ["-batch_size", 2, "-learning_rate", 1e-1, "-validation_images", 1]
    begun += ["-sample_every", 100]
    state, names = whole_and_in_parts(begun, common, tmp_path, "denoising")
    assert names == {"lora", "lora_optimizer", "seed_generator"}
    assert max(np.abs(state[k]).max() for k in state if "lora_B" in k) > 1e-2

    file = tmp_path / "whole" / "weights" / "lora.safetensors"
    assert [*file.parent.glob("*.safetensors")] == [file]
    assert file.stat().st_size < 20_000
    picture, mask = (pictures / folder / "0.png" for folder in ("images", "masks"))
    use = ["inpaint", "-image", picture, "-mask", mask]
    chosen = ["-with", "num_steps=2", "prompt=a cat", "lora_scale=2"]
    found = []
    for name, model in {
        "beside": ["-from_weights", weights, "-adapters", file],
        "own": ["-output_path", tmp_path, "-experiment_name", "whole"],
        "without": ["-from_weights", weights],
    }.items():
        saved = tmp_path / f"{name}.png"
        words = chosen[: 3 if name == "without" else 4]
        assert run(*use, *model, "-save_to", saved, *words) == 0, (
            capsys.readouterr().err
        )
        found.append(assert_known_stay(picture, mask, saved)[1])
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


@pytest.mark.slow
def test_captions_and_remembered_latents(pictures, weights, tmp_path, monkeypatch):
    """Of crops that come again each is encoded once; runs are resumed bit for bit."""
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path / "cache"))
    names = sorted(path.name for path in (pictures / "images").iterdir())
    table = tmp_path / "captions.csv"
    table.write_text("file,prompt\n" + "".join(f"{n},picture {n}\n" for n in names))
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW.items()]
    words = ["-train_path", pictures / "images", "-output_path", tmp_path]
    words += ["-preset", "sd15_inpainting", "-set", *options, "-from_weights", weights]
    words += ["-batch_size", 2, "-validation_images", 1, "-sample_every", 100]
    words += ["-captions", table, "-learning_rate", 1e-3]
    model = presets.build("sd15_inpainting", **NARROW)
    prepare = model.preparing(repeated=True)
    image = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    batch = {"image": image, "caption": np.array(["a cat", "a"])}
    found = [prepare(batch) for _ in range(2)]
    expected = model.encode(
        {"image": model.as_inputs({**batch, "mask": image})["image"]}
    )
    np.testing.assert_allclose(found[0]["latents"], expected, atol=1e-5)
    np.testing.assert_array_equal(found[0]["latents"], found[1]["latents"])
    assert found[0]["tokens"].shape == (2, 77) and "caption" not in found[0]
    kept = sorted((tmp_path / "cache").rglob("latents-*/*/*.npy"))
    assert len(kept) == 2
    assert run(*words, "-crops", 1, "-experiment_name", "kept", "-steps", 6) == 0
    images = len(names) - 1  # one is validated on
    assert len([*(tmp_path / "cache").rglob("*.npy")]) - 2 <= images
    assert run(*words, "-experiment_name", "kept_too", "-steps", 2, "-crops", 1) == 0
    more = ["-train_path", pictures / "images", "-output_path", tmp_path, "-steps", 6]
    assert run(*more, "-experiment_name", "kept_too", "-resume") == 0
    states = [
        dict(np.load(tmp_path / name / "weights" / "denoising-00000006.npz"))
        for name in ("kept", "kept_too")
    ]
    for key in states[0].keys() - {"metadata"}:
        np.testing.assert_array_equal(*(state[key] for state in states), err_msg=key)
    wrong = ["-preset", "gmcnn_small", "-train_path", pictures / "images"]
    assert run(*wrong, "-captions", table) == 4


def test_frozen_parts_must_come_from_somewhere(pictures, tmp_path, capsys):
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW.items()]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    assert (
        run(*common, "-preset", "sd15_inpainting", "-steps", 1, "-set", *options) == 4
    )
    error = capsys.readouterr().err
    assert "part encoder" in error and "-from_weights" in error


@pytest.mark.slow
def test_tasks_are_learned_beside_a_frozen_model(pictures, weights, tmp_path, capsys):
    """Harmonization in one run and in two; then removal in the same experiment."""
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW.items()]
    labels = ["-objects_path", pictures / "masks"]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    begun = [*common, *labels, "-preset", "sd15_inpainting", "-from_weights", weights]
    begun += ["-batch_size", 2, "-learning_rate", 1e-2, "-validation_images", 1]
    begun += ["-sample_every", 2, "-save_every", 2]
    own = ["-stage", "harmonization", "-aligned", f"target={pictures / 'images'}"]
    own += ["-set", *options, "lora_rank=2"]
    start = [*begun, *own]
    state, names = whole_and_in_parts(start, common, tmp_path, "harmonization")
    folders = [tmp_path / name / "weights" for name in ("whole", "parts")]
    assert names == {"harmonize", "lora", "harmonize_optimizer", "average",
                     "seed_generator", "lowest_loss"}  # fmt: skip
    assert 0 < state["lowest_loss"] < 100
    adapted = [k for k in state if k.startswith("lora/") and "lora_B" in k]
    assert max(np.abs(state[k]).max() for k in adapted) > 1e-4

    own = ["-stage", "task_inversion", "-set", *options]
    assert run(*begun, *own, "-experiment_name", "parts", "-steps", 1) == 0
    files = {path.name for path in folders[1].glob("*.safetensors")}
    assert files == {f"{n}.safetensors" for n in ("harmonize", "lora", "remove")}
    assert (folders[1] / "remove.safetensors").stat().st_size < 5000
    picture, mask = (pictures / folder / "0.png" for folder in ("images", "masks"))
    use = ["-image", picture, "-mask", mask, "-save_to", tmp_path / "out.png"]
    chosen = ["-with", "num_steps=1"]
    model = ["-output_path", tmp_path, "-experiment_name", "parts"]
    for task in ("remove", "harmonize"):
        done = run("inpaint", *use, *model, "-overwrite", *chosen, f"task={task}")
        assert done == 0, capsys.readouterr().err
    adapters = [folders[1] / "remove.safetensors", folders[0] / "lora.safetensors"]
    model = ["-from_weights", weights, "-adapters", *adapters]
    assert run("reposition", *use, *model, "-overwrite", *chosen, "-shift", 2, 3) == 0
    assert "harmonize" in capsys.readouterr().err
    gone = run("inpaint", *use, "-preset", "sd15_inpainting", "-adapters", "gone.st")
    assert gone == 4 and "-adapters: must be a file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_prompt_learns_from_references(pictures, weights, tmp_path, capsys):
    """Four steps in one run are two and two; then a picture beside two references."""
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW.items()]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    begun = [*common, "-preset", "sd15_inpainting", "-from_weights", weights]
    begun += ["-batch_size", 2, "-learning_rate", 1e-2, "-validation_images", 1]
    begun += ["-sample_every", 2, "-save_every", 2, "-set", *options]
    begun += ["-stage", "reference", "-aligned", f"reference={pictures / 'images'}"]
    state, names = whole_and_in_parts(begun, common, tmp_path, "reference")
    own = {"refer", "refer_optimizer", "average", "seed_generator", "lowest_loss"}
    assert names == own and 0 < state["lowest_loss"] < 100
    picture, mask = (pictures / folder / "0.png" for folder in ("images", "masks"))
    saved = tmp_path / "completed.png"
    use = ["inpaint", "-image", picture, "-mask", mask, "-save_to", saved]
    model = ["-output_path", tmp_path, "-experiment_name", "parts"]
    beside = ["-reference", picture, pictures / "images" / "1.png"]
    assert run(*use, *model, *beside, "-with", "num_steps=1") == 0
    assert_known_stay(picture, mask, saved)
    assert run(*use, *model, "-overwrite", "-with", "task=refer") == 4
    assert "-reference: is needed for the task" in capsys.readouterr().err
    assert run(*use, "-overwrite", "-preset", "patchmatch", *beside) == 4
    assert "-reference: must be for a model that looks" in capsys.readouterr().err
    missing = ["-reference", tmp_path / "gone.png"]
    assert run(*use, *model, "-overwrite", *missing) == 4
    assert "-reference: must be a file" in capsys.readouterr().err


def test_a_small_one_from_nothing(pictures, tmp_path):
    """Two stages of one experiment, the first resumed; then a completed picture."""
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW_SMALL.items()]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    begun = [*common, "-preset", "sd_small", "-set", *options, "average=4"]
    begun += ["-batch_size", 2, "-validation_images", 1, "-sample_every", 100]
    start = [*begun, "-stage", "autoencoder"]
    _, names = whole_and_in_parts(start, common, tmp_path, "autoencoder")
    others = {"autoencoder_optimizer", "average", "seed_generator"}
    assert names == {"encoder", "decoder"} | others
    assert run(*begun, "-experiment_name", "whole", "-steps", 1) == 0
    state = np.load(tmp_path / "whole/weights/denoising-00000001.npz")
    names = {k.split("/")[0] for k in state} - {"metadata"}
    others = {"unet_optimizer", "average", "seed_generator"}
    assert names == {"unet", "text_encoder"} | others
    numbers = json.loads((tmp_path / "whole" / "metrics.json").read_text())
    assert {"l1", "kl", "validation_loss"} <= set(numbers["autoencoder"]["history"][-1])
    picture, mask = (pictures / folder / "0.png" for folder in ("images", "masks"))
    saved = tmp_path / "completed.png"
    use = ["inpaint", "-image", picture, "-mask", mask, "-save_to", saved]
    use += ["-output_path", tmp_path, "-experiment_name", "whole"]
    assert run(*use, "-with", "num_steps=2", "prompt=a face") == 0
    assert_known_stay(picture, mask, saved)


def test_an_autoencoder_learns_a_picture(pictures):
    """On one batch, again and again, what is decoded comes nearer."""
    model = presets.build("sd_small", **NARROW_SMALL, kl_weight=0.0, seed=1)
    model.begin("autoencoder", lambda name, **_: keras.optimizers.Adam(1e-2, name=name))
    image = np.stack(
        [np.asarray(Image.open(p).resize((16, 16))) for p in _some(pictures)]
    )
    batch = {"image": image, "mask": np.ones((len(image), 16, 16, 1), "uint8")}
    model.fit(stream(lambda i: batch, 0, 40), steps_per_epoch=1, verbose=0)
    first = _reconstruction_error(model, batch)
    model.fit(stream(lambda i: batch, 0, 80), steps_per_epoch=80, verbose=0)
    assert _reconstruction_error(model, batch) < 0.7 * first
    latents = model.encoder(model.as_inputs(batch)["image"], training=True)
    deviations = np.std(ops.convert_to_numpy(latents)[..., :4], axis=(0, 1, 2))
    np.testing.assert_allclose(deviations, 1, atol=0.05)


def _some(pictures):
    return sorted((pictures / "images").glob("*.png"))[:4]


def _reconstruction_error(model, batch):
    inputs = model.as_inputs(batch)
    found = model.reconstruct(inputs)
    return float(ops.mean(ops.abs(found - inputs["image"])))


def test_what_small_ones_refuse():
    model = presets.build("sd_small", **{**NARROW_SMALL, "perceptual_weight": 0.1})
    with pytest.raises(InputError, match="perceptual_weight: must be 0 below"):
        model.begin("autoencoder", None)
    with pytest.raises(InputError, match="text_encoder: must be its arguments"):
        presets.build("sd15_inpainting", **{**NARROW, "text_encoder": None})


@pytest.mark.slow
def test_the_autoencoder_is_measured(pictures, tmp_path, capsys):
    """Before there is a U-Net."""
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW_SMALL.items()]
    words = ["-train_path", pictures / "images", "-output_path", tmp_path]
    words += ["-preset", "sd_small", "-stage", "autoencoder", "-steps", 1]
    words += ["-batch_size", 2, "-experiment_name", "small", "-set", *options]
    assert run(*words) == 0
    words = ["-test_path", pictures / "images", "-output_path", tmp_path]
    measure([*map(str, words), "-experiment_name", "small", "-limit", "2"])
    report = json.loads((tmp_path / "small" / "autoencoder.json").read_text())
    assert report["protocol"] == "decoded" and report["images"] == 2
    found = report["methods"]["small"]
    assert 0 < found["psnr"] < 30 and found["lpips"] is None  # too small for AlexNet
