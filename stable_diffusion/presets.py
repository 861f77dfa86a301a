"""Configurations of Stable Diffusion by name."""

from collections.abc import Mapping

from inpainting_zoo.families import Family
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.stable_diffusion.tokenizer import END
from inpainting_zoo.storage.downloads import Weights

OFFICIAL = (320, 640, 1280, 1280), (128, 256, 512, 512)  # U-Net, autoencoder


def sizes(
    image_size: int,
    unet: Mapping | None = None,
    autoencoder: Mapping | None = None,
    **others,
) -> Sizes:
    """Returns the one size, which every level but the first halves; see `Family`."""
    given = [(part or {}).get("channels") for part in (unet, autoencoder)]
    levels = [len(theirs or ours) for theirs, ours in zip(given, OFFICIAL)]
    multiple = 2 ** sum(level - 1 for level in levels)
    return Sizes(multiple=multiple, least=multiple, side=image_size)


SAMPLING = {  # rules of options
    "num_steps": {"least": 1, "most": 999},
    "sampler": {"choices": "inpainting_zoo.stable_diffusion.samplers:SAMPLERS"},
    "strength": {
        "above": 0,
        "most": 1,
        "about": "1: from noise alone; less keeps what the hole shows",
    },
    "attention_slices": {"least": 0, "about": "0: none; more need less memory"},
}
FAMILY = Family(
    "inpainting_zoo.stable_diffusion.model:StableDiffusion",
    stages=(
        *("task_inversion", "harmonization", "reference"),
        *("autoencoder", "denoising"),
    ),
    inputs={"harmonization": ("target",), "reference": ("reference",)},
    sizes=sizes,
    options={
        "prompt": "",
        "negative_prompt": "",
        "num_steps": 30,
        "guidance_scale": 7.5,
        "sampler": "dpmpp",
        "strength": 1.0,
        "task": "",
        "lora_scale": 1.0,
        "repaint": False,
        "attention_slices": 0,
    },
    rules={
        **SAMPLING,
        "prompt": {"about": "what the picture shows"},
        "negative_prompt": {"about": "what it does not"},
        "guidance_scale": {"least": 1, "about": "how closely the prompt is followed"},
        "task": {"about": "whose learned prompt is taken"},
        "lora_scale": {"least": 0, "about": "share of a LoRA that is added"},
        "repaint": {"about": "told of the picture by its latents alone"},
    },
    choices={
        "predicts": "inpainting_zoo.stable_diffusion.samplers:PREDICTS",
        "task": "inpainting_zoo.stable_diffusion.tasks:TASKS",
    },
    draws=True,
    shares=("prompt_dropped", "all_hole"),
    bound=("predicts", "pad_token", "latent_scale"),
    adapters="inpainting_zoo.stable_diffusion.tasks",
)
SMALL = {  # what trains on a CPU
    "image_size": 64,
    # Of noise alone little would be learned of what is hardly seen in it.
    "predicts": "velocity",
    "unet": {
        "channels": (48, 96, 144),
        "heads": (3, 6, 9),
        "attention": (False, True, True),
        "groups": 16,
    },
    "autoencoder": {"channels": (32, 64, 128), "layers": 1, "groups": 8},
    "latent_scale": 0.0,
}
# What learns beside frozen networks, as Wang et al. (TMLR 2024) train it.
BESIDE = ("task_inversion", "harmonization", "reference")
LARGE = ("autoencoder", "denoising")
TRAINING = {
    "optimizer": dict.fromkeys(BESIDE, "adamw_light") | dict.fromkeys(LARGE, "adam"),
    "batch_size": dict.fromkeys(BESIDE, 32) | dict.fromkeys(LARGE, 4),
    "learning_rate": dict.fromkeys(BESIDE, 8e-5) | dict.fromkeys(LARGE, 1e-5),
    "adam_betas": [0.9, 0.999],
}
# What others have published, for a user to bring; by the hashes that many list.
SD15 = Weights(
    "sd-v1-5-inpainting.ckpt",
    "c6bbc15e3224e6973459ba78de4998b80b50112b0ae5b5c67113d56b4e366b19",
    size=4_265_437_280,
    licence="CreativeML OpenRAIL-M: not every use",
    source="Runway",
    official=True,
)
SD2 = Weights(
    "512-inpainting-ema.ckpt",
    "2a208a7ded5d42dcb0c0ec908b23c631002091e06afe7e76d16cd11079f8d4e3",
    size=5_210_000_000,
    licence="CreativeML Open RAIL++-M: not every use",
    source="Stability AI",
    official=True,
)

PRESETS = {
    "sd15_inpainting": {
        "description": "Stable Diffusion 1.5, guided by a text; 1.07 G parameters",
        "family": FAMILY,
        "published": SD15,
        "config": {"pad_token": END},
        "training": TRAINING,
    },
    "sd2_inpainting": {
        "description": "Stable Diffusion 2, guided by a text; 1.29 G parameters",
        "family": FAMILY,
        "published": SD2,
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
    "sd_small": {
        "description": "a narrow one at 64 px; trains on a CPU in hours",
        "family": FAMILY,
        "config": {
            **SMALL,
            "pad_token": END,
            "text_encoder": {"channels": 64, "layers": 1, "heads": 2},
            "text_learns": True,
            "all_hole": 0.1,
            "average": 2000.0,
        },
        "training": {
            **TRAINING,
            "batch_size": dict.fromkeys(BESIDE, 32)
            | {"autoencoder": 16, "denoising": 32},
            "learning_rate": dict.fromkeys(BESIDE, 1e-3)
            | {"autoencoder": 1e-3, "denoising": 5e-4},
        },
    },
}
