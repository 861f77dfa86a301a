"""Trains and publishes the weights of `gmcnn_faces_128`, both stages, as shipped.

    python weights/train_faces.py -train_path DIR -mask_path DIR -vgg_weights FILE

goes on where an earlier call was interrupted. Further options, such as `-gpu 0`, are
those of training.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from training.commands import run, train  # noqa: E402

WARM_UP, WGAN = "gmcnn_faces_128", "gmcnn_faces_128_wgan"  # experiments and presets
STEPS = {WARM_UP: 5000, WGAN: 1000}
TRAINING = (
    "-preset gmcnn_faces_128 -masks files=4,strokes=1,rectangle=1 "
    "-mixed_precision bfloat16 -learning_rate_decay cosine "
    "-sample_every 200 -save_every 100"
)


def main():
    options, more = parse()
    generator = Path(options.output_path, WARM_UP, "weights", "generator.npz")
    stages = {
        WARM_UP: ["-warm_up_generator"],
        WGAN: ["-from_weights", generator, "-vgg_weights", options.vgg_weights],
    }
    data = ["-train_path", options.train_path, "-mask_path", options.mask_path]
    for name, stage in stages.items():
        steps = ["-steps", STEPS[name]]
        train(
            name, options.output_path, *TRAINING.split(), *data, *steps, *stage, *more
        )
        run("-experiment_name", name, "-output_path", options.output_path,
            "-preset", name, "-save_to", options.save_to,
            script=ROOT / "weights" / "publish.py")  # fmt: skip


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    for name in ("train_path", "mask_path", "vgg_weights"):
        parser.add_argument(f"-{name}", required=True)
    parser.add_argument("-output_path", default="outputs", help="of experiments")
    parser.add_argument("-save_to", default=ROOT / "weights", help="of the weights")
    return parser.parse_known_args()


if __name__ == "__main__":
    main()
