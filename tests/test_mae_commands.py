"""The masked autoencoder by its commands: trained, resumed, used, exported."""

import json

import numpy as np
import pytest

from conftest import slow_on_jax
from inpainting_zoo.engine import backend
from stages import assert_known_stay, run, whole_and_in_parts
from tiny_asuka import NARROW_MAE

pytestmark = [pytest.mark.both_engines, pytest.mark.long]


@slow_on_jax
def test_from_pictures_to_pictures(pictures, tmp_path):
    """Four steps in one run are two and two; the second stage goes on from there."""
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW_MAE.items()]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    begun = [*common, "-preset", "mae_small", "-batch_size", 2, "-set", *options]
    begun += ["-validation_images", 1, "-sample_every", 100, "-learning_rate", 1e-2]
    for stage, source in (("pretraining", []), ("finetuning", ["-from_weights"])):
        start = [*begun, "-stage", stage, *source]
        _, names = whole_and_in_parts(start, common, tmp_path, stage)
        assert names == {"generator", "generator_optimizer", "seed_generator"}
    config = json.loads((tmp_path / "parts" / "config.json").read_text())
    assert config["settings"]["optimizer"] == "adamw"

    picture, mask = (pictures / folder / "0.png" for folder in ("images", "masks"))
    saved = tmp_path / "completed.png"
    model = ["-output_path", tmp_path, "-experiment_name", "parts"]
    assert (
        run("inpaint", "-image", picture, "-mask", mask, "-save_to", saved, *model) == 0
    )
    before, after, known = assert_known_stay(picture, mask, saved)
    assert (after[~known] != before[~known]).any()
    report = tmp_path / "report.json"
    data = ["-test_path", pictures / "images", "-mask_path", pictures / "masks"]
    assert run("evaluate", *data, "-report", report, "-metrics", "psnr", *model) == 0
    assert json.loads(report.read_text())["images"] == 8
    if backend.BACKEND == "tensorflow":
        path = tmp_path / "mae.onnx"
        assert run("export", "-format", "onnx", "-save_to", path, *model) == 0
        assert completes_alike(path, after, before, ~known)


def completes_alike(path, after, before, hole):
    """Of a square around the hole, as the command fits it."""
    import onnxruntime

    from inpainting_zoo import presets

    session = onnxruntime.InferenceSession(path)
    model, _ = presets.load_file(path.parent / "parts/weights/generator.safetensors")
    image, mask, _ = model.sizes.fit(before, hole)
    inputs = {"image": image[None], "mask": mask[None, ..., None]}
    (found,) = session.run(None, inputs)
    expected = model.inpaint(image, mask)
    return np.abs(found[0].astype(int) - expected).max() <= 1
