"""Frames of video files and of folders of pictures, one after the other."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from inpainting_zoo.data.images import SUFFIXES, read_header, read_image
from inpainting_zoo.errors import InputError


def open_frames(path: str | Path, argument: str, max_pixels: int):
    """Returns a `VideoFile` or a `FrameFolder`, whichever a path is.

    Args:
        path: of a video file, or a folder of frames.
        argument: named in errors.
        max_pixels: the largest width x height of a frame.

    Raises:
        InputError: if it is neither, or cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return FrameFolder(path, argument, max_pixels)
    if path.suffix.lower() in SUFFIXES:
        raise InputError(
            f"{argument}: must be a video or a folder of frames, received "
            f"{str(path)!r}, which is one picture"
        )
    return VideoFile(path, argument, max_pixels)


def library():
    """Returns PyAV, which is an extra.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise InputError(
            'video: needs what `pip install ".[video]"` brings, received no '
            f"{error.name}"
        ) from error
    return av


@contextlib.contextmanager
def opened(path: Path, argument: str):
    """Opens a video file in a block; yields its container and its video stream.

    Raises:
        InputError: if it is no video.
    """
    av = library()
    local = {"protocol_whitelist": "file"}  # a playlist must not lead to the network
    with readable(path, argument):
        container = av.open(str(path.resolve()), options=local)
    with container:
        covers = av.stream.Disposition.attached_pic
        shown = [s for s in container.streams.video if not s.disposition & covers]
        if not shown:
            raise InputError(
                f"{argument}: must hold a video stream, received {str(path)!r} "
                "without one"
            )
        shown[0].thread_type = "AUTO"
        yield container, shown[0]


@contextlib.contextmanager
def readable(path: Path, argument: str):
    """Turns FFmpeg's errors in a block that reads into one line.

    Raises:
        InputError: names the file and what is wrong with it.
    """
    try:
        yield
    except library().FFmpegError as error:
        raise InputError(
            f"{argument}: must be a video that can be read to its end, received "
            f"{str(path)!r}: {error.strerror}"
        ) from error


class VideoFile:
    """A video file.

    Args:
        path, argument, max_pixels: see `open_frames`.

    Attributes:
        shape: (H, W) of a frame as it is shown, upright.
        rotation: degrees by which its frames are turned to the left to be upright.
        count: of its frames.
        sounds: how many streams of sound it has.
        files: what is read of it.
        notes: what should be known about it.
    """

    def __init__(self, path: Path, argument: str, max_pixels: int):
        self.path, self.argument, self.files = path, argument, [path]
        with opened(path, argument) as (container, stream):
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > max_pixels:
                raise InputError(
                    f"{argument}: must have frames of at most {max_pixels} pixels, "
                    f"received {width}x{height}"
                )
            self.sounds = len(container.streams.audio)
            self.notes = list(self._remarks(container, stream))
            with readable(path, argument):
                packets = container.demux(stream)
                self.count = sum(1 for p in packets if p.size and not p.is_discard)
        with opened(path, argument) as (container, stream), readable(path, argument):
            first = next(container.decode(stream), None)
        if first is None:
            raise InputError(
                f"{argument}: must hold frames, received {str(path)!r} without any"
            )
        self.rotation, self.shape = first.rotation, upright(first).shape[:2]

    def name(self, index: int) -> str:
        """Returns the file name that a completed frame has in a folder."""
        return f"{index:06d}.png"

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yields the frames from one on, uint8 RGB (H, W, 3)."""
        path = self.path, self.argument
        with opened(*path) as (container, stream), readable(*path):
            for index, frame in enumerate(container.decode(stream)):
                if index >= start:
                    yield upright(frame)

    def _remarks(self, container, stream):
        pixels = stream.codec_context.format
        deep = any(part.bits > 8 for part in pixels.components)
        if deep or pixels.has_palette or len(pixels.components) in (2, 4):
            yield f"{self.argument}: {pixels.name} is completed as RGB of 8 bits"
        left = [s.type for s in container.streams if s.type != "audio" and s != stream]
        if left:
            yield f"{self.argument}: its streams {', '.join(left)} are not written"


def upright(frame) -> np.ndarray:
    """Returns a decoded frame as it is shown, uint8 RGB (H, W, 3)."""
    return np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)


class FrameFolder:
    """A folder of frames as pictures of one size, in the order of the numbers in names.

    Args:
        path, argument, max_pixels: see `open_frames`.

    Attributes:
        shape, count, sounds, files, notes: see `VideoFile`.
    """

    def __init__(self, path: Path, argument: str, max_pixels: int):
        self.path, self.argument, self.max_pixels = path, argument, max_pixels
        self.files = sorted(
            (file for file in path.iterdir() if _is_frame(file)), key=in_order
        )
        if not self.files:
            raise InputError(
                f"{argument}: must hold frames as pictures, received {str(path)!r} "
                "without any"
            )
        stems = [file.stem for file in self.files]
        if len(set(stems)) < len(stems):
            twice = next(stem for stem in stems if stems.count(stem) > 1)
            raise InputError(
                f"{argument}: must hold one frame of a name, received several called "
                f"{twice!r}"
            )
        self.count, self.sounds = len(self.files), 0
        self.shape = read_image(self.files[0], max_pixels).shape[:2]
        rawmode = read_header(self.files[0], max_pixels).rawmode
        plain = rawmode in ("RGB", "BGR", "L", "P", "1")
        self.notes = (
            [] if plain else [f"{argument}: {rawmode} is completed as RGB of 8 bits"]
        )

    def name(self, index: int) -> str:
        """Returns the file name that a completed frame has in a folder."""
        return f"{self.files[index].stem}.png"

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yields the frames from one on, uint8 RGB (H, W, 3)."""
        for file in self.files[start:]:
            yield read_image(file, self.max_pixels)


def _is_frame(file):
    named = file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    return named and file.is_file()


def in_order(file: Path) -> list:
    """Returns what sorts files by the numbers in their names: 9 before 10."""
    parts = re.split(r"(\d+)", file.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
