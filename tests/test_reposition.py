"""Moving a subject: geometry by hand and of the authors, what stays, the command."""

import cv2
import numpy as np
import pytest
from PIL import Image

from conftest import Plain, run
from inpainting_zoo import cli, presets
from inpainting_zoo.data.objects import shifted
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting import segment
from inpainting_zoo.inpainting.move import (
    foot,
    hidden,
    matte,
    move_subject,
    mover,
    perspective,
)
from inpainting_zoo.inpainting.reposition import reposition
from parity import golden

GREY = 77


class Painter(Plain):
    """Fills every hole with a grey that tells its task; knows some tasks."""

    OPTIONS = {"task": ""}  # noqa: RUF012
    GREYS = {"": GREY, "remove": 10, "complete": 20, "harmonize": 30}  # noqa: RUF012

    def __init__(self, *tasks):
        super().__init__(None, 64)
        self.tasks, self.asked = tasks, []

    def predict_images(self, images, masks, seed=0, task=""):
        self.asked.append((task, masks[0].copy()))
        return np.full_like(images, self.GREYS[task])


@pytest.fixture
def scene():
    """Noise of 60 x 80 pixels, and a subject of 20 x 10 in it."""
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:40] = 1
    return image, mask


@pytest.mark.parametrize("name", ["inside", "overlap", "clip_right", "clip_topleft"])
def test_the_authors_move(name):
    """Pasted elsewhere, cut off at borders, black where it was."""
    arrays = golden("diffusion/seele_move_subject")
    mask = arrays["in/subject_mask"]
    move = mover(mask, tuple(arrays[f"{name}/shift_xy"].tolist()))
    image, hole, _ = move_subject(arrays["in/image"], mask, move)
    np.testing.assert_array_equal(image, arrays[f"{name}/moved_image"])
    np.testing.assert_array_equal(255 * hole, arrays[f"{name}/unfilled_mask"])


def test_a_scaled_subject_stands_on_its_foot(scene):
    image, mask = scene
    assert foot(mask) == (34, 39)
    for scale, size in ((0.5, 50), (2.0, 800)):
        moved = mover(mask, (5, -3), scale)(mask)
        assert moved.sum() == pytest.approx(size, rel=0.15)
        x, y = foot(moved)
        assert abs(x - 39) <= 1 and abs(y - 36) <= 1
    assert mover(mask, (5, -3), 2.0)(image).shape == image.shape


def test_perspective_and_what_stands_before(scene):
    """Twice as near means twice as large; a nearer post hides what is behind it."""
    _, mask = scene
    nearness = np.ones((60, 80), "float32")
    nearness[:, 50:] = 2
    assert perspective(nearness, mask, (30, 0)) == 2
    assert perspective(nearness, mask, (3, 0)) == 1
    assert perspective(nearness, mask, (500, 0)) == 2  # at the border
    nearness[:, 50:] = 1
    nearness[:, 45:47] = 3
    moved = mover(mask, (10, 0))(mask)
    found = hidden(nearness, mask, moved)
    assert found.sum() == 40 and found[20:40, 45:47].all()


def test_an_enlarged_subject_is_a_cut_of_the_enlarged_picture():
    """What OpenCV enlarges whole, but for its rounding; nothing comes from beyond."""
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 2)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:12, 8:20] = 1
    found = mover(mask, (4, -2), 1.5)(image)
    whole = cv2.resize(image, (45, 30), interpolation=cv2.INTER_CUBIC)
    x, y = foot(mask)
    by = round(x * -0.5) + 4, round(y * -0.5) - 2
    expected = shifted(whole, *by, (20, 30))
    assert np.abs(found.astype(int) - expected).max() <= 3
    far = mover(mask, (25, 0), 1.5)(image)
    assert not far[:, : max(0, round(x * -0.5) + 25)].any()


def test_a_matte_follows_edges_near_the_masks(scene):
    """A mask two pixels too wide is corrected to the edge that the picture has."""
    _, mask = scene
    image = np.full((60, 80, 3), 200, np.uint8)
    image[20:40, 30:40] = 20
    np.testing.assert_array_equal(matte(image, mask, 0), mask)
    right = matte(image, mask, 3)
    assert right[mask == 1].min() > 0.95 and right[mask == 0].max() < 0.05
    wide = np.zeros_like(mask)
    wide[20:40, 30:42] = 1
    share = matte(image, wide, 4)
    assert share[26:34, 41].max() < 0.5 < share[26:34, 38].min()
    assert not share[:, :20].any() and (share[29:31, 34:36] == 1).all()


def test_what_is_not_touched_stays(scene):
    image, mask = scene
    found = reposition(Painter(), image, mask, (25, 5), matting=0, mask_dilation=0)
    new = np.zeros_like(mask)
    new[25:45, 55:65] = 1
    np.testing.assert_array_equal(found.mask, new)
    np.testing.assert_array_equal(found.image[new == 1], image[mask == 1])
    assert (found.image[mask == 1] == GREY).all()
    kept = (mask | new) == 0
    np.testing.assert_array_equal(found.image[kept], image[kept])
    assert list(found.steps) == ["moved", "hole", "removed", "matted"]
    assert len(found.notes) == 1 and "harmonize" in found.notes[0]
    function = reposition(Painter(), image, lambda _: mask, (25, 5), matting=0)
    assert (function.image != found.image).any()  # its hole is wider by two pixels
    soft = reposition(Painter(), image, mask, (25, 5), mask_dilation=0)
    wide = np.zeros_like(mask)
    wide[23:47, 53:67] = 1
    np.testing.assert_array_equal(soft.image[kept & (wide == 0)],
                                  image[kept & (wide == 0)])  # fmt: skip


def test_each_task_gets_its_hole(scene):
    """The hole without the subject; what was hidden of it; all of it, by its edge."""
    image, mask = scene
    amodal = mask.copy()
    amodal[20:40, 40:44] = 1
    model = Painter("remove", "complete", "harmonize")
    options = {"amodal": amodal, "matting": 0, "mask_dilation": 0}
    found = reposition(model, image, mask, (5, 0), **options)
    holes = dict(model.asked)
    assert list(holes) == ["remove", "complete", "harmonize"]
    columns = {task: np.flatnonzero(hole.any(axis=0)) for task, hole in holes.items()}
    assert (columns["remove"][[0, -1]] == (30, 34)).all()
    assert (columns["complete"][[0, -1]] == (45, 48)).all()
    assert (columns["harmonize"][[0, -1]] == (35, 48)).all()
    assert (found.image[30, 35:49] == 30).all() and not found.notes
    model.asked.clear()
    reposition(model, image, mask, (5, 0), amodal=amodal, mask_dilation=0)
    covered = dict(model.asked)["harmonize"].any(axis=0)
    assert covered[33:49].all()  # what is mixed at the edge as well
    assert list(found.steps)[-2:] == ["completed", "harmonized"]
    without = reposition(Painter(), image, mask, (5, 0), **options)
    assert (
        "amodal" in without.notes[0]
        and (without.image[30, 45:49] == image[30, 45:49]).all()
    )


def test_depth_scales_and_hides(scene):
    image, mask = scene
    nearness = np.ones((60, 80), "float32")
    nearness[:, 62:] = 3
    options = {"matting": 0, "mask_dilation": 0}
    found = reposition(Painter(), image, mask, (25, 0), depth=nearness, **options)
    assert found.scale == 1
    np.testing.assert_array_equal(found.image[:, 62:], image[:, 62:])
    assert found.mask[20:40, 55:62].all()
    far = nearness / 2
    far[39, 34] = 1
    found = reposition(Painter(), image, mask, (10, 0), depth=lambda _: far, **options)
    assert found.scale == 0.5


def test_wrong_input_is_refused(scene):
    image, mask = scene
    for arguments, words in (
        ({"mask": 0 * mask}, "mask: must show a subject"),
        ({"shift": (1.5, 0)}, "shift: must be two whole numbers"),
        ({"shift": (500, 0)}, "shift: must leave something of the subject"),
        ({"scale": 100.0}, "scale: must be from 1/8 to 8, received 100"),
        ({"matting": -1}, "matting: must be from 0 to 100"),
        ({"depth": np.ones((2, 2))}, "depth: must be finite numbers"),
    ):
        given = {"mask": mask, "shift": (1, 0), **arguments}
        with pytest.raises(InputError, match=words):
            reposition(Painter(), image, **given)


def test_what_moving_decides_is_not_asked_for(scene):
    """Of a model that has learned tasks of it; another fills as it is told."""
    image, mask = scene
    model, options = Painter("remove"), {"matting": 0, "mask_dilation": 0}
    for name in ("task", "prompt"):
        with pytest.raises(InputError, match=f"{name}: must not be given .* 'a dog'"):
            reposition(model, image, mask, (5, 0), **{name: "a dog"})
    assert not model.asked
    found = reposition(Painter(), image, mask, (5, 0), task="complete", **options)
    assert (found.image[30, 30:35] == 20).all()


@pytest.fixture
def files(tmp_path, scene):
    image, mask = scene
    Image.fromarray(image).save(tmp_path / "image.png")
    Image.fromarray(255 * mask).save(tmp_path / "mask.png")
    return tmp_path


def arguments(folder, *others):
    options = ["reposition", "-image", folder / "image.png"]
    options += ["-mask", folder / "mask.png", "-save_to", folder / "out.png", *others]
    return [str(option) for option in options]


def test_the_command(files, scene):
    """As a user types it: the default model, in a process of its own."""
    done = run(*arguments(files, "-shift", -20, 6, "-keep_steps"))
    assert done.returncode == 0, done.stderr
    assert "harmonize" in done.stderr and "moved by -20, 6" in done.stdout
    found, image = np.asarray(Image.open(files / "out.png")), scene[0]
    np.testing.assert_array_equal(found[29:43, 13:17], image[23:37, 33:37])
    np.testing.assert_array_equal(found[:10], image[:10])
    assert (found[20:40, 31:39] != image[20:40, 31:39]).any()
    names = sorted(path.name for path in (files / "out_steps").iterdir())
    assert names == ["1_moved.png", "2_hole.png", "3_removed.png", "4_matted.png"]


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (["-shift", "5"], "expected 2 arguments"),
        ([], "-shift: is needed"),
        (["-shift", "1", "1", "-scale", "9"], "-scale: must be"),
        (["-shift", "1", "1", "-with", "task=remove"], "-with"),
        (["-shift", "1", "1", "-amodal", "gone.png"], "gone.png"),
        (["-shift", "1", "1", "-depth", "gone.png"], "-depth"),
    ],
)
def test_wrong_commands_write_nothing(files, capsys, others, words):
    assert cli.main(arguments(files, *others)) == 4
    assert words in capsys.readouterr().err
    assert not (files / "out.png").exists()


@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    """The folder of a narrow, random SAM for pictures of 64 pixels."""
    hub = pytest.importorskip("keras_hub", reason='needs pip install ".[segment]"')
    side = 64
    encoder = hub.models.ViTDetBackbone(
        hidden_size=8,
        num_layers=1,
        intermediate_dim=8,
        num_heads=2,
        global_attention_layer_indices=[0],
        patch_size=16,
        num_output_channels=8,
        window_size=2,
        image_shape=(side, side, 3),
    )
    prompts = hub.layers.SAMPromptEncoder(
        hidden_size=8,
        image_embedding_size=(4, 4),
        input_image_size=(side, side),
        mask_in_channels=4,
    )
    masks = hub.layers.SAMMaskDecoder(
        num_layers=1,
        hidden_size=8,
        intermediate_dim=8,
        num_heads=2,
        embedding_dim=8,
        num_multimask_outputs=3,
        iou_head_depth=2,
        iou_head_hidden_dim=4,
    )
    backbone = hub.models.SAMBackbone(encoder, prompts, masks)
    folder = tmp_path_factory.mktemp("sam") / "tiny"
    hub.models.SAMImageSegmenter(backbone).save_to_preset(str(folder))
    return str(folder)


def test_a_subject_is_pointed_at(sam, monkeypatch):
    """A wide picture becomes a square, its point goes with it, the mask comes back."""
    seen, model = [], segment.load(sam)

    def predict(inputs, verbose):
        seen.append(inputs)
        masks = -np.ones((1, 4, 16, 16), "float32")
        masks[0, 2, 2:4, 4:8] = 1  # of 16 rows the picture has the first eight
        return {"masks": masks, "iou_pred": np.float32([[0.1, 0.2, 0.9, 0.3]])}

    monkeypatch.setattr(model, "predict", predict)
    monkeypatch.setattr(segment, "load", lambda source: model)
    picture = np.full((64, 128, 3), 7, np.uint8)
    found = segment.segmenter((40, 10))(picture)
    (inputs,) = seen
    assert inputs["images"].shape == (1, 64, 64, 3)
    assert (inputs["images"][0, :32] == 7).all()
    assert (inputs["images"][0, 32:] == segment.MEAN).all()
    # KerasHub adds half a pixel: the middle of the pixel, at half the size.
    np.testing.assert_allclose(inputs["points"][0], [[19.75, 4.75], [0, 0]])
    assert inputs["labels"].tolist() == [[1, -1]]
    assert found.shape == (64, 128) and found.dtype == np.uint8
    assert found[20, 48] == 1  # the middle of the box, eight times as large
    assert found[:10].sum() == found[:, :24].sum() == found[:, 72:].sum() == 0
    with pytest.raises(InputError, match=r"point: must lie within 128x64 pixels"):
        segment.segmenter((128, 3))(picture)


def test_the_command_finds_a_subject(sam, tmp_path, capsys):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (30, 50, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "in.png")
    mask = segment.segmenter((20, 12), sam)(colours)
    if not 0 < mask.mean() < 1:
        pytest.skip("random weights found nothing or everything")
    given = ["reposition", "-image", str(tmp_path / "in.png"), "-shift", "3", "2"]
    given += ["-save_to", str(tmp_path / "out.png"), "-preset", "patchmatch"]
    assert cli.main([*given, "-point", "20", "12", "-sam", sam]) == 0
    expected = reposition(presets.load("patchmatch"), colours, mask, (3, 2)).image
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "out.png")), expected
    )
    for wrong, words in (
        ([], "-mask: is needed, or -point"),
        (["-point", "50", "3", "-sam", sam], "-point: must lie within 50x30"),
        (["-point", "3", "3", "-sam", str(tmp_path)], "-sam: must be a preset"),
        (["-point", "3", "3", "-mask", "x.png"], "-point: must not be given"),
    ):
        assert cli.main([*given, "-overwrite", *wrong]) == 4
        assert words in capsys.readouterr().err
