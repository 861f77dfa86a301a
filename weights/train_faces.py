"""Trains and publishes the weights of faces that are shipped.

    python weights/train_faces.py -train_path DIR -mask_path DIR

goes on where an earlier call was interrupted. Further options, such as `-gpu 0`, are
those of training.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from training.commands import run, train  # noqa: E402

COMMON = "-mixed_precision bfloat16 -learning_rate_decay cosine -save_every 100 "
HOLES = "-mask_path {mask_path} -masks files=4,strokes=1,rectangle=1 "
# Arguments of each experiment, which has the name of the preset that it is for.
TRAININGS = {
    "gmcnn_faces_128": COMMON
    + HOLES
    + "-preset gmcnn_faces_128 -warm_up_generator -steps 5000 -sample_every 200",
    "context_encoder_faces_128": COMMON
    + "-preset context_encoder_faces_128 -steps 6000 -sample_every 500",
}


def main():
    options, more = parse()
    paths = vars(options)
    for name, arguments in TRAININGS.items():
        words = [word.format(**paths) for word in arguments.split()]
        train(
            name, options.output_path, "-train_path", options.train_path, *words, *more
        )
        run("-experiment_name", name, "-output_path", options.output_path,
            "-preset", name, "-save_to", options.save_to,
            script=ROOT / "weights" / "publish.py")  # fmt: skip


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    for name in ("train_path", "mask_path"):
        parser.add_argument(f"-{name}", required=True)
    parser.add_argument("-output_path", default="outputs", help="of experiments")
    parser.add_argument("-save_to", default=ROOT / "weights", help="of the weights")
    return parser.parse_known_args()


if __name__ == "__main__":
    main()
