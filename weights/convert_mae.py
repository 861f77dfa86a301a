"""Names and layouts of masked autoencoders, as of MAE-FAR and ASUKA.

References: https://github.com/ewrfcas/MAE-FAR, https://github.com/Yikai-Wang/asuka-misato
"""

import re

from inpainting_zoo.weights.convert_stable_diffusion import KINDS, tensor

# Positions are computed here.
IGNORED = re.compile(r"(decoder_)?pos_embed")
LEARNED = {"mask_token/token": "mask_token", "mask_token/alpha": "alpha"}
LEARNED |= {"asking/tokens": "asking"}  # of ASUKA's alignment by cross-attention


def official_tensors(variables: dict, config: dict) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "generator/norm/gamma", -> Keras variable.
        config: arguments of the model.

    Returns:
        Official name -> (our name, official shape, function of the official array that
        returns ours).
    """
    return {
        official_name(name): (name, *tensor(name.rpartition("/")[2], tuple(v.shape)))
        for name, v in variables.items()
    }


def official_name(name: str) -> str:
    """Returns what one of our variables, such as "generator/norm/gamma", is there."""
    layer = name.split("/", 1)[1]
    kind = layer.rpartition("/")[2]
    return LEARNED.get(layer) or f"{layer.removesuffix(f'/{kind}')}.{KINDS[kind]}"
