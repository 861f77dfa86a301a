"""Which files belong together by their names."""

from pathlib import Path

import pytest

from inpainting_zoo.data.names import (
    list_masks,
    masks_beside,
    match,
    pair,
    relative_names,
    without_masks,
)
from inpainting_zoo.errors import InputError


def test_names_tell_equal_file_names_apart(tmp_path):
    paths = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"]
    assert relative_names(paths) == ["a/x.png", "b/x.png"]
    assert relative_names(paths[:1]) == ["x.png"]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (["a/1.png", "a/1.jpg", "1.png"], ["a/1.png"]),  # the same path
        (["a/1.jpg", "a/1_mask.png", "1.png"], ["a/1.jpg"]),  # but for the suffix
        (["a/1_mask.png", "b/1.png"], ["a/1_mask.png"]),
        (
            ["a/1_mask001.png", "a/1_mask002.png"],
            ["a/1_mask001.png", "a/1_mask002.png"],
        ),
        (["b/1.png", "1_mask.png"], ["b/1.png"]),  # the name in any folder
        (["b/1_mask3.png"], ["b/1_mask3.png"]),
        (["a/10.png", "a/10_mask.png", "a/1_masks.png", "mask_1.png", "a/11"], []),
        ([], []),
    ],
)
def test_the_nearest_rule_that_finds_any_decides(others, expected):
    assert match(["a/1.png"], others) == {"a/1.png": expected}


@pytest.mark.parametrize("form", ["{}.png", "{}_mask.png", "{}_mask001.png"])
def test_what_is_one_name_s_by_its_path_is_no_other_s(form):
    names, others = ["train/1.jpg", "val/1.jpg", "2.jpg"], ["train/1", "train/2"]
    found = match(names, [form.format(other) for other in others])
    assert list(found.values()) == [
        [form.format("train/1")],
        [],
        [form.format("train/2")],
    ]
    assert match(names[:2], ["train/1.png", "1.png"])["val/1.jpg"] == ["1.png"]
    assert list(match(names[:2], ["1.png"]).values()) == [["1.png"]] * 2


def test_names_hold_a_folder_that_the_others_are_in():
    paths = [Path("masks/a/train/1.png"), Path("masks/a/train/2.png")]
    assert relative_names(paths) == ["1.png", "2.png"]
    for others, first in (
        (["train/1.png", "val/1.png"], "train/1.png"),
        (["a/train/1.png", "b/1.png"], "a/train/1.png"),
        (["b/a/1.png", "x/1.png", "train.png"], "1.png"),
    ):
        assert relative_names(paths, others)[0] == first


def test_names_with_dots_keep_all_but_the_suffix():
    assert match(["v1.2.png"], ["v1.jpg", "v1.2.jpg"]) == {"v1.2.png": ["v1.2.jpg"]}


def test_files_are_paired_in_the_order_of_the_images():
    images = [Path("in/2.png"), Path("in/1.png")]
    files = [Path("out/1.jpg"), Path("out/2.jpg"), Path("out/3.jpg")]
    assert pair(images, files, "target") == [files[1], files[0]]
    with pytest.raises(InputError, match=r"target: .* of '1.png', received none"):
        pair(images, files[1:], "target")
    twice = [*files, Path("out/1.png"), Path("out/more/1.png"), Path("out/2.png")]
    assert pair(images, twice, "target")[1] == Path("out/1.png")
    alike = [Path("in/a/1.png"), Path("in/b/1.png")]
    with pytest.raises(InputError, match=r"'1.jpg', which is that of 'a/1.png'"):
        pair(alike, files, "target")
    with pytest.raises(InputError, match=r"'2.png', received 'a/2.png', 'b/2.png'"):
        pair(images[:1], [Path("out/a/2.png"), Path("out/b/2.png")], "target")


def test_masks_beside_are_those_that_have_their_picture():
    pictures = ["a.png", "b/a.jpg", "venetian_mask.png", "_mask.png", "c_masks.png"]
    masks = ["a_mask.png", "a_mask001.jpg", "b/a_mask2.png"]
    assert masks_beside([*pictures, *masks, "c/a_mask.png"]) == {*masks}


def test_masks_are_left_out_of_pictures_with_one_warning(caplog):
    names = ["a.png", "a_mask001.png", "a_mask002.png", "b.png"]
    pictures = [Path("in") / name for name in names]
    assert without_masks(pictures, "test_path", pictures[1:3]) == pictures[::3]
    assert not caplog.records
    assert without_masks(pictures, "test_path") == pictures[::3]
    assert [r.message for r in caplog.records] == [
        "test_path: 2 masks beside their pictures are left out, such as "
        "'in/a_mask001.png'"
    ]


def test_what_is_used_as_a_mask_is_no_picture(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "masks")
    pictures = [tmp_path / "a.png", tmp_path / "masks" / "a.png"]
    linked = [tmp_path / "link" / "a.png"]
    assert without_masks(pictures, "test_path", linked) == pictures[:1]
    with pytest.raises(
        InputError, match=r"beside those of -mask_path, received .*a\.png"
    ):
        without_masks(pictures, "test_path", pictures)


def test_a_folder_of_pictures_has_the_masks_that_are_called_so(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    folder, same = str(tmp_path), f"{tmp_path}/../{tmp_path.name}"
    assert list_masks(None, None) == []
    assert len(list_masks(folder, "elsewhere", None)) == 2
    with pytest.raises(InputError, match=r"mask_path: must be called NAME_mask\.png"):
        list_masks(folder, None, same)
    (tmp_path / "a_mask.png").touch()
    assert list_masks(folder, same) == [tmp_path / "a_mask.png"]
