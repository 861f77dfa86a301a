"""Training batches and evaluation pairs: order, purity, bad files."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo.data.embedded import files
from inpainting_zoo.data.evaluation import EvaluationPairs, assign_masks, readable_pairs
from inpainting_zoo.data.images import fit_image, read_image
from inpainting_zoo.data.training import TrainingPairs, Unreadable
from inpainting_zoo.errors import InputError


@pytest.fixture
def flat(tmp_path):
    """Writes pictures of one colour each: picture i is (i, i, i) everywhere."""

    def write(count, folder="images", size=(12, 10)):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = [tmp_path / folder / f"{i:03d}.png" for i in range(count)]
        for i, path in enumerate(paths):
            Image.new("RGB", size, (i, i, i)).save(path)
        return paths

    return write


@pytest.fixture
def mask_files(tmp_path):
    """Writes two masks: a hole in the top left quarter, and in all but the middle."""
    (tmp_path / "masks").mkdir()
    paths = [tmp_path / "masks" / f"{i:03d}.png" for i in range(2)]
    quarter = np.zeros((20, 20), np.uint8)
    quarter[:10, :10] = 255
    Image.fromarray(quarter).save(paths[0])
    frame = np.full((20, 20), 255, np.uint8)
    frame[5:15, 5:15] = 0
    Image.fromarray(frame).save(paths[1])
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
        with pytest.raises(InputError, match=r"train_path: at most 1 % .* of 150"):
            [pairs.batch(i) for i in range(3)]
    missing = [path.with_suffix(".no") for path in paths[:2]]
    gone = TrainingPairs(missing, "centre", 4, 1, seed=0)
    for _ in range(5):
        with pytest.raises(InputError, match="of 2"):
            gone.batch(0)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"batch_size": 4}, r"batch_size: .* \(3\), received 4"),
        ({"batch_size": 0}, "batch_size: .* received 0"),
        ({"image_size": 0}, "image_size: .* received 0"),
        ({"seed": -1}, "seed: .* received -1"),
        ({"masks": "files"}, "mask_path"),
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
    frames = [mask[0].all() for i in range(20) for mask in pairs.batch(i)["mask"]]
    assert np.mean(frames) == pytest.approx(1 / 4, abs=0.08)


def test_unreadable_masks_count_too(flat, mask_files):
    mask_files[0].write_bytes(b"")
    pairs = TrainingPairs(flat(4), "files", 4, 4, 0, mask_files)
    with pytest.raises(InputError, match=r"mask_path: at most 1 % .* 1 of 2"):
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
        ("001.png", 12),
        ("000.png", 4),
    ]


def test_masks_of_other_names_go_in_order_and_again(flat, mask_files, caplog):
    pairs = EvaluationPairs(flat(5), "files", 4, 0, mask_files[::-1], True)
    assert [int(mask.sum()) for _, _, mask in pairs] == [12, 4, 12, 4, 12]
    assert "2 of 5 images" in caplog.text


def test_an_unreadable_evaluation_image_is_named(flat):
    paths = flat(2)
    paths[1].write_bytes(b"")
    with pytest.raises(InputError, match=r"001\.png"):
        EvaluationPairs(paths, "centre", 4)[1]


def test_pairs_to_validate_on_leave_out_what_is_unreadable(flat, mask_files, caplog):
    """A mask counts among the masks, and once, however many pictures it is for."""
    paths, unreadable = flat(4), Unreadable({"validation": 100, "mask_path": 100})
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


def frozen(folder):
    """Pictures and masks of the first kinds, the same on every machine."""
    rng, images, mask_files = np.random.default_rng(0), [], []
    for i in range(6):
        pixels = rng.integers(0, 256, (50 + i, 60 - i, 3), np.uint8)
        hole = np.zeros((40, 44 + i), np.uint8)
        hole[3 : 20 + i, i : 2 * i + 9] = 255
        for paths, name, array in (
            (images, f"{i}.png", pixels),
            (mask_files, f"mask_{i}.png", hole),
        ):
            paths.append(folder / name)
            Image.fromarray(array).save(paths[-1])
    free = "rectangle strokes free_form lama_thin lama_medium lama_thick centre"
    free = [*free.split(), "inner_centre", "circle", "blocks", "regions"]
    mixture = dict.fromkeys(free, 1) | {"files": 4}
    return TrainingPairs(images, mixture, 32, 5, 7, mask_files)


def test_a_batch_and_a_fingerprint_stay_what_they_were(tmp_path):
    """Experiments of earlier versions go on with the same pictures and masks."""
    pairs = frozen(tmp_path)
    batch = pairs.batch(3)
    digests = {k: hashlib.sha256(v.tobytes()).hexdigest() for k, v in batch.items()}
    assert digests["image"].startswith("17faf82d70cb4df6")
    assert digests["mask"].startswith("3fe3b0b121c69122")
    assert pairs.fingerprint().startswith("f6e800b60da17af22cbc60a2ca210ae7")


@pytest.fixture
def gradients(tmp_path):
    """Writes four noisy pictures, and in another folder what belongs to them."""

    def write(change, folder="target", suffix=".png"):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / folder).mkdir()
        rng, images, others = np.random.default_rng(0), [], []
        for i in range(4):
            image = rng.integers(0, 256, (30, 40 + i, 3), np.uint8)
            images.append(tmp_path / "images" / f"{i}.png")
            others.append(tmp_path / folder / f"{i}{suffix}")
            Image.fromarray(image).save(images[-1])
            Image.fromarray(change(image)).save(others[-1])
        return images, others

    return write


def test_aligned_pictures_are_cut_and_mirrored_as_their_image(gradients):
    images, others = gradients(lambda image: 255 - image)
    pairs = TrainingPairs(
        images, "centre", 30, 2, 5, max_zoom=1, aligned={"target": others[::-1]}
    )
    batches = [pairs.batch(i) for i in range(6)]
    for batch in batches:
        assert set(batch) == {"image", "mask", "target"}
        assert batch["target"].dtype == np.uint8
        np.testing.assert_array_equal(batch["target"], 255 - batch["image"])
    alone = TrainingPairs(images, "centre", 30, 2, 5, max_zoom=1)
    for i, batch in enumerate(batches):
        np.testing.assert_array_equal(batch["image"], alone.batch(i)["image"])
    assert pairs.fingerprint() != alone.fingerprint()


def test_aligned_pictures_may_be_scaled_and_of_another_format(gradients):
    """A JPEG that stands beside its image is decoded in full size."""
    images, others = gradients(lambda image: np.full_like(image, 90), suffix=".jpg")
    pairs = TrainingPairs(others, "centre", 4, 4, 0, aligned={"was": images})
    image, was = (pairs.batch(0)[name] for name in ("image", "was"))
    assert image.shape == was.shape == (4, 4, 4, 3)
    assert np.ptp(image) == 0 and np.ptp(was) > 20


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"aligned": {"target": 3}}, "target: must hold one picture .*'3.png'.* none"),
        ({"aligned": {"mask": 4}}, "aligned: names other than .* received 'mask'"),
        ({"masks": "objects"}, "objects_path: must hold pictures for masks 'objects'"),
    ],
)
def test_further_pictures_must_belong_to_the_images(gradients, arguments, complaint):
    images, others = gradients(lambda image: image)
    for name, count in arguments.get("aligned", {}).items():
        arguments = {"aligned": {name: others[:count]}}
    with pytest.raises(InputError, match=complaint):
        TrainingPairs(images, **{"masks": "centre", **arguments}, **SMALL)


SMALL = {"image_size": 8, "batch_size": 2, "seed": 0}


def test_pictures_of_another_size_than_their_image_are_refused(gradients):
    images, others = gradients(lambda image: image[1:])
    pairs = TrainingPairs(images, "centre", **SMALL, aligned={"target": others})
    rule = r"target: must have the size of its image, .*target/(\d).* of 4\dx29 for "
    with pytest.raises(InputError, match=rule + r".*images/\1\.png' of 4\dx30"):
        pairs.batch(0)
    labels = TrainingPairs(images, "objects", **SMALL, objects=others)
    with pytest.raises(InputError, match=r"objects_path: .* of mode RGB"):
        labels.batch(0)


def test_an_unreadable_aligned_picture_takes_its_image_along(flat):
    images, others = flat(150), flat(150, "others")
    others[5].write_bytes(b"no picture")
    pairs = TrainingPairs(images, "centre", 4, 150, 0, aligned={"target": others})
    batch = pairs.batch(0)
    np.testing.assert_array_equal(batch["image"], batch["target"])
    assert list(pairs.unreadable) == [others[5]]
    assert shown(batch).count(6) == 2 and 5 not in shown(batch)


def test_object_masks_hide_an_object_of_the_crop(gradients):
    """The labels are where the picture is bright, so the mask must cover the same."""

    def label(image):  # a bar on the left of every picture, no other object
        labels = np.zeros(image.shape[:2], np.uint8)
        labels[10:20, 2:8] = 7
        return labels

    images, labels = gradients(label)
    for path, objects in zip(images, labels):
        grey = np.asarray(Image.open(objects)) * np.uint8(36)
        Image.fromarray(np.stack([grey] * 3, -1)).save(path)
    pairs = TrainingPairs(images, "objects", 30, 4, 0, max_zoom=1, objects=labels[::-1])
    seen = 0
    for batch in (pairs.batch(i) for i in range(10)):
        assert set(batch) == {"image", "mask"}
        for image, mask in zip(batch["image"], batch["mask"][..., 0]):
            bright = image[..., 0] == 252
            if bright.any():  # this crop shows it
                assert mask[bright].all()
                assert bright.sum() < mask.sum() <= 12 * 8
                seen += 1
            assert mask.any() and not mask.all()
    assert 10 < seen < 40
    evaluated = EvaluationPairs(images, "objects", 30, objects=labels)
    _, image, mask = evaluated[0]
    assert mask[image[..., 0] == 252].all() and mask.sum() <= 12 * 8


@pytest.mark.parametrize(
    ("value", "lacks"), [(0, "a hole"), (255, "a known pixel")], ids=["black", "white"]
)
def test_masks_that_teach_nothing_are_counted_and_refused(flat, tmp_path, value, lacks):
    mask_files = [tmp_path / f"mask_{i}.png" for i in range(3)]
    for path in mask_files:
        Image.new("L", (20, 20), value).save(path)
    pairs = TrainingPairs(flat(4), "files", 4, 4, 0, mask_files)
    rule = f"mask_path: at most 1 % .* received [123] of 3 without {lacks}, such as"
    for _ in range(2):
        with pytest.raises(InputError, match=rule):
            pairs.batch(0)


def test_one_useless_mask_of_a_few_is_found_before_it_is_drawn(flat, tmp_path):
    mask_files = [tmp_path / f"mask_{i:02d}.png" for i in range(40)]
    for i, path in enumerate(mask_files):
        Image.fromarray(np.uint8([[255, 255 * (i == 39)]] * 2)).save(path)
    pairs = TrainingPairs(flat(4), "files", 4, 4, 0, mask_files)
    with pytest.raises(InputError, match=r"received 1 of 40 without a known pixel"):
        pairs.look_through_masks()
    few = TrainingPairs(flat(4), "files", 4, 4, 0, mask_files[:39])
    few.look_through_masks()
    few.look_through_masks(most=5)


def test_a_black_mask_in_a_hundred_is_left_alone(flat, tmp_path):
    mask_files = [tmp_path / f"mask_{i:03d}.png" for i in range(100)]
    for i, path in enumerate(mask_files):
        Image.fromarray(np.uint8([[255 * (i > 0), 0], [0, 0]])).save(path)
    pairs = TrainingPairs(flat(4), "files", 2, 4, 0, mask_files)
    holes = [int(m.sum()) for i in range(100) for m in pairs.batch(i)["mask"]]
    assert 0 < holes.count(0) < 20 and holes.count(1) > 380


def test_masks_of_no_name_are_assigned_in_order_with_a_warning(flat, tmp_path, caplog):
    mask_files = [tmp_path / f"hole_{i}.png" for i in range(2)]
    for i, path in enumerate(mask_files):
        Image.fromarray(np.uint8([[255, 255 * i], [0, 0]])).save(path)
    pairs = EvaluationPairs(flat(2), "files", 2, mask_files=mask_files)
    assert [int(mask.sum()) for _, _, mask in pairs] == [1, 2]
    assert [r.message for r in caplog.records] == [
        "mask_path: none of 2 images to evaluate on have a mask of their name, the "
        "others get masks in order"
    ]
    caplog.clear()
    EvaluationPairs(flat(2), "files", 2, mask_files=mask_files[:1])  # one for all
    EvaluationPairs(flat(2), "centre", 2, mask_files=mask_files)  # not asked for
    assert not caplog.records


def test_no_image_gets_the_mask_of_another_folder_s(tmp_path, caplog):
    """Masks in order are said to be, though all lie in the folder of one image."""
    images = [tmp_path / "in" / name for name in ("train/1.png", "val/1.png")]
    masks = [tmp_path / "masks/train" / name for name in ("1.png", "2.png")]
    assert assign_masks(images, masks) == masks
    assert "1 of 2 images to evaluate on have a mask of their name" in caplog.text
    caplog.clear()
    flat_masks = [tmp_path / "masks/1.png", tmp_path / "masks/2.png"]
    assert assign_masks(images, flat_masks) == flat_masks[:1] * 2
    assert not [r for r in caplog.records if r.levelname == "WARNING"]


def test_masks_are_paired_by_their_number_not_by_order(tmp_path, caplog):
    """10.png comes before 2.png, but 10_mask.png before 1_mask.png."""
    images, masks = [], []
    for i in (1, 2, 10):
        images.append(tmp_path / f"{i}.png")
        masks.append(tmp_path / f"{i}_mask001.png")
        Image.new("RGB", (20, 20)).save(images[-1])
        hole = np.zeros((20, 20), np.uint8)
        hole[:i] = 255
        Image.fromarray(hole).save(masks[-1])
    pairs = EvaluationPairs(sorted(images), None, 20, mask_files=sorted(masks))
    found = {name: int(mask.sum()) // 20 for name, _, mask in pairs}
    assert found == {"1.png": 1, "2.png": 2, "10.png": 10}
    assert not caplog.records
    second = tmp_path / "2_mask002.png"
    Image.new("L", (20, 20), 255).save(second)
    pairs = EvaluationPairs(images, None, 20, mask_files=[*masks, second])
    assert int(pairs[1][2].sum()) == 40
    assert "1 of 3 images have several masks" in caplog.text


def test_pairs_to_evaluate_on_hold_what_is_aligned_with_them(gradients):
    """Of the images that have any; the others are as before."""
    images, others = gradients(lambda image: 255 - image)
    aligned = {"target": others[1:], "none": others[:1]}
    pairs = EvaluationPairs(images, "centre", 10, aligned=aligned)
    for i, (path, name) in enumerate(zip(others, pairs.names)):
        found, image, mask, further = pairs[i]
        assert (found, image.shape, mask.shape) == (name, (10, 10, 3), (10, 10))
        expected = "target" if i else "none"
        assert [*further] == [expected]
        cut = fit_image(read_image(path), 10)
        np.testing.assert_array_equal(further[expected], cut)
    assert len(EvaluationPairs(images, "centre", 10)[0]) == 3
