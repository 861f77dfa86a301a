"""Configurations of Stable Diffusion by name."""

from inpainting_zoo.families import Family

FAMILY = Family(
    "inpainting_zoo.stable_diffusion.model:StableDiffusion",
    stages=("task_inversion", "harmonization", "denoising"),
    options={
        "prompt": "",
        "negative_prompt": "",
        "num_steps": 30,
        "guidance_scale": 7.5,
        "sampler": "dpmpp",
        "strength": 1.0,
        "task": "",
        "lora_scale": 1.0,
    },
    draws=True,
    adapters="inpainting_zoo.stable_diffusion.tasks",
)
# What learns beside frozen networks, as Wang et al. (TMLR 2024) train it.
SMALL = ("task_inversion", "harmonization")
TRAINING = {
    "optimizer": {**dict.fromkeys(SMALL, "adamw"), "denoising": "adam"},
    "batch_size": {**dict.fromkeys(SMALL, 32), "denoising": 4},
    "learning_rate": {**dict.fromkeys(SMALL, 8e-5), "denoising": 1e-5},
    "adam_betas": [0.9, 0.999],
}

PRESETS = {
    "sd15_inpainting": {
        "description": "Stable Diffusion 1.5, guided by a text; 1.07 G parameters",
        "family": FAMILY,
        "config": {},
        "training": TRAINING,
    },
    "sd2_inpainting": {
        "description": "Stable Diffusion 2, guided by a text; 1.29 G parameters",
        "family": FAMILY,
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
