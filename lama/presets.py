"""Configurations of LaMa by name."""

from inpainting_zoo.families import Family
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.storage.downloads import Weights


def sizes(downsamplings: int = 3, local_fourier: bool = False, **others) -> Sizes:
    """Returns what sizes a generator takes, of the arguments of `build_generator`.

    Its innermost features are halved once more by local Fourier units, and as
    officially are of at least 2 pixels.
    """
    factor = 2**downsamplings
    multiple = 2 * factor if local_fourier else factor
    return Sizes(multiple, least=2 * factor, padding="symmetric")


FAMILY = Family(
    "inpainting_zoo.lama.model:LaMa",
    network="inpainting_zoo.lama.networks:build_generator",
    stages=("reconstruction", "adversarial"),
    sizes=sizes,
    options={"refine": False},
    rules={"refine": {"about": "fits large pictures again at their own size; slow"}},
    choices={
        "topology": "inpainting_zoo.lama.architectures:TOPOLOGIES",
        "hole_fill": "inpainting_zoo.layers.pull_push:HOLE_FILLS",
        "judged": "inpainting_zoo.lama.model:JUDGED",
        "perceptual": "inpainting_zoo.lama.architectures:PERCEPTUAL",
    },
)
RELEASES = "https://github.com/Sanster/models/releases/download"
TRAINING = {"batch_size": 8, "learning_rate": 1e-3, "adam_betas": [0.9, 0.999]}

# What a CPU can train; the second stage as docs/lama.md has found it.
SMALL = {
    "base_channels": 32,
    "discriminator_channels": 32,
    "average": 2000.0,
    "judged": "completed",
    "perceptual": "vgg16",
    "known_weight": 1.0,
    "hole_weight": 20.0,
    "adversarial_weight": 1.0,
    "feature_matching_weight": 1.0,
    "perceptual_weight": 10.0,
    "discriminator_rate": 3.0,
}
SMALL_TRAINING = TRAINING | {
    "learning_rate": {"reconstruction": 1e-3, "adversarial": 3e-4}
}

SMALL_256 = {"image_size": 256, **SMALL, "hole_fill": "biharmonic"}
MASKS = "the NVIDIA Irregular Mask Dataset (CC BY-NC-SA 4.0)"
FACES = (
    "trained by this project on faces of LFW, Unsplash, StyleGAN2, ALAE, "
    f"All-Age-Faces, SCUT-FBP5500, CelebA-HQ and FFHQ, and on {MASKS}"
)
PHOTOGRAPHS = (
    "trained by this project on faces, then on photographs of ImageNet, BSDS500, LSUN, "
    "SUN, MIT's outdoor scenes, Pascal VOC, COCO, DTD, Caltech-101 and smaller sets, "
    f"and on {MASKS}"
)


def finished(description: str, name: str, digest: str, source: str, **further) -> dict:
    """Returns the preset of weights of `lama_small` at 256 px that are shipped."""
    weights = Weights(
        f"{name}.safetensors",
        digest,
        licence="non-commercial research; see weights/README.md",
        source=source,
    )
    return {
        "description": description,
        "family": FAMILY,
        "config": SMALL_256,
        "training": SMALL_TRAINING,
        "weights": {"generator": weights},
        **further,
    }


PRESETS = {
    "lama_big": {
        "description": "photographs: the official big-lama; 51.0 M parameters",
        "family": FAMILY,
        "config": {"image_size": 256, "blocks": 18},
        "training": TRAINING,
        "weights": {
            "generator": Weights(
                "big-lama.pt",
                "344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9",
                urls=(f"{RELEASES}/add_big_lama/big-lama.pt",),
                size=205_669_692,
                licence="Apache-2.0",
                source=(
                    "trained by the authors of LaMa (https://github.com/advimman/lama) "
                    "on Places, as https://github.com/Sanster/models keeps it"
                ),
                official=True,
            )
        },
    },
    "lama_fourier": {
        "description": "the official lama-fourier: 9 blocks; 27.0 M parameters",
        "family": FAMILY,
        "config": {"image_size": 256},
        "training": TRAINING,
    },
    "lama_regular": {
        "description": "the official lama-regular, no Fourier; 45.6 M parameters",
        "family": FAMILY,
        "config": {"image_size": 256, "topology": "regular"},
        "training": TRAINING,
    },
    "lama_small": {
        "description": "half the width, 128 px; trains on a CPU in hours",
        "family": FAMILY,
        "config": {"image_size": 128, **SMALL},
        "training": SMALL_TRAINING,
    },
    "lama_faces_256": finished(
        "faces, sharp: LaMa of half the width, 256 px",
        "lama_faces_256",
        "9c8fcdf6ddf40c01ab9f17c6f527642f0dd7cdbebe45c322a72f117517e8f957",
        FACES,
    ),
    "lama_faces_256_reconstruction": finished(
        "faces, smoother: the first stage of LaMa alone",
        "lama_faces_256_reconstruction",
        "0f50a2a12f653805bdfdce35d6eb239a42acf129622d581c5d6b79af14629d33",
        FACES,
    ),
    "lama_photos_256": finished(
        "photographs, strokes and lines: LaMa of half the width, PatchMatch's texture",
        "lama_photos_256",
        "a2e6b7c485810a53fdb04b5ace89fca4468aacc71dd24a4f33ffa997081e266f",
        PHOTOGRAPHS,
        texture="patchmatch",
    ),
    "lama_photos_256_reconstruction": finished(
        "photographs, smoother: the first stage of LaMa alone",
        "lama_photos_256_reconstruction",
        "4653a29c1662f5ffd07e3280dbf349446f672413312c324796fd9d9d1fd6bbaf",
        PHOTOGRAPHS,
    ),
}
