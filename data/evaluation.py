"""Pairs of image and mask to evaluate on, always the same."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from inpainting_zoo.data.images import (
    MAX_PIXELS,
    PictureError,
    fit_image,
    fit_mask,
    read_image,
    read_mask,
)
from inpainting_zoo.data.masks import draw, mixture_from
from inpainting_zoo.data.names import match, relative_names
from inpainting_zoo.data.objects import fit_objects, read_objects
from inpainting_zoo.data.training import (
    Unreadable,
    check_pairs,
    check_sizes,
    pair_all,
)
from inpainting_zoo.errors import InputError

log = logging.getLogger(__name__)

MASK = 3  # the last number of seeds; smaller ones are those of training


class EvaluationPairs(Sequence):
    """Sequence of (name, image uint8 (S, S, 3), mask uint8 (S, S)), always the same.

    With `aligned`, a dict of further pictures, uint8 (S, S, 3), is the fourth of each.

    Images are averaged down by area to the short side and cropped to the centre, masks
    fitted by nearest neighbour. Images whose name a mask file has (see `match`) get
    that, the others any: see `assign_masks`.

    Args:
        images: picture files; names are their paths from the common folder.
        masks: weights by name, or their text; None is "files".
        image_size: side of the square pairs, in pixels.
        seed: generated masks are functions of seed and index.
        mask_files: what "files" draws from.
        invert_mask: the mask files have their holes in black.
        max_pixels: larger files are refused from their header.
        objects, aligned: see `TrainingPairs`; of aligned pictures the images may lack
            some.
        mask_label: in mask files of labels, the number of the hole's, or "any" but 0.

    Raises:
        InputError: a setting breaks its rule.
        PictureError: from indexing, if a file is unreadable.
    """

    def __init__(
        self,
        images: Sequence[Path],
        masks: str | Mapping[str, float] | None,
        image_size: int,
        seed: int = 0,
        mask_files: Sequence[Path] | None = None,
        invert_mask: bool = False,
        max_pixels: int = MAX_PIXELS,
        objects: Sequence[Path] | None = None,
        mask_label: int | str | None = None,
        aligned: Mapping[str, Sequence[Path]] | None = None,
    ):
        check_pairs(images, image_size, seed)
        self.images, self.names = list(images), relative_names(images)
        masks = "files" if masks is None else masks
        self.mixture = mixture_from(masks, mask_file=mask_files, objects=objects)
        drawn = "files" in self.mixture
        self.mask_files = assign_masks(self.images, mask_files) if drawn else []
        self.objects = pair_all(self.images, {}, objects).get("objects", [])
        self.image_size, self.seed = image_size, seed
        self.invert_mask, self.mask_label = invert_mask, mask_label
        self.max_pixels = max_pixels
        self.aligned = {
            n: {name: files[i] for name, i in zip(self.names, images)}
            if isinstance(files, Mapping)
            else _by_name(self.names, files)
            for n, files in (aligned or {}).items()
        }

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index: int) -> tuple:
        name, image, mask = self.read(index)
        size = self.image_size
        pair = name, fit_image(image, size), fit_mask(mask, size)
        return (*pair, self._read_aligned(name, image)) if self.aligned else pair

    def _read_aligned(self, name, image):
        """Returns the further pictures of an image that are there, by their name."""
        found = {}
        for kind, path_of in self.aligned.items():
            if path := path_of.get(name):
                picture = read_image(path, self.max_pixels)
                check_sizes(f"aligned: {kind}", picture, path, image, name)
                found[kind] = fit_image(picture, self.image_size)
        return found

    def read(self, index: int) -> tuple[str, np.ndarray, np.ndarray]:
        """Returns a pair before it is fitted.

        The image has its file's size, and so has the mask if it is from a file; a
        generated one has that of the pairs.
        """
        index = range(len(self))[index]
        image = read_image(self.images[index], self.max_pixels)

        def mask_file(rng):
            path = self.mask_files[index]
            return read_mask(path, self.invert_mask, self.max_pixels, self.mask_label)

        def objects(rng):
            path = self.objects[index]
            labels = read_objects(path, self.max_pixels)
            check_sizes("objects_path", labels, path, image, self.images[index])
            return fit_objects(labels, self.image_size)

        mask = draw(
            self.mixture,
            np.random.default_rng([self.seed, 0, index, MASK]),
            self.image_size,
            self.image_size,
            mask_file=mask_file,
            objects=objects,
        )
        return self.names[index], image, mask


def _by_name(names, files):
    """Returns the first file of each name that has any."""
    path_of = dict(zip(relative_names(files), files, strict=True))
    matched = match(names, list(path_of))
    return {name: path_of[found[0]] for name, found in matched.items() if found}


def assign_masks(images: Sequence[Path], mask_files: Sequence[Path]) -> list[Path]:
    """Returns a mask file for each image: that of its name, or any.

    Images without a mask of their name get masks in sorted order, spread evenly over
    all, over again if they are too few. That, and several masks of one name, of which
    the first is taken, is said in a warning.
    """
    names, mask_files = relative_names(images), sorted(mask_files)
    path_of = dict(zip(relative_names(mask_files, names), mask_files, strict=True))
    matched = match(names, list(path_of))
    named = sum(bool(matched[name]) for name in names)
    if named and len(mask_files) > 1:
        log.info("mask_path: %d of %d masks found by name", named, len(names))
    if named < len(names) and len(mask_files) > 1:  # one is for all
        log.warning(
            "mask_path: %s of %d images to evaluate on have a mask of their name, the "
            "others get masks in order",
            named or "none",
            len(names),
        )
    if several := sum(len(matched[name]) > 1 for name in names):
        log.warning(
            "mask_path: %d of %d images have several masks of their name: the first "
            "is taken",
            several,
            len(names),
        )
    # Spread over the sorted files, which are often grouped by the size of the hole.
    stride = max(1, len(mask_files) / len(images))
    in_order = [
        mask_files[int(i * stride) % len(mask_files)] for i in range(len(names))
    ]
    return [
        path_of[matched[name][0]] if matched[name] else any_mask
        for name, any_mask in zip(names, in_order, strict=True)
    ]


def readable_pairs(pairs: EvaluationPairs, unreadable: Unreadable) -> list[tuple]:
    """Reads the pairs to validate on; those with an unreadable file are left out.

    Args:
        unreadable: where such files are added, as "validation" or "mask_path".

    Raises:
        InputError: if there are too many, or no pair is left.
    """
    found = []
    for index in range(len(pairs)):
        try:
            found.append(pairs[index])
        except PictureError as error:
            kind = "mask_path" if error.path in pairs.mask_files else "validation"
            unreadable.add(error, kind)
            unreadable.check(kind)
    if not found:
        raise InputError(
            f"validation: a pair must be readable, received none of {len(pairs)}"
        )
    return found
