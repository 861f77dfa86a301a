"""Carrying what other frames show into the holes of a frame, along the flow."""

import dataclasses

import cv2
import numpy as np

from inpainting_zoo.models.pixels import dilate
from inpainting_zoo.video.flow import agree, fetch, fill_smoothly, find_flow

BOUND = 0.5  # square pixels by which the way back may miss
RING = 2  # pixels around the hole by which colours are matched
MOST_SHIFT = 40.0  # of a colour that is matched


def flows_between(frames, holes, unknown, reach: int):
    """Returns the flow between neighbours, there and back, where one has a hole.

    Args:
        frames: uint8 (T, H, W, 3).
        holes: bool (T, H, W).
        unknown: bool (T, H, W), what of the holes the frames do not show; it is filled
            without edges, which would have a flow of their own.
        reach: pixels around what is unknown within which the flow is not trusted, and
            completed from what is around.

    Returns:
        T - 1 pairs of float16 (H, W, 2), or None where both frames are whole.

    Reference:
        Xu et al., Deep flow-guided video inpainting, CVPR 2019: completed flow carries
        pixels that a flow found in the hole would not.
    """
    flows, shown = [], [_without_edges(*pair) for pair in zip(frames, unknown)]
    for i in range(len(frames) - 1):
        if not (holes[i].any() or holes[i + 1].any()):
            flows.append(None)
            continue
        unsure = dilate(unknown[i] | unknown[i + 1], reach)
        pair = shown[i], shown[i + 1]
        both = find_flow(*pair), find_flow(*pair[::-1])
        flows.append([fill_smoothly(f, unsure).astype(np.float16) for f in both])
    return flows


def _without_edges(frame, hole):
    return np.uint8(np.rint(fill_smoothly(np.float32(frame), hole)))


@dataclasses.dataclass
class Found:
    """What pixels of a hole show, as far as other frames know it.

    Args:
        pixels: int (N, 2): x and y in the hole.
        colours: float32 (N, 3).
        frames: int (N,): where they were found.
        places: float32 (N, 2): x and y there.
        ages: float32 (N,): by how many frames they were carried.
    """

    pixels: np.ndarray
    colours: np.ndarray
    frames: np.ndarray
    places: np.ndarray
    ages: np.ndarray


def follow(frames, known, ages, flows, t: int, pixels, step: int) -> Found:
    """Follows pixels along the flow, frame after frame, until one shows them.

    Each is looked up once, where it is found, so that nothing blurs on the way.

    Args:
        frames: uint8 (T, H, W, 3).
        known: bool (T, H, W), where they can be looked up.
        ages: (T, H, W): frames by which what is known was carried to there.
        flows: of `flows_between`.
        t: the frame of the pixels.
        pixels: int (N, 2), x and y.
        step: 1 into the future, -1 into the past.
    """
    places, left, start = pixels.astype(np.float32), pixels, t
    parts = [_nothing(pixels)]
    while len(left) and 0 <= t + step < len(frames):
        between = flows[min(t, t + step)]
        if between is None:
            break
        there, back = (np.float32(flow) for flow in between[::step])
        t += step
        way = fetch(there, places)
        ahead = places + way
        good = _inside(ahead, known.shape[1:]) & agree(way, fetch(back, ahead), BOUND)
        places, left = ahead[good], left[good]
        shown = _all_around(known[t], places)
        x, y = np.rint(places[shown]).astype(int).T
        colours = fetch(frames[t], places[shown])
        age = np.float32(ages[t][y, x]) + abs(t - start)
        parts.append(
            Found(left[shown], colours, np.full(len(x), t), places[shown], age)
        )
        places, left = places[~shown], left[~shown]
    names = [field.name for field in dataclasses.fields(Found)]
    return Found(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def carry(frames, known, ages, wanted, flows):
    """Completes what is wanted of each frame from the nearest ones that show it.

    What past and future show is weighted by 1 / age.

    Args:
        frames, known, ages, flows: see `follow`.
        wanted: bool (T, H, W).

    Returns:
        frames: uint8 (T, H, W, 3), with what was found.
        found: bool (T, H, W).
        ages: uint16 (T, H, W), of what was found.
    """
    completed = frames.copy()
    done, carried = np.zeros_like(wanted), np.zeros(wanted.shape, np.uint16)
    for t in np.flatnonzero(wanted.any(axis=(1, 2))):
        pixels = np.argwhere(wanted[t])[:, ::-1]
        sums = np.zeros((*wanted.shape[1:], 4), np.float32)
        youngest = np.full(wanted.shape[1:], np.inf, np.float32)
        for step in (-1, 1):
            found = follow(frames, known, ages, flows, t, pixels, step)
            match_border(found, frames, known, t, wanted[t])
            x, y = found.pixels.T
            weights = 1 / found.ages[:, None]
            sums[y, x] += weights * np.hstack([found.colours, np.ones_like(weights)])
            youngest[y, x] = np.minimum(youngest[y, x], found.ages)
        done[t] = sums[..., 3] > 0
        colours = sums[done[t]][:, :3] / sums[done[t]][:, 3:]
        completed[t][done[t]] = np.clip(np.rint(colours), 0, 255)
        carried[t][done[t]] = youngest[done[t]]
    return completed, done, carried


def match_border(found: Found, frames, known, t: int, wanted):
    """Shifts found colours so that they meet those around the hole without a seam.

    Around the hole, what the nearest found pixel's frame shows there is compared with
    the frame itself; the differences are continued smoothly into the hole, which is
    Poisson cloning with a cheaper membrane.

    Args:
        found: its colours are changed.
        frames, known: see `follow`.
        t: the frame of the hole.
        wanted: bool (H, W), the hole.

    Reference:
        Farbman et al., Coordinates for instant image cloning, SIGGRAPH 2009.
    """
    if not len(found.pixels):
        return
    x, y = found.pixels.T
    index = np.full(wanted.shape, -1)
    index[y, x] = np.arange(len(x))
    ring = (dilate(index >= 0, RING) > 0) & ~wanted
    _, labels = cv2.distanceTransformWithLabels(
        np.uint8(index < 0), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(labels.max() + 1, int)
    nearest[labels[y, x]] = index[y, x]
    around = np.argwhere(ring)[:, ::-1]
    beside = nearest[labels[ring]]
    places = np.float32(found.places[beside] + around - found.pixels[beside])
    differences = np.zeros((*wanted.shape, 3), np.float32)
    compared = np.zeros(wanted.shape, bool)
    for source in np.unique(found.frames[beside]):
        here = found.frames[beside] == source
        here[here] = _all_around(known[source], places[here])
        c, r = around[here].T
        shown = fetch(frames[source], places[here])
        differences[r, c] = np.float32(frames[t][r, c]) - shown
        compared[r, c] = True
    shift = fill_smoothly(differences, ~compared)[y, x]
    found.colours += np.clip(shift, -MOST_SHIFT, MOST_SHIFT)


def _nothing(pixels):
    none = np.zeros(0, np.float32)
    return Found(
        pixels[:0], none.reshape(0, 3), np.zeros(0, int), none.reshape(0, 2), none
    )


def _all_around(known, places):
    """Whether the four pixels around each place are known, bool (N,)."""
    return fetch(np.float32(known)[..., None], places)[:, 0] > 0.999


def _inside(places, shape):
    return ((places >= 0) & (places <= np.array(shape)[::-1] - 1)).all(axis=1)
