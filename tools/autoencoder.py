"""Measures the autoencoder of a latent diffusion model, by pictures that it decodes.

    python tools/autoencoder.py -test_path DIR -experiment_name NAME

Nothing is known to the decoder but the latents. Prints means and their 95 % intervals,
and writes autoencoder.json, with .csv and .png beside it, into the experiment.
"""

import argparse
from pathlib import Path

import numpy as np
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.data.images import list_images
from inpainting_zoo.evaluation import protocol
from inpainting_zoo.evaluation.report import check_report, format_report, write_report
from inpainting_zoo.metrics.measures import chosen_measures
from inpainting_zoo.models.pixels import as_floats, to_uint8
from inpainting_zoo.storage.checkpoints import assign, load_weights, part_file
from inpainting_zoo.tools.commands import script

PARTS = ("encoder", "decoder")


def main(argv=None):
    options = parse(argv)
    folder = Path(options.output_path, options.experiment_name)
    images = list_images(options.test_path, "test_path")[: options.limit]
    path = folder / "autoencoder.json"
    check_report(path, images)
    model = load(folder)
    pairs = EvaluationPairs(images, "centre", model.image_size)  # masks do not matter
    measures = chosen_measures("psnr,ssim,l1,lpips")
    methods = {options.experiment_name: decoding(model)}
    report = protocol.evaluate(pairs, methods, pairs.seed, measures=measures)
    report["protocol"] = "decoded"
    write_report(report, path)
    print(format_report(report))
    print(path)


def load(folder: Path):
    """Returns the model of an experiment, of which only the autoencoder is loaded."""
    _, about = load_weights(part_file(folder, PARTS[0]))
    model = presets.build(about["preset"], **about["overrides"])
    for part in PARTS:
        path = part_file(folder, part)
        assign(model.use_state(part), load_weights(path)[0], path)
    return model


def decoding(model):
    """Returns what makes a picture, uint8 (S, S, 3), from its latents alone."""
    reconstruct = model.compiled_method("reconstruct")

    def decode(image, mask):
        everything = np.ones((1, *mask.shape, 1))
        image, mask = as_floats(image[None], everything)
        found = reconstruct({"image": image, "mask": mask})
        return to_uint8(ops.convert_to_numpy(found)[0])

    return decode


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("-test_path", required=True, help="pictures not trained on")
    parser.add_argument("-experiment_name", required=True)
    parser.add_argument("-output_path", default="outputs", help="of experiments")
    parser.add_argument("-limit", type=int, help="the first so many; all")
    return parser.parse_args(argv)


if __name__ == "__main__":
    script(main)
