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
    "gmcnn_faces_128": {
        "description": "half the width, 128 px, biharmonic pre-fill; for faces",
        "model": GMCNN,
        "weights": "gmcnn_faces_128.npz",
        "sha256": "4d5e317b76f8ca78814df4d0e224f9cb9b9940198b64091a58c7f0c25c071fd6",
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
    },
    "gmcnn_official_pytorch": {
        "description": "the official PyTorch network; 12.6 M parameters",
        "model": GMCNN,
        "config": {"image_size": 256, "confidence_kernel": "flat"},
        "training": {
            "batch_size": 16,
            "learning_rate": {"warm_up_generator": 1e-5, "wgan": 1e-5},
        },
    },
    "gmcnn_official_tf1": {
        "description": "the official TensorFlow 1 network; 12.4 M parameters",
        "model": GMCNN,
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
        "model": GMCNN,
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
