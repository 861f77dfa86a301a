"""Turns the networks of an experiment into the weights that a preset is shipped with.

    python tools/publish.py -experiment_name NAME -preset NAME

writes weights/PRESET.safetensors in float16, of several parts PRESET_PART.safetensors,
and weights/reports/PRESET_training.json, and prints the line to complete with licence
and source in the preset's entry.
"""

import argparse
import json
from functools import partial
from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.checkpoints import load_weights, part_files, save_weights
from inpainting_zoo.storage.files import refuse_replacing, sha256, write_json
from inpainting_zoo.tools.commands import script
from inpainting_zoo.tools.training_report import training_report
from inpainting_zoo.training.record import check_same_generator

ROOT = Path(__file__).parent.parent
MOST_BYTES = 20_000_000  # of a file


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
    sources = {path.stem: path for path in part_files(experiment)}
    several = len(sources) > 1
    paths = {
        part: options.save_to / f"{options.preset}{f'_{part}' * several}.safetensors"
        for part in sources
    }
    former = f"former weights of {options.preset}"
    of_preset = partial(_is_of, options.preset)
    refuse_replacing("save_to", [*paths.values()], former, of_preset)
    told = {p: write_weights(sources[p], options.preset, paths[p]) for p in sources}
    # Loads them again, to be sure.
    presets.load(options.preset, paths if several else next(iter(paths.values())))
    reports = {m["stage"]: training_report(experiment, m) for m in told.values()}
    last = json.loads((experiment / "config.json").read_text())["stage"]
    report = reports.pop(last) | {
        "preset": options.preset,
        "stages": [*reports.values()],
        "files": {
            part: {
                "file": path.name,
                "bytes": path.stat().st_size,
                "sha256": sha256(path),
            }
            for part, path in paths.items()
        },
    }
    name = f"{options.preset}_training.json"
    write_json(options.save_to / "reports" / name, report)
    lines = [
        f'"{part}": Weights("{about["file"]}", "{about["sha256"]}")'
        for part, about in report["files"].items()
    ]
    print(f'"weights": {{{", ".join(lines)}}},')


def _is_of(preset, path):
    try:
        return load_weights(path)[1].get("preset") == preset
    except WeightsError:
        return False


def write_weights(source: Path, preset: str, path: Path) -> dict:
    """Writes a trained part in float16.

    Returns:
        The metadata of the source.

    Raises:
        InputError: if the file would be too large to ship.
        WeightsError: if the preset is of another generator.
    """
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
    return metadata


if __name__ == "__main__":
    script(main)
