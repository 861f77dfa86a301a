"""Configurations of GMCNN by name."""

from inpainting_zoo.errors import InputError
from inpainting_zoo.families import Family
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.storage.downloads import Weights


def sizes(image_size: int, local_size: int | None = None, **others) -> Sizes:
    """Returns the sizes of the generator, see `Family`; the local critic's must fit."""
    if local_size and local_size > image_size:
        raise InputError(
            f"local_size: must be at most image_size, received {local_size} for "
            f"{image_size}"
        )
    return Sizes(multiple=4)


FAMILY = Family(
    "inpainting_zoo.gmcnn.model:GMCNN",
    network="inpainting_zoo.gmcnn.networks:build_generator",
    stages=("warm_up_generator", "wgan"),
    sizes=sizes,
    choices={
        "topology": "inpainting_zoo.gmcnn.architectures:TOPOLOGIES",
        "padding": "inpainting_zoo.gmcnn.networks:PADDINGS",
        "hole_fill": "inpainting_zoo.layers.pull_push:HOLE_FILLS",
        "attention": "inpainting_zoo.gmcnn.attention:ATTENTION",
        "clip_gradient": "inpainting_zoo.gmcnn.networks:CLIP_GRADIENTS",
        "critic": "inpainting_zoo.gmcnn.architectures:CRITICS",
        "adversarial": "inpainting_zoo.losses.adversarial:ADVERSARIAL",
        "id_mrf_formula": "inpainting_zoo.losses.id_mrf:FORMULAS",
        "id_mrf_network": "inpainting_zoo.gmcnn.model:SUBSTITUTES",
        "confidence_kernel": "inpainting_zoo.losses.reconstruction:KERNELS",
    },
)
LICENCE = "non-commercial research; see weights/README.md"
SOURCE = (
    "trained by this project on faces of LFW, Unsplash, StyleGAN2 and ALAE, and on the "
    "NVIDIA Irregular Mask Dataset (CC BY-NC-SA 4.0)"
)

# Trained to the end of the first stage, and of the second.
FACES_128 = {
    "family": FAMILY,
    "config": {
        "image_size": 128,
        "base_channels": 16,
        "hole_fill": "biharmonic",
        "clip_gradient": "straight",
        "critic_channels": 16,
    },
    "training": {
        "batch_size": 16,
        "optimizer": {"warm_up_generator": "muon", "wgan": "adam"},
        "learning_rate": {"warm_up_generator": 3e-4, "wgan": 1e-4},
        "adam_betas": {"warm_up_generator": [0.9, 0.999], "wgan": [0.5, 0.9]},
    },
}

PRESETS = {
    "gmcnn_256": {
        "description": "full width, 256 px; 12.6 M parameters",
        "family": FAMILY,
        "config": {"image_size": 256, "clip_gradient": "straight"},
        "training": {
            "batch_size": 16,
            "learning_rate": {"warm_up_generator": 1e-4, "wgan": 1e-4},
        },
    },
    "gmcnn_small": {
        "description": "half the width, 64 px; trains on a CPU in minutes",
        "family": FAMILY,
        "config": {
            "image_size": 64,
            "base_channels": 16,
            "hole_fill": "pull_push",
            "clip_gradient": "straight",
            "critic_channels": 16,
        },
        "training": {
            "batch_size": 8,
            "learning_rate": {"warm_up_generator": 4e-4, "wgan": 1e-4},
            "adam_betas": {"warm_up_generator": [0.9, 0.999], "wgan": [0.5, 0.9]},
        },
    },
    "gmcnn_faces_128": {
        "description": "faces, smooth: GMCNN of half the width, 128 px",
        "weights": {
            "generator": Weights(
                "gmcnn_faces_128.npz",
                "60714150fcee9fca18ce4288c37eca1d891d2927bf78295ec3b8a28dd0257f9f",
                licence=LICENCE,
                source=SOURCE,
            )
        },
        **FACES_128,
    },
    "gmcnn_faces_128_wgan": {
        "description": "faces, sharper: the second stage of GMCNN, 128 px",
        "weights": {
            "generator": Weights(
                "gmcnn_faces_128_wgan.npz",
                "7526d417396e8b21cdb9c234f2d32624f92831996dfb5e0f49b3d9fe3ad2abcc",
                licence=LICENCE,
                source=SOURCE,
            )
        },
        **FACES_128,
    },
    "gmcnn_official_pytorch": {
        "description": "the official PyTorch network; 12.6 M parameters",
        "family": FAMILY,
        "config": {"image_size": 256, "confidence_kernel": "flat"},
        "training": {
            "batch_size": 16,
            "learning_rate": {"warm_up_generator": 1e-5, "wgan": 1e-5},
        },
    },
    "gmcnn_official_tf1": {
        "description": "the official TensorFlow 1 network; 12.4 M parameters",
        "family": FAMILY,
        "config": {
            "image_size": 256,
            "topology": "tf1",
            "padding": "same",
            "confidence_kernel": "flat",
        },
        "training": {
            "batch_size": 16,
            "learning_rate": {"warm_up_generator": 1e-5, "wgan": 1e-5},
        },
    },
    "gmcnn_keras_port": {
        "description": "the earlier Keras port's network; 12.8 M parameters",
        "family": FAMILY,
        "config": {
            "image_size": 256,
            "topology": "keras_port",
            "padding": "same",
            "reconstruction_weight": 1.0,
            "known_weight": 1.0,
        },
        "training": {
            "batch_size": 4,
            "learning_rate": {"warm_up_generator": 1e-4, "wgan": 1e-4},
        },
    },
}
