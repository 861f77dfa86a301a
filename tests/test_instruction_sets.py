"""Processors that lack what this one may have: oneDNN is told to do without it."""

import json

import numpy as np
import pytest

from conftest import run

pytestmark = pytest.mark.long
SMALLEST = ["base_channels=2", "critic_channels=2"]


@pytest.mark.parametrize(
    ("variable", "value", "precision"),
    [
        pytest.param("ONEDNN_MAX_CPU_ISA", "AVX2", "bfloat16", marks=pytest.mark.slow),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", "float16"),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE", "float16"),
        pytest.param("TF_ENABLE_ONEDNN_OPTS", "0", "bfloat16", marks=pytest.mark.slow),
    ],
)
def test_narrow_precisions_train_or_are_refused(
    variable, value, precision, pictures, tmp_path, monkeypatch
):
    """Whichever it is, in two steps of dilated convolutions or one line."""
    monkeypatch.setenv(variable, value)
    done = run(
        *("-train_path", pictures / "images", "-output_path", tmp_path),
        *("-experiment_name", "narrow", "-preset", "gmcnn_small", "-warm_up_generator"),
        *("-steps", 2, "-batch_size", 1, "-image_size", 32, "-sample_every", 2),
        *("-set", *SMALLEST, "-mixed_precision", precision),
        timeout=900,  # on a machine that others use
    )
    if done.returncode:
        assert done.returncode == 4
        assert "mixed_precision: must be float32 on this machine" in done.stderr
        assert not (tmp_path / "narrow" / "weights").exists()
        return
    losses = json.loads((tmp_path / "narrow" / "metrics.json").read_text())
    assert np.isfinite(losses["warm_up_generator"]["history"][-1]["generator_loss"])
