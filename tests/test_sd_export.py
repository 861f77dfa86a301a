"""The networks of Stable Diffusion as ONNX files."""

import dataclasses

import numpy as np
import pytest

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.exporting import export as exporting
from inpainting_zoo.exporting import formats
from tiny_diffusion import NARROW


@pytest.mark.slow
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


def test_what_a_file_cannot_hold_is_refused_before_one_is_written(
    tmp_path, monkeypatch
):
    model = presets.build("sd15_inpainting", **NARROW)
    count = model.unet.count_params()
    full = dataclasses.replace(formats.get("onnx"), most_bytes=4 * count - 1)
    monkeypatch.setitem(formats.FORMATS, "onnx", full)
    with pytest.raises(InputError, match=r"format: onnx holds .* received unet of"):
        exporting.export(model, "onnx", tmp_path / "sd.onnx", precision="float16")
    assert not [*tmp_path.iterdir()]
    # The published ones are 859,535,364 numbers.
    assert 4 * 859_535_364 > formats.PROTOBUF > 4 * 340_387_840
