"""Configurations of MAT by name."""

from inpainting_zoo.errors import InputError
from inpainting_zoo.families import Family
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.storage.downloads import Weights

LEAST_SIDE = 128  # below, the first stage would have no decoder


def sizes(image_size: int, **others) -> Sizes:
    """Returns the one size of the networks, a power of two; see `Family`."""
    if image_size < LEAST_SIDE or image_size & (image_size - 1):
        raise InputError(
            f"image_size: must be a power of two, at least {LEAST_SIDE}, received "
            f"{image_size}"
        )
    return Sizes(side=image_size)


FAMILY = Family(
    "inpainting_zoo.mat.model:MAT",
    network="inpainting_zoo.mat.networks:build_generator",
    stages=("reconstruction", "adversarial"),
    sizes=sizes,
    options={"truncation": 1.0, "expected": False, "noise": "stored"},
    rules={
        "truncation": {
            "least": 0,
            "most": 1,
            "about": "1: any answer; towards 0 ever nearer to the average one",
        },
        "expected": {"about": "the mean of both drawn maps, 0.5"},
        "noise": {"choices": "inpainting_zoo.mat.model:NOISE"},
    },
    choices={
        "perceptual": "inpainting_zoo.mat.model:TAPS",
        "hole_fill": "inpainting_zoo.layers.pull_push:HOLE_FILLS",
    },
    draws=True,
    shares=("mixing", "training_truncation"),
    precisions=("float32",),
)
RELEASES = "https://github.com/Sanster/models/releases/download"
TRAINING = {"batch_size": 8, "learning_rate": 1e-3, "adam_betas": [0.0, 0.99]}

PRESETS = {
    "mat_512": {
        "description": "photographs, large holes: the official MAT, 512 px; 61.6 M",
        "family": FAMILY,
        "config": {"image_size": 512, "masks": "mat_512=1"},
        "training": TRAINING,
        "weights": {
            "generator": Weights(
                "Places_512_FullData_G.pth",
                "8ca927835fa3f5e21d65ffcb165377ed",
                urls=(f"{RELEASES}/add_mat/Places_512_FullData_G.pth",),
                size=250_500_000,  # about
                licence="CC BY-NC 4.0: no commercial use",
                source=(
                    "trained by the authors of MAT (https://github.com/fenglinglwb/MAT)"
                    " on Places, as https://github.com/Sanster/models keeps it"
                ),
                official=True,
            )
        },
    },
    "mat_256": {
        "description": "the official MAT at 256 px; 59.8 M parameters",
        "family": FAMILY,
        "config": {"image_size": 256, "channels": [128, 256, 512]},
        "training": TRAINING,
    },
    "mat_small": {
        "description": "a narrow MAT at 128 px; trains on a CPU in hours",
        "family": FAMILY,
        "config": {
            "image_size": 128,
            "channels": [16, 32, 64],
            "width": 36,
            "heads": 2,
            "latent": 128,
            "mapping_layers": 4,
            "average": 2000.0,
            "perceptual": "vgg16",
            "hole_fill": "biharmonic",
        },
        "training": {
            **TRAINING,
            "learning_rate": {"reconstruction": 1e-2, "adversarial": 1e-3},
            "adam_betas": {"reconstruction": [0.9, 0.99], "adversarial": [0.0, 0.99]},
        },
    },
}
