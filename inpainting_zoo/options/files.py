"""Settings of turning weights into other files."""

import dataclasses
from typing import ClassVar

from inpainting_zoo.options.fields import PRESET, check_weights, refuse_run_settings
from inpainting_zoo.options.model import ModelSettings
from inpainting_zoo.settings import Settings, found, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertSettings(Settings):
    """Settings of a conversion."""

    NEEDED: ClassVar[tuple] = ("preset", "source", "save_to")

    preset: str | None = option(
        None,
        "which network the checkpoint belongs to",
        aliases=("model",),
        check=PRESET,
    )
    source: str | None = option(
        None, ".pth, .ckpt, .bin, .safetensors, .npz or a TensorFlow 1 checkpoint"
    )
    save_to: str | None = option(
        None, "weight file to write (.safetensors or .npz)", writes="file"
    )
    set: dict = option({}, "arguments of the preset to replace, key=value")

    def __post_init__(self):
        super().__post_init__()
        refuse_run_settings(self.set)

    def check_sources(self):
        check_weights("source", self.source)
        found("inpainting_zoo.storage.checkpoints:check_suffix")(self.save_to)
        found("inpainting_zoo.presets:configured")(self.preset, **self.set)
        family = found(PRESET)(self.preset)["family"]
        found("inpainting_zoo.weights.converting:converter_of")(family.folder)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportSettings(ModelSettings):
    """Settings of an export."""

    NEEDED: ClassVar[tuple] = ("format", "save_to")

    format: str | None = option(
        None,
        "saved_model, onnx or litert",
        choices="inpainting_zoo.exporting.formats:FORMATS",
    )
    save_to: str | None = option(
        None, "file to write, or folder of a saved_model", writes="any"
    )
    image_size: int | None = option(
        None, "fixed side in pixels; any size where the format can", least=1
    )
    precision: str = option(
        "float32",
        "of the weights",
        choices="inpainting_zoo.exporting.formats:PRECISIONS",
    )
    pixels: str = option(
        "uint8", "in and out: 0..255, or [-1, 1]", choices=("uint8", "float32")
    )

    @classmethod
    def options(cls) -> list:
        # -precision is that of what is written.
        return [field for field in super().options() if field.name != "mixed_precision"]

    def check_sources(self):
        super().check_sources()
        check_format = found("inpainting_zoo.exporting.formats:check")
        check_format(self.format, self.save_to, self.precision)
        if self.preset:
            _, sizes = found("inpainting_zoo.presets:sized")(self.preset)
            found("inpainting_zoo.exporting.formats:check_side")(sizes, self.image_size)
