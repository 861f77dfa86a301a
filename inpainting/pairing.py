"""Which pictures of a folder to complete, and which mask belongs to which."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from inpainting_zoo.data.images import SUFFIXES, UNREAD, list_images
from inpainting_zoo.data.names import masks_beside, matcher
from inpainting_zoo.errors import InputError


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
    """The masks of a folder, found by the name of the picture; see `names.matcher`.

    In the pictures' own folder only `NAME_mask`, perhaps with a number, is one. One
    mask file serves all pictures.

    Args:
        path: a folder, searched recursively, or a file.
        image_dir: folder of the pictures.
        itself: in the pictures' own folder every picture is its own mask.
        names: the pictures, by their path in `image_dir`.

    Attributes:
        beside: the masks in the pictures' own folder, by their path in it.
        files: all masks.

    Raises:
        InputError: if there is no such file, or the folder holds no masks.
    """

    def __init__(
        self,
        path: Path,
        image_dir: Path,
        itself: bool = False,
        names: Sequence[str] = (),
    ):
        self.single = path if path.is_file() else None
        self.folder, self.beside, self.files = path, set(), [path]
        if self.single:
            return
        if not path.is_dir():
            raise InputError(f"mask: must be a file or folder, received {str(path)!r}")
        self.files = list_images(path, "mask")
        found = [os.path.relpath(mask, path) for mask in self.files]
        if path.resolve() == image_dir.resolve() and not itself:
            self.beside = masks_beside(found)
            found = sorted(self.beside)
            if not found:
                raise InputError(
                    "mask: in the pictures' own folder masks must be called "
                    f"NAME_mask.png, {str(path)!r} has none"
                )
        self.matching = matcher(found, names)

    def of(self, name: str) -> Path:
        """Returns the mask of a picture.

        Raises:
            InputError: if there is none, or more than one.
        """
        if self.single:
            return self.single
        found = self.matching(name)
        if len(found) == 1:
            return self.folder / found[0]
        if not found:
            raise InputError(f"mask: must have the stem of {name!r}, received none")
        names = ", ".join(repr(str(self.folder / other)) for other in found[:3])
        raise InputError(f"mask: must be one for {name!r}, received {names}")
