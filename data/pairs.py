"""Pairs of image and mask: batches for training, a sequence for evaluation."""

import functools
import hashlib
import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from inpainting_zoo.data import masks as mask_table
from inpainting_zoo.data.images import (
    MAX_PIXELS,
    PictureError,
    fit_image,
    fit_mask,
    read_image,
    read_mask,
)
from inpainting_zoo.errors import InputError

log = logging.getLogger(__name__)

# The last number of every seed, so that no two draws share random numbers.
ORDER, CROP, MASK, EVALUATION_MASK = range(4)


class Unreadable(dict):
    """Reasons by path of files that cannot be read, each reported when it is added.

    Threads may share it.

    Args:
        totals: how many files there are of each kind; at most 1 % may be unreadable.
    """

    def __init__(self, totals: dict[str, int]):
        super().__init__()
        self.totals = totals
        self._counts, self._lock = Counter(), threading.Lock()

    def add(self, error: PictureError, kind: str):
        """Adds a file and reports it, unless it is known."""
        with self._lock:
            if error.path not in self:
                self[error.path] = str(error)
                self._counts[kind] += 1
                log.warning("skipped %s", error)

    def check(self, kind: str):
        """Raises InputError if there are too many of a kind."""
        if self._counts[kind] > self.totals[kind] / 100:
            raise InputError(
                f"{kind}: at most 1 % of the files may be unreadable, received "
                f"{self._counts[kind]} of {self.totals[kind]}, such as "
                f"{list(self.values())[-1]}"
            )


class TrainingPairs:
    """Endless batches of images and masks, each a pure function of seed and number.

    Sample k belongs to epoch k // N at place k % N of that epoch's own order. Threads
    may ask for batches at the same time. A file that cannot be read is reported once
    and replaced by the next one that can.

    Args:
        images: picture files, as `list_images` returns them.
        masks: weights by name, or their text, see `parse_mixture`.
        image_size: side of the square samples, in pixels.
        seed: 0 or more.
        mask_files: what "files" draws from. They are fitted to the image's size, then
            mirrored at random both ways.
        invert_mask: the mask files have their holes in black.
        max_zoom: crops are cut from images up to so many times larger.
        max_pixels: larger files count as unreadable, by their header.

    Attributes:
        unreadable: reason by path of the files that were replaced so far.

    Raises:
        InputError: a setting breaks its rule; from `batch`, if more than 1 % of the
            images or of the mask files cannot be read.
    """

    def __init__(
        self,
        images: Sequence[Path],
        masks: str | Mapping[str, float],
        image_size: int,
        batch_size: int,
        seed: int,
        mask_files: Sequence[Path] | None = None,
        invert_mask: bool = False,
        max_zoom: float = 1.15,
        max_pixels: int = MAX_PIXELS,
    ):
        _check(images, image_size, seed)
        if max_zoom < 1:
            raise InputError(f"-max_zoom: must be at least 1, received {max_zoom}")
        if not 1 <= batch_size <= len(images):
            raise InputError(
                f"-batch_size: must be 1 to the number of training images "
                f"({len(images)}), received {batch_size}"
            )
        self.image_size, self.batch_size, self.seed = image_size, batch_size, seed
        self.mixture = _mixture(masks, mask_files)
        self.images, self.mask_files = list(images), list(mask_files or [])
        self.invert_mask, self.max_zoom = invert_mask, max_zoom
        self.max_pixels = max_pixels
        totals = {"-train_path": len(self.images), "-mask_path": len(self.mask_files)}
        self.unreadable = Unreadable(totals)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass over the images."""
        return len(self.images) // self.batch_size

    def batch(self, i: int) -> dict[str, np.ndarray]:
        """Return batch ``i``: "image" uint8 (B, S, S, 3) and "mask" (B, S, S, 1)."""
        first = i * self.batch_size
        pairs = [self._sample(first + j) for j in range(self.batch_size)]
        images, masks = zip(*pairs, strict=True)
        return {"image": np.stack(images), "mask": np.stack(masks)[..., None]}

    def fingerprint(self) -> str:
        """Return the SHA-256 of all that decides what `batch` returns, bar contents."""
        settings = {
            "images": relative_names(self.images),
            "mask_files": relative_names(self.mask_files),
            "mixture": sorted(self.mixture.items()),
            "image_size": self.image_size,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "invert_mask": self.invert_mask,
            "max_zoom": self.max_zoom,
        }
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def _sample(self, k):
        epoch, place = divmod(k, len(self.images))
        index = int(_order(self.seed, epoch, len(self.images))[place])
        # JPEG decoding may halve the size as long as the area average is left to do.
        draft = round(self.image_size * self.max_zoom)
        read = functools.partial(read_image, max_pixels=self.max_pixels, draft=draft)
        image = self._read(self.images, index, read, "-train_path")
        crop_rng = np.random.default_rng([self.seed, epoch, index, CROP])
        mask_rng = np.random.default_rng([self.seed, epoch, index, MASK])
        image = fit_image(image, self.image_size, crop_rng, self.max_zoom)
        return image, self._mask(mask_rng)

    def _mask(self, rng):
        name = _choose(rng, self.mixture)
        if name != "files":
            return mask_table.get(name)(rng, self.image_size, self.image_size)
        options = {"invert": self.invert_mask, "max_pixels": self.max_pixels}
        read = functools.partial(read_mask, **options)
        index = int(rng.integers(len(self.mask_files)))
        mask = self._read(self.mask_files, index, read, "-mask_path")
        flips = [axis for axis in (0, 1) if rng.random() < 0.5]
        return np.flip(fit_mask(mask, self.image_size), flips)

    def _read(self, paths, index, read: Callable, argument: str):
        """Read ``paths[index]``, or the next that can be read."""
        while True:
            path = paths[index]
            if path not in self.unreadable:
                try:
                    return read(path)
                except PictureError as error:
                    self.unreadable.add(error, argument)
            self.unreadable.check(argument)
            index = (index + 1) % len(paths)


def fit_pair(image, mask, size: int):
    """Fit a picture and its mask to evaluate them at `size` pixels."""
    return fit_image(image, size), fit_mask(mask, size)


class EvaluationPairs(Sequence):
    """Sequence of (name, image uint8 (S, S, 3), mask uint8 (S, S)), always the same.

    Images are averaged down by area to the short side and cropped to the centre, masks
    fitted by nearest neighbour. Mask files are paired with images by stem if each image
    has just one of its stem, else spread evenly in sorted order, over again if too few.

    Args:
        images: picture files; names are their paths from the common folder.
        masks: weights by name, or their text; None is "files".
        image_size: side of the square pairs, in pixels.
        seed: generated masks are functions of seed and index.
        mask_files: what "files" draws from.
        invert_mask: the mask files have their holes in black.
        fit: takes a picture, its mask and `image_size`, returns both fitted; other
            than by the protocol's rule only to repeat numbers made by another.
        max_pixels: larger files are refused from their header.

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
        fit: Callable = fit_pair,
        max_pixels: int = MAX_PIXELS,
    ):
        _check(images, image_size, seed)
        self.images, self.names = list(images), relative_names(images)
        self.mixture = _mixture("files" if masks is None else masks, mask_files)
        self.mask_files = _pair(self.images, mask_files) if mask_files else []
        self.image_size, self.seed = image_size, seed
        self.invert_mask, self.fit, self.max_pixels = invert_mask, fit, max_pixels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[str, np.ndarray, np.ndarray]:
        index = range(len(self))[index]
        rng = np.random.default_rng([self.seed, 0, index, EVALUATION_MASK])
        name = _choose(rng, self.mixture)
        if name == "files":
            path = self.mask_files[index]
            mask = read_mask(path, self.invert_mask, self.max_pixels)
        else:
            mask = mask_table.get(name)(rng, self.image_size, self.image_size)
        image = read_image(self.images[index], self.max_pixels)
        return self.names[index], *self.fit(image, mask, self.image_size)


def readable_pairs(
    pairs: EvaluationPairs, unreadable: Unreadable
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Reads the pairs to validate on; those with an unreadable file are left out.

    Args:
        unreadable: where such files are added, as "validation" or "-mask_path".

    Raises:
        InputError: if there are too many, or no pair is left.
    """
    found = []
    for index in range(len(pairs)):
        try:
            found.append(pairs[index])
        except PictureError as error:
            kind = "-mask_path" if error.path in pairs.mask_files else "validation"
            unreadable.add(error, kind)
            unreadable.check(kind)
    if not found:
        raise InputError(
            f"validation: a pair must be readable, received none of {len(pairs)}"
        )
    return found


def relative_names(paths: Sequence[Path]) -> list[str]:
    """Name files by their paths from the deepest folder that holds them all."""
    if not paths:
        return []
    absolute = [os.path.abspath(path) for path in paths]
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [os.path.relpath(path, folder) for path in absolute]


@functools.lru_cache(maxsize=8)
def _order(seed, epoch, length):
    return np.random.default_rng([seed, epoch, 0, ORDER]).permutation(length)


def _choose(rng, mixture):
    weights = np.array(list(mixture.values()))
    return list(mixture)[rng.choice(len(weights), p=weights / weights.sum())]


def _pair(images, mask_files):
    mask_files = sorted(mask_files)
    by_stem = {path.stem: path for path in mask_files}
    counts = Counter(path.stem for path in mask_files)
    matched = sum(counts[path.stem] == 1 for path in images)
    if matched == len(images):
        return [by_stem[path.stem] for path in images]
    if matched:
        log.warning(
            "%d of %d images have a mask of their name: masks are assigned in order",
            matched,
            len(images),
        )
    # Spread over the sorted files, which are often grouped by the size of the hole.
    stride = max(1, len(mask_files) / len(images))
    return [mask_files[int(i * stride) % len(mask_files)] for i in range(len(images))]


def _mixture(masks, mask_files):
    mixture = mask_table.parse_mixture(masks)
    if "files" in mixture and not mask_files:
        raise InputError("-mask_path: must hold masks for 'files', received none")
    return dict(sorted(mixture.items()))


def _check(images, image_size, seed):
    if not images:
        raise InputError("images: must be at least one, received none")
    if image_size < 1:
        raise InputError(f"-image_size: must be at least 1, received {image_size}")
    if seed < 0:
        raise InputError(f"-seed: must be at least 0, received {seed}")
