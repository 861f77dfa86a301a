"""Folders of pictures with their masks, completed by one command."""

import json

import numpy as np
from PIL import Image

from .commands import start, wait_for

HEIGHT, WIDTH = 36, 48
SQUARE = np.zeros((HEIGHT, WIDTH), bool)
SQUARE[8:22, 12:30] = True


def noise(height=HEIGHT, width=WIDTH, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(path, array, **options):
    """Saves an array or picture; truth becomes black and white."""
    if not isinstance(array, Image.Image):
        array = np.asarray(array)
        array = array * np.uint8(255) if array.dtype == bool else array
        array = Image.fromarray(array)
    array.save(path, **options)
    return path


def ledger(out):
    """What became of each file."""
    rows = map(json.loads, (out / "ledger.jsonl").read_text().splitlines())
    return {row["file"]: row for row in rows}


class Batch:
    """Pictures with their masks, all completed by one command."""

    def __init__(self, folder):
        self.images, self.masks, self.out = (folder / n for n in ("in", "masks", "out"))
        self.images.mkdir()
        self.masks.mkdir()
        self.rows = {}

    def add(self, name, picture=None, mask=SQUARE, **options):
        """Adds `name`, noise by default, with `mask` under the name's stem."""
        save(self.images / name, noise() if picture is None else picture, **options)
        save(self.masks / f"{name.rpartition('.')[0]}.png", mask)

    def complete(self, zoo, weights, *options):
        paths = ("-image", self.images, "-mask", self.masks, "-save_to", self.out)
        result = zoo.run("inpaint", *paths, "-from_weights", weights, *options)
        assert "Traceback" not in result.err, result.err
        self.rows = ledger(self.out)
        return result

    def before(self, name):
        return Image.open(self.images / name)

    def after(self, name):
        row = self.rows[name]
        assert row["status"] == "ok", row
        return Image.open(self.out / name)

    def changed(self, name):
        """Where the output differs from the input."""
        before, after = np.asarray(self.before(name)), np.asarray(self.after(name))
        return (before != after).reshape(*before.shape[:2], -1).any(axis=2)

    def changed_outside(self, name):
        """Whether a known pixel has changed."""
        hole = np.asarray(Image.open(self.masks / name)) > 0
        return self.changed(name)[~hole].any()


class Pictures:
    """A folder of pictures to complete, in which every name is a number."""

    def __init__(self, folder, count, weights):
        self.images, self.mask = folder / "in", folder / "mask.png"
        self.count, self.weights = count, weights
        self.images.mkdir()
        rng = np.random.default_rng(0)
        for i in range(count):
            pixels = rng.integers(0, 256, (40, 48, 3), np.uint8)
            Image.fromarray(pixels).save(self.images / f"{i:03}.png")
        hole = np.zeros((40, 48), np.uint8)
        hole[10:30, 12:30] = 255
        Image.fromarray(hole).save(self.mask)

    def command(self, out):
        paths = ("-image", self.images, "-mask", self.mask, "-save_to", out)
        return ("inpaint", *paths, "-from_weights", self.weights)

    def start_and_wait(self, out, count):
        """Starts a run; returns when so many pictures are done."""
        process = start(*self.command(out))
        wait_for(process, lambda: len(list(out.glob("*.png"))) >= count)
        return process
