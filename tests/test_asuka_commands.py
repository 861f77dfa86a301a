"""ASUKA by its commands: from Stable Diffusion and an autoencoder to pictures."""

import json

import numpy as np
import pytest

from inpainting_zoo import presets
from inpainting_zoo.storage.checkpoints import load_weights
from stages import assert_known_stay, run, whole_and_in_parts
from tiny_asuka import NARROW_ASUKA, write_folder

pytestmark = [pytest.mark.both_engines, pytest.mark.long]


@pytest.mark.slow
def test_both_stages(pictures, tmp_path, capsys):
    """Four steps in one run are two and two; a state has what learns alone."""
    source = presets.build("asuka", **NARROW_ASUKA)
    parts = ("unet", "vae", "mae")  # of a plain autoencoder, without the known pixels
    folder = write_folder(tmp_path / "sd", source, *parts, leave_out="condition_enc")
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW_ASUKA.items()]
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    begun = [*common, "-preset", "asuka", "-set", *options, "perceptual_weight=0"]
    begun += ["-batch_size", 2, "-learning_rate", 1e-2, "-from_weights", folder]
    begun += ["-validation_images", 1, "-sample_every", 100]
    learns = {"alignment": {"alignment"}, "decoder": {"decoder", "discriminator"}}
    for stage, networks in learns.items():
        start = [*begun, "-stage", stage]
        _, names = whole_and_in_parts(start, common, tmp_path, stage)
        optimizers = {f"{name}_optimizer" for name in networks}
        assert names == networks | optimizers | {"seed_generator"}
    # What the folder holds of the decoder is where its training began.
    arrays, _ = load_weights(tmp_path / "whole" / "weights" / "decoder.safetensors")
    key = "decoder/decoder.conv_in/kernel"
    moved = np.abs(arrays[key] - np.asarray(source.use_state()[key].value)).max()
    assert 0 < moved < 0.1

    picture, mask = (pictures / name / "0.png" for name in ("images", "masks"))
    saved = tmp_path / "completed.png"
    use = ["inpaint", "-image", picture, "-mask", mask, "-save_to", saved]
    use += ["-output_path", tmp_path, "-experiment_name", "parts"]
    assert run(*use, "-with", "prior_strength=0.5", "num_steps=2") == 0
    assert_known_stay(picture, mask, saved)
    capsys.readouterr()
    assert run(*use, "-overwrite", "-with", "prior_strength=2") == 4
    words = "prior_strength: must be a finite number, at least 0 and at most 1"
    assert words in capsys.readouterr().err


def test_without_the_network_of_lpips(pictures, tmp_path, capsys):
    common = ["-train_path", pictures / "images", "-output_path", tmp_path]
    options = [f"{k}={json.dumps(v)}" for k, v in NARROW_ASUKA.items()]
    given = [*common, "-preset", "asuka", "-stage", "decoder", "-set", *options]
    assert run(*given, "-steps", 1, "-batch_size", 2) == 4
    error = capsys.readouterr().err
    assert "-vgg_weights: must be a file" in error and "perceptual_weight=0" in error
