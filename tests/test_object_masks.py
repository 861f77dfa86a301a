"""Masks of objects for learned tasks, and the annotations that they come from."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from inpainting_zoo.data.boxes import outpainting
from inpainting_zoo.data.coco import Annotated, decode, read_annotations
from inpainting_zoo.data.images import PictureError
from inpainting_zoo.data.layouts import iharmony4_companions, list_split
from inpainting_zoo.data.objects import (
    list_objects,
    moved_object,
    object_part,
    read_objects,
    shifted,
    subject,
)
from inpainting_zoo.data.training import TrainingPairs
from inpainting_zoo.errors import InputError

# As pycocotools writes the mask that `RUNS` fills.
TEXT = ";450020N00LM7"
RUNS = [(slice(2, 6), slice(1, 4)), (slice(4, 8), slice(3, 6)), (0, 6)]


def draws(mask, count=60, side=48, **sources):
    rngs = (np.random.default_rng([1, i]) for i in range(count))
    return np.array([mask(rng, side, side, **sources) for rng in rngs])


@pytest.fixture
def objects():
    """Two boxes; a third object that is most of the picture."""
    labels = np.zeros((48, 48), np.uint8)
    labels[20:] = 9
    labels[2:12, 4:16] = 3
    labels[5:9, 30:36] = 200
    return labels


def test_shifted():
    array = np.arange(1, 7).reshape(2, 3)
    assert shifted(array, 1, 0).tolist() == [[0, 1, 2], [0, 4, 5]]
    assert shifted(array, -2, 1).tolist() == [[0, 0, 0], [3, 0, 0]]
    assert not shifted(array, 3, 0).any() and not shifted(array, 0, -5).any()


def test_a_moved_object_is_not_where_it_was(objects):
    """Its shape, perhaps cut off at the border or by itself, somewhere else."""
    found = draws(moved_object, objects=objects)
    areas = {120: 0, 24: 0}
    for mask in found:
        area = int(mask.sum())
        assert 0 < area <= 120
        for whole, label in ((120, 3), (24, 200)):
            if area == whole and not mask[objects == label].any():
                rows, columns = mask.any(1), mask.any(0)
                np.testing.assert_array_equal(mask, np.outer(rows, columns))
                areas[whole] += 1
    assert min(areas.values()) > 3  # both objects, whole as well
    assert found.any(0)[20:36].mean() > 0.5


def test_part_of_an_object(objects):
    """Within two pixels of one object, and seldom all of it."""
    sizes = []
    for mask in draws(object_part, objects=objects):
        hidden = [label for label in (3, 200, 9) if mask[objects == label].any()]
        sizes.append(mask.sum())
        wide = [cv2.dilate(np.uint8(objects == n), np.ones((5, 5))) for n in hidden]
        assert any((w[mask == 1] == 1).all() for w in wide)
        assert mask.mean() <= 0.5
    assert len(set(sizes)) > 30


def test_without_objects_a_rectangle():
    nothing = np.zeros((48, 48), np.uint8)
    for mask in (moved_object, object_part, subject):
        for hole in draws(mask, 3, objects=nothing):
            rows, columns = hole.any(1), hole.any(0)
            np.testing.assert_array_equal(hole, np.outer(rows, columns))


def test_the_subject_is_all_that_is_labelled(objects):
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(
        subject(rng, 48, 48, objects=objects), (objects > 0).astype(np.uint8)
    )


def test_outpainting_leaves_a_box():
    """Bands of a sixteenth to a quarter along one to four borders."""
    sides = []
    for mask in draws(outpainting, side=64):
        known = mask == 0
        np.testing.assert_array_equal(known, np.outer(known.any(1), known.any(0)))
        rows, columns = np.flatnonzero(known.any(1)), np.flatnonzero(known.any(0))
        bands = rows[0], 63 - rows[-1], columns[0], 63 - columns[-1]
        assert set(bands) <= {0, *range(4, 17)}
        sides.append(np.count_nonzero(bands))
    assert set(sides) == {1, 2, 3, 4}


def test_run_lengths_of_cocos_own_program():
    expected = np.zeros((9, 7), bool)
    for run in RUNS:
        expected[run] = True
    np.testing.assert_array_equal(decode(TEXT, 9, 7, (9, 7)), expected)
    columns = expected.T.ravel()
    changes = np.flatnonzero(np.diff(columns)) + 1
    counts = np.diff([0, *changes, columns.size]).tolist()
    np.testing.assert_array_equal(decode(counts, 9, 7, (9, 7)), expected)
    for wrong in (TEXT[:-1], [3, 4]):
        with pytest.raises(ValueError, match="run lengths of"):
            decode(wrong, 9, 7, (9, 7))


def test_polygons_cover_the_pixels_whose_centre_they_hold():
    """As COCO's own program fills a box, and nearly so a slanted shape."""
    box = Annotated("f", "a.png", 6, 7, [[[1, 1, 4, 1, 4, 3, 1, 3]]]).labels()
    expected = np.zeros((6, 7), np.uint8)
    expected[1:3, 1:4] = 1
    np.testing.assert_array_equal(box, expected)
    slanted = Annotated("f", "a.png", 11, 11, [[[2, 1, 9, 3, 6, 9, 1, 7]]]).labels()
    theirs = np.zeros((11, 11), bool)
    for row, (first, last) in enumerate(
        [(2, 3), (2, 6), (2, 8), (1, 7), (1, 7), (1, 6), (2, 6), (5, 5)], 1
    ):
        theirs[row, first : last + 1] = True
    both = theirs & (slanted > 0)
    assert both.sum() / (theirs | (slanted > 0)).sum() > 0.85


@pytest.fixture
def coco(tmp_path):
    """A miniature of COCO: pictures, and a file of annotations; and its labels."""
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for name in ("0001.png", "0002.png"):
        picture = rng.integers(0, 256, (9, 7, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / "images" / name)
    size = {"height": 9, "width": 7}
    images = [{"id": 5, "file_name": "0001.png", **size}]
    images += [{"id": 7, "file_name": "0002.png", **size}]
    about = {"iscrowd": 0, "image_id": 5}
    annotations = [
        {**about, "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]]},
        {**about, "segmentation": {"counts": TEXT, "size": [9, 7]}},
        {**about, "iscrowd": 1, "segmentation": {"counts": [0, 63], "size": [9, 7]}},
    ]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    labels = np.zeros((9, 7), np.uint8)
    for run in RUNS:
        labels[run] = 1
    labels[1:3, 1:4] = 2  # the smaller one, in front
    return tmp_path, labels


def test_annotations_become_labels(coco):
    folder, labels = coco
    first, second = list_objects(folder / "instances.json")
    np.testing.assert_array_equal(read_objects(first), labels)
    assert not read_objects(second).any()
    images = sorted((folder / "images").iterdir())
    pairs = TrainingPairs(
        images, "subject", 7, 2, 0, max_zoom=1, objects=[second, first]
    )
    assert {int(m.sum() > 10) for m in pairs.batch(0)["mask"]} <= {0, 1}


def test_damaged_annotations_are_named(coco):
    folder, _ = coco
    path = folder / "other.json"
    path.write_text('{"images": []}')
    with pytest.raises(InputError, match=r"objects_path: must be COCO's .*annotations"):
        read_annotations(path)
    wrong = Annotated("f.json", "a.png", 4, 4, [{"counts": [3], "size": [4, 4]}])
    with pytest.raises(PictureError, match=r"received a\.png in f\.json"):
        read_objects(wrong)


def test_labels_beside_their_pictures(tmp_path):
    """As the data set ReS has its subjects."""
    for name in ("p1_1.jpg", "p1_2.jpg", "p1_1_mask.png", "p1_2_mask.png"):
        Image.new("L", (4, 4)).save(tmp_path / name)
    found = list_objects(tmp_path, tmp_path)
    assert [path.name for path in found] == ["p1_1_mask.png", "p1_2_mask.png"]


def test_iharmony4(tmp_path):
    """Several composites of a real picture, each with its mask; lists by split."""
    for name in ("c1_1_1", "c1_2_1", "c2_1_1"):
        real, mask = name.split("_")[0], name[:-2]
        for path in (
            f"composite_images/{name}.jpg",
            f"real_images/{real}.jpg",
            f"masks/{mask}.png",
        ):
            (tmp_path / "HCOCO" / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4)).save(tmp_path / "HCOCO" / path)
    assert len(list_split("iharmony4", tmp_path, "train")) == 2
    (tmp_path / "HCOCO" / "HCOCO_train.txt").write_text("c1_1_1.jpg\nc1_2_1.jpg\n")
    (tmp_path / "HCOCO" / "HCOCO_test.txt").write_text("c2_1_1.jpg\n")
    images = list_split("iharmony4", tmp_path, "train")
    assert [path.name for path in images] == ["c1_1_1.jpg", "c1_2_1.jpg"]
    found = iharmony4_companions(images)
    assert {path.name for path in found["target"].values()} == {"c1.jpg"}
    names = [path.name for path in found["objects"].values()]
    assert names == ["c1_1.png", "c1_2.png"]
    pairs = TrainingPairs(
        images,
        "subject",
        4,
        2,
        0,
        aligned={"target": found["target"]},
        objects=found["objects"],
    )
    assert set(pairs.batch(0)) == {"image", "mask", "target"}
    assert len(list_split("iharmony4", tmp_path, "val")) == 1
    with pytest.raises(InputError, match="must hold folders composite_images"):
        list_split("iharmony4", tmp_path / "HCOCO" / "masks", "val")
