"""The holes of a video: one mask for every frame, or one for each."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from inpainting_zoo.data.images import SUFFIXES, read_mask
from inpainting_zoo.data.names import pair
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.picture import fit_hole
from inpainting_zoo.video.source import FrameFolder, VideoFile, open_frames


class Masks:
    """Masks of a video's frames.

    Args:
        path: one picture, a folder of pictures, or a video of as many frames. Folders
            belong to a folder of frames by name, to a video file in their order.
        frames: the `VideoFile` or `FrameFolder` that they belong to.
        invert_mask: black is the hole.
        resize_mask: allows masks of another size.
        mask_label: in pictures of labels, the number of the hole's, or "any" but 0.
        max_pixels: of a mask.

    Attributes:
        files: what is read.

    Raises:
        InputError: if there is none, or not as many as frames.
    """

    def __init__(
        self,
        path: str | Path,
        frames: VideoFile | FrameFolder,
        *,
        invert_mask: bool,
        resize_mask: bool,
        mask_label: str | None,
        max_pixels: int,
    ):
        self.options = invert_mask, max_pixels, mask_label
        self.size, self.resize = frames.shape[::-1], resize_mask
        self.video, self.files = None, [Path(path)]
        if Path(path).suffix.lower() in SUFFIXES and not Path(path).is_dir():
            return
        masks = open_frames(path, "mask", max_pixels)
        self.files = masks.files
        if isinstance(masks, VideoFile):
            self.video = masks
            if mask_label is not None:
                raise InputError(
                    "mask_label: needs masks as pictures, received the video "
                    f"{str(path)!r}"
                )
        elif isinstance(frames, FrameFolder):
            self.files = pair(frames.files, masks.files, "mask")
            return
        if masks.count != frames.count:
            raise InputError(
                f"mask: must have as many frames as the video, {frames.count}, "
                f"received {masks.count}"
            )

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yields the holes from a frame on, uint8 (H, W), 1 in the hole."""
        for hole in self._drawn(start):
            yield fit_hole(hole, self.size, self.resize)

    def _drawn(self, start):
        invert, max_pixels, label = self.options
        if self.video:
            for frame in self.video.read(start):
                grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
                yield np.uint8((grey >= 128) != invert)
        elif len(self.files) == 1:
            yield from itertools.repeat(
                read_mask(self.files[0], invert, max_pixels, label)
            )
        else:
            for file in self.files[start:]:
                yield read_mask(file, invert, max_pixels, label)
