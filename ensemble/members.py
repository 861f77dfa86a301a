"""The members of an ensemble: models that are in memory only while they work."""

import contextlib
import functools
from pathlib import Path

import numpy as np

from inpainting_zoo import memory, presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.models.completer import Completer
from inpainting_zoo.storage.checkpoints import load_weights
from inpainting_zoo.storage.vectors import kept
from inpainting_zoo.weights.read_checkpoint import digests


class Member(Completer):
    """A model of the zoo, loaded when it first completes a picture.

    Args:
        source: a preset with weights, or a weight file of this library.

    Raises:
        InputError: if it is neither.
    """

    def __init__(self, source: str):
        usable = [name for name, p in presets.PRESETS.items() if "weights" in p]
        self.is_preset = source in usable
        # Of a file from the root, so that it is found from wherever it is used.
        self.source = source if self.is_preset else str(Path(source).absolute())
        self.folder = None
        if not self.is_preset and not Path(source).is_file():
            raise InputError(
                f"members: presets with weights ({', '.join(usable)}) or weight files, "
                f"received {source!r}"
            )

    @functools.cached_property
    def preset(self) -> str:
        """The preset's name, or of a file that of the preset that it is for."""
        if self.is_preset:
            return self.source
        return presets.described_by(load_weights(self.source)[1], self.source)

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of its weights; empty for a model without any."""
        if self.is_preset:
            return presets.digest(self.source)
        return " ".join(digests(self.source).values())

    @property
    def name(self) -> str:
        """The preset's, or the file's with the first digits of its SHA-256."""
        if self.is_preset:
            return self.source
        return f"{Path(self.source).stem}_{self.digest[:8]}"

    @functools.cached_property
    def model(self) -> Completer:
        """The model itself; asking for it loads it."""
        if self.is_preset:
            return presets.load(self.source)
        return presets.load_file(self.source)[0]

    @property
    def draws(self) -> bool:
        """Whether another seed gives another picture; an ensemble is loaded for it."""
        draws = presets.family(self.preset).draws
        return self.model.draws if draws is None else draws

    @property
    def texture(self) -> str | None:
        """The preset's; see `Completer`."""
        return presets.get(self.preset).get("texture")

    @contextlib.contextmanager
    def keeping(self, folder: Path):
        """Keeps in a folder what it completes in a block, and takes it from there."""
        self.folder = folder
        try:
            yield
        finally:
            self.folder = None

    def inpaint_batch(self, images, masks, seed: int = 0, *ring, **options):
        """See `Completer.inpaint_batch`, and `keeping`."""
        if not self.folder:
            return super().inpaint_batch(images, masks, seed, *ring, **options)
        complete, found = super().inpaint_batch, []
        for image, mask in zip(images, masks):
            about = f"{image.shape} {seed}".encode()
            compute = functools.partial(complete, image[None], mask[None], seed)
            content = about + image.tobytes() + mask.tobytes()
            found.append(kept(self.folder, content, compute))
        return np.concatenate(found)

    def predict_images(self, images, masks, seed: int = 0, **options):
        return self.model.predict_images(images, masks, seed, **options)

    def least_window(self, **options):
        return self.model.least_window(**options)

    def remarks(self, hole, **options):
        return self.model.remarks(hole, **options)

    def release(self):
        """Frees the memory of the model."""
        self.__dict__.pop("model", None)
        memory.give_back()
