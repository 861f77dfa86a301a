"""Trains, evaluates and inpaints on embedded pictures, by the commands a user types."""

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from inpainting_zoo.data.embedded import FACE, file
from inpainting_zoo.data.images import read_image
from inpainting_zoo.data.strokes import strokes
from inpainting_zoo.drawing import grid, masked, save_png

OUTPUT = Path("outputs", "demo")
MASKS = "-masks rectangle=1,strokes=1"
TRAIN = (
    "-preset gmcnn_small -experiment_name demo -train_path samples:train "
    f"-max_zoom 4 -learning_rate_decay cosine {MASKS}"
)


def run(arguments):
    print(f"\n$ python runner.py {arguments}", flush=True)
    subprocess.run([sys.executable, "runner.py", *shlex.split(arguments)], check=True)


def inpaint(model, photograph, mask, name):
    """Completes a photograph by a model and by the default; returns both beside it."""
    saved, beside = OUTPUT / f"{name}_mask.png", OUTPUT / f"{name}.png"
    save_png(saved, np.stack([mask * 255] * 3, axis=-1))
    image, shown = shlex.quote(str(photograph)), [masked(read_image(photograph), mask)]
    for options, suffix in (("", "default"), (model, "network")):
        completed = OUTPUT / f"{name}_{suffix}.png"
        files = f"-image {image} -mask {saved} -save_to {completed}"
        run(f"inpaint {files} {options}".strip())
        shown.append(read_image(completed))
    save_png(beside, grid([shown], ["hole", "patchmatch", model.split()[-1]]))
    return beside


def main():
    began = time.perf_counter()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    run(f"{TRAIN} -warm_up_generator -steps 150 -sample_every 50")
    # ID-MRF needs the VGG19 download, so the demo goes without.
    run(f"{TRAIN} -from_weights -id_mrf_weight 0 -steps 16 -sample_every 8")
    photograph = file("chelsea")
    with Image.open(photograph) as picture:
        mask = strokes(np.random.default_rng(0), picture.height, picture.width)
    completed = inpaint("-experiment_name demo", photograph, mask, "completed")
    # The shipped weights were trained on faces.
    photograph = file("astronaut")
    mask = np.zeros((512, 512), np.uint8)
    left, top, right, bottom = FACE
    hole = strokes(np.random.default_rng(0), bottom - top, right - left)
    mask[top:bottom, left:right] = hole
    face = inpaint("-preset lama_faces_256", photograph, mask, "completed_face")
    report = OUTPUT / "report.json"
    run(f"evaluate -experiment_name demo {MASKS} -report {report}")
    print(f"\n{time.perf_counter() - began:.0f} seconds. Look at:")
    samples = sorted(OUTPUT.glob("predicted_pics/*/*.png"))
    for path in (*samples, report.with_suffix(".png"), completed, face):
        print(f"  {path}")
    print(f"and at the losses: tensorboard --logdir {OUTPUT / 'logs'}")


if __name__ == "__main__":
    main()
