"""Training of Stable Diffusion by its commands: one part learns, others come along."""

import json

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import cli, presets
from inpainting_zoo.storage.checkpoints import as_arrays, load_weights, save_weights
from tiny_diffusion import NARROW

pytestmark = [pytest.mark.both_engines, pytest.mark.long]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of all parts."""
    path = tmp_path_factory.mktemp("weights") / "all.safetensors"
    arrays = as_arrays(presets.build("sd15_inpainting", **NARROW).use_state())
    save_weights(path, arrays, {"preset": "sd15_inpainting", "overrides": NARROW})
    return path


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_trained_resumed_and_used(pictures, weights, tmp_path, capsys):
    """Four steps in one run are two and two; use finds the parts that stayed frozen."""
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW.items()]
    options += ["average=4", 'prompt="a cat"', "predicts=velocity"]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    begun = [*common, "-preset", "sd15_inpainting", "-set", *options]
    begun += ["-batch_size", 2, "-learning_rate", 1e-2, "-from_weights", weights]
    begun += ["-validation_images", 1, "-sample_every", 100]
    assert run(*begun, "-experiment_name", "whole", "-steps", 4) == 0
    assert run(*begun, "-experiment_name", "parts", "-steps", 2) == 0
    assert run(*common, "-experiment_name", "parts", "-steps", 4, "-resume") == 0
    states = [
        dict(np.load(tmp_path / name / "weights" / "denoising-00000004.npz"))
        for name in ("whole", "parts")
    ]
    names = {k.split("/")[0] for k in states[0]} - {"metadata"}
    assert names == {"unet", "unet_optimizer", "average", "seed_generator"}
    for key, array in states[0].items():
        if key != "metadata":
            np.testing.assert_array_equal(states[1][key], array, err_msg=key)
    former, _ = load_weights(weights)
    key = "unet/conv_in/kernel"
    assert np.abs(states[0][key] - former[key]).max() > 1e-3

    picture, mask = (pictures / folder / "0.png" for folder in ("images", "masks"))
    saved = tmp_path / "completed.png"
    use = ["inpaint", "-image", picture, "-mask", mask, "-save_to", saved]
    use += ["-output_path", tmp_path, "-experiment_name", "parts"]
    assert run(*use, "-with", "prompt=a cat", "num_steps=2", "sampler=euler") == 0
    known = np.asarray(Image.open(mask)) == 0
    before, after = (np.asarray(Image.open(p).convert("RGB")) for p in (picture, saved))
    np.testing.assert_array_equal(after[known], before[known])
    assert (after != before).any()
    assert run(*use, "-overwrite", "-with", "num_steps=0") == 4
    assert "num_steps: must be a whole number" in capsys.readouterr().err


def test_frozen_parts_must_come_from_somewhere(pictures, tmp_path, capsys):
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW.items()]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    assert (
        run(*common, "-preset", "sd15_inpainting", "-steps", 1, "-set", *options) == 4
    )
    error = capsys.readouterr().err
    assert "part encoder" in error and "-from_weights" in error


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
    assert run(*begun, *own, "-experiment_name", "whole", "-steps", 4) == 0
    assert run(*begun, *own, "-experiment_name", "parts", "-steps", 2) == 0
    assert run(*common, "-experiment_name", "parts", "-steps", 4, "-resume") == 0
    folders = [tmp_path / name / "weights" for name in ("whole", "parts")]
    states = [dict(np.load(f / "harmonization-00000004.npz")) for f in folders]
    names = {k.split("/")[0] for k in states[0]} - {"metadata"}
    assert names == {"harmonize", "lora", "harmonize_optimizer", "average",
                     "seed_generator", "lowest_loss"}  # fmt: skip
    for key, array in states[0].items():
        if key != "metadata":
            np.testing.assert_array_equal(states[1][key], array, err_msg=key)
    assert 0 < states[0]["lowest_loss"] < 100
    adapted = [k for k in states[0] if k.startswith("lora/") and "lora_B" in k]
    assert max(np.abs(states[0][k]).max() for k in adapted) > 1e-4

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
    assert gone == 4 and "-adapters: must be files" in capsys.readouterr().err
