"""Data sets as they are unpacked, in miniature."""

import functools
import json
from pathlib import Path

import pytest
from PIL import Image

from conftest import ROOT, TINY
from inpainting_zoo import cli as runner
from inpainting_zoo.data.layouts import LAYOUTS, iharmony4_companions, list_split
from inpainting_zoo.errors import InputError


def unpack(root, *names):
    """Makes a picture, or a text file of the lines after its name."""
    for name in names:
        name, *lines = [name] if isinstance(name, str) else name
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if lines:
            path.write_text("\n".join(lines) + "\n")
        else:
            Image.new("RGB", (2, 2)).save(path)


def listed(layout, root, split):
    paths = list_split(layout, root, split)
    return [path.relative_to(root).as_posix() for path in paths]


def tiny_imagenet(root):
    unpack(
        root,
        "train/n01443537/images/n01443537_0.JPEG",
        "train/n01629819/images/n01629819_7.JPEG",
        ("train/n01629819/n01629819_boxes.txt", "n01629819_7.JPEG\t0\t10\t63\t58"),
        "val/images/val_0.JPEG",
        "val/images/val_1.JPEG",
        "val/images/stray.JPEG",
        (
            "val/val_annotations.txt",
            "val_0.JPEG\tn01443537\t0\t32\t44\t62",
            "val_1.JPEG\tn01629819\t52\t55\t57\t59",
        ),
        "test/images/test_0.JPEG",
    )
    train = ["n01443537/images/n01443537_0.JPEG", "n01629819/images/n01629819_7.JPEG"]
    val = ["val/images/val_0.JPEG", "val/images/val_1.JPEG"]
    return [f"train/{name}" for name in train], val


def imagenet(root, prefix=""):
    train = [f"{prefix}train/n0144076{i}/n0144076{i}_10026.JPEG" for i in (3, 4)]
    val = [f"{prefix}val/ILSVRC2012_val_0000000{i}.JPEG" for i in (1, 2)]
    test = f"{prefix}test/ILSVRC2012_test_00000001.JPEG"
    unpack(root, *train, *val, test)
    return train, val


def imagenet_with_classes_in_val(root):
    train, val = ["train/n01440764/a.JPEG"], ["val/n01440764/b.JPEG"]
    unpack(root, *train, *val)
    return train, val


def cityscapes(root):
    train = ["aachen/aachen_000000_000019", "bochum/bochum_000000_000313"]
    train = [f"leftImg8bit/train/{name}_leftImg8bit.png" for name in train]
    val = ["leftImg8bit/val/munster/munster_000000_000019_leftImg8bit.png"]
    labels = "gtFine/train/aachen/aachen_000000_000019_gtFine_color.png"
    unpack(root, *train, *val, labels)
    unpack(root, "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png")
    return train, val


def celeba_hq_by_folder(root):
    train, val = ["train/female/000004.jpg", "train/male/000016.jpg"], ["val/a/1.jpg"]
    unpack(root, *train, *val)
    return train, val


def celeba_mask_hq(root):
    # Numbers in CelebA at the borders of its splits.
    numbers = [162_769, 162_770, 182_636, 182_637]
    table = ["idx  orig_idx  orig_file"]
    table += [f"{i}  {n}  {n + 1:06}.jpg" for i, n in enumerate(numbers)]
    unpack(
        root,
        ("CelebA-HQ-to-CelebA-mapping.txt", *table),
        *(f"CelebA-HQ-img/{i}.jpg" for i in range(4)),
        "CelebAMask-HQ-mask-anno/0/00000_hair.png",
    )
    return ["CelebA-HQ-img/0.jpg"], ["CelebA-HQ-img/1.jpg", "CelebA-HQ-img/2.jpg"]


def celeba_hq_in_one_folder(root):
    names = [f"{i:05}.jpg" for i in range(30)]
    unpack(root, *names)
    return names[:28], names[28:]


def places365(root):
    train = ["data_256/a/airfield/00000001.jpg", "data_256/z/zen_garden/00000002.jpg"]
    val = [f"val_256/Places365_val_0000000{i}.jpg" for i in (1, 2)]
    unpack(root, *train, *val, "test_256/Places365_test_00000001.jpg")
    return train, val


def places365_with_lists(root):
    train, val = places365(root)
    unpack(
        root,
        ("places365_train_standard.txt", "/z/zen_garden/00000002.jpg 364"),
        # The second was filtered out of the folder.
        (
            "places365_val.txt",
            "Places365_val_00000001.jpg 165",
            "Places365_val_00000009.jpg 12",
        ),
    )
    return train[1:], val[:1]


def places365_with_simple_folders(root):
    train, val = ["train/airfield/00000001.jpg"], ["val/airfield/Places365_val_1.jpg"]
    unpack(root, *train, *val, ("val.txt", "airfield/Places365_val_1.jpg 0"))
    return train, val


def misato(root):
    val = ["image/0000.png", "image/0500.png"]
    unpack(root, *val, "mask/0000.png", "mask/0500.png")
    return None, val  # nothing to train on


def iharmony4(root):
    train, val = ["c1_1_1.jpg", "c1_2_1.jpg"], ["c2_1_1.jpg"]
    folder = "HCOCO/composite_images"
    unpack(root, *(f"{folder}/{name}" for name in train + val))
    unpack(root, "HCOCO/real_images/c1.jpg", "HCOCO/masks/c1_1.png")
    lists = {"train": train, "test": val}
    unpack(root, *((f"HCOCO/HCOCO_{k}.txt", *names) for k, names in lists.items()))
    return [f"{folder}/{n}" for n in train], [f"{folder}/{n}" for n in val]


def res(root):
    views = ["p1_1.jpg", "p1_2.jpg"]
    unpack(root, *views, "p1_1_mask.png", "p1_2_mask.png", "p1_1_amodal.png")
    return None, views  # nothing to train on


TREES = [
    ("tiny_imagenet", tiny_imagenet),
    ("imagenet", imagenet),
    ("imagenet", functools.partial(imagenet, prefix="ILSVRC/Data/CLS-LOC/")),
    ("imagenet", imagenet_with_classes_in_val),
    ("celeba_hq", celeba_hq_by_folder),
    ("celeba_hq", celeba_mask_hq),
    ("celeba_hq", celeba_hq_in_one_folder),
    ("cityscapes", cityscapes),
    ("places365", places365),
    ("places365", places365_with_lists),
    ("places365", places365_with_simple_folders),
    ("misato", misato),
    ("iharmony4", iharmony4),
    ("res", res),
]


def test_every_layout_has_a_tree():
    assert {layout for layout, _ in TREES} == set(LAYOUTS)


@pytest.mark.parametrize(("layout", "tree"), TREES)
def test_a_split_is_what_the_data_set_says(layout, tree, tmp_path):
    train, val = tree(tmp_path)
    assert listed(layout, tmp_path, "val") == val
    if train is None:
        with pytest.raises(InputError, match=f"{layout} has pictures to measure on"):
            listed(layout, tmp_path, "train")
    else:
        assert listed(layout, tmp_path, "train") == train


def test_the_page_on_data_sets_names_every_layout():
    page = (ROOT / "docs" / "datasets.md").read_text().splitlines()
    named = [line.split("`")[1] for line in page if line.startswith("| `")]
    assert named == 2 * list(LAYOUTS)  # where from, and what is in its folder


@pytest.mark.long
def test_commands_read_the_splits(tmp_path, capsys):
    tiny_imagenet(tmp_path)
    common = ["-dataset_layout", "tiny_imagenet"]
    experiment = ["-experiment_name", "one", "-output_path", str(tmp_path / "outputs")]
    train = [*common, *experiment, *TINY, "-warm_up_generator", "-steps", "1"]
    assert runner.main([*train, "-train_path", str(tmp_path), "-run_eagerly"]) == 0
    assert "2 images, 1 steps" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "outputs/one/metrics.json").read_text())
    assert "validation_loss" in metrics["warm_up_generator"]["history"][0]
    report = tmp_path / "report.json"
    test = ["-test_path", str(tmp_path), "-report", str(report)]
    assert runner.main(["evaluate", *common, *experiment, *test]) == 0
    rows = report.with_suffix(".csv").read_text()
    assert "val_0.JPEG" in rows and "val_1.JPEG" in rows
    assert "stray" not in rows and "n01443537" not in rows
    assert json.loads(report.read_text())["images"] == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_that_is_something_else_is_refused(layout, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="dataset_layout: "):
        list_split(layout, tmp_path, "train")


def test_a_list_of_other_pictures_is_refused(tmp_path):
    places365(tmp_path)
    unpack(tmp_path, ("places365_val.txt", "Places365_val_00000009.jpg 12"))
    with pytest.raises(InputError, match=r"places365_val.txt must name pictures"):
        list_split("places365", tmp_path, "val")


def test_a_composite_of_another_name_is_refused():
    with pytest.raises(InputError, match=r"ID_MASK_VARIANT, received a_1\.jpg"):
        iharmony4_companions([Path("composite_images/a_1.jpg")])


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"one of tiny_imagenet, .*received 'mnist'"):
        list_split("mnist", ".", "train")
    with pytest.raises(InputError, match="split: one of train, val, received 'test'"):
        list_split("imagenet", tmp_path, "test")
