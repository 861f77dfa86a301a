"""Completing a video: checked before any work, resumed by windows, written whole."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from inpainting_zoo.data.images import read_image
from inpainting_zoo.drawing import png_bytes
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.inpainting.folder import LEDGER, open_ledger, refuse_strangers
from inpainting_zoo.inpainting.ledger import key_of
from inpainting_zoo.inpainting.picture import remarks_on
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.models.pixels import blend, dilate
from inpainting_zoo.options import InpaintSettings
from inpainting_zoo.storage.files import (
    atomic,
    refuse_overwriting,
    refuse_replacing,
    remove_parts,
    write_bytes,
)
from inpainting_zoo.video.masks import Masks
from inpainting_zoo.video.output import (
    ENCODERS,
    FRAMES_PER_SECOND,
    MARK,
    check_sound,
    comment_of,
    write_video,
)
from inpainting_zoo.video.source import FrameFolder, VideoFile, open_frames
from inpainting_zoo.video.windows import (
    Carried,
    complete_window,
    window_length,
    windows,
)

log = logging.getLogger(__name__)
CARRIED = ".zoo-carried-{}.npz"  # what the window that begins at a frame goes on from


class VideoJob:
    """A video to be completed; making one checks all that can be checked before.

    A folder of frames is written with its ledger; frames of a video file wait in a
    folder of that kind beside it, `NAME.mkv.frames`, until all are there. A run that
    was stopped goes on with the window it was at, and ends with the same frames.

    Args:
        settings: of the command, with a `video`.

    Raises:
        InputError: if an argument or a file breaks a rule.
    """

    def __init__(self, settings: InpaintSettings):
        self.settings, self.save_to = settings, Path(settings.save_to)
        self.to_file = bool(self.save_to.suffix) and not self.save_to.is_dir()
        self.folder = self.save_to
        if self.to_file:
            choose("save_to", self.save_to.suffix.lower(), ENCODERS)
            self.folder = self.save_to.with_name(f"{self.save_to.name}.frames")
        self.frames = open_frames(settings.video, "video", settings.max_pixels)
        names = ("invert_mask", "resize_mask", "mask_label", "max_pixels")
        rules = {name: getattr(settings, name) for name in names}
        self.masks = Masks(settings.mask, self.frames, **rules)
        self.outputs = [
            self.folder / self.frames.name(i) for i in range(self.frames.count)
        ]
        self._check_outputs()
        self.said, self.has_hole = set(), False
        hole = next(self.masks.read())
        doubts = remarks_on(hole) if hole.any() else []
        self._say(*self.frames.notes, *self._notes(), *doubts)

    def complete(self, model, recipe: str) -> int:
        """Completes what is not done yet; returns the exit code.

        Args:
            model: a `models.completer.Completer`.
            recipe: names what the model is.
        """
        key, start = self._key(recipe), time.perf_counter()
        if self.to_file and comment_of(self.save_to) == f"{MARK} {key}":
            log.info("%s: done before", self.save_to)
            return 0
        with open_ledger(self.folder, self.outputs) as ledger:
            first = self._first_to_do(ledger, key)
            bar = {"total": self.frames.count, "initial": first, "disable": None}
            done = first
            with tqdm(desc="inpaint", unit="frame", **bar) as shown:
                for completed in self._completed(model, first, key):
                    self._save(self.outputs[done], completed, ledger, key)
                    done += 1
                    shown.update()
            for file in self.folder.glob(CARRIED.format("*")):
                file.unlink()
            if self.to_file:
                remove_parts(self.save_to.parent)
                frames = map(read_image, self.outputs[:done])
                write_video(self.save_to, self.frames, frames, f"{MARK} {key}")
        if self.to_file:
            self._remove_frames()
        if not (self.has_hole or first):
            self._say("mask: no pixel of any frame is hole, the video stays as it is")
        seconds = time.perf_counter() - start
        log.info(
            "%s: ok, %d frames, %d of them done before, %.1f s",
            *(self.save_to, done, first, seconds),
        )
        return 0

    def _completed(self, model, first, key):
        """Yields the completed frames from one on, uint8 (H, W, 3)."""
        settings = self.settings
        options = {"strategy": settings.strategy, "texture": settings.texture}
        options |= settings.with_options

        def fill(frame, hole):
            if not hole.any():  # of this frame, which is nothing to say
                return frame
            notes, seed = [], settings.seed
            completed = complete(model, frame, hole, seed=seed, notes=notes, **options)
            self._say(*notes)
            return completed

        ring = settings.mask_dilation, settings.feathering
        if settings.per_frame:
            for frame, hole in self._pairs(first):
                wide = dilate(hole, *ring)
                yield blend(fill(frame, wide), frame, hole, wide, ring[1])
            return
        before = self._read_carried(first)
        for pairs, count, ends in windows(
            self._pairs(first), window_length(self.frames.shape)
        ):
            frames, holes = zip(*pairs)
            wide = [dilate(hole, *ring) for hole in holes]
            completed, ages = complete_window(frames, wide, fill, before)
            for i in range(count):
                yield blend(completed[i], frames[i], holes[i], wide[i], ring[1])
            before = None if ends else Carried(completed[count - 1], ages[count - 1])
            self._write_carried(first, first + count, before, key)
            first += count

    def _pairs(self, start):
        """Yields frames and their holes from one on."""
        holes = self.masks.read(start)
        for frame in self.frames.read(start):
            if frame.shape[:2] != self.frames.shape:
                raise InputError(
                    f"video: must have frames of one size, received {frame.shape[:2]} "
                    f"after {self.frames.shape}"
                )
            hole = next(holes, None)
            if hole is None:
                raise InputError(
                    "mask: must have as many frames as the video, received fewer"
                )
            self.has_hole |= bool(hole.any())
            yield frame, hole

    def _say(self, *notes):
        """Warns of what has not been said yet."""
        for note in notes:
            if note not in self.said:
                log.warning(note)
            self.said.add(note)

    def _save(self, path, completed, ledger, key):
        ledger.begin(path.name)
        content = png_bytes(completed)
        write_bytes(path, content)
        row = {"file": path.name, "output": path.name, "status": "ok", "reason": ""}
        sha256 = hashlib.sha256(content).hexdigest()
        ledger.add({**row, "warnings": [], "sha256": sha256, "key": key})

    def _first_to_do(self, ledger, key):
        """The number of the frame to go on from: one that a window begins at."""
        done = 0
        while done < self.frames.count:
            path = self.outputs[done]
            if not ledger.done(path.name, key, path):
                break
            done += 1
        if done == self.frames.count or self.settings.per_frame:
            return done
        return max((at for at in self._starts(key) if at <= done), default=0)

    def _starts(self, key):
        """Yields the numbers of the frames at which windows begin, as far as known."""
        for file in self.folder.glob(CARRIED.format("*")):
            with np.load(file) as carried:
                if str(carried["key"]) == key:
                    yield int(carried["start"])

    def _read_carried(self, start):
        file = self.folder / CARRIED.format(start)
        if not start or not file.exists():
            return None
        with np.load(file) as carried:
            if "frame" in carried:
                return Carried(carried["frame"], carried["ages"])
        return None

    def _write_carried(self, former, start, carried, key):
        arrays = dataclasses.asdict(carried) if carried else {}
        with atomic(self.folder / CARRIED.format(start)) as file:
            np.savez_compressed(file, key=key, start=start, **arrays)
        (self.folder / CARRIED.format(former)).unlink(missing_ok=True)

    def _key(self, recipe):
        """What the completed frames depend on, as one SHA-256."""
        names = ("per_frame", "invert_mask", "resize_mask", "mask_label")
        names += ("mask_dilation", "feathering", "texture", "strategy")
        names += ("seed", "with_options")
        chosen = [getattr(self.settings, name) for name in names]
        files = [*self.frames.files, *self.masks.files]
        return key_of(json.dumps([recipe, *chosen], sort_keys=True), *files)

    def _check_outputs(self):
        """Refuses outputs that would replace what is read, or what is another's."""
        settings, written = self.settings, [self.save_to, self.folder, *self.outputs]
        read = [settings.video, settings.mask, *self.frames.files, *self.masks.files]
        refuse_overwriting(written, read, "save_to: must not be the video nor the mask")
        refuse_strangers(self.folder, self.outputs)
        if not self.to_file:
            return
        words = "a video that this command has written"
        refuse_replacing("save_to", [self.save_to], words, _is_ours)
        if isinstance(self.frames, VideoFile):
            check_sound(self.save_to, self.frames)

    def _notes(self):
        """What should be known about the output."""
        suffix = self.save_to.suffix.lower()
        if self.to_file and not ENCODERS[suffix].lossless:
            yield (
                f"save_to: {suffix} changes known pixels a little; .mkv and a folder "
                "keep them bit for bit"
            )
        if self.to_file and isinstance(self.frames, FrameFolder):
            yield (
                "video: a folder of frames has no rate, "
                f"{FRAMES_PER_SECOND} frames a second are written"
            )
        if not self.to_file and self.frames.sounds:
            yield "save_to: a folder of frames holds no sound; .mkv and .mp4 keep it"

    def _remove_frames(self):
        """Removes the frames that a file has been made of, and nothing else."""
        for file in (*self.outputs, self.folder / LEDGER):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else is in it
            self.folder.rmdir()


def _is_ours(path):
    return comment_of(path).startswith(MARK)
