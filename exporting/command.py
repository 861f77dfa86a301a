"""The export command."""

from inpainting_zoo.chosen import chosen_model
from inpainting_zoo.exporting.formats import check_model
from inpainting_zoo.options import ExportSettings


def export(settings: ExportSettings):
    """Writes a model as a file that runs without this library."""
    name, model, digest = chosen_model(settings)
    check_model(settings.format, model, settings.image_size)
    from inpainting_zoo.exporting.export import export

    found = export(
        model,
        settings.format,
        settings.save_to,
        image_size=settings.image_size,
        precision=settings.precision,
        pixels=settings.pixels,
    )
    side = found["image_size"]
    size = f"{side}x{side}" if side else "any size"
    about = f"{name}, {size}, {found['bytes']} bytes, weights {digest()}"
    print(f"{found['path']}: {about}")
