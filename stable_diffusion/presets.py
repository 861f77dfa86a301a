"""Configurations of Stable Diffusion by name."""

MODEL = "inpainting_zoo.stable_diffusion.model:StableDiffusion"
TRAINING = {"batch_size": 4, "learning_rate": 1e-5, "adam_betas": [0.9, 0.999]}

PRESETS = {
    "sd15_inpainting": {
        "description": "Stable Diffusion 1.5, guided by a text; 1.07 G parameters",
        "model": MODEL,
        "config": {},
        "training": TRAINING,
    },
    "sd2_inpainting": {
        "description": "Stable Diffusion 2, guided by a text; 1.29 G parameters",
        "model": MODEL,
        "config": {
            "pad_token": "!",
            "unet": {"heads": (5, 10, 20, 20)},
            "text_encoder": {
                "channels": 1024,
                "layers": 23,
                "heads": 16,
                "activation": "gelu",
            },
        },
        "training": TRAINING,
    },
}
