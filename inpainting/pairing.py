"""Which pictures of a folder to complete, and which mask belongs to which."""

import os
import re
from collections import defaultdict
from pathlib import Path, PurePath

from inpainting_zoo.data.images import SUFFIXES, UNREAD, list_images
from inpainting_zoo.errors import InputError

MASK_OF = re.compile(r"(.+)_mask\d*")  # a picture's stem in its mask's


def find_images(image_dir: Path, *besides: Path) -> tuple[list[str], dict[str, str]]:
    """Lists the pictures of a folder by their path in it.

    Args:
        image_dir: searched recursively.
        *besides: masks and outputs, which may lie in `image_dir` but are not to be
            completed.

    Returns:
        The pictures, sorted; and what else is named like a picture, with the reason
        why it is left out.

    Raises:
        InputError: if it is no folder, or holds no pictures.
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

    images = named(list_images(image_dir, "image", warn=False))
    similar = (
        os.path.join(folder, name)
        for folder, folders, files in os.walk(image_dir)
        for name in folders + files
        if name.lower().endswith(SUFFIXES + UNREAD)
    )
    known = set(images)
    left_out = (name for name in named(similar) if name not in known)
    return images, {name: _why(image_dir, name) for name in left_out}


def _why(folder, name):
    """Why `list_images` leaves out what is named like a picture."""
    if any(part.startswith(".") for part in PurePath(name).parts):
        return "hidden"
    if not os.path.isfile(folder / name):
        return "not a regular file"
    return f"{PurePath(name).suffix.lower()} files are not read"


class Masks:
    """The masks of a folder, found by the name of the picture.

    A mask has the picture's path in its own folder, or that path but for the suffix,
    or at least, in any folder, the picture's name but for the suffix. Failing those,
    `_mask` and perhaps a number may follow the picture's stem; in the pictures' own
    folder it must. One mask file serves all pictures.

    Args:
        path: a folder, searched recursively, or a file.
        image_dir: folder of the pictures.
        itself: in the pictures' own folder every picture is its own mask.

    Attributes:
        beside: the masks in the pictures' own folder, by their path in it.
        files: all masks.

    Raises:
        InputError: if there is no such file, or the folder holds no masks.
    """

    def __init__(self, path: Path, image_dir: Path, itself: bool = False):
        self.single = path if path.is_file() else None
        self.by_name, self.beside = defaultdict(list), set()
        self.files = [path]
        if self.single:
            return
        if not path.is_dir():
            raise InputError(f"mask: must be a file or folder, received {str(path)!r}")
        own_folder = path.resolve() == image_dir.resolve() and not itself
        self.files = list_images(path, "mask")
        names = [PurePath(os.path.relpath(mask, path)) for mask in self.files]
        pictures = {name.with_suffix("") for name in names}
        for mask, name in zip(self.files, names):
            keys = [] if own_folder else _keys(name)
            if found := MASK_OF.fullmatch(name.stem):
                stem = name.with_name(found[1])
                keys = [*keys, ("mask of", stem), ("mask of", stem.name)]
            for key in keys:
                self.by_name[key].append(mask)
            if own_folder and found and stem in pictures:
                self.beside.add(str(name))
        if own_folder and not self.beside:
            raise InputError(
                "mask: in the pictures' own folder masks must be called NAME_mask.png, "
                f"{str(path)!r} has none"
            )

    def of(self, name: str) -> Path:
        """Returns the mask of a picture.

        Raises:
            InputError: if there is none, or more than one.
        """
        if self.single:
            return self.single
        name = PurePath(name)
        stem = name.with_name(name.stem)
        for key in (*_keys(name), ("mask of", stem), ("mask of", stem.name)):
            found = self.by_name.get(key, [])
            if len(found) > 1:
                names = ", ".join(repr(str(path)) for path in found[:3])
                raise InputError(
                    f"mask: must be one for {str(name)!r}, received {names}"
                )
            if found:
                return found[0]
        raise InputError(f"mask: must have the stem of {str(name)!r}, received none")


def _keys(name):
    return name, ("but suffix", name.with_suffix("")), ("stem", name.stem)
