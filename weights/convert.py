"""The command that turns an official checkpoint into a weight file."""

from inpainting_zoo.options import ConvertSettings
from inpainting_zoo.weights import converting


def convert(settings: ConvertSettings):
    """Converts a checkpoint by the names of the preset's family."""
    report = converting.convert(
        settings.source, settings.preset, settings.save_to, settings.set
    )
    print(
        f"{report['saved']}: {report['tensors']} tensors, {report['parameters']} "
        f"parameters, SHA-256 {report['sha256']}"
    )
