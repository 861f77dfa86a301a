"""Tasks that a learned prompt tells the U-Net, and files of what was learned.

Reading this file takes no engine.

Reference: Wang et al., Repositioning the Subject within Image, TMLR 2024.
"""

import dataclasses
import json
import math
import re
from pathlib import Path

from inpainting_zoo.errors import WeightsError, some
from inpainting_zoo.storage.arrays import Arrays
from inpainting_zoo.storage.checkpoints import METADATA, described
from inpainting_zoo.weights.read_checkpoint import read_tensors

LENGTH = 50  # embeddings of a learned prompt


@dataclasses.dataclass(frozen=True)
class Task:
    """What is learned by one prompt.

    Args:
        text: whose embeddings the prompt is at first.
        masks: that it is learned on by default; see `data.masks.parse_mixture`.
        lora_scale: factor of LoRA in use.
        whole: whether the U-Net sees the picture in the hole as well.
        views: whether it sees other views beside the picture. The prompt has embeddings
            for the picture then, and after them some for any of the others.
    """

    text: str
    masks: str
    lora_scale: float = 0.0
    whole: bool = False
    views: bool = False

    @property
    def length(self) -> int:
        """How many embeddings its prompt has."""
        return LENGTH * (1 + self.views)


TASKS = {
    "remove": Task("remove the subject and show what is behind it", "moved_object=1"),
    "complete": Task("complete the subject", "object_part=1"),
    "inpaint": Task("inpaint the hole of the picture", "lama_training=1"),
    "outpaint": Task("extend the picture beyond its border", "outpainting=1"),
    "harmonize": Task(
        "harmonize the subject with the picture", "subject=1", lora_scale=1, whole=True
    ),
    "refer": Task("another view of the same place", "lama_training=1", views=True),
}
REFER = "refer"
INVERTED = tuple(n for n, task in TASKS.items() if not task.whole | task.views)

LORA = "lora/lora/"  # how our names of LoRA's matrices start
# How other programs end the name of a layer, and what the layer is called then.
ENDS = {
    r"\.lora(_A|\.down)\.weight": ".lora_A.weight",
    r"\.lora(_B|\.up)\.weight": ".lora_B.weight",
    r"\.processor\.(to_[qkv])_lora\.down\.weight": r".\1.lora_A.weight",
    r"\.processor\.(to_[qkv])_lora\.up\.weight": r".\1.lora_B.weight",
    r"\.processor\.to_out_lora\.down\.weight": ".to_out.0.lora_A.weight",
    r"\.processor\.to_out_lora\.up\.weight": ".to_out.0.lora_B.weight",
}


def read_adapter(path: str | Path) -> Arrays:
    """Opens a file of LoRA, ours or of diffusers, or of a task's prompt.

    Returns:
        Arrays by our names; LoRA's are scaled as their file says.

    Raises:
        InputError: if there is no such file.
        WeightsError: if it is damaged or holds something else.
    """
    tensors = read_tensors(path, "adapters")
    if METADATA in tensors.metadata:
        arrays, _ = described(tensors, path)
        return arrays
    ours, scales = {}, _scale(tensors.metadata, path)
    for name in tensors:
        if name.endswith(".alpha"):
            continue
        layer = name.removeprefix("unet.")
        for end, replacement in ENDS.items():
            found, count = re.subn(f"{end}$", replacement, layer)
            if count:
                ours[LORA + found] = name
    names = {*ours.values()}
    others = [n for n in tensors if n not in names and not n.endswith(".alpha")]
    if others or not ours:
        raise WeightsError(
            f"adapters: {path} must hold LoRA of a U-Net alone, or a learned prompt, "
            f"received {some(others) if others else 'none'}"
        )

    for name in tensors:
        shape = tensors.shapes[name]
        if name.endswith(".alpha") and math.prod(shape) != 1:
            raise WeightsError(
                f"adapters: {path} must hold one number as {name}, received shape "
                f"{shape}"
            )

    def read(name):
        array = tensors[ours[name]]
        if name.endswith("lora_B.weight"):
            rank = array.shape[1]
            alpha = re.sub(r"\.(lora|processor).*$", ".alpha", ours[name])
            scale = tensors[alpha].item() / rank if alpha in tensors else scales
            return array * array.dtype.type(scale)
        return array

    return Arrays({name: tensors.shapes[theirs] for name, theirs in ours.items()}, read)


def _scale(metadata, path):
    """The factor of all products B A that a file of diffusers has on record."""
    try:
        about = json.loads(metadata.get("lora_adapter_metadata", "{}"))
        rank = about.get("unet.r", 1)
        return float(about.get("unet.lora_alpha", rank)) / float(rank)
    except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise WeightsError(
            f"adapters: {path} must say rank and alpha in numbers, received {error}"
        ) from error


def arguments(arrays: Arrays, path: str | Path) -> dict:
    """Returns the arguments of a model that has a place for what a file holds.

    Args:
        arrays: by our names; see `read_adapter`.
        path: of the file, for errors.

    Raises:
        WeightsError: if LoRA's matrices are not all of one rank, or that is 0.
    """
    found = {}
    downs = [n for n in arrays if n.startswith(LORA) and n.endswith("lora_A.weight")]
    if downs:
        ranks = {arrays.shapes[name][:1] for name in downs}
        if len(ranks) > 1 or not all(sum(rank) for rank in ranks):
            shown = sorted(str(*rank) or "a number" for rank in ranks)
            raise WeightsError(
                f"adapters: {path} must hold LoRA of one rank, 1 or more, received "
                f"{', '.join(shown)}"
            )
        ((found["lora_rank"],),) = ranks
    if tasks := [t for t in TASKS if any(n.startswith(f"{t}/") for n in arrays)]:
        found["tasks"] = tasks
    return found
