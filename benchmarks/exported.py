"""Exports a model in every format and compares the files with the model.

    python benchmarks/exported.py -from_weights FILE -test_path DIR -mask_path DIR

writes the files and report.json: for each, PSNR in dB and its difference from the
model's, the largest change of a known pixel, seconds and CPU seconds an image, bytes.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from inpainting_zoo.storage.files import write_json

ROOT = Path(__file__).parent.parent


def open_saved_model(path):
    """Returns complete(images, masks, **drawn) of a SavedModel."""
    import tensorflow as tf

    model = tf.saved_model.load(str(path))

    def complete(images, masks, **drawn):
        return model.serve([images, masks, *drawn.values()])["completed"].numpy()

    return complete


def open_onnx(path):
    """Returns complete(images, masks, **drawn) of an ONNX file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )

    def complete(images, masks, **drawn):
        return session.run(None, {"image": images, "mask": masks, **drawn})[0]

    return complete


def open_litert(path):
    """Returns complete(images, masks, **drawn) of a LiteRT file."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner()

    def complete(images, masks, **drawn):
        return run(image=images, mask=masks, **drawn)["completed"]

    return complete


RUNTIMES = {"saved_model": open_saved_model, "onnx": open_onnx, "litert": open_litert}


def main():
    options = parse()
    table = compare(**vars(options))
    write_json(Path(options.save_to, "report.json"), table)
    print(json.dumps(table, indent=1))


def compare(
    from_weights, save_to, test_path, mask_path=None, image_size=None, limit=None
):
    """Exports a model in every format and returns what is measured of each.

    Args:
        from_weights: a weight file.
        save_to: folder for the exported files.
        test_path: pictures, as `list_images` takes them.
        mask_path: folder of masks; by default the model's kind is generated.
        image_size: side in pixels; the model's.
        limit: the first so many pictures; all.

    Returns:
        "preset", "weights_sha256", "image_size", "images", "versions", and "files":
        measures by "keras" and by format and precision.
    """
    from inpainting_zoo import presets
    from inpainting_zoo.data.evaluation import EvaluationPairs
    from inpainting_zoo.data.images import list_images
    from inpainting_zoo.evaluation import protocol
    from inpainting_zoo.exporting import export as exporting
    from inpainting_zoo.exporting.formats import FORMATS
    from inpainting_zoo.storage.files import sha256

    model, about = presets.load_file(from_weights)
    side = image_size or model.image_size
    images = list_images(test_path, "-test_path")[:limit]
    files = list_images(mask_path, "-mask_path") if mask_path else None
    masks = "files=1" if files else model.masks
    pairs = EvaluationPairs(images, masks, side, mask_files=files)

    # As the model draws them by itself for every picture.
    inputs = model.further_inputs((1, side, side, 3), seed=0)
    drawn = {name: np.asarray(inputs[name]) for name in model.drawn_shapes()}
    methods, table = {"keras": Clock(model.inpaint, pairs[0])}, {"keras": {}}
    for format, found in FORMATS.items():
        for precision in found.precisions:
            name = f"{format} {precision}"
            path = Path(save_to, f"{format}_{precision}{found.suffix}")
            print(f"exporting {path}", file=sys.stderr)
            written = exporting.export(model, format, path, side, precision)
            table[name] = {"bytes": written["bytes"]}
            methods[name] = Clock(one(RUNTIMES[format](path), drawn), pairs[0])
    report = protocol.evaluate(pairs, methods, seed=0)
    means_of = report["methods"]
    for name, clock in methods.items():
        means = means_of[name]
        table[name] |= {m: means[m] for m in ("psnr", "psnr_hole", "outside_max")}
        table[name]["psnr_difference"] = means["psnr"] - means_of["keras"]["psnr"]
        table[name]["seconds"] = statistics.median(clock.seconds)
        table[name]["cpu_seconds"] = statistics.median(clock.cpu_seconds)
    return {
        "preset": about["preset"],
        "weights_sha256": sha256(from_weights),
        "image_size": side,
        **{key: report[key] for key in ("images", "versions")},
        "files": table,
    }


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-from_weights", required=True)
    parser.add_argument("-test_path", default="samples:test")
    parser.add_argument("-mask_path", help="folder of masks; the model's kind")
    parser.add_argument("-image_size", type=int, help="side in pixels; the model's")
    parser.add_argument("-limit", type=int, help="the first so many images; all")
    parser.add_argument("-save_to", default="outputs/exported")
    return parser.parse_args()


def one(complete, drawn):
    """Makes a function of batches, and of what is drawn, one of single images."""
    return lambda image, mask: complete(image[None], mask[None, ..., None], **drawn)[0]


class Clock:
    """Notes the seconds of a completing function's calls but the first."""

    def __init__(self, complete, pair):
        self.complete, self.seconds, self.cpu_seconds = complete, [], []
        complete(*pair[1:])

    def __call__(self, image, mask):
        began, cpu_began = time.perf_counter(), time.process_time()
        completed = self.complete(image, mask)
        self.seconds.append(time.perf_counter() - began)
        self.cpu_seconds.append(time.process_time() - cpu_began)
        return completed


if __name__ == "__main__":
    main()
