"""Folders of several networks, as diffusers writes them, and files in shards."""

import json
from pathlib import Path

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.arrays import Arrays

COMPONENTS = ("unet", "vae", "text_encoder", "mae", "alignment")
# Names of files in the order in which they are looked for.
FILES = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.fp16.safetensors.index.json",
    "diffusion_pytorch_model.safetensors.index.fp16.json",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.bin",
    "diffusion_pytorch_model.bin.index.json",
    "model.safetensors",
    "model.fp16.safetensors",
    "model.safetensors.index.json",
    "model.fp16.safetensors.index.json",
    "model.safetensors.index.fp16.json",
    "pytorch_model.bin",
    "pytorch_model.fp16.bin",
    "pytorch_model.bin.index.json",
    # As training writes what it trains.
    "generator.safetensors",
    "alignment.safetensors",
)
INDEXES = ".index.json", ".index.fp16.json"


def component_files(folder: Path) -> dict:
    """Returns component -> the file of its weights, of a folder of diffusers.

    Args:
        folder: holds a folder for each component; or that of a repository in the cache
            of Hugging Face. Others have none.
    """
    found, folder = {}, snapshot(folder)
    for name in COMPONENTS:
        files = [folder / name / file for file in FILES]
        if there := [*filter(Path.is_file, files)]:
            found[name] = there[0]
    return found


def snapshot(folder: Path) -> Path:
    """Returns a repository's snapshot in the cache, or the folder itself.

    Of several it is that which refs/main names.
    """
    found, main = snapshots(folder), folder / "refs" / "main"
    if len(found) > 1 and main.is_file():
        name = main.read_text("utf-8", errors="replace").strip()
        found = [path for path in found if path.name == name]
    return found[0] if len(found) == 1 else folder


def snapshots(folder: Path) -> list:
    """Lists the snapshots of a repository in the cache of Hugging Face."""
    return sorted(folder.glob("snapshots/*/"))


def shards(index: Path, argument: str) -> dict:
    """Returns name of a tensor -> the file beside an index that holds it.

    Raises:
        InputError: if a file is missing.
        WeightsError: if the index is damaged, or names a file elsewhere.
    """
    try:
        names = json.loads(index.read_text("utf-8"))["weight_map"]
        found = {name: index.with_name(file) for name, file in names.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{argument}: must be an index of shards, received {str(index)!r} ({error})"
        ) from error
    for path in dict.fromkeys(found.values()):
        if not path.is_file():
            raise InputError(f"{argument}: lacks {str(path)!r}, which its index names")
    return found


def joined(parts: dict, metadata: dict) -> Arrays:
    """Returns the arrays of several files as of one.

    Args:
        parts: what precedes the names, such as "unet." -> `Arrays`.
        metadata: see `Arrays`.
    """
    places = {start + name: (start, name) for start, a in parts.items() for name in a}

    def read(full):
        start, name = places[full]
        return parts[start][name]

    shapes = {full: parts[start].shapes[name] for full, (start, name) in places.items()}
    return Arrays(shapes, read, metadata)
