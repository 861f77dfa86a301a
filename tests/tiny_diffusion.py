"""A tiny Stable Diffusion with the goldens' random weights."""

from inpainting_zoo import presets
from inpainting_zoo.weights.convert_stable_diffusion import COMPONENTS, official_tensors
from parity import golden

TINY = {
    "image_size": 64,
    "unet": {
        "channels": (32, 64),
        "heads": (2, 2),
        "attention": (True, False),
        "layers": 1,
        "groups": 16,
    },
    "autoencoder": {"channels": (8, 16, 16, 16), "layers": 1, "groups": 4},
    "text_encoder": {"channels": 32, "layers": 2, "heads": 4, "vocabulary": 120},
}
# So narrow that a picture takes no time, but with CLIP's vocabulary.
NARROW = {
    "image_size": 16,
    "unet": {
        "channels": (4,),
        "heads": (2,),
        "attention": (True,),
        "layers": 1,
        "groups": 2,
    },
    "autoencoder": {"channels": (4, 4, 4, 4), "layers": 1, "groups": 2},
    "text_encoder": {"channels": 4, "layers": 1, "heads": 2},
    "perceptual_weight": 0,
}
# A small one, whose decoder sees the known pixels and whose text encoder learns.
NARROW_SMALL = {
    "image_size": 16,
    "unet": NARROW["unet"],
    "autoencoder": {"channels": (2, 4, 8), "layers": 1, "groups": 2},
    "text_encoder": NARROW["text_encoder"],
    "perceptual_weight": 0,
}
GOLDENS = {
    "unet": "unet_sd15_tiny",
    "encoder": "vae_kl_tiny",
    "decoder": "vae_kl_tiny",
    "text_encoder": "clip_text_quickgelu_tiny",
}


def load(network, arrays):
    """Sets the weights of a network from those of a golden, which lose what it takes.

    Returns the network.
    """
    variables = {f"{network.name}/{v.path}": v for v in network.variables}
    start = COMPONENTS[network.name].rpartition("text_model.")[1]
    for official, (name, shape, to_ours) in official_tensors(variables, {}).items():
        key = f"sd/{start}{official.removeprefix(COMPONENTS[network.name])}"
        variables[name].assign(to_ours(arrays.pop(key).reshape(shape)))
    return network


def tiny_model(**overrides):
    model = presets.build("sd15_inpainting", **{**TINY, **overrides})
    for part, network in model.parts.items():
        load(network, golden(f"diffusion/{GOLDENS[part]}"))
    return model
