"""Which files belong together by their names."""

import functools
import logging
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from inpainting_zoo.data.images import list_images
from inpainting_zoo.errors import InputError

log = logging.getLogger(__name__)

MARK = re.compile(r"_mask\d*$")  # at the end of a stem


def relative_names(paths: Sequence[Path], others: Sequence[str] = ()) -> list[str]:
    """Names files by their paths from the deepest folder that holds them all.

    Args:
        others: names that these shall be compared with. If files of theirs lie in a
            folder called as that one, `train` for example, it is in the names as well.
    """
    if not paths:
        return []
    absolute = [os.path.abspath(path) for path in paths]
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    folders = {parent for other in others for parent in PurePath(other).parents}
    above = [*PurePath(folder).parents, PurePath(folder)]
    alike = [path for path in above if PurePath(folder).relative_to(path) in folders]
    folder = min(alike, key=lambda path: len(path.parts), default=folder)
    return [os.path.relpath(path, folder) for path in absolute]


def match(names: Sequence[str], others: Sequence[str]) -> dict[str, list[str]]:
    """Finds the names of others that belong to each name; see `matcher`."""
    of = matcher(others, names)
    return {name: of(name) for name in names}


def matcher(
    others: Sequence[str], names: Sequence[str] = ()
) -> Callable[[str], list[str]]:
    """Returns a function that finds the names of others that belong to a name.

    The first of these rules that finds any decides: the same path; the same path but
    for the suffix; that and `_mask` with or without a number, such as `a/b_mask001.png`
    for `a/b.jpg`; then the last two for the file's name alone, in any folder, but for
    what belongs to one of `names` by its path.

    Args:
        others: relative paths from their own folder, of masks for example.
        names: all relative paths that the function will be asked for.

    Returns:
        A function that takes a relative path, of a picture for example, and returns the
        others in their order; none, one or several.
    """
    found = defaultdict(list)
    owners = {str(PurePath(name).with_suffix("")) for name in names}
    for other in others:
        path = PurePath(other).with_suffix("")
        bare, stem = {"bare": str(path)}, {"stem": path.name}
        if MARK.search(path.name):
            bare["marked"] = MARK.sub("", str(path))
            stem["marked stem"] = MARK.sub("", path.name)
        owned = not owners.isdisjoint(bare.values())
        keys = {"path": other} | bare | ({} if owned else stem)
        for key in keys.items():
            found[key].append(other)

    def of(name):
        path = PurePath(name).with_suffix("")
        keys = [("path", name), ("bare", str(path)), ("marked", str(path))]
        keys += [("stem", path.name), ("marked stem", path.name)]
        return next((found[key] for key in keys if key in found), [])

    return of


def pair(images: Sequence[Path], files: Sequence[Path], argument: str) -> list[Path]:
    """Returns the one file of each image, by `match`.

    Args:
        argument: what to call the files in an error.

    Raises:
        InputError: an image has none, several, or that of another image.
    """
    names = relative_names(images)
    path_of = dict(zip(relative_names(files), files, strict=True))
    matched, owners = match(names, list(path_of)), {}
    for name in names:
        found = matched[name]
        if len(found) != 1 or owners.setdefault(found[0], name) != name:
            received = ", ".join(map(repr, found[:3])) or "none"
            if len(found) == 1:
                received += f", which is that of {owners[found[0]]!r}"
            raise InputError(
                f"{argument}: must hold one picture of the name of {name!r}, received "
                f"{received}"
            )
    return [path_of[matched[name][0]] for name in names]


def masks_beside(files: Iterable[str | Path]) -> set:
    """Returns which files are masks beside their pictures, as LaMa lays them out.

    Such are `NAME_mask`, perhaps with a number, in the folder of a picture `NAME`.
    """
    bare = {file: PurePath(file).with_suffix("") for file in files}
    pictures = set(bare.values())

    def is_mask(path):
        stem = MARK.sub("", path.name)
        return stem not in ("", path.name) and path.with_name(stem) in pictures

    return {file for file, path in bare.items() if is_mask(path)}


def without_masks(
    pictures: Sequence[Path], argument: str, masks: Sequence[Path] = ()
) -> list[Path]:
    """Leaves out masks among pictures: what is used as one, and those beside them.

    Args:
        argument: what to call the pictures in an error, and in the warning that says
            how many are left out though they are not used.
        masks: the files that are used as masks, wherever they are.

    Raises:
        InputError: if nothing is left.
    """
    used = {*map(_real, masks)}
    left = [path for path in pictures if _real(path) not in used] if used else pictures
    beside = masks_beside(pictures).intersection(left)
    if beside:
        log.warning(
            "%s: %d masks beside their pictures are left out, such as %r",
            argument,
            len(beside),
            str(min(beside)),
        )
    if not left:
        raise InputError(
            f"{argument}: must hold pictures beside those of -mask_path, received "
            f"{str(pictures[0])!r}, which is one of them"
        )
    return [path for path in left if path not in beside]


def _real(path):
    """The file in its folder, whatever links lead to that."""
    folder, name = os.path.split(path)
    return os.path.join(_real_folder(folder), name)


@functools.lru_cache(maxsize=4096)
def _real_folder(folder):
    return os.path.realpath(folder)


def list_masks(path: str | None, *picture_paths: str | None) -> list[Path]:
    """Lists the mask files of `mask_path`; None has none.

    Args:
        *picture_paths: where the pictures are; in the same place, the masks are those
            beside their pictures.

    Raises:
        InputError: see `list_images`; or no file is a mask beside its picture.
    """
    files = list_images(path, "mask_path") if path else []
    if not same_place(path, *picture_paths):
        return files
    masks = masks_beside(files)
    if not masks:
        raise InputError(
            "mask_path: must be called NAME_mask.png beside a NAME.png in the "
            f"pictures' own folder, received none in {path!r}"
        )
    return [file for file in files if file in masks]


def same_place(path, *others):
    """Returns whether a path leads where one of others does; None leads nowhere."""
    places = {Path(other).resolve() for other in others if other}
    return path is not None and Path(path).resolve() in places
