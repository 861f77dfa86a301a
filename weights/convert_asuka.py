"""Names and layouts of what ASUKA is made of: a folder of diffusers, and its parts.

Weights of ASUKA for Stable Diffusion were never published. Those for FLUX.1-Fill are
refused; they lead another network.

Reference: https://github.com/Yikai-Wang/asuka-misato
"""

import re

from inpainting_zoo.errors import WeightsError
from inpainting_zoo.storage.arrays import Arrays
from inpainting_zoo.weights import convert_mae, convert_stable_diffusion

PRIOR = ("mae", "alignment")
# Beside what files of its parts hold: the autoencoder beyond its features.
IGNORED = re.compile(
    rf"{convert_stable_diffusion.IGNORED.pattern}"
    rf"|mae\.({convert_mae.IGNORED.pattern}|decoder_(blocks\.\d+|norm|pred)\..*)"
)
# What training makes: where it begins it is not there yet.
NEW = re.compile(r"vae\.decoder\.condition_encoder\..*|alignment\..*")
# Of the published files: an alignment that stands alone, and weights that none uses.
FLUX = re.compile(r"\d+\.linear1\.weight|.*\bmodulation\..*|.*\bup_layers\..*")
FROM_OURS = {2: (1, 0), 4: (3, 2, 0, 1)}  # kernels, by the number of their axes


def official_tensors(variables: dict, config: dict) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "unet/conv_in/kernel", -> Keras variable.
        config: arguments of the model.

    Returns:
        Official name -> (our name, official shape, function of the official array that
        returns ours).
    """
    diffusion, prior = _split(variables)
    found = convert_stable_diffusion.official_tensors(diffusion, config)
    for part in PRIOR:
        own = {k: v for k, v in prior.items() if k.startswith(f"{part}/")}
        tensors = convert_mae.official_tensors(own, config)
        found |= {f"{part}.{name}": tensor for name, tensor in tensors.items()}
    return found


def canonical(tensors: Arrays, variables: dict, config: dict) -> Arrays:
    """Gives the tensors of any layout the names of a folder of diffusers.

    Args:
        tensors: of such a folder; "mae" and "alignment" in it may be files of this
            library.
        variables, config: see `official_tensors`.

    Raises:
        WeightsError: if they lead FLUX, or the folder has another tokenizer.
    """
    if flux := [name for name in tensors if FLUX.fullmatch(name)]:
        raise WeightsError(
            "from_weights: must be of Stable Diffusion 1.5; ASUKA's published files "
            "lead FLUX.1-Fill, whose latents have 16 channels and whose text has 4096, "
            f"received {flux[0]}"
        )
    wanted = {name.split("/")[0] for name in variables}
    prior = {_official(name): name for name in tensors if name.startswith(PRIOR)}
    others = [name for name in tensors if not name.startswith(PRIOR)]
    shapes = {name: tensors.shapes[name] for name in others}
    diffusion = convert_stable_diffusion.canonical(
        Arrays(shapes, tensors.__getitem__, tensors.metadata),
        _split(variables)[0],
        config,
    )
    prior = {k: v for k, v in prior.items() if k.split(".")[0] in wanted}
    shapes = {name: diffusion.shapes[name] for name in diffusion}
    for official, name in prior.items():
        shape = tensors.shapes[name]
        axes = _axes(name, len(shape))
        shapes[official] = tuple(shape[i] for i in axes)

    def read(name):
        if name not in prior:
            return diffusion[name]
        array = tensors[prior[name]]
        return array.transpose(_axes(prior[name], array.ndim))

    return Arrays(shapes, read, tensors.metadata)


def _split(variables):
    """Returns the variables of Stable Diffusion, and those of the prior."""
    prior = {k: v for k, v in variables.items() if k.split("/")[0] in PRIOR}
    return {k: v for k, v in variables.items() if k not in prior}, prior


def _official(name):
    """Returns the official name of a tensor of the prior, which may be ours."""
    part = name.split(".")[0]
    return f"{part}.{convert_mae.official_name(name)}" if "/" in name else name


def _axes(name, count):
    """Returns the order in which an array's axes become the official ones."""
    ours = name.endswith("/kernel") and count in FROM_OURS
    return FROM_OURS[count] if ours else tuple(range(count))
