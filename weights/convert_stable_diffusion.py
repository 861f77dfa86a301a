"""Names and layouts of Stable Diffusion's files: those of diffusers, and the original.

Reference: https://github.com/huggingface/diffusers
"""

import logging
import re
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import WeightsError
from inpainting_zoo.stable_diffusion.tokenizer import (
    END,
    FILES,
    clip_tokenizer,
    padding_of,
    read_tokenizer,
)
from inpainting_zoo.storage.arrays import Arrays
from inpainting_zoo.weights import stable_diffusion_names as names

log = logging.getLogger(__name__)
# What a file of a training, or of more than inpainting needs, holds beside.
IGNORED = re.compile(
    r"model_ema\..*|.*\.position_ids|.*text_projection(\.weight)?|.*logit_scale"
    r"|betas|(log_one_minus_)?alphas_cumprod.*|sqrt_.*|posterior_.*|logvar"
    r"|first_stage_model\.loss\..*|cond_stage_model\.model\.visual\..*"
    r"|(mae|alignment)\..*"
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
ORIGINAL = {
    "unet": "model.diffusion_model.",
    "encoder": "first_stage_model.",
    "decoder": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.text_model.",
}
OPEN_CLIP = "cond_stage_model.model."
# Which of our parts a tensor of any layout is of.
PARTS = {
    "unet": re.compile(r"(unet|model\.diffusion_model)\..*"),
    "encoder": re.compile(r"(vae|first_stage_model)\.(encoder|quant_conv)\..*"),
    "decoder": re.compile(r"(vae|first_stage_model)\.(decoder|post_quant_conv)\..*"),
    "text_encoder": re.compile(r"(text_encoder|cond_stage_model)\..*"),
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
        if part not in COMPONENTS:  # LoRA and learned prompts have files of their own
            continue
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


def canonical(tensors: Arrays, variables: dict, config: dict) -> Arrays:
    """Gives the tensors of any layout the names of a folder of diffusers.

    Args:
        tensors: of such a folder, of a file of one of its components, or of the
            original programs.
        variables, config: see `official_tensors`.

    Returns:
        The same arrays by other names. What has no place keeps its name, but for parts
        that are not asked for, and layers of the text encoder beyond the last that is.

    Raises:
        WeightsError: if the folder has another tokenizer than the model.
    """
    if "tokenizer" in tensors.metadata:
        check_tokenizer(tensors.metadata["tokenizer"], config.get("pad_token", END))
    parts = {name.split("/")[0] for name in variables}
    expected = official_tensors(variables, config)
    sources, shapes = {}, {}
    for official, (_, shape, _) in expected.items():
        for source, third in candidates(official, expected, config):
            if source in tensors:
                held = tensors.shapes[source]
                held = (held[0] // 3, *held[1:]) if third is not None else held
                # A 1x1 convolution is a dense layer.
                dense = held == (*shape, *[1] * (len(held) - len(shape)))
                sources[official] = source, third
                shapes[official] = shape if dense else held
                break
    taken = {source for source, _ in sources.values()}
    for name in tensors:
        part = next(
            (p for p, pattern in PARTS.items() if pattern.fullmatch(name)), None
        )
        block = re.match(rf"{re.escape(OPEN_CLIP)}transformer\.resblocks\.(\d+)", name)
        beyond = block and int(block[1]) >= _layers(expected)
        if name not in taken and not beyond and (part is None or part in parts):
            sources[name], shapes[name] = (name, None), tensors.shapes[name]

    def read(name):
        source, third = sources[name]
        array = tensors[source]
        if third is not None:
            array = np.split(array, 3)[third]
        return array.reshape(shapes[name])

    return Arrays(shapes, read, tensors.metadata)


def check_tokenizer(folder: str, pad: str):
    """Refuses weights of a text encoder that was shown other tokens than ours is.

    Args:
        folder: with the tokenizer.
        pad: the model's padding token.

    Raises:
        WeightsError: if vocabulary, merges or padding differ.
    """
    padding = padding_of(Path(folder))
    if padding != pad:
        raise WeightsError(
            f"pad_token: must be {padding!r}, with which {folder} fills prompts, "
            f"received {pad!r}; set the model's pad_token"
        )
    if missing := [name for name in FILES if not Path(folder, name).is_file()]:
        log.warning(
            "tokenizer: %s has no %s, so it is taken for CLIP's without a look",
            *(folder, " and no ".join(missing)),
        )
        return
    theirs, ours = read_tokenizer(folder), clip_tokenizer(pad)
    if (theirs.vocabulary, theirs.ranks) != (ours.vocabulary, ours.ranks):
        raise WeightsError(f"tokenizer: must be CLIP's, received another in {folder}")


def candidates(official: str, expected, config: dict):
    """Yields (name in some layout, which third of that tensor it is or None).

    Args:
        official: name in a folder of diffusers.
        expected: all of these names.
        config: arguments of the model.
    """
    component, start = next(
        (part, start)
        for part, start in COMPONENTS.items()
        if official.startswith(start)
    )
    name = official.removeprefix(start)
    yield official, None
    yield f"{'text_model.' if component == 'text_encoder' else ''}{name}", None
    if component == "text_encoder":
        yield name, None
        yield ORIGINAL[component] + name, None
        source, third = names.open_clip(name)
        yield OPEN_CLIP + source, third
    elif component == "unet":
        layers = config.get("unet", {}).get("layers", 2)
        pattern = r"unet\.up_blocks\.(\d+)\.attentions\..*"
        attending = {int(m[1]) for e in expected if (m := re.fullmatch(pattern, e))}
        yield ORIGINAL[component] + names.unet(name, layers, attending), None
    else:
        channels = config.get("autoencoder", {}).get("channels", (128, 256, 512, 512))
        yield start + names.former(name), None
        yield names.former(name), None
        yield ORIGINAL[component] + names.autoencoder(name, len(channels)), None


def _layers(expected):
    """How many layers of the text encoder are expected."""
    found = [re.search(r"encoder\.layers\.(\d+)\.", name) for name in expected]
    return 1 + max((int(m[1]) for m in found if m), default=-1)
