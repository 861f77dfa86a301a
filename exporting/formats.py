"""Formats of exported files: how each is written, and what it can."""

import dataclasses
import functools
import importlib.util
import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inpainting_zoo.engine.choice import chosen_engine
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.storage.downloads import megabytes
from inpainting_zoo.storage.files import refuse_replacing

OUTPUT = b"completed"  # what every graph calls what it returns
SAVED_MODEL = {"saved_model.pb", "fingerprint.pb", "variables", "assets"}
PROTOBUF = 2**31 - 1  # bytes of a message, and of a flat buffer
LARGE = 1024  # numbers in a kernel, from which on it is worth being stored narrowly


@dataclasses.dataclass(frozen=True)
class Format:
    """What is to know about a format.

    Args:
        write: takes a Keras model, a path, a name in `precisions`, and options of
            `keras.Model.export`.
        suffix: of the file; a folder has none.
        packages: that it needs beyond requirements.txt.
        precisions: that it can have.
        any_size: whether heights and widths can stay open.
        batch: number of images; None is any.
        transforms: whether its files can hold Fourier transforms of every size.
        most_bytes: that a file can hold, also where it is written narrower afterwards.
    """

    write: Callable
    suffix: str = ""
    packages: tuple = ()
    precisions: tuple = ("float32", "float16", "int8")
    any_size: bool = True
    batch: int | None = None
    transforms: bool = False
    most_bytes: float = math.inf


def write_saved_model(graph, path, precision, options):
    """Writes a folder; its function is `serve`."""
    import keras

    # `graph.export` would store every weight twice.
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serve", graph, options["input_signature"])
    archive.write_out(path, verbose=options["verbose"])


def write_onnx(graph, path, precision, options):
    """Writes an ONNX file and, below float32, rewrites it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of NumPy, to tf2onnx
        graph.export(path, format="onnx", **options)
    if precision != "float32":
        _shrink(path, precision)


def _shrink(path, precision):
    """Stores kernels of convolutions in float16 or int8, from which they are widened.

    What the convolutions see stays in float32: ranges found on a few examples do not
    hold for every picture, and those found anew for each make onnxruntime slower.
    """
    import onnx
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array, to_array

    model = onnx.load(path)
    nodes, arrays = [], model.graph.initializer
    for array in list(arrays):
        name, values = array.name, to_array(array)
        if values.ndim != 4 or values.size < LARGE:
            continue
        narrow, scale = f"{name}_{precision}", f"{name}_scale"
        if precision == "float16":
            values = values.astype("float16")
            node = make_node("Cast", [narrow], [name], to=onnx.TensorProto.FLOAT)
        else:
            # A scale for each output channel (for each input of a transposed one).
            scales = np.maximum(np.abs(values).max(axis=(1, 2, 3)), 1e-12) / 127
            values = np.rint(values / scales[:, None, None, None]).astype("int8")
            node = make_node("DequantizeLinear", [narrow, scale], [name], axis=0)
            arrays.append(from_array(scales, scale))
        array.CopyFrom(from_array(values, narrow))
        nodes.append(node)
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def write_litert(graph, path, precision, options):
    """Writes a LiteRT file; "int8" quantizes weights, and activations on the fly.

    With fixed ranges (full-integer quantization) known pixels would be rounded, too.
    """
    import tensorflow as tf

    target = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    if precision == "float16":
        target["supported_types"] = [tf.float16]
    if precision != "float32":
        options = {**options, "optimizations": [tf.lite.Optimize.DEFAULT]}
    graph.export(path, format="litert", target_spec=target, **options)


def is_export(format: str, path: Path) -> bool:
    """Whether a file or folder is a former export: it names our output, or is empty."""
    graph = path if get(format).suffix else path / "saved_model.pb"
    if path.is_dir() and not {p.name for p in path.iterdir()} <= SAVED_MODEL:
        return False  # what else is in there would be lost
    content = graph.read_bytes() if graph.is_file() else b"none"
    return not content or OUTPUT in content


def check(format: str, path: str | Path, precision: str):
    """Checks what can be checked without an engine: the suffix, the place, packages.

    Raises:
        InputError: names what breaks a rule.
    """
    engine, _ = chosen_engine()
    if engine != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND: must be tensorflow to export (weights of {engine} can be "
            f"read there), received {engine!r}"
        )
    found, path = get(format), Path(path)
    if precision not in found.precisions:
        known = ", ".join(found.precisions)
        raise InputError(f"precision: {known} for {format}, received {precision!r}")
    if found.suffix and path.suffix != found.suffix:
        raise InputError(f"save_to: must end in {found.suffix}, received {str(path)!r}")
    is_former = functools.partial(is_export, format)
    refuse_replacing("save_to", [path], f"a former {format}", is_former)
    for package in found.packages:
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"format: {format} needs {package}, which is not installed: "
                'pip install "keras-inpainting-zoo[export]"'
            )


def check_model(format: str, model, image_size: int | None = None):
    """Checks that a model can be exported; one without networks takes no engine.

    Raises:
        InputError: names what breaks a rule.
    """
    if not model.parts:
        raise InputError(
            "format: a model with networks can be exported, received one that has none "
            "and copies from the picture"
        )
    if model.part_shapes and format != "onnx":
        raise InputError(
            "format: onnx, a file for each network, of a model whose use is more than "
            f"one graph, received {format}"
        )
    if model.members:
        raise InputError(
            "format: a model that completes alone can be exported, received one of "
            f"{', '.join(model.members)}"
        )
    for part, network in model.parts.items():
        size, most = 4 * network.count_params(), get(format).most_bytes
        if size > most:
            raise InputError(
                f"format: {format} holds {megabytes(int(most))} in a file, received "
                f"{part} of {megabytes(size)} in float32, in which it is written first"
            )
    check_side(model.sizes, image_size)


def check_side(sizes, image_size: int | None):
    """Checks that a model of some `Sizes` can be exported for a side in pixels.

    Raises:
        InputError: if it cannot.
    """
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size: must be positive, received {image_size}")
    if sizes.side and image_size not in (None, sizes.side):
        raise InputError(
            f"image_size: must be {sizes.side} for this model, received {image_size}"
        )


def get(name: str) -> Format:
    """Returns the format of `FORMATS` with this name."""
    return choose("format", name, FORMATS)


FORMATS = {
    "saved_model": Format(write_saved_model, precisions=("float32",), transforms=True),
    "onnx": Format(
        *(write_onnx, ".onnx", ("tf2onnx", "onnx", "onnxruntime")),
        most_bytes=PROTOBUF,
    ),
    # Upsampling at an open size has no LiteRT operation, and the accelerators of
    # phones want every size fixed.
    "litert": Format(
        *(write_litert, ".tflite"), any_size=False, batch=1, most_bytes=PROTOBUF
    ),
}
# Of any format, without repetition.
PRECISIONS = tuple(dict.fromkeys(p for f in FORMATS.values() for p in f.precisions))
