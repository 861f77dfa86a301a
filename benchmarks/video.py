"""Videos completed from their own frames, beside methods that see one at a time.

    python benchmarks/video.py -sequences DIR -report outputs/video.json

DIR holds folders NAME/frames and NAME/masks (white objects) of pictures; without it
only synthetic pans are measured, whose truth is known. `-settings` measures other
settings instead, on the sequences by which they were chosen.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.data.embedded import file
from inpainting_zoo.data.images import read_image, read_mask
from inpainting_zoo.environment import commit, processor, versions
from inpainting_zoo.evaluation.baselines import telea
from inpainting_zoo.evaluation.tables import markdown
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.metrics.image_quality import psnr, ssim
from inpainting_zoo.metrics.lpips import lpips
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.tools.clip import pan, with_object
from inpainting_zoo.video import propagation, windows
from inpainting_zoo.video.flow import agree, fetch, grid

PANS = ("coffee", "motorcycle_left")
CHOSEN_ON = ("tennis", "libby")
REPORTED = ("car-shadow", "bedroom")
MASKS_OF = {"bedroom": "car-shadow"}  # it has none of its own
SIZE = (192, 288)  # of the pans
SIDE = 1 / 4  # of the square, in parts of the height
MEASURES = {  # title and digits
    "psnr_hole": ("PSNR in the hole, dB", 2),
    "ssim": ("SSIM", 4),
    "lpips": ("LPIPS (AlexNet)", 4),
    "error": ("warping error x 1000", 2),
    "cpu_seconds": ("CPU seconds a frame", 2),
}
FARNEBACK = (0.5, 5, 15, 3, 5, 1.1, 0)
SETTINGS = [
    {},
    *({"REACH": reach} for reach in (9, 41)),
    *({"NEAR": near} for near in (0, 25)),
    *({"BOUND": bound} for bound in (0.25, 2.0)),
    {"RING": 0},
]


def main():
    options = parse()
    if options.settings:
        report = {"settings": compare_settings(options)}
    else:
        report = {"methods": compare_methods(options)}
    report |= {"frames": options.frames, "width": options.width, "seed": 0}
    report |= {"versions": versions(), "processor": processor(), "commit": commit()}
    write_json(options.report, report)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-sequences", type=Path, help="folder of NAME/frames")
    parser.add_argument("-frames", type=int, default=24, help="of each sequence")
    parser.add_argument("-width", type=int, default=432, help="to scale them to")
    about = "to compare frame by frame; the first along the flow, too"
    parser.add_argument("-presets", nargs="+", default=["patchmatch"], help=about)
    parser.add_argument("-settings", action="store_true", help="compare settings")
    parser.add_argument("-report", default="outputs/video.json", type=Path)
    return parser.parse_args()


def compare_methods(options):
    """Measures every method on every case; prints a table of each measure."""
    first, *_ = options.presets
    methods = {f"{first}, along the flow": along_flow(filling(first))}
    for name in options.presets:
        methods[f"{name}, per frame"] = per_frame(filling(name))
    methods |= {"Telea, per frame": per_frame(telea), "temporal median": median}
    found = {}
    for case, truth, holes in cases(options):
        rows = {name: measure(way, truth, holes) for name, way in methods.items()}
        rows["truth"] = {"error": warping_error(truth, truth, holes)}
        found[case] = rows
        shown = {
            name: f"{row['psnr_hole']:.2f} dB"
            for name, row in rows.items()
            if "psnr_hole" in row
        }
        print(case, shown, flush=True)
    print(tables(found))
    return found


def compare_settings(options):
    """Measures other settings on the sequences by which they were chosen."""
    found = []
    of = {"RING": propagation, "BOUND": propagation, "REACH": windows, "NEAR": windows}
    for changed in SETTINGS:
        former = {name: getattr(of[name], name) for name in changed}
        for name, value in changed.items():
            setattr(of[name], name, value)
        row = {
            case: psnr(truth[holes], along_flow(telea)(truth, holes)[holes])
            for case, truth, holes in sequences(options, CHOSEN_ON)
        }
        for name, value in former.items():
            setattr(of[name], name, value)
        found.append({"changed": changed, "psnr_hole": row})
        print(
            changed, {case: f"{value:.2f}" for case, value in row.items()}, flush=True
        )
    return found


def filling(preset: str):
    """Returns what completes one frame by a preset."""
    model = presets.load(preset)
    return lambda frame, hole: complete(model, frame, hole)


def along_flow(fill):
    """Returns the method that the command uses, as one window."""

    def method(frames, holes):
        completed, _ = windows.complete_window(list(frames), list(holes), fill)
        return np.stack(completed)

    return method


def per_frame(fill):
    """Returns the method that completes each frame alone."""
    return lambda frames, holes: np.stack([fill(*pair) for pair in zip(frames, holes)])


def median(frames, holes):
    """Takes the median of the frames that show a pixel, or Telea where none does."""
    values = np.where(holes[..., None], np.nan, np.float32(frames))
    never = holes.all(axis=0)
    values[:, never] = 0
    middle = np.rint(np.nanmedian(values, axis=0)).astype(np.uint8)
    shown = np.where(holes[..., None], middle, frames)
    return np.stack([telea(*pair) for pair in zip(shown, holes & never)])


def cases(options):
    """Yields names, true frames uint8 (T, H, W, 3) and holes bool (T, H, W)."""
    for name in PANS:
        truth = pan(read_image(file(name)), options.frames, SIZE)
        yield f"pan over {name}, square", truth, square(truth)
        _, masks = with_object(truth, truth[0])
        yield f"pan over {name}, moving disc", truth, masks > 0
    if options.sequences:
        yield from sequences(options, CHOSEN_ON + REPORTED)


def sequences(options, names):
    """Yields the cases of real sequences: a fixed square, and moved object masks."""
    for name in names:
        files = sorted((options.sequences / name / "frames").iterdir())
        shown = [read_image(path) for path in files[: options.frames]]
        height, width = shown[0].shape[:2]
        size = options.width, round(options.width * height / width)
        truth = np.stack(
            [cv2.resize(x, size, None, 0, 0, cv2.INTER_AREA) for x in shown]
        )
        yield f"{name}, square", truth, square(truth)
        folder = options.sequences / MASKS_OF.get(name, name) / "masks"
        masks = [read_mask(path) for path in sorted(folder.iterdir())[: len(truth)]]
        masks = [cv2.resize(x, size, None, 0, 0, cv2.INTER_NEAREST) for x in masks]
        yield f"{name}, moved masks", truth, np.roll(masks, size[0] // 2, axis=2) > 0


def square(frames):
    """Returns holes that stay where they are, in the middle."""
    length, height, width, _ = frames.shape
    side = round(SIDE * height)
    top, left = (height - side) // 2, (width - side) // 2
    holes = np.zeros((length, height, width), bool)
    holes[:, top : top + side, left : left + side] = True
    return holes


def measure(method, truth, holes):
    """Returns what a method scores on one case, and seconds a frame."""
    hidden = np.where(holes[..., None], np.uint8(0), truth)
    start = time.process_time()
    completed = method(hidden, holes)
    seconds = (time.process_time() - start) / len(truth)
    pairs = list(zip(truth, completed))
    return {
        "psnr_hole": psnr(truth[holes], completed[holes]),
        "ssim": float(np.mean([ssim(*pair) for pair in pairs])),
        "lpips": float(np.mean([lpips().distance(*pair) for pair in pairs])),
        "error": warping_error(truth, completed, holes),
        "cpu_seconds": seconds,
    }


def warping_error(truth, completed, holes) -> float:
    """Returns how much completed pixels change along the true motion, times 1000.

    The mean squared difference, on [0, 1], of pixels of the hole and where the flow
    leads from them, where flow and flow back agree. The flow is Farneback's on the true
    frames: it is not the one that carried the pixels.

    Args:
        truth: uint8 (T, H, W, 3).
        completed: uint8 (T, H, W, 3).
        holes: bool (T, H, W).

    Reference:
        Lai et al., Learning blind video temporal consistency, ECCV 2018 (Section 4).
    """
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in truth]
    places, squares = grid(holes.shape[1:]), []
    for i in range(len(truth) - 1):
        there, back = (
            cv2.calcOpticalFlowFarneback(*pair, None, *FARNEBACK)
            for pair in ((greys[i], greys[i + 1]), (greys[i + 1], greys[i]))
        )
        there = there.reshape(-1, 2)
        ahead = places + there
        valid = agree(there, fetch(back, ahead), 0.5) & holes[i].ravel()
        colours = np.float32(completed[i].reshape(-1, 3)[valid])
        moved = np.float32(fetch(completed[i + 1], ahead[valid]))
        squares.append((((colours - moved) / 255) ** 2).mean(axis=1))
    return float(1000 * np.concatenate(squares).mean())


def tables(found: dict) -> str:
    """Returns a Markdown table for each measure, by case and method."""
    parts = []
    for measure, (title, digits) in MEASURES.items():
        names = [n for n, row in next(iter(found.values())).items() if measure in row]
        rows = [
            [case, *(f"{of[name][measure]:.{digits}f}" for name in names)]
            for case, of in found.items()
        ]
        parts.append(markdown([title, *names], rows))
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
