"""Completing a video window by window, so that its length costs no memory."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from inpainting_zoo.video.cuts import is_cut
from inpainting_zoo.video.flow import fill_smoothly
from inpainting_zoo.video.propagation import carry, flows_between

MOST_FRAMES = 80  # of a window
AHEAD = 10  # frames after it that it looks at
MEMORY = 2**31  # bytes that a window may take; large frames have shorter ones
BYTES = 32  # of a pixel in a window
REACH = 25  # pixels around holes where the flow is completed at first,
NEAR = 9  # and around what is still unknown after a first pass
KEYS = 8  # frames of a window whose completion is carried to the others
LEAST_MARGIN = 64  # pixels around holes that are looked at
SPECK = 32  # pixels that need no model
NEVER = 2**16 - 1  # age of a pixel that no frame shows


@dataclasses.dataclass
class Carried:
    """What a window passes on to the next one of its scene: its last frame.

    Args:
        frame: uint8 (H, W, 3), completed.
        ages: uint16 (H, W): by how many frames each pixel was carried to there; 0 is
            its own, `NEVER` one that a model made.
    """

    frame: np.ndarray
    ages: np.ndarray


def window_length(shape: tuple) -> int:
    """Returns how many frames (H, W) a window completes."""
    frames = MEMORY // (BYTES * shape[0] * shape[1])
    return max(AHEAD, min(MOST_FRAMES, frames - AHEAD))


def windows(pairs: Iterable, length: int) -> Iterator[tuple[list, int, bool]]:
    """Groups frames into windows; holds no more than one of them.

    Args:
        pairs: of frames uint8 (H, W, 3) and holes (H, W), in their order.
        length: see `window_length`.

    Yields:
        The pairs of a window and up to `AHEAD` after it, how many of them the window
        completes, and whether its scene ends there.
    """
    held = []
    for pair in pairs:
        if held and is_cut(held[-1][0], pair[0]):
            yield held, len(held), True
            held = []
        held.append(pair)
        if len(held) == length + AHEAD:
            yield held, length, False
            held = held[length:]
    if held:
        yield held, len(held), True


def complete_window(
    frames: list, holes: list, fill: Callable, before: Carried | None = None
) -> tuple[list, list]:
    """Completes the frames of one scene from each other, and the rest by a model.

    Known pixels are carried along the flow twice: what the first pass finds makes the
    flow of the second better. What no frame shows is filled on the frame that lacks
    most and carried to the others, until nothing is left.

    Args:
        frames: uint8 (H, W, 3).
        holes: (H, W), nonzero in the hole.
        fill: completes one frame, from a frame and a hole.
        before: of the window before, where the scene goes on.

    Returns:
        Completed frames, uint8 (H, W, 3), and ages as in `Carried`.

    Reference:
        Huang, Kang, Ahuja and Kopf, Temporally coherent completion of dynamic video,
        SIGGRAPH Asia 2016.
        Xu, Li, Zhou and Loy, Deep flow-guided video inpainting, CVPR 2019.
    """
    if before is not None:
        frames, holes = [before.frame, *frames], [0 * holes[0], *holes]
    box = _box(holes)
    inner = np.stack([frame[box] for frame in frames])
    holes = np.stack([hole[box] for hole in holes]) != 0
    ages = np.zeros(holes.shape, np.uint16)
    if before is not None:
        ages[0] = before.ages[box]
    inner, rest, flows = carry_known(inner, holes, ages)

    def fill_one(t, inner):
        whole, hole = frames[t].copy(), np.zeros(frames[t].shape[:2], np.uint8)
        whole[box], hole[box] = inner[t], rest[t]
        inner[t] = (fill if hole.sum() > SPECK else _fill_speck)(whole, hole)[box]
        rest[t] = False

    inner = carry_filled(inner, rest, flows, fill_one)
    completed, whole_ages = [], []
    for t in range(before is not None, len(frames)):
        completed.append(frames[t].copy())
        completed[-1][box] = inner[t]
        whole_ages.append(np.zeros(frames[t].shape[:2], np.uint16))
        whole_ages[-1][box] = ages[t]
    return completed, whole_ages


def carry_known(frames, holes, ages):
    """Carries what frames know into the holes of others, in two passes.

    Args:
        frames: uint8 (T, H, W, 3).
        holes: bool (T, H, W).
        ages: uint16 (T, H, W), see `Carried`; those of the holes are set.

    Returns:
        The frames, what is left of their holes, and the flows between them.
    """
    known = ~holes & (ages != NEVER)
    flows = flows_between(frames, holes, holes, REACH)
    completed, found, _ = carry(frames, known, ages, holes, flows)
    del flows
    flows = flows_between(completed, holes, holes & ~found, NEAR)
    completed, found, carried = carry(frames, known, ages, holes, flows)
    ages[holes] = np.where(found, carried, NEVER)[holes]
    return completed, holes & ~found, flows


def carry_filled(frames, rest, flows, fill_one: Callable):
    """Fills one frame and carries that to the others, until nothing is left.

    Args:
        frames: uint8 (T, H, W, 3).
        rest: bool (T, H, W), which becomes False.
        flows: see `flows_between`.
        fill_one: fills the rest of one frame, given its number and the frames.

    Returns:
        The frames.
    """
    young = np.zeros(rest.shape, np.uint16)
    for _ in range(KEYS):
        frames, found, _ = carry(frames, ~rest, young, rest, flows)
        rest &= ~found
        key = rest.sum(axis=(1, 2)).argmax()
        if rest[key].any():
            fill_one(key, frames)
    for t in np.flatnonzero(rest.any(axis=(1, 2))):
        fill_one(t, frames)
    return frames


def _fill_speck(frame, hole):
    return np.uint8(np.rint(fill_smoothly(np.float32(frame), hole)))


def _box(holes):
    """Rows and columns around all holes, with what may move into them."""
    spans = []
    for axis in (1, 0):
        used = np.flatnonzero(np.any([hole.any(axis=axis) for hole in holes], axis=0))
        length = holes[0].shape[1 - axis]
        margin = max(LEAST_MARGIN, length // 4)
        first, last = (used[0], used[-1]) if len(used) else (0, 0)
        spans.append(slice(max(0, first - margin), min(length, last + 1 + margin)))
    return tuple(spans)
