"""The networks of a model as files of their own, where use is more than one graph."""

from pathlib import Path

import keras

from inpainting_zoo.exporting import formats
from inpainting_zoo.storage.files import refuse_replacing, replacing

PRODUCER = b"tf2onnx"  # near the start of every file of ours


def export_parts(model, path: str | Path, precision: str = "float32") -> dict:
    """Writes an ONNX file of each network, NAME_PART.onnx, for one picture at a time.

    Sizes are fixed, those of the model's `part_shapes`. Each takes and returns what the
    network does; what happens between them is for the program that runs them.

    Args:
        model: an `Inpainter` with `part_shapes`.
        path: ends in .onnx; the names of the parts come before that.
        precision: see `exporting.export.export`.

    Returns:
        "path" (all of them), "image_size" and "bytes".

    Raises:
        InputError: if a file would be replaced that is no former export.
    """
    path, found, size = Path(path), formats.get("onnx"), 0
    files = {p: path.with_name(f"{path.stem}_{p}.onnx") for p in model.part_shapes}
    refuse_replacing("save_to", files.values(), "a former onnx", _is_former)
    for part, file in files.items():
        network = model.parts[part]
        signature = [
            keras.layers.InputSpec(x.dtype, (1, *shape), name=x.name)
            for x, shape in zip(network.inputs, model.part_shapes[part], strict=True)
        ]
        several = [signature] if len(signature) > 1 else signature
        options = {"input_signature": several, "verbose": False}
        with replacing(file, found.suffix) as written:
            found.write(network, str(written), precision, options)
            size += written.stat().st_size
    names = ", ".join(map(str, files.values()))
    return {"path": names, "image_size": model.image_size, "bytes": size}


def _is_former(path):
    with open(path, "rb") as file:
        return PRODUCER in file.read(256)
