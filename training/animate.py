"""A moving picture of how an experiment's samples changed."""

import io
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.options import AnimateSettings
from inpainting_zoo.storage.checkpoints import METADATA, Checkpoints
from inpainting_zoo.storage.files import refuse_replacing, write_bytes

STRIP = 24  # pixels under each picture, for its caption
MARGIN = 10  # pixels on both sides of a caption
GREEN = (0, 128, 0)
NAME = "animation.gif"  # in an experiment
COMMENT = b"samples of a training, keras-inpainting-zoo"  # by which ours are known


def animate_experiment(settings: AnimateSettings):
    """Writes the animation of an experiment."""
    folder = Path(settings.output_path, settings.experiment_name)
    save_to = settings.save_to or folder / NAME
    animate(folder, save_to, settings.frames_per_second)
    print(f"animation: {save_to}")


def animate(folder: str | Path, save_to: str | Path, frames_per_second: float = 3):
    """Writes the sample pictures of all stages as an endless GIF, captions below.

    Args:
        folder: of the experiment; the pictures are in predicted_pics/<stage>/.
        save_to: file that ends in .gif.
        frames_per_second: from 0.01 to 50. The last picture stays three times as
            long.

    Raises:
        InputError: if there are no pictures, or an argument breaks its rule.
    """
    if Path(save_to).suffix.lower() != ".gif":
        raise InputError(f"save_to: a path that ends in .gif, received {save_to}")
    if not 0.01 <= frames_per_second <= 50:
        raise InputError(
            f"frames_per_second: from 0.01 to 50, received {frames_per_second}"
        )
    refuse_replacing("save_to", [save_to], "a former animation", _is_animation)
    pictures = _pictures(Path(folder))
    widths, heights = zip(*(_size(path) for _, path in pictures))
    font = ImageFont.load_default(14)
    texts = [math.ceil(font.getlength(text)) + 2 * MARGIN for text, _ in pictures]
    size = max(*widths, *texts), max(heights) + STRIP
    frames = (_frame(path, caption, size, font) for caption, path in pictures)
    duration = round(1000 / frames_per_second)
    durations = [duration] * (len(pictures) - 1) + [3 * duration]
    buffer = io.BytesIO()
    next(frames).save(
        buffer,
        "GIF",
        save_all=True,
        append_images=frames,
        duration=durations,
        loop=0,
        comment=COMMENT,
    )
    write_bytes(save_to, buffer.getvalue())


def _is_animation(path):
    """Whether a file is a GIF of ours, or what is called like the one of a run."""
    try:
        with Image.open(path, formats=["GIF"]) as picture:
            ours = picture.info.get("comment") == COMMENT
    except (OSError, ValueError):
        return False
    return ours or (path.name == NAME and (path.parent / "config.json").is_file())


def _pictures(folder):
    """Lists (caption, path), in the order in which the model is trained."""
    found = sorted((folder / "predicted_pics").glob("*/step_[0-9]*.png"))
    order = _stages(folder)
    found.sort(
        key=lambda path: (
            order.index(path.parent.name) if path.parent.name in order else len(order)
        )
    )
    if not found:
        raise InputError(
            f"experiment_name: must hold pictures in {folder / 'predicted_pics'}, "
            "received none"
        )
    stages = {path.parent.name for path in found}
    per_epoch = {stage: _epoch_length(folder, stage) for stage in stages}
    captions = []
    for path in found:
        stage, step = path.parent.name, int(path.stem.removeprefix("step_"))
        length = per_epoch[stage]
        epoch = f"epoch {step / length:.2f}, " if length else ""
        captions.append(f"{epoch}step {step}, {stage}")
    return list(zip(captions, found))


def _stages(folder):
    """Returns the stages of the model in their order; () if none is on record."""
    try:
        config = json.loads((folder / "config.json").read_text())
        return presets.family(config["settings"]["preset"]).stages
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _epoch_length(folder, stage):
    """Returns the steps of an epoch, as the last saved state says, or None."""
    checkpoints = Checkpoints(folder / "weights")
    files = [e["file"] for e in checkpoints.entries() if e["stage"] == stage]
    if not files:
        return None
    # Only this entry is read of a file that may be large.
    with np.load(checkpoints.folder / files[-1], allow_pickle=False) as state:
        about = json.loads(str(state[METADATA]))
    return about["step"] / about["epoch"]


def _size(path):
    with Image.open(path) as picture:
        return picture.size


def _frame(path, caption, size, font):
    canvas = Image.new("RGB", size, "white")
    with Image.open(path) as picture:
        canvas.paste(picture, (0, 0))
    place = (MARGIN, size[1] - STRIP / 2)
    ImageDraw.Draw(canvas).text(place, caption, GREEN, font, anchor="lm")
    return canvas
