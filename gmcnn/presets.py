"""Configurations of GMCNN by name."""

from gmcnn.model import GMCNN

PRESETS = {
    "gmcnn_256": {
        "description": "full width, 256 px; 12.6 M parameters",
        "model": GMCNN,
        "config": {"image_size": 256, "clip_gradient": "straight"},
        "training": {
            "batch_size": 16,
            "learning_rate": {"warm_up_generator": 1e-4, "wgan": 1e-4},
        },
    },
    "gmcnn_small": {
        "description": "half the width, 64 px; trains on a CPU in minutes",
        "model": GMCNN,
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
}
