"""Turns the generator of an experiment into the weights that a preset is shipped with.

    python tools/publish.py -experiment_name NAME -preset NAME

writes weights/PRESET.safetensors in float16 and weights/reports/PRESET_training.json,
and prints the line to complete with licence and source in the preset's entry.
"""

import argparse
from functools import partial
from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.checkpoints import load_weights, part_file, save_weights
from inpainting_zoo.storage.files import refuse_replacing, sha256, write_json
from inpainting_zoo.tools.commands import script
from inpainting_zoo.tools.training_report import training_report
from inpainting_zoo.training.record import check_same_generator

ROOT = Path(__file__).parent.parent
MOST_BYTES = 16_000_000


def main(argv=None):
    publish(parse(argv))


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-experiment_name", required=True)
    parser.add_argument("-output_path", default="outputs", help="of experiments")
    parser.add_argument("-preset", required=True, help="to ship the weights with")
    parser.add_argument("-save_to", default=ROOT / "weights", type=Path)
    return parser.parse_args(argv)


def publish(options):
    experiment = Path(options.output_path, options.experiment_name)
    path = options.save_to / f"{options.preset}.safetensors"
    former = f"former weights of {options.preset}"
    refuse_replacing("save_to", [path], former, partial(_is_of, options.preset))
    metadata = write_weights(experiment, options.preset, path)
    report = training_report(experiment, metadata) | {
        "preset": options.preset,
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
    }
    name = f"{options.preset}_training.json"
    write_json(options.save_to / "reports" / name, report)
    print(f'"weights": {{"generator": Weights("{path.name}", "{report["sha256"]}")}},')


def _is_of(preset, path):
    try:
        return load_weights(path)[1].get("preset") == preset
    except WeightsError:
        return False


def write_weights(experiment: Path, preset: str, path: Path) -> dict:
    """Writes an experiment's generator in float16 and loads it again, to be sure.

    Returns:
        The metadata of the experiment's generator.

    Raises:
        InputError: if the file would be too large to ship.
        WeightsError: if the preset is of another generator.
    """
    source = part_file(experiment)
    arrays, metadata = load_weights(source)
    check_same_generator(metadata, {"preset": preset, "overrides": {}}, source)
    halves = {
        name: array.astype("float16") if array.dtype.kind == "f" else array
        for name, array in arrays.items()
    }
    size = sum(array.nbytes for array in halves.values())
    if size > MOST_BYTES:
        raise InputError(f"preset: at most {MOST_BYTES} bytes, received {size}")
    about = {"preset": preset, "overrides": {}}
    save_weights(path, halves, about | {k: metadata[k] for k in ("stage", "step")})
    presets.load(preset, path)
    return metadata


if __name__ == "__main__":
    script(main)
