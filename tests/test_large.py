"""Pictures larger than the model's size: strategies, crops, seams, memory."""

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conftest import Plain
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.crops import plan_crops, union, window_around
from inpainting_zoo.inpainting.strategies import (
    STRATEGIES,
    choose_strategy,
    complete,
    predict,
)
from inpainting_zoo.models.scaling import enlarge, feather


class Telea:
    """A real, classical completion, which notes the shapes that it was given."""

    def __init__(self, largest=10**9):
        self.shapes = []
        self.largest = largest

    def __call__(self, image, mask):
        self.shapes.append(mask.shape)
        if max(mask.shape) > self.largest:
            raise ResourceExhaustedError("OOM when allocating tensor")
        return cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA)


def diffuse(image, mask):
    """A real completion whose cost, like a network's, follows the crop's pixels."""
    hole = mask[..., None] > 0
    filled = np.where(hole, image[mask == 0].mean(axis=0), image).astype(np.float32)
    for _ in range(150):
        filled = np.where(hole, cv2.GaussianBlur(filled, (15, 15), 0), filled)
    return np.rint(filled).astype(np.uint8)


def fill_with_mean(image, mask):
    """The mean of the known pixels, or black."""
    mean = image[mask == 0].mean(axis=0) if (mask == 0).any() else 0
    return np.where(mask[..., None] > 0, np.rint(mean), image).astype(np.uint8)


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


class JaxRuntimeError(RuntimeError):
    """Named as JAX's."""


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def scattered(count, side, height, width, seed=0):
    """A mask of ``count`` square holes that do not touch."""
    columns = int(np.ceil(np.sqrt(count)))
    mask = np.zeros((height, width), np.uint8)
    for i in np.random.default_rng(seed).permutation(columns**2)[:count]:
        top, left = (i // columns) * height // columns, (i % columns) * width // columns
        mask[top + 2 : top + 2 + side, left + 2 : left + 2 + side] = 1
    return mask


def test_default_strategy_by_size():
    assert choose_strategy(512, 300, whole=512) == "original"
    assert choose_strategy(300, 513, whole=512) == "crop"
    assert choose_strategy(6000, 8000, whole=1024) == "crop"
    assert Plain(diffuse, 256).whole == 512
    assert set(STRATEGIES) == {"original", "resize", "crop"}


def test_unknown_strategy_lists_the_known():
    with pytest.raises(InputError, match="original, resize, crop"):
        complete(Plain(diffuse), noise(8, 8), np.ones((8, 8)), "tile")


def test_unequal_sizes_are_refused():
    with pytest.raises(InputError, match="mask"):
        complete(Plain(Telea()), noise(8, 8), np.ones((8, 9), np.uint8))


def test_what_a_model_returns_is_checked():
    with pytest.raises(ValueError, match="must return uint8"):
        complete(Plain(lambda i, m: i / 255), noise(8, 8), np.ones((8, 8), np.uint8))


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([None, *STRATEGIES]),
    st.sampled_from([8, 16, 64]),
)
def test_any_size_any_mask_keeps_the_known(data, height, width, strategy, model_size):
    image = noise(height, width)
    mask = data.draw(
        arrays.arrays(np.uint8, (height, width), elements=st.integers(0, 1))
    )
    before = image.copy(), mask.copy()
    completed = complete(Plain(Telea(), model_size), image, mask, strategy)
    assert completed.shape == image.shape and completed.dtype == np.uint8
    np.testing.assert_array_equal(completed[mask == 0], image[mask == 0])
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (3000, 10), (10, 3000), (301, 299)])
def test_hole_is_filled_with_the_colour_around_it(strategy, size):
    """A constant picture whose hole is white comes back constant."""
    image = np.full((*size, 3), (200, 100, 50), np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 3 : 2 * size[0] // 3, : 1 + size[1] // 3] = 1
    painted = np.where(mask[..., None] > 0, np.uint8(255), image)
    completed = complete(Plain(fill_with_mean, 64), painted, mask, strategy)
    assert np.abs(completed.astype(int) - image).max() <= 1


def test_empty_mask_does_not_call_the_model():
    telea = Telea()
    image = noise(40, 40)
    completed = complete(Plain(telea, 16), image, np.zeros((40, 40), bool))
    np.testing.assert_array_equal(completed, image)
    assert completed is not image and telea.shapes == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_model_that_writes_on_its_input_does_no_harm(strategy):
    def scribble(image, mask):
        image[:], mask[:] = 0, 1
        return image

    image, mask = noise(100, 100), scattered(4, 10, 100, 100)
    completed = complete(Plain(scribble, 32), image, mask, strategy)
    np.testing.assert_array_equal(completed[mask == 0], image[mask == 0])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_full_mask(strategy):
    completed = complete(
        Plain(Telea(), 32), noise(90, 90), np.ones((90, 90), np.uint8), strategy
    )
    assert completed.shape == (90, 90, 3)


def test_strategies_hand_over_the_promised_sizes():
    mask = scattered(1, 30, 600, 900)
    shapes = {}
    for name in STRATEGIES:
        telea = Telea()
        complete(Plain(telea, 128), noise(600, 900), mask, name)
        shapes[name] = telea.shapes
    assert shapes == {
        "original": [(600, 900)],
        "resize": [(85, 128)],
        "crop": [(128, 128)],
    }


def test_crop_at_full_resolution_equals_the_model_there():
    """A hole that fits is completed as the model would complete that crop."""
    image, mask = noise(400, 400), np.zeros((400, 400), np.uint8)
    mask[190:210, 190:210] = 1
    completed = complete(Plain(Telea(), 64), image, mask, "crop")
    crop = slice(168, 232), slice(168, 232)
    expected = Telea()(image[crop], mask[crop])
    deep = slice(192, 208), slice(192, 208)  # inside the seam
    np.testing.assert_array_equal(completed[deep], expected[24:40, 24:40])


def test_near_holes_share_a_crop_and_far_ones_do_not():
    near, far = np.zeros((2, 500, 500), np.uint8)
    near[100:110, 100:110] = near[100:110, 140:150] = 1
    far[10:20, 10:20] = far[450:460, 450:460] = 1
    assert plan_crops(near, 128, 0.5) == [
        [
            (slice(100, 110), slice(100, 110)),
            (slice(100, 110), slice(140, 150)),
        ]
    ]
    assert len(plan_crops(far, 128, 0.5)) == 2


@pytest.mark.parametrize(
    ("holes", "crops"), [(1, 1), (3, 3), (9, 9), (25, 8), (100, 2)]
)
def test_more_holes_cost_fewer_crops(holes, crops):
    plan = plan_crops(scattered(holes, 10, 4000, 4000), 128, 0.5)
    assert len(plan) <= crops
    assert holes > 9 or len(plan) == crops


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 300))
def test_crops_cover_every_hole_and_stay_inside(seed, height, width):
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) < rng.choice([0.001, 0.1, 0.9])).astype("uint8")
    covered = np.zeros_like(mask)
    for boxes in plan_crops(mask, 32, 0.5):
        window = window_around(union(boxes), mask.shape, 32, 0.5, 32)
        for box in boxes:
            for inner, outer, side in zip(box, window, mask.shape, strict=True):
                assert 0 <= outer.start <= inner.start < inner.stop
                assert inner.stop <= outer.stop <= side
            covered[box] = 1
    assert not (mask > covered).any()


def test_a_window_is_of_the_models_size_as_the_model_sees_it():
    """A hole of 40x200, a quarter of 200 on each side, and models of 64 pixels."""
    box = slice(400, 440), slice(300, 500)
    around = box, (1000, 1000), 64, 0.25
    # Shown at its own size, the window is what the context asks for.
    assert window_around(*around, 2048) == (slice(350, 490), slice(250, 550))
    # Shrunk to 64 pixels it has to be 64 pixels high, too.
    assert window_around(*around, 64) == (slice(270, 570), slice(250, 550))
    small = slice(0, 4), slice(996, 1000)
    assert window_around(small, *around[1:], 2048) == (slice(0, 64), slice(936, 1000))


def test_shrinking_never_mixes_the_hole_into_the_known():
    """The model sees the known colour alone, however bright the hole is."""
    image = np.full((128, 128, 3), 40, np.uint8)
    mask = np.zeros((128, 128), np.uint8)
    mask[33:95, 33:95] = 1
    image[mask > 0] = 255
    seen = []

    def note(small, unknown):
        seen.append(small[unknown == 0])
        return small

    predict(Plain(note), image, mask, 32)
    np.testing.assert_array_equal(np.unique(seen[0]), [40])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_model_can_ask_to_be_shown_more(strategy):
    """By its options; what it remarks is about the hole as it was shown."""

    class Wide(Plain):
        OPTIONS = {"wide": False}  # noqa: RUF012
        largest = 128

        def least_window(self, **options):
            return 96 if self.chosen(options)["wide"] else self.image_size

        def predict_images(self, images, masks, seed=0, **options):
            return super().predict_images(images, masks)

        def remarks(self, hole, **options):
            return [str(hole.shape)]

    image, mask = noise(300, 400), scattered(1, 20, 300, 400)
    mask[150:250, 200:300] = 1
    for wide, shown in (False, 64), (True, 96):
        telea, notes = Telea(), []
        complete(Wide(telea, 64), image, mask, strategy, notes=notes, wide=wide)
        assert notes == [*map(str, telea.shapes)]
        assert (
            telea.shapes
            == {
                "original": [(300, 400)],
                "resize": [(3 * shown // 4, shown)],
                "crop": [(shown, shown), (128, 128)],
            }[strategy]
        )


def test_a_part_is_enlarged_as_the_whole_is():
    small = noise(30, 40)
    whole = enlarge(small, (150, 333))
    resized = cv2.resize(small, (333, 150), interpolation=cv2.INTER_CUBIC)
    assert cv2.absdiff(whole, resized).max() <= 1
    part = slice(20, 90), slice(111, 333)
    assert cv2.absdiff(enlarge(small, (150, 333), part), whole[part]).max() <= 1


def test_seam_fades_in_by_the_distance_from_the_known():
    """Known 100, predicted 200: 1 pixel deep 3/4, 2: 1/2, 3: 1/4 of the way back."""
    image = np.full((1, 20, 3), 100, np.uint8)
    hole = np.zeros((1, 20), np.uint8)
    hole[:, 10:] = 1
    faded = feather(np.full_like(image, 200), image, hole, width=3.0)
    assert faded[0, 10:15, 0].tolist() == [125, 150, 175, 200, 200]
    assert (faded[0, :10] == 200).all()  # only the hole is changed


@pytest.mark.parametrize(
    "error",
    [
        ResourceExhaustedError("failed to allocate"),
        JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"),
        MemoryError(),
    ],
)
def test_memory_errors_halve_the_working_size(error):
    sizes = []

    def fill(image, mask):
        sizes.append(max(mask.shape))
        if max(mask.shape) > 64:
            raise error
        return cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA)

    mask = scattered(1, 40, 300, 500)
    completed = complete(Plain(fill, 200), noise(300, 500), mask, "crop")
    assert sizes == [200, 100, 64] and completed.shape == (300, 500, 3)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_too_little_memory_at_the_smallest_size_is_an_error(strategy):
    telea = Telea(largest=0)
    with pytest.raises(InputError, match="memory at 64 pixels"):
        complete(Plain(telea), noise(300, 300), scattered(1, 40, 300, 300), strategy)
    assert max(telea.shapes[-1]) == 64


def test_other_errors_pass_unchanged():
    def broken(image, mask):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        complete(Plain(broken), noise(8, 8), np.ones((8, 8), np.uint8))


def test_a_hundred_holes_cost_at_most_three_times_one():
    def best_time(mask):
        image, times = noise(*mask.shape), []
        for _ in range(5):
            start = time.thread_time()
            complete(Plain(diffuse), image, mask)
            times.append(time.thread_time() - start)
        return min(times)

    hundred, one = scattered(100, 16, 1500, 1500), scattered(1, 160, 1500, 1500)
    assert hundred.sum() == one.sum()
    assert best_time(hundred) <= 3 * best_time(one)


BIG = """
import numpy as np
from conftest import Plain
from inpainting_zoo.environment import peak_memory
from test_large import Telea, complete
image = np.random.default_rng(0).integers(0, 256, (6000, 8000, 3), np.uint8)
mask = np.zeros((6000, 8000), np.uint8)
mask[100:500, 100:400] = mask[3000:5200, 4000:6100] = mask[5900:, 7800:] = 1
completed = complete(Plain(Telea(), 512), image, mask)
assert completed.shape == image.shape
assert (completed == image)[mask == 0].all()
print(peak_memory())
"""


def test_a_photograph_of_48_megapixels_stays_under_4_gb():
    tests = Path(__file__).parent
    run = subprocess.run(
        [sys.executable, "-c", BIG],
        cwd=tests,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(run.stdout) < 4000
