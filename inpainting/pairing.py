"""Which pictures of a folder to complete, and which mask belongs to which."""

import os
from collections import defaultdict
from pathlib import Path, PurePath

from inpainting_zoo.data.images import SUFFIXES, list_images
from inpainting_zoo.errors import InputError


def find_images(image_dir: Path, *besides: Path) -> tuple[list[str], list[str]]:
    """List the pictures of a folder by their path in it.

    Args:
        image_dir: searched recursively.
        *besides: masks and outputs, which may lie in image_dir but are not to be
            completed.

    Returns:
        The pictures, sorted; and what is named like a picture, but is hidden or no
        regular file.

    Raises:
        InputError: it is no folder, or holds no pictures.
    """
    if not image_dir.is_dir():
        raise InputError(f"image: must be a folder, received {str(image_dir)!r}")
    root = image_dir.resolve()
    besides = [path.resolve() for path in besides]
    besides = [path for path in besides if path != root and root in path.parents]

    def named(paths):
        names = sorted(os.path.relpath(path, image_dir) for path in paths)
        return [
            name
            for name in names
            if not any((root / name).is_relative_to(path) for path in besides)
        ]

    images = named(list_images(image_dir, "image"))
    similar = (
        os.path.join(folder, name)
        for folder, folders, files in os.walk(image_dir)
        for name in folders + files
        if name.lower().endswith(SUFFIXES)
    )
    known = set(images)
    return images, [name for name in named(similar) if name not in known]


class Masks:
    """The masks of a folder, found by the name of the picture.

    A mask has the picture's path in its own folder, or that path but for the suffix,
    or at least, in any folder, the picture's name but for the suffix. One mask file
    serves all pictures.

    Args:
        path: a folder, searched recursively, or a file.

    Raises:
        InputError: there is no such file, or the folder holds no masks.
    """

    def __init__(self, path: Path):
        self.single = path if path.is_file() else None
        self.by_name = defaultdict(list)
        if self.single:
            return
        if not path.is_dir():
            raise InputError(f"mask: must be a file or folder, received {str(path)!r}")
        for mask in list_images(path, "mask"):
            for key in _keys(PurePath(os.path.relpath(mask, path))):
                self.by_name[key].append(mask)

    def of(self, name: str) -> Path:
        """The mask of a picture.

        Raises:
            InputError: there is none, or more than one.
        """
        if self.single:
            return self.single
        for key in _keys(PurePath(name)):
            found = self.by_name.get(key, [])
            if len(found) > 1:
                names = ", ".join(repr(str(path)) for path in found[:3])
                raise InputError(f"mask: must be one for {name!r}, received {names}")
            if found:
                return found[0]
        raise InputError(f"mask: must have the stem of {name!r}, received none")


def _keys(name):
    return name, ("but suffix", name.with_suffix("")), ("stem", name.stem)
