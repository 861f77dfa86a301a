"""Objects of pictures as COCO's annotations list them: polygons and run lengths.

Reference: Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014;
https://cocodataset.org/#format-data
"""

import collections
import json
import os
from pathlib import Path

import numpy as np
import skimage

from inpainting_zoo.data.images import PictureError
from inpainting_zoo.errors import InputError

MOST_OBJECTS = 255  # of a picture: one number of a byte each


class Annotated(os.PathLike):
    """The objects of one picture in a file of annotations.

    Args:
        file: of the annotations.
        name: of the picture, which is this object's path as well.
        height, width: of the picture.
        segments: polygons or run lengths of its objects, as the file has them.
    """

    def __init__(self, file, name: str, height: int, width: int, segments: list):
        self.file, self.name, self.segments = file, name, segments
        self.height, self.width = height, width

    def __fspath__(self):
        return self.name

    def __str__(self):
        return f"{self.name} in {self.file}"

    def labels(self) -> np.ndarray:
        """Returns uint8 (H, W), one number an object, smaller ones over larger ones.

        Raises:
            PictureError: if the annotations break COCO's rules.
        """
        try:
            found = [self._mask(segment) for segment in self.segments]
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise PictureError(
                f"objects_path: must hold polygons or run lengths, received {self} "
                f"({error})",
                self,
            ) from error
        labels = np.zeros((self.height, self.width), np.uint8)
        found = sorted(found, key=np.sum, reverse=True)[-MOST_OBJECTS:]
        for number, mask in enumerate(found, 1):
            labels[mask] = number
        return labels

    def _mask(self, segment):
        shape = self.height, self.width
        if isinstance(segment, dict):
            return decode(segment["counts"], *segment["size"], shape)
        mask = np.zeros(shape, bool)
        for points in segment:
            x, y = np.reshape(np.asarray(points, float), (-1, 2)).T
            # Coordinates are of pixels' corners, where ours are of their centres.
            mask[skimage.draw.polygon(y - 0.5, x - 0.5, shape)] = True
        return mask


def decode(counts: str | list, height: int, width: int, shape: tuple) -> np.ndarray:
    """Returns bool (H, W) of run lengths, column by column, the first of known pixels.

    Args:
        counts: the lengths, or their text: each is a number of five bits a character,
            the sixth says that another follows, and from the third length on it is the
            difference to the last but one.
        height, width: that they are for.
        shape: that they should be for.

    Raises:
        ValueError: if the lengths do not make up the picture.
    """
    lengths = counts if isinstance(counts, list) else _numbers(counts)
    if (height, width) != shape or sum(lengths) != height * width or min(lengths) < 0:
        raise ValueError(f"run lengths of {sum(lengths)} pixels for {shape}")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(width, height).T


def _numbers(text):
    lengths, value, bits = [], 0, 0
    for character in text:
        six = ord(character) - 48
        value |= (six & 31) << bits
        bits += 5
        if six & 32:
            continue
        if six & 16:  # negative, in two's complement
            value -= 1 << bits
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = bits = 0
    return lengths


def read_annotations(path: str | Path) -> list:
    """Returns an `Annotated` for every picture in a file of annotations.

    Objects that are marked as crowds are left out.

    Raises:
        InputError: if it is no such file.
    """
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        segments = collections.defaultdict(list)
        for annotation in found["annotations"]:
            if not annotation.get("iscrowd"):
                segments[annotation["image_id"]].append(annotation["segmentation"])
        return [
            Annotated(
                path,
                str(image["file_name"]),
                int(image["height"]),
                int(image["width"]),
                segments[image["id"]],
            )
            for image in found["images"]
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"objects_path: must be COCO's annotations of instances, received "
            f"{str(path)!r} ({type(error).__name__}: {error})"
        ) from error
