"""Configurations of ASUKA by name."""

from inpainting_zoo.families import Family
from inpainting_zoo.stable_diffusion.presets import sizes

FAMILY = Family(
    "inpainting_zoo.asuka.model:ASUKA",
    stages=("alignment", "decoder"),
    sizes=sizes,
    options={
        "num_steps": 30,
        "sampler": "dpmpp",
        "strength": 1.0,
        "prior_strength": 1.0,
        "attention_slices": 0,
    },
    choices={"predicts": "inpainting_zoo.stable_diffusion.samplers:PREDICTS"},
    option_choices={"sampler": "inpainting_zoo.stable_diffusion.samplers:SAMPLERS"},
    draws=True,
)

PRESETS = {
    "asuka": {
        "description": "Stable Diffusion 1.5, led by a masked autoencoder; 1.09 G",
        "family": FAMILY,
        "config": {},
        "training": {
            "batch_size": 4,
            # Of the decoder: 4.5e-6 for each picture of a batch, as latent diffusion.
            "learning_rate": {"alignment": 1e-4, "decoder": 1.8e-5},
            "adam_betas": {"alignment": [0.9, 0.999], "decoder": [0.5, 0.9]},
        },
    },
}
