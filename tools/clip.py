"""Makes the clip of docs/video.md: a camera pans over a picture, an object crosses it.

    python tools/clip.py -save_to outputs/clip

writes clip.mkv (lossless), masks/ (white where the object is, a PNG a frame) and
truth.mkv, the same without the object. The pictures come with scikit-image. With
`-completed FILE -gif FILE` what `inpaint` made of it is shown beside it.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from inpainting_zoo.data.embedded import file
from inpainting_zoo.data.images import MAX_PIXELS, read_image
from inpainting_zoo.drawing import save_png
from inpainting_zoo.models.pixels import dilate
from inpainting_zoo.storage.files import atomic, replacing
from inpainting_zoo.tools.commands import script
from inpainting_zoo.video.output import FRAMES_PER_SECOND, encode
from inpainting_zoo.video.source import VideoFile

SIZE = (192, 288)  # height and width of a frame
FRAMES = 60
RADIUS = 32  # of the object, in pixels
SPEED = 5  # of the camera, in pixels a frame
GIF_EVERY = 3
MARGIN = 3  # pixels by which the masks are wider than the object


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-save_to", default="outputs/clip", type=Path)
    parser.add_argument("-picture", default="coffee", help="that the camera pans over")
    parser.add_argument("-completed", type=Path, help="video, to show in -gif")
    parser.add_argument("-gif", type=Path, help="file of every third frame, smaller")
    options = parser.parse_args()
    truth = pan(read_image(file(options.picture)), FRAMES, SIZE)
    frames, masks = with_object(truth, read_image(file("chelsea")))
    for name, pictures in (("truth", truth), ("clip", frames)):
        with replacing(options.save_to / f"{name}.mkv", ".mkv") as part:
            encode(part, pictures, SIZE, "")
    for index, mask in enumerate(masks):
        shown = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
        save_png(options.save_to / "masks" / f"{index:06d}.png", shown)
    if options.gif:
        completed = VideoFile(options.completed, "completed", MAX_PIXELS).read()
        save_gif(options.gif, frames, completed)
    print(f"{options.save_to}: {len(frames)} frames, {FRAMES_PER_SECOND} a second")


def pan(picture, frames: int, size: tuple, zoom: float = 1.1, shake: float = 1.5):
    """Moves a camera over a picture, 5 pixels to the right a frame.

    Args:
        picture: uint8 (H, W, 3), larger than `size`; mirrored beyond its edge.
        frames: how many.
        size: (h, w) of a frame.
        zoom: of the last frame to the first.
        shake: pixels by which the camera sways up and down.

    Returns:
        uint8 (frames, h, w, 3).
    """
    height, width = size
    room = len(picture) - height
    shown = []
    for i, t in enumerate(np.linspace(0, 1, frames)):
        scale = zoom**-t
        left = SPEED * i + (1 - scale) * width / 2
        top = (room + (1 - scale) * height) / 2 + shake * np.sin(20 * t)
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        where = {"flags": flags, "borderMode": cv2.BORDER_REFLECT}
        shown.append(cv2.warpAffine(picture, matrix, (width, height), **where))
    return np.stack(shown)


def with_object(frames, picture, radius: int = RADIUS):
    """Lets a disc of a picture cross the frames against the camera.

    Args:
        frames: uint8 (T, H, W, 3).
        picture: uint8, whose middle is on the disc.
        radius: of the disc, in pixels.

    Returns:
        The frames with it, and masks uint8 (T, H, W), 1 on the disc and around it.
    """
    length, height, width, _ = frames.shape
    size = (2 * radius, 2 * radius)
    side = min(picture.shape[:2])
    top, left = ((np.array(picture.shape[:2]) - side) // 2).tolist()
    square = picture[top : top + side, left : left + side]
    face = np.asarray(Image.fromarray(square).resize(size, Image.Resampling.LANCZOS))
    disc = np.hypot(*(np.indices(size) + 0.5 - radius)) < radius
    shown, masks = frames.copy(), np.zeros(frames.shape[:3], np.uint8)
    for i, t in enumerate(np.linspace(0, 1, length)):
        x = round(width * (0.8 - 0.6 * t)) - radius
        y = round(height * (0.5 + 0.15 * np.sin(6 * t))) - radius
        place = i, slice(y, y + 2 * radius), slice(x, x + 2 * radius)
        shown[place][disc] = face[disc]
        masks[place] = disc
        masks[i] = dilate(masks[i], MARGIN)
    return shown, masks


def save_gif(path: Path, frames, completed):
    """Writes every third frame before and after, side by side, at 3/4 of their size."""
    pairs = [np.hstack(pair) for pair in zip(frames, completed)][::GIF_EVERY]
    shown = [Image.fromarray(pair) for pair in pairs]
    size = [3 * side // 4 for side in shown[0].size]
    first, *rest = [p.resize(size, Image.Resampling.LANCZOS) for p in shown]
    milliseconds = 1000 * GIF_EVERY // FRAMES_PER_SECOND
    with atomic(path) as output:
        first.save(
            output,
            "GIF",
            save_all=True,
            append_images=rest,
            duration=milliseconds,
            loop=0,
        )


if __name__ == "__main__":
    script(main)
