"""Models as files that run without this library."""

import contextlib
from pathlib import Path

import keras

from inpainting_zoo.engine.backend import explicit_settings
from inpainting_zoo.exporting import formats
from inpainting_zoo.exporting.completion import completing_graph
from inpainting_zoo.exporting.parts import export_parts
from inpainting_zoo.layers.fourier_transform import only_products
from inpainting_zoo.storage.files import replacing


@explicit_settings()
def export(
    model,
    format: str,
    path: str | Path,
    image_size: int | None = None,
    precision: str = "float32",
    pixels: str = "uint8",
) -> dict:
    """Writes a file that completes images, atomically.

    It takes an image (B, H, W, 3) and a mask (B, H, W, 1) of the same type, nonzero in
    the hole, and returns the image with its hole predicted and everything else bit for
    bit as it was. What the model draws at random are further inputs, by the names of
    `Inpainter.draw`. Heights and widths stay open where format and generator allow it.
    Of a model with `part_shapes` ONNX has its networks, see `exporting.parts`.

    Args:
        model: an `Inpainter`.
        format: name in `exporting.formats.FORMATS`.
        path: the file, or for "saved_model" the folder; a former one is replaced.
        image_size: fixed height and width in pixels.
        precision: of the convolutions' weights; all else stays in float32, but with
            "int8" LiteRT rounds what the convolutions see, too.
        pixels: "uint8" on 0..255 or "float32" on [-1, 1], in and out.

    Returns:
        "path", "image_size" (None is any) and "bytes".

    Raises:
        InputError: if an argument breaks a rule, or a package is missing.
    """
    formats.check(format, path, precision)
    formats.check_model(format, model, image_size)
    path = Path(path)
    if model.part_shapes:
        return export_parts(model, path, precision)
    found = formats.get(format)
    side = model.sizes.side or image_size
    if not (side or found.any_size):
        side = model.image_size
    graph = completing_graph(model, side, pixels)
    signature = [
        keras.layers.InputSpec(x.dtype, (found.batch, *x.shape[1:]), name=x.name)
        for x in graph.inputs
    ]
    options = {"input_signature": [signature], "verbose": False}
    written = contextlib.nullcontext() if found.transforms else only_products()
    with replacing(path, found.suffix) as part, written:
        found.write(graph, str(part), precision, options)
        files = [p for p in (part, *part.rglob("*")) if p.is_file()]
        size = sum(p.stat().st_size for p in files)
    return {"path": str(path), "image_size": side, "bytes": size}
