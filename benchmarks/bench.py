"""Measures speed and memory of the zoo on this machine: `make bench`.

    python benchmarks/bench.py --only forward,steps
    python benchmarks/bench.py --profile gmcnn_small --stage wgan

Prints tables and writes them as JSON. A share is what part of the ceiling, the fastest
matrix product of the same precision on the same machine, the multiply-adds of the
convolutions alone make up, counted a product for each tap of a kernel.
Other programs should rest meanwhile.
"""

import argparse
import dataclasses
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from inpainting_zoo.benchmarks.photograph import photograph as complete_photograph
from inpainting_zoo.environment import commit, processor
from inpainting_zoo.presets import PRESETS, WEIGHTS, model_class
from inpainting_zoo.storage.files import write_json

ROOT = Path(__file__).parent.parent
WARM_UP = "warm_up_generator"
MODES = {
    "compiled": {},
    "run_eagerly": {"mode": "run_eagerly"},
    "jit_compile": {"mode": "jit_compile"},
    "bfloat16": {"precision": "bfloat16"},
    "jax": {"engine": "jax"},
}


# Families of many networks or many steps, which a table of one network cannot show.
WITHOUT_GENERATOR = ("asuka", "ensemble", "stable_diffusion")


def distinct(presets: dict) -> tuple:
    """Names of those with a generator, less what differs in nothing but weights."""
    kept = {}
    for name, preset in presets.items():
        if "training" not in preset or preset["family"].folder in WITHOUT_GENERATOR:
            continue
        same = {key: preset[key] for key in ("config", "training")}
        kept.setdefault(json.dumps(same, sort_keys=True), name)
    return tuple(kept.values())


# What photographs at their own resolution are shown to.
LAMA, LAMA_SIDES = ("lama_big", "lama_small"), (512, 1024, 2048)


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured.

    Args:
        matrices: sides of the products that make the ceiling.
        presets: whose generator and training steps are measured.
        step_pixels: about how many are in a batch of a training step.
        forward_batches: batch sizes of the generator alone.
        forward_ways: preset and further arguments of the generator alone, a row each.
        large: preset whose growth and modes are measured in inference.
        small: preset whose growth and modes are measured in training.
        sides, batches: of growth, for the generator alone.
        features: sides of the ID-MRF loss's features, of `channels`, 4 at a time.
        data_batches, mask_draws: of the pipeline and of the masks alone.
        exported: shipped preset that is exported in every format, or None.
        photographs: widths and heights that the command completes by its default.
        overrides: arguments of the models to replace.
    """

    matrices: tuple = (1024, 2048, 4096)
    presets: tuple = distinct(PRESETS)
    step_pixels: int = 4 * 128 * 128
    forward_batches: tuple = (1, 4)
    forward_ways: tuple = (
        ("lama_small", {"size": 256}),
        *((name, {"size": side}) for name in LAMA for side in LAMA_SIDES),
        ("lama_big", {"precision": "bfloat16"}),
        ("lama_big", {"precision": "bfloat16", "size": 512}),
        ("lama_big", {"engine": "jax"}),
        ("lama_big", {"engine": "jax", "size": 512}),
        ("mat_256", {"engine": "jax"}),
        ("mat_512", {"engine": "jax"}),
    )
    large: str = "gmcnn_256"
    small: str = "gmcnn_small"
    sides: tuple = (128, 256, 512)
    batches: tuple = (1, 2, 4)
    features: tuple = (32, 64, 128)
    channels: int = 256
    data_batches: int = 60
    mask_draws: int = 200
    exported: str | None = "gmcnn_faces_128"
    photographs: tuple = ((3000, 2000), (6000, 4000))
    overrides: dict = dataclasses.field(default_factory=dict)


FULL = Scale()
QUICK = Scale(
    matrices=(256,),
    presets=("gmcnn_small",),
    step_pixels=2 * 64 * 64,
    forward_batches=(1,),
    forward_ways=(),
    large="gmcnn_small",
    sides=(64, 128),
    batches=(1, 2),
    features=(8, 16),
    channels=16,
    data_batches=5,
    mask_draws=10,
    exported=None,
    photographs=((600, 400), (900, 600)),
    overrides={"base_channels": 4, "critic_channels": 4, "critic_steps": 1},
)


class Bench:
    """Runs each case once, in a process of its own, and keeps what it found.

    Args:
        scale: how much is measured.
        options: of the command line.
    """

    def __init__(self, scale: Scale, options):
        self.scale, self.options = scale, options
        self.done, self.ceiling, self.report = {}, {}, {}

    def run(self, case: str, engine: str = "tensorflow", **settings):
        """Returns a case's settings and results; its share, where it counts FLOPs."""
        key = json.dumps([case, engine, settings], sort_keys=True)
        if key not in self.done:
            row = settings | {"engine": engine} | measure(case, engine, settings)
            speed = self.ceiling.get(settings.get("precision", "float32"))
            if "flops" in row and speed:
                row["share"] = row["flops"] / row["seconds"] / (speed * 1e9)
            self.done[key] = row
        return self.done[key]

    def forward(self, preset, batch_size, **settings):
        settings |= {"repeats": self.options.repeats}
        settings |= {"overrides": self.scale.overrides}
        return self.run("forward", preset=preset, batch_size=batch_size, **settings)

    def step(self, preset, stage, overrides=None, batch_size=None, **settings):
        settings |= {
            "batch_size": batch_size or self.batch_size(preset),
            "repeats": self.options.repeats,
            "overrides": self.scale.overrides | (overrides or {}),
            "vgg_weights": self.options.vgg_weights,
        }
        return self.run("step", preset=preset, stage=stage, **settings)

    def images_per_second(self) -> dict:
        """The fastest that a training step of each preset takes images."""
        found = {}
        for row in self.done.values():
            # Those at sizes of their own are no training that anyone does.
            if "images_per_second" in row and "image_size" not in row["overrides"]:
                speed = max(row["images_per_second"], found.get(row["preset"], 0))
                found[row["preset"]] = speed
        return found

    def batch_size(self, preset):
        return max(1, self.scale.step_pixels // side_of(preset) ** 2)


def side_of(preset):
    return PRESETS[preset]["config"].get("image_size", 128)


def measure(case, engine, settings):
    """Runs `cases.py`; an error is a result, too."""
    command = [sys.executable, str(ROOT / "benchmarks/cases.py"), case]
    found = subprocess.run(
        [*command, json.dumps(settings)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": engine},
    )
    if found.returncode:
        lines = found.stderr.strip().splitlines() or [f"exit code {found.returncode}"]
        return {"error": lines[-1]}
    return json.loads(found.stdout.splitlines()[-1])


def ceiling(bench):
    row = bench.run("ceiling", sides=bench.scale.matrices, repeats=5)
    if "error" in row:  # everything is a share of it
        sys.exit(f"error: ceiling: {row['error']}")
    for name, version in row["versions"].items():
        print(f"{name}: {version}")
    bench.ceiling = {k: row[k] for k in ("float32", "bfloat16")}
    for precision, speed in bench.ceiling.items():
        print(f"ceiling, {precision}: {speed:.0f} GFLOP/s")
    return row


def forward(bench):
    print_title("The generator alone", COLUMNS)
    rows = [
        print_row(bench.forward(preset, batch_size))
        for preset in bench.scale.presets
        for batch_size in bench.scale.forward_batches
    ]
    for preset, settings in bench.scale.forward_ways:
        way = settings.get("engine") or settings.get("precision", "")
        rows.append(print_row({"way": way} | bench.forward(preset, 1, **settings)))
    return rows


def steps(bench):
    print_title("Training steps", COLUMNS)
    rows = []
    for preset in bench.scale.presets:
        stages = model_class(preset).STAGES
        rows += [print_row(bench.step(preset, stage)) for stage in stages]
        if "bfloat16" not in PRESETS[preset]["family"].precisions:
            continue
        # The fastest that data is needed at.
        fast = bench.step(preset, stages[0], precision="bfloat16")
        rows.append(print_row({"way": "bfloat16"} | fast))
    return rows


def modes(bench):
    print_title("Ways to run it", COLUMNS)
    large, small = bench.scale.large, bench.scale.small
    rows = [
        print_row({"way": way} | bench.forward(large, 1, **settings))
        for way, settings in MODES.items()
    ]
    for preset, stage in ((large, WARM_UP), (small, WARM_UP), (small, "wgan")):
        for way, settings in MODES.items():
            rows.append(print_row({"way": way} | bench.step(preset, stage, **settings)))
    return rows


def growth(bench):
    """Time against pixels and against the batch; proportional is an exponent of 1."""
    print_title("Growth", COLUMNS)
    scale = bench.scale
    series = {
        "forward, side": [
            bench.forward(scale.large, 1, size=side) for side in scale.sides
        ],
        "forward, batch": [bench.forward(scale.large, b) for b in scale.batches],
    }
    for stage in (WARM_UP, "wgan"):
        series[f"{stage}, side"] = [
            bench.step(scale.small, stage, {"image_size": side}, batch_size=1)
            for side in scale.sides
        ]
        series[f"{stage}, batch"] = [
            bench.step(scale.small, stage, batch_size=b) for b in scale.batches
        ]
    found = {}
    for name, rows in series.items():
        for row in rows:
            print_row(row)
        rows = [row for row in rows if "error" not in row]
        pixels = [row["batch_size"] * row["image_size"] ** 2 for row in rows]
        found[name] = {"rows": rows, "exponent": None}
        if len(rows) < 2:  # of cases that did not fail
            continue
        power = found[name]["exponent"] = exponent(pixels, [r["seconds"] for r in rows])
        print(f"{name}: time grows with pixels to the power of {power:.2f}")
    return found


def exponent(x, y):
    """Returns the slope of the straight line through logarithms (least squares)."""
    logarithms = ([math.log(v) for v in values] for values in (x, y))
    return statistics.linear_regression(*logarithms).slope


def id_mrf(bench):
    print_title("ID-MRF and its gradient, 4 pictures")
    settings = {"channels": bench.scale.channels, "repeats": bench.options.repeats}
    rows = [
        bench.run("id_mrf", side=side, batch_size=4, **settings)
        for side in bench.scale.features
    ]
    for row in rows:
        if "error" in row:
            print(row["error"])
            continue
        print(
            f"{row['side']:>4} x {row['side']:<4} {row['positions']:>6} positions "
            f"{row['seconds']:8.3f} s {row['added_memory_mb']:7.0f} MB"
        )
    return rows


def exported(bench):
    """Exported files in their runtimes beside the model: see exported.py."""
    if bench.scale.exported is None:
        return None
    print_title(f"Exported files of {bench.scale.exported}")
    weights = WEIGHTS / PRESETS[bench.scale.exported]["weights"]["generator"].file
    table = bench.run("exported", from_weights=str(weights))
    for name, row in table.get("files", {}).items():
        size, change = row.get("bytes", 0) / 1e6, row["psnr_difference"]
        print(
            f"{name:<20} {row['seconds']:7.3f} s {row['cpu_seconds']:7.3f} CPU s "
            f"{size:6.1f} MB {change:+.3f} dB"
        )
    print(table.get("error", ""))
    return table


def data(bench):
    """The pipeline alone, and how many times what training takes it delivers."""
    print_title("Data alone")
    scale = bench.scale
    # Presets without masks of their own draw these.
    free = "rectangle=1,strokes=1"
    needs = {
        name: (side_of(name), PRESETS[name]["config"].get("masks", free))
        for name in scale.presets
    }
    pipelines = list(dict.fromkeys(needs.values()))
    row = bench.run(
        "data",
        images=bench.options.images,
        pipelines=pipelines,
        batches=scale.data_batches,
        draws=scale.mask_draws,
    )
    if "error" in row:
        print(row["error"])
        return row
    speeds = dict(zip(pipelines, row["images"]))
    for (side, mixture), speed in speeds.items():
        print(f"{side:>4} px, {mixture:<22} {speed:8.0f} images/s")
    for name, speed in row["masks"].items():
        print(f"{name:<14} {speed:8.0f} masks/s at {row['mask_side']} px")
    row["times_the_need"] = {}
    for name, need in bench.images_per_second().items():
        times = row["times_the_need"][name] = speeds[needs[name]] / need
        print(f"{name}: {times:.1f} times what its fastest step takes")
    return row


def photographs(bench):
    """The same three holes in photographs of growing size, by the default preset."""
    print_title("Photographs with three brushed holes, by the command")
    rows = [complete_photograph(*size) for size in bench.scale.photographs]
    for row in rows:
        print(
            row.get("error")
            or f"{row['megapixels']:5.1f} megapixels {row['seconds']:6.1f} s "
            f"{row['cpu_seconds']:6.1f} CPU s {row['peak_memory_mb']:6.0f} MB"
        )
    return rows


def targets(bench):
    """What is to be reached, as ratios of what this run measured."""
    print_title("Targets")
    large, bfloat16 = bench.scale.large, MODES["bfloat16"]
    times = bench.report.get("data", {}).get("times_the_need", {})
    forward, step = bench.forward(large, 1), bench.step(large, WARM_UP)
    photograph = bench.report.get("photographs", [{}])[-1]
    ratios = (
        ("forward, share of the ceiling", forward.get("share"), "least", 0.4),
        ("forward, float32 / bfloat16",
         ratio(forward, bench.forward(large, 1, **bfloat16)), "least", 2),
        ("stage 1 / forward", ratio(step, forward), "most", 3.2),
        ("stage 1, float32 / bfloat16",
         ratio(step, bench.step(large, WARM_UP, **bfloat16)), "least", 1.8),
        ("stage 1, run_eagerly / compiled",
         ratio(bench.step(large, WARM_UP, **MODES["run_eagerly"]), step), "most", 1.5),
        ("data / fastest step, least of all presets",
         min(times.values(), default=None), "least", 2),
        ("24 megapixels, seconds", photograph.get("seconds"), "most", 20),
        ("24 megapixels, MB", photograph.get("peak_memory_mb"), "most", 1000),
    )  # fmt: skip
    rows = []
    for name, found, side, bound in ratios:
        reached = found and (found >= bound if side == "least" else found <= bound)
        row = {"name": name, "found": found, "wanted": f"at {side} {bound}"}
        rows.append(row | {"reached": bool(reached)})
        shown = "-" if found is None else f"{found:.2f}"
        print(f"{name:<42} {shown:>6}  {row['wanted']:<13} {'' if reached else 'no'}")
    return rows


def ratio(slow, fast) -> float | None:
    """Seconds an image of a case divided by those of another; None after errors."""
    if "error" in slow or "error" in fast:
        return None
    return slow["seconds_per_image"] / fast["seconds_per_image"]


COLUMNS = (
    ("preset", "preset", "<26", str),
    ("stage", "stage", "<17", str),
    ("way", "way", "<11", str),
    ("px", "image_size", ">4", str),
    ("batch", "batch_size", ">5", str),
    ("s", "seconds", ">8", "{:.3f}".format),
    ("s/image", "seconds_per_image", ">8", "{:.4f}".format),
    ("GMACs/image", "gmacs_per_image", ">11", "{:.1f}".format),
    ("share", "share", ">6", "{:.0%}".format),
    ("peak MB", "peak_memory_mb", ">7", "{:.0f}".format),
)


def print_title(title, columns=()):
    print(f"\n{title}")
    print("  ".join(f"{name:{width}}" for name, _, width, _ in columns), flush=True)


def print_row(row):
    """Prints the columns that a row has, and returns the row."""
    cells = [
        f"{write(row[key]) if key in row else '':{width}}"
        for _, key, width, write in COLUMNS
    ]
    print("  ".join(cells), row.get("error", ""), flush=True)
    return row


def print_profile(bench):
    options = bench.options
    settings = {"preset": options.profile, "stage": options.stage, "batch_size": 1}
    settings |= {"precision": options.precision, "vgg_weights": options.vgg_weights}
    row = bench.run("profile", **settings)
    print(f"{options.profile}, {options.stage}, {options.precision}, a batch of 1")
    print(f"{'operation':<40} {'ms/step':>8} {'calls':>7} {'share':>6}")
    for line in row.get("operations", []):
        print(
            f"{line['operation']:<40} {line['milliseconds']:8.1f} "
            f"{line['calls']:7.0f} {line['share']:6.1%}"
        )
    return row.get("error")


def machine():
    """Describes the machine, as far as the system says."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": platform.platform(),
        "cpu": processor(),
        "memory_gb": round(memory, 1),
        "load_at_start": os.getloadavg()[0],
        "commit": commit(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


PARTS = {
    "ceiling": ceiling,
    "forward": forward,
    "steps": steps,
    "modes": modes,
    "growth": growth,
    "id_mrf": id_mrf,
    "exported": exported,
    "photographs": photographs,
    "data": data,  # it compares itself with the steps
    "targets": targets,  # they compare what the others measured
}


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"of {','.join(PARTS)}; all", metavar="PARTS")
    parser.add_argument("--quick", action="store_true", help="tiny: to see it work")
    parser.add_argument("--repeats", type=int, default=5, help="timings per median")
    parser.add_argument("--images", default="samples", help="what the data part reads")
    parser.add_argument("--vgg_weights", help="VGG19 file instead of random weights")
    parser.add_argument("--report", default="outputs/bench.json")
    parser.add_argument("--profile", metavar="PRESET", help="list a step's operations")
    parser.add_argument("--stage", default=WARM_UP)
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32"
    )
    options = parser.parse_args(argv)
    options.only = (options.only or ",".join(PARTS)).split(",")
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"--only: of {','.join(PARTS)}, received {','.join(unknown)}")
    return options


def main():
    options, began = parse(), time.perf_counter()
    bench = Bench(QUICK if options.quick else FULL, options)
    if options.profile:
        return print_profile(bench)
    report = bench.report
    report |= {"machine": machine(), "command": " ".join(sys.argv)}
    for name, value in report["machine"].items():
        print(f"{name}: {value}")
    for name, part in PARTS.items():
        if name in options.only or name == "ceiling":
            report[name] = part(bench)
            report["seconds"] = time.perf_counter() - began
            write_json(options.report, report)
    print(f"report: {options.report}, after {report['seconds']:.0f} s")
    return int(any("error" in row for row in bench.done.values()))


if __name__ == "__main__":
    sys.exit(main())
