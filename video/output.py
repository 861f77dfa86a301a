"""Writing a completed video: frames at the times of the original, and its sound."""

import contextlib
import dataclasses
from collections.abc import Iterable
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.files import replacing
from inpainting_zoo.video.source import (
    FrameFolder,
    VideoFile,
    library,
    opened,
    readable,
)

FRAMES_PER_SECOND = 25  # of a folder of frames, which has no rate
MARK = "keras-inpainting-zoo"  # begins the comment of what is written here


@dataclasses.dataclass(frozen=True)
class Encoder:
    """How frames are written.

    Args:
        container: FFmpeg's name of the format.
        codec: likewise.
        pixels: FFmpeg's name of how they are stored, for even and odd sizes.
        options: of the codec.
        lossless: whether known pixels stay the same bit for bit.
    """

    container: str
    codec: str
    pixels: tuple[str, str]
    options: dict
    lossless: bool


ENCODERS = {
    ".mkv": Encoder("matroska", "ffv1", ("bgr0", "bgr0"), {"slicecrc": "1"}, True),
    ".mp4": Encoder("mp4", "libx264", ("yuv420p", "yuv444p"), {"crf": "16"}, False),
}


def write_video(
    path: Path, source: VideoFile | FrameFolder, frames: Iterable, comment: str
):
    """Writes a video file that appears complete or not at all.

    Frame rate, times, rotation, aspect of pixels, names of colours, metadata and sound
    are those of the source; the sound is copied, not encoded again.

    Args:
        path: its suffix, one of `ENCODERS`, chooses the format.
        source: of the frames.
        frames: completed, upright, uint8 (H, W, 3).
        comment: written into the file; see `comment_of`.

    Raises:
        InputError: if the source cannot be read again.
        OSError: if the file cannot be written.
    """
    with replacing(path, path.suffix) as part, _writing(path):
        if isinstance(source, FrameFolder):
            encode(part, frames, source.shape, comment)
        else:
            _write_like(part, source, frames, comment)


def check_sound(path: Path, source: VideoFile):
    """Checks that a format can hold the sound of a source.

    Args:
        path: its suffix chooses the format.
        source: whose sound it is.

    Raises:
        InputError: if it cannot; names the sound.
    """
    av = library()
    with opened(source.path, source.argument) as (container, shown):
        named = [sound.codec_context.name for sound in container.streams.audio]
        try:
            name = ENCODERS[path.suffix.lower()].container
            with av.open(BytesIO(), "w", format=name) as output:
                _add_streams(output, path, container, shown, 0)
                output.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"save_to: {path.suffix} must be able to hold the sound of the video, "
                f"received {', '.join(named)}; .mkv holds any"
            ) from error


def comment_of(path: Path) -> str:
    """Returns the comment of a video file; empty where there is none, or no video."""
    with contextlib.suppress(InputError), opened(path, "save_to") as (container, _):
        found = {name.lower(): text for name, text in container.metadata.items()}
        return found.get("comment", "")
    return ""


@contextlib.contextmanager
def _writing(path):
    """Turns FFmpeg's errors of writing into those of the system."""
    try:
        yield
    except library().FFmpegError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_like(part, source, frames, comment):
    """Writes frames and copies sound in the order in which the source has them."""
    frames = iter(frames)
    with (
        opened(source.path, source.argument) as (container, shown),
        library().open(str(part), "w") as output,
    ):
        output.metadata.update(container.metadata | {"comment": comment})
        video, sounds = _add_streams(output, part, container, shown, source.rotation)
        for item in _contents(container, shown, source):
            if isinstance(item, library().Packet):  # of sound
                item.stream = sounds[item.stream.index]
                output.mux(item)
            else:
                output.mux(video.encode(_like(item, next(frames))))
        output.mux(video.encode(None))


def _contents(container, shown, source):
    """Yields decoded frames and packets of sound, as they come."""
    with readable(source.path, source.argument):
        for packet in container.demux([shown, *container.streams.audio]):
            if packet.stream is shown:
                yield from packet.decode()
            elif packet.dts is not None:  # no more of them
                yield packet


def _add_streams(output, path, container, shown, rotation):
    """Adds a video stream like another one, and the sounds by their index."""
    context, encoder = shown.codec_context, ENCODERS[Path(path).suffix.lower()]
    rate = shown.average_rate or shown.guessed_rate or FRAMES_PER_SECOND
    video = _add_video(output, encoder, rate, context.width, context.height)
    video.time_base = video.codec_context.time_base = shown.time_base
    if context.sample_aspect_ratio:
        video.codec_context.sample_aspect_ratio = context.sample_aspect_ratio
    if not encoder.lossless:
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            setattr(video.codec_context, name, getattr(context, name))
    if rotation:
        video.set_display_rotation(rotation)
    video.metadata.update(shown.metadata)
    sounds = {}
    for stream in container.streams.audio:
        sounds[stream.index] = output.add_stream_from_template(stream)
        sounds[stream.index].metadata.update(stream.metadata)
    return video, sounds


def _add_video(output, encoder, rate, width, height):
    video = output.add_stream(encoder.codec, rate=rate, options=encoder.options)
    video.width, video.height = width, height
    video.pix_fmt = encoder.pixels[width % 2 or height % 2]
    return video


def _like(frame, completed):
    """Returns completed pixels as a frame with the time and the turn of another."""
    turned = np.ascontiguousarray(np.rot90(completed, -(frame.rotation // 90)))
    made = library().VideoFrame.from_ndarray(turned, format="rgb24")
    made.pts, made.time_base, made.duration = frame.pts, frame.time_base, frame.duration
    return made


def encode(path: Path, frames: Iterable, shape: tuple, comment: str):
    """Writes frames of a folder or a program, which have no times, as a video file.

    Args:
        path: its suffix, one of `ENCODERS`, chooses the format.
        frames: uint8 (H, W, 3).
        shape: (H, W).
        comment: written into the file.
    """
    encoder, (height, width) = ENCODERS[path.suffix.lower()], shape
    with library().open(str(path), "w") as output:
        output.metadata["comment"] = comment
        rate = Fraction(FRAMES_PER_SECOND)
        video = _add_video(output, encoder, rate, width, height)
        for index, completed in enumerate(frames):
            made = library().VideoFrame.from_ndarray(completed, format="rgb24")
            made.pts, made.time_base = index, 1 / rate
            output.mux(video.encode(made))
        output.mux(video.encode(None))
