"""Trains and publishes the weights that are shipped.

    python tools/train_weights.py -faces DIR -face_masks DIR
        -photographs DIR -photograph_masks DIR -vgg_weights FILE
        -face_sample LIST -face_validation LIST

goes on where an earlier call was interrupted. Further options, such as `-gpu 0`, are
those of training.
"""

import argparse
from pathlib import Path

from inpainting_zoo.tools.commands import run, script, train

ROOT = Path(__file__).parent.parent
COMMON = "-mixed_precision bfloat16 -learning_rate_decay cosine -save_every 100 "
FACES = COMMON + "-train_path {faces} "
IRREGULAR = FACES + "-mask_path {face_masks} -masks files=4,strokes=1,rectangle=1 "
PHOTOGRAPHS = (
    COMMON + "-train_path {photographs} -mask_path {photograph_masks} "
    "-masks files=4,strokes=1,rectangle=1 "
)
PHOTOGRAPHS_192 = (
    PHOTOGRAPHS + "-preset lama_small -image_size 192 -batch_size 4 -max_zoom 1.8 "
    "-vgg_weights {vgg_weights} -set hole_fill=biharmonic hole_weight=5 "
)
GENERATOR = "-from_weights {output_path}/%s/weights/generator.safetensors "
PATHS = ("faces", "face_masks", "photographs", "photograph_masks", "vgg_weights")
PATHS += ("face_sample", "face_validation")
# Arguments of each experiment, in their order; those of an ensemble are its command's.
TRAININGS = {
    "gmcnn_faces_128": IRREGULAR
    + "-preset gmcnn_faces_128 -warm_up_generator -steps 5000 -sample_every 200",
    # Middles of large holes, whose confidence is low, count like the rest.
    "faces_128_fine": IRREGULAR
    + GENERATOR % "gmcnn_faces_128"
    + "-preset gmcnn_faces_128 -warm_up_generator -steps 1200 -sample_every 200 "
    "-learning_rate 1.5e-4 -set confidence_kernel=none",
    "gmcnn_faces_128_wgan": IRREGULAR
    + GENERATOR % "faces_128_fine"
    + "-preset gmcnn_faces_128_wgan -vgg_weights {vgg_weights} -steps 300 "
    "-sample_every 50",
    "lama_faces": IRREGULAR
    + "-preset lama_small -stage reconstruction -steps 5000 -max_zoom 2 "
    "-set hole_fill=biharmonic reconstruction_known_weight=0.1 "
    "-optimizer muon -learning_rate 3e-3 -sample_every 500",
    "lama_faces_256": IRREGULAR
    + GENERATOR % "lama_faces"
    + "-preset lama_small -stage reconstruction -steps 1200 -image_size 256 "
    "-batch_size 4 -max_zoom 1.5 -masks files=4,strokes=1,rectangle=2 "
    "-set hole_fill=biharmonic reconstruction_known_weight=0.1 "
    "-optimizer muon -sample_every 400",
    "lama_faces_256_adversarial": IRREGULAR
    + GENERATOR % "lama_faces_256"
    + "-preset lama_small -steps 900 -image_size 192 "
    "-batch_size 4 -max_zoom 1.8 -vgg_weights {vgg_weights} "
    "-set hole_fill=biharmonic judged=completed adversarial_weight=1 "
    "perceptual=vgg16 perceptual_weight=10 hole_weight=20 known_weight=1 "
    "feature_matching_weight=1 discriminator_rate=3 -sample_every 150",
    "lama_photos": PHOTOGRAPHS
    + GENERATOR % "lama_faces_256"
    + "-preset lama_small -stage reconstruction -steps 1700 -max_zoom 2 "
    "-set hole_fill=biharmonic reconstruction_known_weight=0.1 "
    "-optimizer muon -learning_rate 2e-3 -sample_every 500",
    "lama_photos_256": PHOTOGRAPHS
    + GENERATOR % "lama_photos"
    + "-preset lama_small -stage reconstruction -steps 500 -image_size 256 "
    "-batch_size 4 -max_zoom 1.5 -masks files=4,strokes=1,rectangle=2 "
    "-set hole_fill=biharmonic reconstruction_known_weight=0.1 "
    "-optimizer muon -sample_every 250",
    "lama_photos_256_adversarial": PHOTOGRAPHS_192
    + GENERATOR % "lama_photos_256"
    + "-steps 1150 -sample_every 300",
    "lama_photos_256_longer": PHOTOGRAPHS_192
    + GENERATOR % "lama_photos_256_adversarial"
    + "-steps 2400 -sample_every 500",
    "context_encoder_faces_128": FACES
    + "-preset context_encoder_faces_128 -steps 6000 -sample_every 500",
    "ensemble_faces_128": "ensemble -cache {output_path}/ensemble_faces_128 "
    "-preset ensemble_faces_128 -train_path {face_sample} -mask_path {face_masks} "
    "-validation_path {face_validation} -image_size 128 -steps 300 "
    "-learning_rate 3e-4 -learning_rate_decay cosine -save_every 100 -sample_every 150 "
    "-set color_space=rgb blend=true denoise=false perceptual_weight=0 style_weight=0",
}
# The experiment that each preset has its weights from.
PUBLISHED = {
    "gmcnn_faces_128": "faces_128_fine",
    "gmcnn_faces_128_wgan": "gmcnn_faces_128_wgan",
    "context_encoder_faces_128": "context_encoder_faces_128",
    "lama_faces_256": "lama_faces_256_adversarial",
    "lama_faces_256_reconstruction": "lama_faces_256",
    "lama_photos_256": "lama_photos_256_longer",
    "lama_photos_256_reconstruction": "lama_photos_256",
    "ensemble_faces_128": "ensemble_faces_128",
}


def main():
    options, more = parse()
    paths = vars(options)
    for name, arguments in TRAININGS.items():
        words = [word.format(**paths) for word in arguments.split()]
        if words[0] == "ensemble":
            run(*words, "-experiment_name", name, *more)
        else:
            train(name, options.output_path, *words, *more)
    for preset, name in PUBLISHED.items():
        folder = Path(options.output_path)
        if TRAININGS[name].startswith("ensemble"):
            folder = folder / name / "experiments"
        run("-experiment_name", name, "-output_path", folder,
            "-preset", preset, "-save_to", options.save_to,
            script=ROOT / "tools" / "publish.py")  # fmt: skip


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    for name in PATHS:
        parser.add_argument(f"-{name}", required=True)
    parser.add_argument("-output_path", default="outputs", help="of experiments")
    parser.add_argument("-save_to", default=ROOT / "weights", help="of the weights")
    return parser.parse_known_args()


if __name__ == "__main__":
    script(main)
