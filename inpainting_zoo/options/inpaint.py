"""Settings of completing pictures, and of moving what they show."""

import dataclasses
from typing import ClassVar

from inpainting_zoo.errors import InputError
from inpainting_zoo.options.fields import (
    MOST_DILATION,
    MOST_SEED,
    STRATEGIES,
    TEXTS,
    check_files,
    mask_label,
    max_pixels,
    seed,
    shard,
)
from inpainting_zoo.options.model import CompletingSettings, ModelSettings
from inpainting_zoo.settings import Settings, option

SAM = "sam_base_sa1b"  # by KerasHub
MOST_MATTING = 100  # pixels
# Options of `inpaint` that a video does not take, with what stands for nothing.
PICTURES_ONLY = {"mask_from": None, "fill_alpha": False, "variants": 1}
PICTURES_ONLY |= {"in_place": False, "overwrite": False, "shard": None}
PICTURES_ONLY |= {"ray": None, "with_from": None, "reference": None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class InpaintSettings(CompletingSettings):
    """Settings of completing pictures."""

    NEEDED: ClassVar[tuple] = ("mask", "save_to")
    MODEL_NEEDED: ClassVar[bool] = False

    image: str | None = option(None, "picture or folder")
    video: str | None = option(None, "video file, or folder of its frames, instead")
    mask: str | None = option(
        None, "mask file, white in the hole, or folder of masks by name; or a video"
    )
    save_to: str | None = option(
        None, "file or folder to write; of a video .mkv, .mp4 or a folder", writes="any"
    )
    per_frame: bool = option(False, "complete each frame of the video alone")
    invert_mask: bool = option(False, "masks are black in the hole")
    resize_mask: bool = option(False, "fit a mask of another size by nearest neighbour")
    mask_label: str | None = mask_label()
    mask_from: str | None = option(
        None, "the hole is where the mask is transparent", choices=("alpha",)
    )
    fill_alpha: bool = option(False, "make the completed hole opaque")
    max_pixels: int = max_pixels()
    strategy: str | None = option(
        None,
        "crop if the longer side is more than twice the model's, else original",
        choices=STRATEGIES,
    )
    with_from: str | None = option(
        None, "CSV file of such options for each picture, columns file, prompt, ..."
    )
    reference: list | None = option(
        None, "pictures of the same place, shown to a model with the task refer"
    )
    seed: int = seed("of what the model draws")
    variants: int = option(
        1, "results from as many seeds, -save_to with _1 and so on", least=1
    )
    in_place: bool = option(False, "allow the output to replace the input")
    overwrite: bool = option(False, "allow it to replace another picture")
    shard: str | None = shard()
    ray: str | None = option(
        None, "complete a folder on the Ray cluster at this address, auto or local"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.ray and self.shard:
            raise InputError(
                "ray: must not be given with -shard, since it shares a folder itself, "
                f"received {self.ray!r} and {self.shard!r}"
            )
        if self.ray and self.with_from:
            raise InputError(
                "ray: must not be given with -with_from, received "
                f"{self.ray!r} and {self.with_from!r}"
            )
        if self.ray and self.gpu not in (None, "none"):
            raise InputError(
                "gpu: must be none or left out with -ray, which gives each worker its "
                f"own, received {self.gpu!r}"
            )
        if self.seed + self.variants > MOST_SEED + 1:
            raise InputError(
                f"seed: must be at most {MOST_SEED} for the last of -variants, "
                f"received {self.seed} and {self.variants} of them"
            )
        if self.video and self.image:
            raise InputError(
                "video: must not be given with -image, received "
                f"{self.video!r} and {self.image!r}"
            )
        if self.per_frame and not self.video:
            raise InputError("per_frame: needs a -video, received none")
        for name, plain in PICTURES_ONLY.items():
            if self.video and getattr(self, name) != plain:
                raise InputError(
                    f"{name}: must not be given with -video, received "
                    f"{getattr(self, name)!r}"
                )
        if self.mask_from and self.mask_label is not None:
            raise InputError(
                "mask_label: must not be given with -mask_from, which does not look at "
                f"labels, received {self.mask_label!r}"
            )

    def complete(self):
        if not (self.image or self.video):
            raise InputError("image: is needed, or -video, received none")
        super().complete()

    def check_sources(self):
        super().check_sources()
        check_files(self, "reference")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RepositionSettings(ModelSettings):
    """Settings of moving a subject within its picture."""

    NEEDED: ClassVar[tuple] = ("image", "shift", "save_to")
    MODEL_NEEDED: ClassVar[bool] = False

    image: str | None = option(None, "picture")
    mask: str | None = option(
        None, "mask file, white in the subject, its shadow included"
    )
    point: tuple[int, int] | None = option(
        None, "pixel of the subject from the left and the top, instead of its mask"
    )
    sam: str | None = option(
        None, f"preset of KerasHub's SAMImageSegmenter, or its folder; {SAM}"
    )
    shift: tuple[int, int] | None = option(None, "pixels to the right and down")
    save_to: str | None = option(None, "file to write", writes="file")
    scale: float | None = option(
        None, "of the subject, about its foot; 1, or by -depth", least=1 / 8, most=8
    )
    amodal: str | None = option(
        None, "mask file of all of the subject, also where something hides it"
    )
    depth: str | None = option(
        None, "picture of nearness, brighter where nearer, by which it is scaled"
    )
    matting: int = option(
        2,
        "pixels on each side of the subject's edge that may be mixed",
        least=0,
        most=MOST_MATTING,
    )
    mask_label: str | None = mask_label()
    mask_dilation: float = option(
        2.0, "pixels to widen the holes by", least=0, most=MOST_DILATION
    )
    max_pixels: int = max_pixels()
    with_options: dict = option(
        {}, "what the model takes for a picture, key=value", flag="with", texts=TEXTS
    )
    seed: int = seed("of what the model draws")
    keep_steps: bool = option(False, "save what comes between, in NAME_steps")
    overwrite: bool = option(False, "allow it to replace another picture")

    def __post_init__(self):
        super().__post_init__()
        if self.shift and not any(self.shift) and self.scale in (None, 1):
            raise InputError("shift: must move or -scale the subject, received 0 0")
        if self.mask and self.point:
            raise InputError(
                f"point: must not be given with a -mask, received {self.point}"
            )

    def complete(self):
        if not (self.mask or self.point):
            raise InputError("mask: is needed, or -point, received none")
        for name, needed in {"sam": "point", "mask_label": "mask"}.items():
            if getattr(self, name) is not None and not getattr(self, needed):
                raise InputError(
                    f"{name}: must be given with -{needed}, received "
                    f"{getattr(self, name)!r} without it"
                )
        super().complete()

    def check_sources(self):
        super().check_sources()
        check_files(self, "image", "mask", "amodal", "depth")


@dataclasses.dataclass(frozen=True, kw_only=True)
class JoinSettings(Settings):
    """Settings of joining what shares have done."""

    save_to: str | None = option(None, "folder of the pictures that they completed")
    report: str | None = option(
        None, "of an evaluation, instead: JSON file to write", writes="file"
    )

    def complete(self):
        if bool(self.save_to) == bool(self.report):
            raise InputError(
                "save_to: is needed, or -report, received "
                f"{self.save_to!r} and {self.report!r}"
            )
