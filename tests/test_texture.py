"""Texture that follows a prediction: the picture's patches in the model's structure."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from conftest import Plain
from inpainting_zoo import cli, presets
from inpainting_zoo.data.images import read_image
from inpainting_zoo.drawing import png_bytes
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting import inpaint as command
from inpainting_zoo.inpainting.picture import complete_bytes
from inpainting_zoo.inpainting.strategies import complete, remarks
from inpainting_zoo.models.texture import Texture, guide_of
from inpainting_zoo.options import EvaluateSettings, InpaintSettings
from inpainting_zoo.serving.catalogue import Catalogue
from inpainting_zoo.serving.form import FORMS, completion

DARK, BRIGHT = 60, 180


def halves(height=64, width=96, seed=0):
    """Dark noise on the left, bright on the right, and a hole across their border."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), DARK, np.int64)
    image[:, width // 2 :] = BRIGHT
    image += rng.integers(-30, 31, (height, width, 1))
    hole = np.zeros((height, width), np.uint8)
    hole[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 1
    return image.astype(np.uint8), hole


def flat(level):
    """A model that predicts one grey."""
    return Plain(lambda image, mask: np.full_like(image, level))


def border_at(share):
    """A model that predicts the two greys, without texture, and where they meet."""

    def predict(image, mask):
        found = np.full_like(image, DARK)
        found[:, round(share * image.shape[1]) :] = BRIGHT
        return found

    return Plain(predict, image_size=64)


def test_a_guide_is_blurred_lightness_and_warmth():
    """White is 255 / 512 bright and as warm as grey; red is 0.299 of that and warm."""
    image = np.zeros((1, 200, 3), np.uint8)
    image[:, :100], image[:, 100:, 0] = 255, 255
    guide = guide_of(image, 2)
    assert guide.dtype == np.float32 and guide.shape == image.shape
    np.testing.assert_allclose(guide[0, 0], [255 / 512, 127.5 / 512, 0], rtol=1e-5)
    np.testing.assert_allclose(guide[0, -1], [76.245 / 512, 255 / 512, 0], rtol=1e-5)
    across = guide[0, 95:105]
    assert (np.diff(across[:, 0]) < 0).all() and (np.diff(across[:, 1]) > 0).all()
    assert guide.min() >= 0 and guide.max() < 0.5


def test_structure_is_the_models_and_texture_the_pictures():
    """PatchMatch alone ends the halves in the middle, whatever the model says."""
    (image, hole), found = halves(), {}
    for level in (DARK, BRIGHT):
        found[level] = flat(level).inpaint(image, hole, texture="patchmatch")
        assert found[level][hole == 1].std() > 10  # of a flat prediction
        np.testing.assert_array_equal(found[level][hole == 0], image[hole == 0])
    smooth = border_at(0.6).inpaint(image, hole)
    guided, unguided = (
        Texture(weight=weight).follow(smooth, hole).astype(int) for weight in (0.3, 0)
    )
    errors = [np.abs(x - smooth)[hole == 1].mean() for x in (guided, unguided)]
    assert errors[0] < 0.8 * errors[1]


def test_a_seed_gives_the_same_bytes_in_threads_too():
    (image, hole), model = halves(), flat(DARK)

    def fill(seed):
        return model.inpaint(image, hole, seed, texture="patchmatch")

    alone = [fill(seed) for seed in range(2)]
    with ThreadPoolExecutor(4) as pool:
        for seed, found in enumerate(pool.map(fill, [0, 1] * 3)):
            np.testing.assert_array_equal(found, alone[seed % 2])
    assert (alone[0] != alone[1]).any()


def test_what_the_hole_hides_does_not_matter():
    (image, hole), model = halves(), border_at(0.4)
    other = np.where(hole[..., None] > 0, 255 - image, image)
    options = {"texture": "patchmatch"}
    for fill in (model.inpaint, lambda *pair, **o: complete(model, *pair, **o)):
        found = [fill(picture, hole, **options) for picture in (image, other)]
        np.testing.assert_array_equal(*found)


def test_photographs_get_it_at_their_own_size():
    """Noise of single pixels, though the model sees less than half of them."""
    image, hole = halves(300, 600)
    hole[:] = 0
    hole[110:190, 260:340] = 1
    model = border_at(0.5)
    smooth = complete(model, image, hole)
    found = complete(model, image, hole, texture="patchmatch")
    inside = np.s_[118:182, 268:292]
    assert np.abs(np.diff(smooth[inside].astype(int), axis=1)).mean() < 2
    known = np.abs(np.diff(image[:100, :200].astype(int), axis=1)).mean()
    assert np.abs(np.diff(found[inside].astype(int), axis=1)).mean() > 0.7 * known
    assert abs(found[inside].mean() - DARK) < 15
    assert abs(found[118:182, 308:332].mean() - BRIGHT) < 15
    np.testing.assert_array_equal(found[hole == 0], image[hole == 0])
    far = image.copy()
    far[:, :20] = 7  # is not looked at
    again = complete(model, far, hole, texture="patchmatch")
    np.testing.assert_array_equal(again[hole == 1], found[hole == 1])


def test_a_hole_that_leaves_no_patch_keeps_the_prediction_and_says_so(caplog):
    image, hole = halves()
    hole[::5] = 1
    model = flat(99)
    found = model.inpaint(image, hole, texture="patchmatch")
    assert (found[hole == 1] == 99).all()
    said = "texture: the mask leaves no known patch of 7x7 pixels to copy"
    assert said in caplog.text
    png = [png_bytes(x) for x in (image, 255 * hole)]
    _, (note,) = complete_bytes(model, *png, texture="patchmatch")
    assert note.startswith(said)
    assert remarks(model, hole) == []


def test_a_ring_fades_into_the_picture():
    image, hole = halves()
    ring = {"mask_dilation": 4, "feathering": 3, "texture": "patchmatch"}
    found = flat(BRIGHT).inpaint(image, hole, **ring)
    np.testing.assert_array_equal(found, complete(flat(BRIGHT), image, hole, **ring))
    changed = (found != image).any(axis=2)
    assert changed[hole == 0].any() and not changed[:17].any()


def test_a_model_can_have_a_texture_of_its_own(monkeypatch):
    """Which every door takes where none is named, and "none" turns off."""
    (image, hole), model = halves(), flat(DARK)
    for fill in (model.inpaint, lambda *pair, **o: complete(model, *pair, **o)):
        named, plain = (fill(image, hole, texture=n) for n in ("patchmatch", "none"))
        np.testing.assert_array_equal(fill(image, hole), plain)
        with monkeypatch.context() as changed:
            changed.setattr(model, "texture", "patchmatch")
            np.testing.assert_array_equal(fill(image, hole), named)
            np.testing.assert_array_equal(fill(image, hole, texture="none"), plain)
        assert (named != plain).any()
    assert presets.build("lama_photos_256").texture == "patchmatch"
    assert presets.build("patchmatch").texture is None


def test_detail_is_copied_and_what_is_coarse_is_the_predictions():
    """Far inside a hole of stripes; next to the known pixels the prediction stays."""
    image = np.full((96, 96, 3), 100, np.uint8)
    image[:, ::2] = 140
    hole = np.zeros((96, 96), np.uint8)
    hole[24:72, 24:72] = 1
    predicted = np.where(hole[..., None] > 0, np.uint8(160), image)
    found = Texture().follow(predicted, hole).astype(int)
    middle = found[40:56, 40:56]
    assert abs(middle.mean() - 160) < 4  # copied are 100 and 140
    assert abs(np.abs(np.diff(middle, axis=1)).mean() - 40) < 4
    edge = found[48, 24:72, 0]
    assert abs(edge[0] - 160) < 12 and abs(edge[-1] - 160) < 12
    np.testing.assert_array_equal(found[hole == 0], image[hole == 0])


@pytest.mark.parametrize("wrong", ["quilting", "", 3, True])
def test_the_name_has_its_rule(wrong):
    image, hole = halves()
    if isinstance(wrong, str):
        with pytest.raises(
            InputError, match=r"^texture: one of none, patchmatch, received"
        ):
            complete(flat(0), image, hole, texture=wrong)
        with pytest.raises(
            InputError, match=r"^texture: one of none, patchmatch, received"
        ):
            flat(0).inpaint(image, hole, texture=wrong)
    for kind in (InpaintSettings, EvaluateSettings):
        with pytest.raises(InputError, match=r"^texture: .*received"):
            kind(texture=wrong)
        assert kind(texture="patchmatch").texture == "patchmatch"


def test_the_service_takes_it():
    _, _, options, own = completion(
        {"texture": "patchmatch"}, Catalogue(), FORMS["inpaint"]
    )
    assert options == {"texture": "patchmatch"} and own == {}


def test_a_wrong_name_is_refused_before_an_engine_loads(tmp_path):
    program = """if True:
        import sys
        from inpainting_zoo import cli, presets
        assert cli.main(sys.argv[1:]) == 4
        print({"keras", "tensorflow", "jax"} & set(sys.modules))
    """
    paths = ("-image", "a.png", "-mask", "b.png", "-save_to", "c.png")
    words = ("inpaint", *paths, "-preset", "gmcnn_faces_128", "-texture", "quilting")
    arguments = [sys.executable, "-c", program, *words]
    found = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "set()", found.stderr
    assert "-texture: one of none, patchmatch, received 'quilting'" in found.stderr


def test_commands_take_it(evaluate, pictures, tmp_path):
    """Numbers of a model with it are others, and the report says why."""
    found = {}
    where = ("-test_path", pictures / "images", "-masks", "centre", "-limit", 2)
    for name, words in {"plain": (), "followed": ("-texture", "patchmatch")}.items():
        report = tmp_path / f"{name}.json"
        assert evaluate(*where, "-methods", "none", "-report", report, *words) == 0
        found[name] = json.loads(report.read_text())
    psnr = [next(iter(r["methods"].values()))["psnr"] for r in found.values()]
    assert psnr[0] != psnr[1]
    assert any("texture by patchmatch" in note for note in found["followed"]["notes"])
    own = presets.WEIGHTS / "lama_photos_256.safetensors"  # its texture needs no name
    report = tmp_path / "own.json"
    words = ("-image_size", 64, "-methods", "none", "-report", report)
    assert evaluate(*where, *words, "-from_weights", own) == 0
    assert any("by patchmatch" in n for n in json.loads(report.read_text())["notes"])
    report = ("-protocol", "report_000", "-report", tmp_path / "r.json")
    assert evaluate(*where, *report, "-texture", "patchmatch") == 4


def test_videos_take_it(tmp_path, monkeypatch):
    """What the model paints grey is of the colours of its frame."""
    (image, hole), folders = halves(), [tmp_path / n for n in ("frames", "a", "b")]
    folders[0].mkdir()
    for i in range(2):
        (folders[0] / f"{i}.png").write_bytes(png_bytes(np.roll(image, i, axis=0)))
    (tmp_path / "mask.png").write_bytes(png_bytes(255 * hole))
    grey = flat(DARK)
    monkeypatch.setattr(command, "identified", lambda _: ("", str, lambda: grey))
    words = ("inpaint", "-video", folders[0], "-mask", tmp_path / "mask.png")
    for folder, further in zip(folders[1:], ((), ("-texture", "patchmatch"))):
        given = (*words, "-save_to", folder, "-per_frame", *further)
        assert cli.main([*map(str, given)]) == 0
    smooth, found = (read_image(folder / "1.png") for folder in folders[1:])
    assert smooth[hole == 1].std() == 0 and found[hole == 1].std() > 10
    np.testing.assert_array_equal(found[hole == 0], smooth[hole == 0])
