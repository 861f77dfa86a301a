"""Pictures, masks and what members make of them, written once for all ensembles."""

import dataclasses
import json
import logging
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.data.images import PictureError, list_images, open_picture
from inpainting_zoo.data.names import list_masks
from inpainting_zoo.drawing import save_png
from inpainting_zoo.ensemble.members import Member
from inpainting_zoo.errors import InputError, some
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.options import EnsembleSettings
from inpainting_zoo.storage.files import refuse_replacing, write_bytes, write_json
from inpainting_zoo.training.data import split_images

log = logging.getLogger(__name__)
# Settings that decide which pictures there are, and their masks.
DECISIVE = ("train_path", "dataset_layout", "validation_path", "validation_split")
DECISIVE += ("per_category", "mask_path", "invert_mask", "mask_label", "seed")
PAIRING = 3  # a stream of random numbers beside those of `data.training`


@dataclasses.dataclass(frozen=True)
class Cache:
    """A folder of square pictures, their masks, and members' completions of them.

    Files of one picture have one name in `images`, `masks` and `members/NAME`. Two
    lists name those to learn from and those to measure on.

    Args:
        folder: which may be moved.
    """

    folder: Path

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def masks(self) -> Path:
        return self.folder / "masks"

    @property
    def experiments(self) -> Path:
        return self.folder / "experiments"

    def completed_by(self, member: Member) -> Path:
        """Returns the folder of a member's completions."""
        return self.folder / "members" / member.name

    def list_of(self, split: str) -> Path:
        """Returns the list file of "train" or "validation"."""
        return self.folder / f"{split}.txt"

    def aligned(self, members: dict) -> dict:
        """Returns the folders that stages take beside each image, by name."""
        found = {role: str(self.completed_by(m)) for role, m in members.items()}
        return {**found, "hole": str(self.masks)}

    def pairs(self, split: str, members: dict, seed: int, size: int) -> EvaluationPairs:
        """Returns pictures with their masks and completions, see `EvaluationPairs`."""
        return EvaluationPairs(
            list_images(self.list_of(split)),
            "files",
            size,
            seed,
            mask_files=list_images(self.masks),
            aligned={
                role: list_images(self.completed_by(m)) for role, m in members.items()
            },
        )

    def fill(self, settings: EnsembleSettings, size: int, masks: str):
        """Writes pictures and masks; those that are there stay.

        Args:
            settings: where the pictures and mask files are.
            size: side in pixels.
            masks: mixture of generators where there are no files.

        Raises:
            InputError: if it holds those of other settings, or files of something else.
        """
        about = {name: getattr(settings, name) for name in DECISIVE}
        about |= {"image_size": size, "masks": settings.masks, "order": "random"}
        files = list_masks(
            settings.mask_path, settings.train_path, settings.validation_path
        )
        chosen = self._chosen(settings, about, files)
        # Mask files go to pictures in sorted order, the smallest holes first in many a
        # collection, and the last pictures are the ones to validate on.
        names = shuffled(list(chosen), settings.seed)
        places = [(self.images / name, self.masks / name) for name in names]
        todo = [i for i, both in enumerate(places) if not all(map(Path.is_file, both))]
        if not todo:
            return
        pairs = EvaluationPairs(
            [Path(chosen[name]) for name in names],
            settings.masks or ("files" if files else masks),
            size,
            settings.seed,
            mask_files=files,
            invert_mask=settings.invert_mask,
            max_pixels=settings.max_pixels,
            mask_label=settings.mask_label,
        )
        for i in tqdm(todo, "pictures and masks", unit="pair", disable=None):
            _, image, mask = pairs[i]
            for path, picture in zip(places[i], (image, mask * np.uint8(255))):
                save_png(path, picture)

    def _chosen(self, settings, about, masks):
        """Returns name -> path of every picture, chosen once."""
        record = self.folder / "cache.json"
        if not (chosen_before := record.is_file()):
            self._choose(settings, about, masks, record)
        try:
            found = json.loads(record.read_bytes())
            former, names = dict(found["settings"]), dict(found["pictures"])
            count = int(found["train"])
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"cache: {record} must hold the settings of a cache, received "
                f"{type(error).__name__} {error}"
            ) from error
        if changed := [
            f"{name} {former.get(name)!r} -> {value!r}"
            for name, value in about.items()
            if former.get(name) != value
        ]:
            raise InputError(
                f"cache: must hold the pictures of these settings, received "
                f"{', '.join(changed)}; choose another folder"
            )
        if chosen_before:
            log.info("pictures: %d as chosen before", len(names))
        own = [f"images/{name}\n" for name in names]
        for split, lines in (("train", own[:count]), ("validation", own[count:])):
            if not self.list_of(split).is_file():
                write_bytes(self.list_of(split), "".join(lines).encode())
        return names

    def _choose(self, settings, about, masks, record):
        """Chooses the pictures, those to learn from first, and records them."""
        files = [self.list_of(split) for split in ("train", "validation")]
        files += [*self.images.glob("*"), *self.masks.glob("*")]
        refuse_replacing("cache", files, "a cache of this command", lambda path: False)
        left_out = Counter()
        train, held_out = split_images(
            settings,
            masks,
            lambda images: of_three_channels(
                images, left_out, settings, per_folder=settings.per_category
            ),
        )
        if not held_out:
            raise InputError(
                "validation_split: must keep pictures aside to measure on, or "
                f"-validation_path give them, received {settings.validation_split}"
            )
        if settings.validation_path or settings.dataset_layout:
            source = "validation_path" if settings.validation_path else "train_path"
            held_out = of_three_channels(held_out, left_out, settings, source)
        if both := {p.resolve() for p in train} & {p.resolve() for p in held_out}:
            raise InputError(
                "validation_path: must hold no pictures of -train_path, received "
                f"{some([*map(str, both)])}"
            )
        names = {f"{i:06d}.png": str(p) for i, p in enumerate([*train, *held_out])}
        counts = {
            "train": len(train),
            "validation": len(held_out),
            "left_out": dict(left_out),
        }
        log.info("pictures: %s", ", ".join(f"{k} {v}" for k, v in counts.items()))
        write_json(record, {"settings": about, **counts, "pictures": names})

    def complete(self, member: Member, seed: int):
        """Lets a member complete every picture; it is loaded if one is left to do.

        Raises:
            InputError: if one fails; the ledger beside the others says why.
        """
        folder = self.completed_by(member)
        recipe = f"{member.source} {member.digest}"
        if member.texture:
            recipe += f" {member.texture}"
        failed = inpaint_folder(
            member,
            self.images,
            self.masks,
            folder,
            recipe=recipe,
            strategy="original",
            seed=seed,
        )
        member.release()
        if failed:
            raise InputError(
                f"members: must complete every picture, {member.source} did not: see "
                f"{folder / 'ledger.jsonl'}"
            )


def shuffled(names: list, seed: int) -> list:
    """Returns names in a random order that no training takes them in.

    NumPy pads seeds with zeros, so that of `seed` alone would be like that of the first
    epoch (`data.training`): masks that are sorted by area would come in their order.
    """
    order = np.random.default_rng([seed, 0, 0, PAIRING]).permutation(len(names))
    return [names[i] for i in order]


def of_three_channels(
    images: list,
    left_out: Counter,
    settings: EnsembleSettings,
    argument: str = "train_path",
    per_folder: int | None = None,
) -> list:
    """Returns the pictures that have three channels, sorted.

    Args:
        images: paths.
        left_out: counts the others, and those that cannot be read, where they were met.
        settings: how large they may be, and the seed of which are taken.
        argument: what to call them in an error.
        per_folder: most of each folder, drawn at random; None takes all.
    """
    folders, kept = defaultdict(list), []
    for path in images:
        folders[path.parent].append(path)
    rng = np.random.default_rng(settings.seed)
    for paths in folders.values():
        left = per_folder or len(paths)
        for i in rng.permutation(len(paths)):
            if not left:
                break
            if reason := _unfit(paths[i], settings.max_pixels):
                left_out[reason] += 1
                continue
            kept.append(paths[i])
            left -= 1
    if not kept:
        raise InputError(
            f"{argument}: must hold pictures of three channels, received none among "
            f"{len(images)}"
        )
    return sorted(kept)


def _unfit(path, max_pixels):
    """Returns why a picture is left out, or None."""
    try:
        channels = len(open_picture(path, max_pixels).getbands())
    except PictureError as error:
        log.warning("left out %s", error)
        return "unreadable"
    return None if channels == 3 else f"of {channels} channels"
