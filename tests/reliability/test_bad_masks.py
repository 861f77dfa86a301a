"""Bad masks: of every kind and size, empty, full, inverted."""

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import cli as runner

from .commands import TINY
from .folders import HEIGHT, SQUARE, WIDTH, noise, save


@pytest.mark.row("B6")
def test_masks_of_every_kind(batch, zoo, weights, record_property):
    """Each means the same hole as the black and white PNG."""
    grey = SQUARE * np.uint8(255)
    glass = np.dstack([np.full((*SQUARE.shape, 3), (255, 0, 0), np.uint8), grey])
    soft = np.asarray(Image.fromarray(grey).resize((WIDTH * 4, HEIGHT * 4)))
    soft = Image.fromarray(soft).resize((WIDTH, HEIGHT), Image.BOX)
    masks = {
        "binary": (SQUARE, "png", {}),
        "jpeg": (grey, "jpg", {"quality": 75}),
        "antialiased": (soft, "png", {}),
        "zero and one": (SQUARE.astype(np.uint8), "png", {}),
        "glass": (glass, "png", {}),
        "float": (SQUARE.astype(np.float32), "tif", {}),
        "one bit": (Image.fromarray(grey).convert("1"), "png", {}),
        "sixteen bits": (Image.fromarray(SQUARE * np.uint16(65535)), "png", {}),
        "palette": (Image.fromarray(grey).quantize(2), "png", {}),
    }
    for name, (mask, suffix, options) in masks.items():
        save(batch.images / f"{name}.png", noise())
        save(batch.masks / f"{name}.{suffix}", mask, **options)
    assert batch.complete(zoo, weights).code == 0
    contents = {(batch.out / f"{name}.png").read_bytes() for name in masks}
    record_property("kinds of masks", len(masks))
    assert len(contents) == 1
    assert not batch.changed("binary.png")[~SQUARE].any()


@pytest.mark.row("B7")
def test_masks_of_other_sizes(batch, zoo, weights):
    double = np.kron(SQUARE, np.ones((2, 2), bool))
    batch.add("double.png", mask=double)
    batch.add("aspect.png", mask=np.ones((WIDTH, WIDTH), bool))
    assert batch.complete(zoo, weights).code == 2
    assert "-resize_mask" in batch.rows["double.png"]["reason"]
    assert "aspect" in batch.rows["aspect.png"]["reason"]
    assert batch.complete(zoo, weights, "-resize_mask").code == 2
    assert "aspect" in batch.rows["aspect.png"]["reason"]
    assert not batch.changed("double.png")[~SQUARE].any()
    assert batch.changed("double.png")[SQUARE].mean() > 0.9


@pytest.mark.row("B8")
def test_empty_mask(batch, zoo, weights):
    for name in ("a.png", "b.jpg", "c.webp"):
        batch.add(name, mask=np.zeros_like(SQUARE))
    result = batch.complete(zoo, weights)
    assert result.code == 0 and "predict_images" not in result.calls
    for name in batch.rows:
        after, before = batch.out / name, batch.images / name
        assert after.read_bytes() == before.read_bytes()
        assert "no pixel is hole" in batch.rows[name]["warnings"][0]


@pytest.mark.row("B9")
@pytest.mark.row("B10")
def test_nearly_full_and_inverted_masks(batch, zoo, weights):
    shares = {"full": 1.0, "most": 0.96, "inverted": 0.85, "half": 0.5}
    for name, share in shares.items():
        mask = np.zeros_like(SQUARE)
        mask.ravel()[: int(share * mask.size)] = True
        batch.add(f"{name}.png", mask=mask)
    assert batch.complete(zoo, weights).code == 0
    for name, share in shares.items():
        warnings = batch.rows[f"{name}.png"]["warnings"]
        assert ("-invert_mask" in "".join(warnings)) == (share > 0.8)
        after = np.asarray(batch.after(f"{name}.png"))
        # NaN would be black.
        assert after.shape == (HEIGHT, WIDTH, 3) and after[0].min() > 0
    assert batch.complete(zoo, weights, "-invert_mask").code == 0
    (warning,) = batch.rows["full.png"]["warnings"]
    assert "no pixel is hole" in warning


@pytest.mark.row("B8")
def test_black_masks_in_training(tmp_path, capsys):
    """Every loss would be 0, which looks like success."""
    (tmp_path / "masks").mkdir()
    save(tmp_path / "masks" / "0.png", np.zeros((32, 32), np.uint8))
    data = ("-train_path", "samples:train", "-mask_path", tmp_path / "masks")
    rest = ("-output_path", tmp_path, "-warm_up_generator", "-steps", 1, "-run_eagerly")
    assert runner.main([*map(str, (*TINY, *data, *rest))]) == 4
    assert "-mask_path: " in (error := capsys.readouterr().err)
    assert "received 1 of 1 without a hole" in error


@pytest.mark.row("B14")
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(20, marks=[pytest.mark.short, pytest.mark.long]),
        pytest.param(100, marks=pytest.mark.slow),
    ],
)
def test_known_pixels_of_random_pictures(batch, zoo, weights, count, record_property):
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 64, (6, 2))  # a new size takes the engine long
    for i in range(count):
        height, width = sizes[i % len(sizes)]
        mask = rng.random((height, width)) < rng.uniform(0, 0.8)
        batch.add(f"{i}.png", noise(height, width, i), mask)
    assert batch.complete(zoo, weights).code == 0
    record_property("pictures", len(batch.rows))
    assert not any(map(batch.changed_outside, batch.rows))
