"""A large photograph with three brushed holes, completed by the command that one types.

python benchmarks/photograph.py 6000 4000
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from inpainting_zoo.data.embedded import file

RUNNER = Path(__file__).parent.parent / "runner.py"
# Lines from the middle of a third of the picture, in pixels, of a brush of 100.
STROKES = (((0, 0), (500, -250)), ((0, 0), (250, 350)), ((0, 0), (700, 150)))
BRUSH = 100


def photograph(width: int, height: int) -> dict:
    """Completes gravel of any size; returns seconds, CPU seconds and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        image, mask, completed = (Path(folder, n) for n in ("a.jpg", "m.png", "b.jpg"))
        draw(width, height, image, mask)
        command = [sys.executable, str(RUNNER), "inpaint", "-image", str(image)]
        command += ["-mask", str(mask), "-save_to", str(completed)]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return {"error": f"exit code {process.returncode}"}
    return {
        "megapixels": width * height / 1e6,
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_memory_mb": used.ru_maxrss / 2**10,
    }


def draw(width: int, height: int, image: Path, mask: Path):
    """Writes a picture of gravel, mirrored as often as it takes, and three holes."""
    with Image.open(file("gravel")) as gravel:
        tile = np.asarray(gravel.convert("RGB"))
    rows, columns = (
        -(-side // length) for side, length in zip((height, width), tile.shape)
    )
    pixels = np.pad(
        tile,
        [(0, (rows - 1) * len(tile)), (0, (columns - 1) * tile.shape[1]), (0, 0)],
        "symmetric",
    )[:height, :width]
    Image.fromarray(pixels).save(image, quality=92)
    hole = np.zeros((height, width), np.uint8)
    for third, stroke in enumerate(STROKES):
        start = np.array([(2 * third + 1) * width // 6, height // 2])
        cv2.polylines(hole, [np.int32(stroke + start)], False, 255, BRUSH)
    Image.fromarray(hole).save(mask)


if __name__ == "__main__":
    print(json.dumps(photograph(*map(int, sys.argv[1:]))))
