"""Settings of the page, and of the list of what can be loaded."""

import dataclasses
from typing import ClassVar

from inpainting_zoo.errors import InputError
from inpainting_zoo.options.fields import max_pixels
from inpainting_zoo.options.model import ModelSettings
from inpainting_zoo.settings import Settings, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeSettings(ModelSettings):
    """Settings of the page and its service; a model that is named comes first."""

    MODEL_NEEDED: ClassVar[bool] = False

    port: int = option(
        8000, "where the page is; 0 takes a free one", least=0, most=65535
    )
    host: str = option("127.0.0.1", "address to listen on; others let strangers in")
    queue: int = option(8, "requests at once, waiting ones included", least=1)
    max_megabytes: int = option(100, "refuse larger picture files", least=1)
    max_pixels: int = max_pixels()
    body_seconds: float = option(
        60.0, "within which a request must have been sent", above=0
    )
    model_megabytes: int = option(
        2000,
        "weights held at once on a device; the least recently used model leaves",
        least=1,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.mixed_precision != "float32" and not self.names_a_model:
            raise InputError(
                "mixed_precision: needs a model that is named, received "
                f"{self.mixed_precision} without"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PresetsSettings(Settings):
    """The list of presets has no settings."""
