"""Configurations of LaMa by name."""

MODEL = "inpainting_zoo.lama.model:LaMa"
TRAINING = {"batch_size": 8, "learning_rate": 1e-3, "adam_betas": [0.9, 0.999]}

PRESETS = {
    "lama_big": {
        "description": "the official big-lama: 18 Fourier blocks; 51.0 M parameters",
        "model": MODEL,
        "config": {"image_size": 256, "blocks": 18},
        "training": TRAINING,
    },
    "lama_fourier": {
        "description": "the official lama-fourier: 9 blocks; 27.0 M parameters",
        "model": MODEL,
        "config": {"image_size": 256},
        "training": TRAINING,
    },
    "lama_regular": {
        "description": "the official lama-regular, no Fourier; 45.6 M parameters",
        "model": MODEL,
        "config": {"image_size": 256, "topology": "regular"},
        "training": TRAINING,
    },
    "lama_small": {
        "description": "half the width, 128 px; trains on a CPU in an hour",
        "model": MODEL,
        "config": {
            "image_size": 128,
            "base_channels": 32,
            "discriminator_channels": 32,
            "hole_weight": 10.0,
            "gradient_penalty_every": 4,
            "average": 2000.0,
        },
        "training": TRAINING,
    },
}
