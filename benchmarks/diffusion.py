"""Measures Stable Diffusion at its full size: reading weights, and a step of its U-Net.

    python benchmarks/diffusion.py loading --preset sd2_inpainting --dtype bfloat16
    python benchmarks/diffusion.py step --dtype float32

`loading` makes a folder of diffusers with float16 files of the published shapes, empty
ones that take no space on the disk, and reads it: seconds, and the peak of the memory
beside what the weights take. `step` times a step at 512 px with random weights, and
diffusers' own where it and PyTorch are installed, in turns. Each measurement is a
process of its own. Other programs should rest meanwhile.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.environment import peak_memory, processor
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.storage.variables import without_memory

FILES = {
    "unet": "diffusion_pytorch_model.fp16.safetensors",
    "vae": "diffusion_pytorch_model.fp16.safetensors",
    "text_encoder": "model.fp16.safetensors",
}
SIDE, TOKENS = 64, 77  # of latents, of a text


def main(argv=None):
    options = parse(argv)
    if options.work in HIDDEN:
        print(json.dumps(HIDDEN[options.work](options)))
        return
    report = {"preset": options.preset, "dtype": options.dtype, "cpu": processor()}
    report |= {"loading": loading, "step": step}[options.work](options)
    print(json.dumps(report, indent=1))
    if options.save_to:
        write_json(Path(options.save_to), report)


def loading(options):
    """Reads a folder in a process of its own, after another has written it."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        written = again(options, "write", folder)
        return written | again(options, "read", folder)


def step(options):
    """Times ours and diffusers' in turns; the median of all turns of each."""
    found = {"ours": []}
    if installed("diffusers", "torch"):
        found["diffusers"] = []
    for _ in range(options.turns):
        for name, seconds in found.items():
            seconds += again(options, name)["seconds"]
    medians = {f"{k}_seconds": statistics.median(v) for k, v in found.items()}
    return medians | {f"all_{k}": v for k, v in found.items()}


def again(options, work: str, folder: str = "") -> dict:
    """Runs a part of this script in a process, and returns what it prints last."""
    words = [sys.executable, __file__, work, "--preset", options.preset]
    words += ["--dtype", options.dtype, "--steps", options.steps]
    words += ["--folder", folder] if folder else []
    done = subprocess.run([*map(str, words)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.decode().strip().splitlines()[-1])


def installed(*modules: str) -> bool:
    """Returns whether all of these can be imported, in another process."""
    words = [sys.executable, "-c", f"import {', '.join(modules)}"]
    return not subprocess.run(words, stderr=subprocess.DEVNULL).returncode


def write(options):
    """Writes an empty file of float16 for every component, by the published shapes."""
    from inpainting_zoo.weights.convert_stable_diffusion import official_tensors

    with without_memory():
        variables = presets.build(options.preset).use_state()
    components = {}
    for name, (_, shape, _) in official_tensors(variables, {}).items():
        component, _, tensor = name.partition(".")
        components.setdefault(component, {})[tensor] = shape
    for component, shapes in components.items():
        path = Path(options.folder, component, FILES[component])
        path.parent.mkdir(parents=True)
        write_empty(path, shapes)
    numbers = sum(
        int(np.prod(shape)) for c in components.values() for shape in c.values()
    )
    return {"numbers": numbers, "file_mb": 2 * numbers / 1e6}


def write_empty(path: Path, shapes: dict):
    """Writes a sparse .safetensors file of zeros.

    Args:
        path: to write.
        shapes: by name of the tensor.
    """
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * int(np.prod(shape))
        about = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
        header[name] = about
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


def read(options):
    """Loads the folder; seconds, memory at its peak and before, and of the weights."""
    import keras  # noqa: F401  so that memory before has the engine

    before, began = peak_memory(), time.perf_counter()
    model = presets.load(options.preset, options.folder, dtype=options.dtype)
    seconds = time.perf_counter() - began
    state = model.use_state().values()
    bytes_each = {"float32": 4, "bfloat16": 2}
    weights = sum(int(np.prod(v.shape)) * bytes_each[v.dtype] for v in state)
    return {
        "seconds": seconds,
        "weights_mb": weights / 1e6,
        "peak_mb": peak_memory(),
        "before_mb": before,
    }


def sizes(options):
    """Returns the preset's arguments of the U-Net, and the channels of its text."""
    config = presets.get(options.preset)["config"]
    return config.get("unet", {}), config.get("text_encoder", {}).get("channels", 768)


def inputs(channels: int):
    """Returns latents, a time step and a text, for one picture."""
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(1, SIDE, SIDE, 9)).astype("float32")
    text = rng.normal(size=(1, TOKENS, channels)).astype("float32")
    return latents, np.array([500.0], "float32"), text


def ours(options):
    """Times steps of our U-Net, compiled."""
    from keras import ops

    from inpainting_zoo.engine.inference import compiled
    from inpainting_zoo.stable_diffusion.unet import build_unet

    arguments, channels = sizes(options)
    unet = build_unet(**arguments, context_channels=channels, dtype=options.dtype)
    run = compiled(lambda given: unet([given[k] for k in "abc"]), unet.variables)
    given = {k: ops.convert_to_tensor(x) for k, x in zip("abc", inputs(channels))}
    return timed(lambda: ops.convert_to_numpy(run(given)), options.steps)


def theirs(options):
    """Times steps of diffusers' U-Net, of the same arguments."""
    import torch
    from diffusers import UNet2DConditionModel

    arguments, channels = sizes(options)
    unet = UNet2DConditionModel(
        in_channels=9,
        cross_attention_dim=channels,
        attention_head_dim=arguments.get("heads", 8),
        use_linear_projection="heads" in arguments,
    )
    kind = getattr(torch, options.dtype)
    unet = unet.to(kind).eval()
    latents, timestep, text = (torch.from_numpy(x).to(kind) for x in inputs(channels))
    latents = latents.permute(0, 3, 1, 2).contiguous()
    with torch.inference_mode():
        return timed(lambda: unet(latents, timestep, text).sample, options.steps)


def timed(run, steps: int) -> dict:
    """Returns the seconds of each step, after one that compiles."""
    run()
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds}


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=["loading", "step", *HIDDEN])
    parser.add_argument("--preset", default="sd15_inpainting")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--steps", type=int, default=3, help="of each turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--folder", help="where files may lie for a while")
    parser.add_argument("--save_to", help="JSON file")
    return parser.parse_args(argv)


# What the processes do that this script starts.
HIDDEN = {"write": write, "read": read, "ours": ours, "diffusers": theirs}


if __name__ == "__main__":
    main()
