"""Seconds and memory of training steps, and images per second of the data alone."""

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

CASES = [
    ("gmcnn_small", stage, precision)
    for stage in ("warm_up_generator", "wgan")
    for precision in ("float32", "bfloat16")
]
FULL_CASES = [
    ("gmcnn_256", stage, precision)
    for stage in ("warm_up_generator", "wgan")
    for precision in ("float32", "bfloat16")
]


def measure_step(preset, stage, precision, batch_size, steps):
    """Trains on random pictures; returns median seconds of a step and peak memory."""
    import keras
    import numpy as np

    import presets
    from training import engine
    from training.optimizers import make_optimizer
    from training.train import DTYPES

    model = presets.build(preset, dtype=DTYPES[precision], id_mrf_weight=0.0)
    settings = {
        "learning_rate": 1e-4,
        "optimizer": "adam",
        "learning_rate_decay": "none",
        "adam_betas": [0.5, 0.9],
        "mixed_precision": precision,
    }
    model.begin(
        stage,
        lambda name, factor=1.0: make_optimizer(name, settings, steps, factor),
        jit_compile=engine.BACKEND == "jax",
    )
    images = batch_size * model.batches_per_step(stage)
    shape = (images, model.image_size, model.image_size)
    rng = np.random.default_rng(0)
    batch = {
        "image": rng.integers(0, 256, (*shape, 3), np.uint8),
        "mask": np.zeros((*shape, 1), np.uint8),
    }
    side = model.image_size // 4
    batch["mask"][:, side : 3 * side, side : 3 * side] = 1
    times = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda i, logs: times.append(time.perf_counter())
    )
    model.fit(
        engine.stream(lambda i: batch, 0, steps),
        steps_per_epoch=steps,
        callbacks=[clock],
        verbose=0,
        shuffle=False,
    )
    seconds = [b - a for a, b in itertools.pairwise(times)][1:]
    return {
        "preset": preset,
        "stage": stage,
        "precision": precision,
        "batch_size": batch_size,
        "seconds_per_step": statistics.median(seconds),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_data(images, size, batch_size=16, batches=40):
    """Returns images per second of the pipeline alone, decoding included."""
    from data.images import list_images
    from data.pairs import TrainingPairs
    from training import engine

    paths = list_images(images)
    masks = "rectangle=1,strokes=1"
    batch_size = min(batch_size, len(paths))
    pairs = TrainingPairs(paths, masks, size, batch_size, seed=0)
    began = time.perf_counter()
    for (batch,) in engine.stream(pairs.batch, 0, batches):
        assert batch["image"].shape[0] == batch_size
    return batches * batch_size / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", default="samples", help="what the data part reads")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--full", action="store_true", help="the full-size net as well")
    parser.add_argument("--report", default="outputs/bench.json")
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        preset, stage, precision, batch_size = options.case
        result = measure_step(preset, stage, precision, int(batch_size), options.steps)
        print(json.dumps(result))
        return
    results = []
    print(f"{'preset':<12} {'stage':<18} {'precision':<9} batch  s/step  peak MB")
    for case in CASES + (FULL_CASES if options.full else []):
        batch_size = 1 if case[0] == "gmcnn_256" else 8
        # A process of its own, so that its peak memory is its own.
        command = [sys.executable, __file__, "--steps", str(options.steps), "--case"]
        found = subprocess.run(
            [*command, *case, str(batch_size)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        result = json.loads(found.stdout.splitlines()[-1])
        results.append(result)
        print(
            f"{case[0]:<12} {case[1]:<18} {case[2]:<9} {batch_size:>5} "
            f"{result['seconds_per_step']:>7.3f} {result['peak_memory_mb']:>8.0f}",
            flush=True,
        )
    data = {str(size): measure_data(options.images, size) for size in (64, 128, 256)}
    for size, speed in data.items():
        print(f"data alone at {size} px: {speed:.0f} images/s")
    from files import write_bytes
    from metrics.protocol import versions

    report = {"steps": results, "images_per_second": data, "versions": versions()}
    report |= {"machine": platform.platform(), "cores": os.cpu_count()}
    write_bytes(options.report, json.dumps(report, indent=1).encode() + b"\n")
    print(f"report: {options.report}")


if __name__ == "__main__":
    main()
