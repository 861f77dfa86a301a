"""Batches for training, each a pure function of a seed and its number."""

import contextlib
import functools
import hashlib
import json
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
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
from inpainting_zoo.data.masks import SOURCES, draw, mixture_from
from inpainting_zoo.data.names import pair, relative_names
from inpainting_zoo.data.objects import fit_objects, read_objects
from inpainting_zoo.errors import InputError

log = logging.getLogger(__name__)

# The last number of every seed, so that no two draws share random numbers.
ORDER, CROP, MASK = range(3)


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
        mask_label: in mask files of labels, the number of the hole's, or "any" but 0.
        max_zoom: crops are cut from images up to so many times larger.
        max_pixels: larger files count as unreadable, by their header.
        aligned: further pictures by their name in the batch, such as "target": for
            each image one of its name and size, cut and mirrored as it is; or the file
            of each image by the image's path.
        objects: what says where objects are (see `list_objects`), named and sized as
            the images, or by their paths, for masks that want to know their objects.
        captions: texts of images; others have the empty one.
        crops: different crops of an image, before the same ones come again; None for
            another one in every epoch.

    Attributes:
        unreadable: reason by path of the files that were replaced so far.

    Raises:
        InputError: a setting breaks its rule; from `batch`, if more than 1 % of the
            images or of the mask files cannot be read, or of the mask files has no hole
            or nothing but a hole, or if a further picture has another size.
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
        aligned: Mapping[str, Sequence[Path]] | None = None,
        objects: Sequence[Path] | None = None,
        mask_label: int | str | None = None,
        captions: Mapping[Path, str] | None = None,
        crops: int | None = None,
    ):
        check_pairs(images, image_size, seed)
        if max_zoom < 1:
            raise InputError(f"max_zoom: must be at least 1, received {max_zoom}")
        check_batch_size(batch_size, images)
        self.image_size, self.batch_size, self.seed = image_size, batch_size, seed
        self.mixture = mixture_from(masks, mask_file=mask_files, objects=objects)
        self.images, self.mask_files = list(images), list(mask_files or [])
        self.invert_mask, self.max_zoom = invert_mask, max_zoom
        self.max_pixels, self.mask_label = max_pixels, mask_label
        self.further = pair_all(self.images, aligned or {}, objects)
        self.captions, self.crops = captions, crops
        totals = {"train_path": len(self.images), "mask_path": len(self.mask_files)}
        self.unreadable = Unreadable(totals)
        self._useless = defaultdict(set)  # mask files by what they lack

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass over the images."""
        return len(self.images) // self.batch_size

    def batch(self, i: int, rows: Sequence[int] | None = None) -> dict[str, np.ndarray]:
        """Returns batch `i`, or some of its rows.

        "image" is uint8 (B, S, S, 3), "mask" (B, S, S, 1), every name of `aligned` is
        as "image", and "caption", of texts, is there if there are captions.
        """
        first = i * self.batch_size
        rows = range(self.batch_size) if rows is None else rows
        samples = [self._sample(first + j) for j in rows]
        return {name: np.stack([s[name] for s in samples]) for name in samples[0]}

    def fingerprint(self) -> str:
        """Returns the SHA-256 of all that decides what `batch` gives, bar contents."""
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
        if self.mask_label is not None:
            settings["mask_label"] = str(self.mask_label)
        if self.further:
            names = {name: relative_names(f) for name, f in self.further.items()}
            settings["further"] = names
        if self.captions is not None:
            settings["captions"] = [self.captions.get(x, "") for x in self.images]
        if self.crops:
            settings["crops"] = self.crops
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def _sample(self, k):
        epoch, place = divmod(k, len(self.images))
        index = int(order_of_epoch(self.seed, epoch, len(self.images))[place])
        kinds = [self.images, *self.further.values()]
        pictures = self._read(kinds, index, self._read_pictures, "train_path")
        caption = {k: pictures.pop(k) for k in ("caption",) if k in pictures}
        sample, crop = {}, epoch % self.crops if self.crops else epoch
        for name, picture in pictures.items():  # the same random numbers: the same crop
            rng = np.random.default_rng([self.seed, crop, index, CROP])
            fit = fit_objects if name == "objects" else fit_image
            sample[name] = fit(picture, self.image_size, rng, self.max_zoom)
        objects = sample.pop("objects", None)
        mask = draw(
            self.mixture,
            np.random.default_rng([self.seed, epoch, index, MASK]),
            self.image_size,
            self.image_size,
            mask_file=self._mask_file,
            objects=lambda rng: objects,
        )
        image = sample.pop("image")
        return {"image": image, "mask": mask[..., None], **sample, **caption}

    def _read_pictures(self, path, *others):
        """Reads an image, and by name what belongs to it."""
        # JPEG decoding may halve the size as long as the area average is left to do;
        # where others are cut alike, the sizes must stay.
        draft = None if others else round(self.image_size * self.max_zoom)
        pictures = {"image": read_image(path, self.max_pixels, draft)}
        for name, other in zip(self.further, others):
            read = read_objects if name == "objects" else read_image
            pictures[name] = read(other, self.max_pixels)
            check_sizes(_argument(name), pictures[name], other, pictures["image"], path)
        if self.captions is not None:
            pictures["caption"] = self.captions.get(path, "")
        return pictures

    def _mask_file(self, rng):
        index = int(rng.integers(len(self.mask_files)))
        mask = self._read([self.mask_files], index, self._read_mask, "mask_path")
        flips = [axis for axis in (0, 1) if rng.random() < 0.5]
        return np.flip(mask, flips)

    def look_through_masks(self, most: int = 1000):
        """Reads the mask files, evenly chosen ones of many, to refuse useless ones.

        Args:
            most: how many are read.

        Raises:
            InputError: if more than 1 % have no hole, or nothing but a hole.
        """
        for path in self.mask_files[:: -(-len(self.mask_files) // most) or 1]:
            with contextlib.suppress(PictureError):  # told when it is needed
                self._read_mask(path)

    def _read_mask(self, path):
        mask = read_mask(path, self.invert_mask, self.max_pixels, self.mask_label)
        mask = fit_mask(mask, self.image_size)
        if mask.all() or not mask.any():
            self._add_useless(path, "a known pixel" if mask.any() else "a hole")
        return mask

    def _add_useless(self, path, lacks):
        """Refuses mask files that nothing can be learned from, if they are many."""
        self._useless[lacks].add(path)
        count, total = len(self._useless[lacks]), len(self.mask_files)
        if count > total / 100:
            raise InputError(
                f"mask_path: at most 1 % of the masks may be without {lacks}, "
                f"received {count} of {total} without {lacks}, such as {str(path)!r}"
            )

    def _read(self, kinds, index, read: Callable, argument: str):
        """Reads the files at `index` of each kind, or the next that can be read."""
        while True:
            paths = [files[index] for files in kinds]
            if self.unreadable.keys().isdisjoint(paths):
                try:
                    return read(*paths)
                except PictureError as error:
                    self.unreadable.add(error, argument)
            self.unreadable.check(argument)
            index = (index + 1) % len(kinds[0])


def check_batch_size(batch_size: int, images):
    """Checks that there are as many images as a batch has; raises InputError."""
    if not 1 <= batch_size <= len(images):
        raise InputError(
            f"batch_size: must be 1 to the number of training images "
            f"({len(images)}), received {batch_size}"
        )


def check_pairs(images, image_size, seed):
    """Checks what pairs of every kind are made of; raises InputError."""
    if isinstance(images, str | Path):
        raise InputError(
            f"images: must be a list of files, as list_images returns, received "
            f"{str(images)!r}"
        )
    if not images:
        raise InputError("images: must be at least one, received none")
    if image_size < 1:
        raise InputError(f"image_size: must be at least 1, received {image_size}")
    if seed < 0:
        raise InputError(f"seed: must be at least 0, received {seed}")


def check_sizes(name, picture, path, image, image_path):
    """Refuses a picture of another size than the image that it belongs to."""
    if picture.shape[:2] != image.shape[:2]:
        sizes = [f"{p.shape[1]}x{p.shape[0]}" for p in (picture, image)]
        raise InputError(
            f"{name}: must have the size of its image, received {str(path)!r} of "
            f"{sizes[0]} for {str(image_path)!r} of {sizes[1]}"
        )


def pair_all(images, aligned, objects):
    """Returns name -> files of all images, each checked; see `TrainingPairs`."""
    reserved = ("image", "mask", "objects", "caption")
    for name in reserved:
        if name in aligned:
            raise InputError(
                f"aligned: names other than {', '.join(reserved)}, received {name!r}"
            )
    given = {**aligned, **({"objects": objects} if objects else {})}
    return {
        name: [files[image] for image in images]
        if isinstance(files, Mapping)
        else pair(images, files, _argument(name))
        for name, files in given.items()
    }


def _argument(name):
    """What to call the argument that further pictures of a name come from."""
    return SOURCES.get(name) or f"aligned: {name}"


@functools.lru_cache(maxsize=8)
def order_of_epoch(seed: int, epoch: int, length: int):
    """Returns the indices of pictures in the order that an epoch takes them in."""
    return np.random.default_rng([seed, epoch, 0, ORDER]).permutation(length)
