"""Where data sets keep their pictures, as they are unpacked.

Each layout is a function of the data set's folder and of a split, "train" or "val",
that lists picture files. Nothing is downloaded; docs/datasets.md says where to get each
and what its folder looks like.
"""

import functools
from collections.abc import Iterator
from pathlib import Path

from inpainting_zoo.data.images import list_images
from inpainting_zoo.data.res import list_views
from inpainting_zoo.errors import InputError, choose

SPLITS = ("train", "val")


def list_split(layout: str, folder: str | Path, split: str) -> list[Path]:
    """Lists the pictures of one split of a data set, sorted.

    Args:
        layout: name in `LAYOUTS`.
        folder: that the data set was unpacked to.
        split: "train" or "val".

    Raises:
        InputError: an unknown layout or split, or the folder does not look like it.
    """
    if split not in SPLITS:
        raise InputError(f"split: one of {', '.join(SPLITS)}, received {split!r}")
    return choose("dataset_layout", layout, LAYOUTS)(Path(folder), split)


def folders(root: Path, split: str, train: tuple, val: tuple) -> list[Path]:
    """Lists all pictures under the first folder that is there.

    Args:
        train, val: folders in `root`, in order of preference.
    """
    names = {"train": train, "val": val}[split]
    for name in names:
        if (root / name).is_dir():
            return list_images(root / name, "dataset_layout")
    raise InputError(
        f"dataset_layout: {str(root)!r} must hold {' or '.join(names)}, received none "
        "of them"
    )


def listed(root: Path, split: str, lists: dict, **names: tuple) -> list[Path]:
    """Lists pictures of a split and keep those that the data set's own list names.

    Without a list all are kept. Names that have no picture are left out, since data
    sets are often used filtered.

    Args:
        lists: split -> names of list files in `root`; each line starts with the path of
            a picture, of which what is below the split's folder counts.
        names: see `folders`.
    """
    pictures = folders(root, split, **names)
    found = [root / name for name in lists.get(split, ()) if (root / name).is_file()]
    if not found:
        return pictures
    named = set(_first_words(found[0]))
    kept = [path for path in pictures if _ends_with_one_of(path, named)]
    if not kept:
        raise InputError(
            f"dataset_layout: {found[0]} must name pictures of {str(root)!r}, "
            "received none that is there"
        )
    return kept


def celeba_hq(root: Path, split: str) -> list[Path]:
    """Lists faces by folder, by the table of their CelebA numbers, or by order.

    Copies with folders of splits are used as they are. In CelebAMask-HQ the table
    CelebA-HQ-to-CelebA-mapping.txt gives each picture's number in CelebA, whose first
    162,770 are for training and next 19,867 for validation. In any other folder, the
    last fifteenth by name (2,000 of 30,000) is for validation.
    """
    if any((root / name).is_dir() for name in SPLITS):
        return folders(root, split, train=("train",), val=("val",))
    table = root / "CelebA-HQ-to-CelebA-mapping.txt"
    if table.is_file():
        pictures = list_images(root / "CelebA-HQ-img", "dataset_layout")
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        numbers = {row[0]: int(row[1]) for row in rows if row}
        inside = {"train": range(162_770), "val": range(162_770, 182_637)}[split]
        return [path for path in pictures if numbers.get(path.stem) in inside]
    pictures = list_images(root, "dataset_layout")
    first = len(pictures) - max(1, round(len(pictures) / 15))
    return pictures[:first] if split == "train" else pictures[first:]


def misato(root: Path, split: str) -> list[Path]:
    """Lists the pictures of a set to measure on alone; masks lie beside them."""
    if split == "train":
        raise InputError(
            "dataset_layout: misato has pictures to measure on alone, received train"
        )
    return folders(root, split, train=(), val=("image",))


def iharmony4(root: Path, split: str) -> list[Path]:
    """Lists the composites of iHarmony4, by its lists NAME_train.txt and NAME_test.txt.

    Without lists the last fifteenth by name is for validation.

    Reference: Cong et al., DoveNet: Deep Image Harmonization via Domain Verification,
    CVPR 2020.
    """
    pictures = list_images(root, "dataset_layout")
    pictures = [path for path in pictures if path.parent.name == "composite_images"]
    if not pictures:
        raise InputError(
            f"dataset_layout: {str(root)!r} must hold folders composite_images, "
            "received none"
        )
    ends = {"train": "*train.txt", "val": "*test.txt"}
    lists = {name: sorted(root.rglob(end)) for name, end in ends.items()}
    if not any(lists.values()):
        first = len(pictures) - max(1, round(len(pictures) / 15))
        return pictures[:first] if split == "train" else pictures[first:]
    named = {word for path in lists[split] for word in _first_words(path)}
    return [path for path in pictures if _ends_with_one_of(path, named)]


def iharmony4_companions(images: list[Path]) -> dict:
    """Returns the real picture and the mask of each composite ID_MASK_VARIANT.

    They are real_images/ID.jpg and masks/ID_MASK.png.

    Raises:
        InputError: if one has no such name.
    """
    target, objects = {}, {}
    for path in images:
        if path.stem.count("_") < 2:
            raise InputError(
                "dataset_layout: composites of iharmony4 must be named "
                f"ID_MASK_VARIANT, received {path.name}"
            )
        real, mask, _ = path.stem.rsplit("_", 2)
        folder = path.parent.parent
        target[path] = folder / "real_images" / f"{real}{path.suffix}"
        objects[path] = folder / "masks" / f"{real}_{mask}.png"
    return {"target": target, "objects": objects}


def _first_words(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield line.replace(",", " ").split()[0].strip("/")


def _ends_with_one_of(path: Path, names: set) -> bool:
    """Whether one to four last parts of the path are in the list."""
    parts = path.parts
    return any("/".join(parts[-count:]) in names for count in range(1, 5))


# What comes with the pictures of a layout: name -> file by picture.
COMPANIONS = {"iharmony4": iharmony4_companions}
LAYOUTS = {
    "tiny_imagenet": functools.partial(
        listed,
        lists={"val": ("val/val_annotations.txt",)},
        train=("train",),
        val=("val",),
    ),
    # As the Kaggle archive or unpacked by hand.
    "imagenet": functools.partial(
        folders,
        train=("ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train", "train"),
        val=("ILSVRC/Data/CLS-LOC/val", "Data/CLS-LOC/val", "val"),
    ),
    "celeba_hq": celeba_hq,
    "cityscapes": functools.partial(
        folders,
        train=("leftImg8bit/train", "train"),
        val=("leftImg8bit/val", "val"),
    ),
    # The archives of 256 pixels, also as torchvision names them, those of full size, or
    # folders by split.
    "places365": functools.partial(
        listed,
        lists={
            "train": ("places365_train_standard.txt", "train.txt"),
            "val": ("places365_val.txt", "val.txt"),
        },
        train=(
            "data_256",
            "data_256_standard",
            "data_large",
            "data_large_standard",
            "train",
        ),
        val=("val_256", "val_large", "val"),
    ),
    "misato": misato,
    "iharmony4": iharmony4,
    "res": list_views,
}
