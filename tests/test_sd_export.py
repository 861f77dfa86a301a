"""The networks of Stable Diffusion as ONNX files."""

import numpy as np
import pytest

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.exporting import export as exporting
from tiny_diffusion import NARROW


@pytest.mark.long
def test_files_of_every_network_agree_with_it(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, rng = presets.build("sd15_inpainting", **NARROW), np.random.default_rng(0)
    for _ in range(2):  # a former one is replaced
        found = exporting.export(model, "onnx", tmp_path / "sd.onnx")
        assert found["image_size"] == 16 and found["bytes"] > 10_000
    assert {p.name for p in tmp_path.iterdir()} == {f"sd_{p}.onnx" for p in model.parts}
    for part, network in model.parts.items():
        session = onnxruntime.InferenceSession(tmp_path / f"sd_{part}.onnx")
        inputs = [
            rng.integers(0, 99, x.shape).astype("int32")
            if "int" in x.type
            else rng.normal(size=x.shape).astype("float32")
            for x in session.get_inputs()
        ]
        named = {x.name: value for x, value in zip(session.get_inputs(), inputs)}
        (ours,) = [network(inputs if len(inputs) > 1 else inputs[0])]
        np.testing.assert_allclose(session.run(None, named)[0], ours, atol=1e-3)
        assert np.abs(ours).max() > 0.01, part
    (tmp_path / "sd_unet.onnx").write_bytes(b"my own")
    with pytest.raises(InputError, match=r"save_to: .*sd_unet\.onnx"):
        exporting.export(model, "onnx", tmp_path / "sd.onnx")
    with pytest.raises(InputError, match="format: onnx, a file for each network"):
        exporting.export(model, "saved_model", tmp_path / "sd")
