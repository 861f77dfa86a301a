"""Names and layouts of Stable Diffusion's files: those of diffusers, and the original.

References: https://github.com/huggingface/diffusers,
https://github.com/CompVis/stable-diffusion and, for the text encoder of the second
version, https://github.com/mlfoundations/open_clip
"""

import re

import numpy as np

# What a file of a training, or of more than inpainting needs, holds beside.
IGNORED = re.compile(
    r"model_ema\..*|.*\.position_ids|.*text_projection(\.weight)?|.*logit_scale"
    r"|betas|(log_one_minus_)?alphas_cumprod.*|sqrt_.*|posterior_.*|logvar"
    r"|first_stage_model\.loss\..*|cond_stage_model\.model\.visual\..*"
)
KINDS = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
KINDS |= {"embeddings": "weight"}
# Our parts, and what precedes their names in a folder of diffusers.
COMPONENTS = {
    "unet": "unet.",
    "encoder": "vae.",
    "decoder": "vae.",
    "text_encoder": "text_encoder.text_model.",
}


def official_tensors(variables: dict, config: dict) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "unet/conv_in/kernel", -> Keras variable.
        config: arguments of the model.

    Returns:
        Official name -> (our name, official shape, function of the official array that
        returns ours).
    """
    tensors = {}
    for name, variable in variables.items():
        part, layer, kind = name.split("/")
        official = f"{COMPONENTS[part]}{layer}.{KINDS[kind]}"
        tensors[official] = (name, *tensor(kind, tuple(variable.shape)))
    return tensors


def tensor(kind: str, shape: tuple):
    """Returns `(official shape, function of the official array that returns ours)`.

    Kernels are (height, width, in, out) or (in, out) here, and (out, in, height, width)
    or (out, in) there.
    """
    if kind != "kernel":
        return shape, lambda array: array
    if len(shape) == 2:
        return shape[::-1], np.transpose
    return (shape[3], shape[2], *shape[:2]), lambda array: array.transpose(2, 3, 1, 0)
