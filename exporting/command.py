"""The export command."""

from inpainting_zoo.chosen import chosen_model
from inpainting_zoo.exporting import export as exporting
from inpainting_zoo.options import ExportSettings


def export(settings: ExportSettings):
    """Writes a model as a file that runs without this library."""
    # Before the model is built.
    exporting.check(settings.format, settings.save_to, settings.precision)
    name, model, weights = chosen_model(settings)
    found = exporting.export(
        model,
        settings.format,
        settings.save_to,
        image_size=settings.image_size,
        precision=settings.precision,
        pixels=settings.pixels,
    )
    side = found["image_size"]
    size = f"{side}x{side}" if side else "any size"
    print(f"{found['path']}: {name}, {size}, {found['bytes']} bytes, weights {weights}")
