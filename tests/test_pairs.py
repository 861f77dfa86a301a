"""Training batches and evaluation pairs: order, purity, bad files."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo.data.embedded import files
from inpainting_zoo.data.images import fit_image, read_image
from inpainting_zoo.data.pairs import (
    EvaluationPairs,
    TrainingPairs,
    Unreadable,
    readable_pairs,
    relative_names,
)
from inpainting_zoo.errors import InputError


@pytest.fixture
def flat(tmp_path):
    """Write pictures of one colour each: picture i is (i, i, i) everywhere."""

    def write(count, folder="images", size=(12, 10)):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = [tmp_path / folder / f"{i:03d}.png" for i in range(count)]
        for i, path in enumerate(paths):
            Image.new("RGB", size, (i, i, i)).save(path)
        return paths

    return write


@pytest.fixture
def mask_files(tmp_path):
    """Write two masks: a hole in the top left quarter, and a full one."""
    (tmp_path / "masks").mkdir()
    paths = [tmp_path / "masks" / f"{i:03d}.png" for i in range(2)]
    quarter = np.zeros((20, 20), np.uint8)
    quarter[:10, :10] = 255
    Image.fromarray(quarter).save(paths[0])
    Image.new("L", (20, 20), 255).save(paths[1])
    return paths


def shown(batch):
    return batch["image"][:, 0, 0, 0].tolist()


def test_batches_have_the_promised_form(flat):
    batch = TrainingPairs(flat(5), "rectangle,strokes", 8, 3, seed=0).batch(4)
    assert batch["image"].shape == (3, 8, 8, 3)
    assert batch["mask"].shape == (3, 8, 8, 1)
    assert batch["image"].dtype == batch["mask"].dtype == np.uint8
    assert all(set(np.unique(mask)) == {0, 1} for mask in batch["mask"])


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order(flat):
    pairs = TrainingPairs(flat(10), "rectangle", 4, 4, seed=1)
    seen = [image for i in range(5) for image in shown(pairs.batch(i))]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    assert pairs.steps_per_epoch == 2


def test_batches_are_pure_functions_of_seed_and_number():
    samples = files("test")
    first = TrainingPairs(samples, "strokes", 32, 2, seed=7)
    second = TrainingPairs(samples, "strokes", 32, 2, seed=7)
    later = [second.batch(i) for i in (6, 2, 0)][::-1]
    for batch, i in zip(later, (0, 2, 6), strict=True):
        for key, value in first.batch(i).items():
            np.testing.assert_array_equal(value, batch[key])
    other = TrainingPairs(samples, "strokes", 32, 2, seed=8).batch(0)
    assert (other["mask"] != later[0]["mask"]).any()


def test_crops_and_masks_change_with_the_epoch():
    pairs = TrainingPairs(files("test")[:1], "strokes", 32, 1, seed=0)
    first, second = pairs.batch(0), pairs.batch(1)
    assert (first["image"] != second["image"]).any()
    assert (first["mask"] != second["mask"]).any()


def test_threads_give_the_same_batches_and_report_once(flat, caplog):
    paths = flat(200)
    paths[17].write_bytes(b"no picture")
    alone = TrainingPairs(paths, "strokes", 8, 8, seed=3)
    shared = TrainingPairs(paths, "strokes", 8, 8, seed=3)
    expected = [alone.batch(i) for i in range(50)]
    caplog.clear()
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(shared.batch, range(50)))
    for batch, twin in zip(batches, expected, strict=True):
        np.testing.assert_array_equal(batch["image"], twin["image"])
        np.testing.assert_array_equal(batch["mask"], twin["mask"])
    assert list(shared.unreadable) == [paths[17]]
    assert [record.message.count("017.png") for record in caplog.records] == [1]
    seen = [image for batch in batches[:25] for image in shown(batch)]
    assert sorted(seen) == sorted([i for i in range(200) if i != 17] + [18])


def test_too_many_unreadable_images_are_an_error_every_time(flat):
    paths = flat(150)
    for path in paths[5:8]:
        path.unlink()
    pairs = TrainingPairs(paths, "rectangle", 4, 50, seed=0)
    for _ in range(2):
        with pytest.raises(InputError, match=r"-train_path: at most 1 % .* of 150"):
            [pairs.batch(i) for i in range(3)]
    missing = [path.with_suffix(".no") for path in paths[:2]]
    gone = TrainingPairs(missing, "centre", 4, 1, seed=0)
    for _ in range(5):
        with pytest.raises(InputError, match="of 2"):
            gone.batch(0)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"batch_size": 4}, r"-batch_size: .* \(3\), received 4"),
        ({"batch_size": 0}, "-batch_size: .* received 0"),
        ({"image_size": 0}, "-image_size: .* received 0"),
        ({"seed": -1}, "-seed: .* received -1"),
        ({"masks": "files"}, "-mask_path"),
        ({"masks": "blobs"}, "received 'blobs'"),
        ({"images": []}, "images"),
    ],
)
def test_bad_settings_are_named(flat, settings, complaint):
    good = {"masks": "strokes", "image_size": 8, "batch_size": 2, "seed": 0}
    with pytest.raises(InputError, match=complaint):
        TrainingPairs(**{"images": flat(3), **good, **settings})


def test_mask_files_are_mirrored_and_inverted(flat, mask_files):
    def quarters(invert):
        pairs = TrainingPairs(flat(4), "files", 4, 4, 0, mask_files[:1], invert)
        return [mask[..., 0] for i in range(10) for mask in pairs.batch(i)["mask"]]

    holes = {tuple(np.argwhere(mask)[0]) for mask in quarters(False)}
    assert holes == {(0, 0), (0, 2), (2, 0), (2, 2)}
    assert {int(mask.sum()) for mask in quarters(False)} == {4}
    assert {int(mask.sum()) for mask in quarters(True)} == {12}


def test_mixture_follows_its_weights(flat, mask_files):
    pairs = TrainingPairs(flat(20), "files=1,centre=3", 8, 20, 0, mask_files[1:])
    full = [mask.all() for i in range(20) for mask in pairs.batch(i)["mask"]]
    assert np.mean(full) == pytest.approx(1 / 4, abs=0.08)


def test_unreadable_masks_count_too(flat, mask_files):
    mask_files[0].write_bytes(b"")
    pairs = TrainingPairs(flat(4), "files", 4, 4, 0, mask_files)
    with pytest.raises(InputError, match=r"-mask_path: at most 1 % .* 1 of 2"):
        [pairs.batch(i) for i in range(5)]


def test_fingerprint_follows_names_and_settings(flat, mask_files):
    def fingerprint(count=4, folder="images", masks="files", seed=0, invert=False):
        images = flat(count, folder)
        pairs = TrainingPairs(images, masks, 8, 2, seed, mask_files, invert)
        return pairs.fingerprint()

    changed = [
        fingerprint(count=3),
        fingerprint(masks="files=1,strokes=2"),
        fingerprint(seed=1),
        fingerprint(invert=True),
    ]
    assert len({fingerprint(), *changed}) == 5
    assert fingerprint() == fingerprint(folder="moved")
    one = fingerprint(masks="strokes=2,files=1")
    assert one == changed[1]


def test_evaluation_pairs_are_a_fixed_sequence():
    samples = files("test")
    pairs = EvaluationPairs(samples, "strokes", 32, seed=5)
    assert len(list(pairs)) == len(pairs) == len(samples)
    name, image, mask = pairs[-1]
    assert name == samples[-1].name
    np.testing.assert_array_equal(image, fit_image(read_image(samples[-1]), 32))
    assert mask.shape == (32, 32)
    np.testing.assert_array_equal(
        mask, EvaluationPairs(samples, "strokes", 32, 5)[-1][2]
    )
    assert (mask != EvaluationPairs(samples, "strokes", 32, 6)[-1][2]).any()
    with pytest.raises(IndexError):
        pairs[len(pairs)]


def test_masks_are_paired_by_stem(flat, mask_files):
    images = flat(2)[::-1]
    pairs = EvaluationPairs(images, None, 4, mask_files=mask_files)
    assert [(name, int(mask.sum())) for name, _, mask in pairs] == [
        ("001.png", 16),
        ("000.png", 4),
    ]


def test_masks_of_other_names_go_in_order_and_again(flat, mask_files, caplog):
    pairs = EvaluationPairs(flat(5), "files", 4, 0, mask_files[::-1], True)
    assert [int(mask.sum()) for _, _, mask in pairs] == [12, 0, 12, 0, 12]
    assert "2 of 5 images" in caplog.text


def test_an_unreadable_evaluation_image_is_named(flat):
    paths = flat(2)
    paths[1].write_bytes(b"")
    with pytest.raises(InputError, match=r"001\.png"):
        EvaluationPairs(paths, "centre", 4)[1]


def test_pairs_to_validate_on_leave_out_what_is_unreadable(flat, mask_files, caplog):
    """A mask counts among the masks, and once, however many pictures it is for."""
    paths, unreadable = flat(4), Unreadable({"validation": 100, "-mask_path": 100})
    paths[2].unlink()
    pairs = EvaluationPairs(paths, "files", 4, mask_files=mask_files)
    found = readable_pairs(pairs, unreadable)
    assert [name for name, _, _ in found] == ["000.png", "001.png", "003.png"]
    mask_files[0].write_bytes(b"")
    found = readable_pairs(pairs, unreadable)
    assert [name for name, _, _ in found] == ["001.png", "003.png"]
    assert set(unreadable) == {paths[2], mask_files[0]}
    assert len(caplog.records) == 3  # and one about the masks' names
    paths[1].unlink()
    with pytest.raises(InputError, match=r"validation: at most 1 % .* 2 of 100"):
        readable_pairs(pairs, unreadable)


def test_a_pair_to_validate_on_must_be_readable(flat):
    (path,) = flat(1)
    path.unlink()
    with pytest.raises(InputError, match="received none of 1"):
        readable_pairs(
            EvaluationPairs([path], "centre", 4), Unreadable({"validation": 100})
        )


def test_names_tell_equal_file_names_apart(tmp_path):
    paths = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"]
    assert relative_names(paths) == ["a/x.png", "b/x.png"]
    assert relative_names(paths[:1]) == ["x.png"]
