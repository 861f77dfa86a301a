"""What measures ASUKA and SEELE on a small model: joined files, views, rows, tables."""

import json

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.checkpoints import as_arrays, load_weights, save_weights
from inpainting_zoo.tools import (
    asuka_ablation,
    asuka_rows,
    join_weights,
    seele_proof,
)
from tiny_asuka import NARROW_ASUKA
from tiny_diffusion import NARROW_SMALL


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of a small Stable Diffusion's encoder and of an autoencoder that leads ASUKA."""
    folder = tmp_path_factory.mktemp("parts")
    sd = presets.build("sd_small", **NARROW_SMALL | {"autoencoder": AUTOENCODER})
    mae = presets.build("mae_small", **NARROW_ASUKA["mae"])
    about = {"preset": "sd_small", "overrides": NARROW_SMALL}
    save_weights(
        folder / "encoder.safetensors", as_arrays(sd.use_state("encoder")), about
    )
    about = {"preset": "mae_small", "overrides": NARROW_ASUKA["mae"]}
    save_weights(folder / "generator.safetensors", as_arrays(mae.use_state()), about)
    return folder


AUTOENCODER = NARROW_ASUKA["autoencoder"]


def test_parts_are_joined_by_name(files, tmp_path):
    """The rest is new, the same for a seed; a later file counts."""
    given = [files / "encoder.safetensors", files / "generator.safetensors"]
    saved = [tmp_path / f"{i}.safetensors" for i in range(2)]
    for path in saved:
        new = join_weights.join(given, path, "asuka", **NARROW_ASUKA)
    (arrays, about), (again, _) = map(load_weights, saved)
    assert about["preset"] == "asuka" and len(about["joined"]) == 2
    assert {name.split("/")[0] for name in new} == {"unet", "decoder", "alignment"}
    for name in arrays:
        np.testing.assert_array_equal(arrays[name], again[name], err_msg=name)
    parts = [load_weights(path)[0] for path in given]
    name = "encoder/encoder.conv_in/kernel"
    np.testing.assert_array_equal(arrays[name], parts[0][name])
    held = [n for n in arrays if n.startswith("mae/")]
    for name in held:
        ours = name.replace("mae/", "generator/", 1)
        np.testing.assert_array_equal(arrays[name], parts[1][ours], err_msg=name)
    assert len(held) > 10 and join_weights.is_joined(saved[0])
    assert not join_weights.is_joined(given[0])
    # A file of the preset says how the model is, and what comes later counts.
    changed = {name: arrays[name] + 1 for name in arrays if name.startswith("unet/")}
    save_weights(tmp_path / "unet.safetensors", changed, {"preset": "x"})
    third = tmp_path / "third.safetensors"
    both = [saved[0], tmp_path / "unet.safetensors"]
    assert join_weights.join(both, third, "asuka") == []
    name = "unet/conv_in/kernel"
    np.testing.assert_array_equal(load_weights(third)[0][name], arrays[name] + 1)
    with pytest.raises(InputError, match="files: must hold parts of sd_small"):
        join_weights.join([given[1]], third, "sd_small", **NARROW_SMALL)


def test_faces_are_new_in_the_hole_alone():
    mask = np.zeros((64, 64), np.uint8)
    mask[:32, :32] = 1
    inside, beside = (0.0, 0.5, 0.0, 0.5), (0.5, 1.0, 0.5, 1.0)
    assert asuka_rows.is_new([inside], [], mask)
    assert not asuka_rows.is_new([beside], [], mask)
    assert not asuka_rows.is_new([inside], [(0.05, 0.5, 0.0, 0.45)], mask)
    assert asuka_rows.is_new([beside, inside], [beside], mask)
    assert not asuka_rows.is_new([], [], mask)


def test_a_face_is_found():
    """scikit-image's astronaut has one, its coins none."""
    import skimage

    found = asuka_rows.faces_in(skimage.data.astronaut()[:256, 96:352])
    assert len(found) >= 1
    top, bottom, left, right = found[0]
    assert 0 <= top < bottom <= 1 and 0 <= left < right <= 1
    coins = np.repeat(skimage.data.coins()[:256, :256, None], 3, axis=2)
    assert asuka_rows.faces_in(coins) == []


def test_the_table_of_rows():
    found = dict.fromkeys(asuka_rows.MEASURED, 0.25) | {"new_faces": 0.125}
    found["from_asuka"] = dict.fromkeys(asuka_rows.COMPARED, (-0.01, 0.02))
    report = {"methods": {"MAE": found}, "true_pictures_with_faces": 0.9}
    title, _, row, last = asuka_rows.page(report).splitlines()
    assert MEASURES["lpips"].title in title
    assert row.startswith("| MAE | 0.2500 (-0.0100 to +0.0200)")
    assert row.endswith("| 0.125 (-0.010 to +0.020) |")
    assert last.endswith("| faces in 90.0% |")


def test_views_overlap_and_subjects_are_cut():
    """A view of a ramp that is shifted and scaled has other values, but common ones."""
    ramp = np.repeat(np.tile(np.arange(200, dtype=np.uint8), (200, 1))[..., None], 3, 2)
    rng = np.random.default_rng(0)
    for _ in range(5):
        first, second = seele_proof.two_views(rng, ramp, 64)
        assert first.shape == second.shape == (64, 64, 3)
        assert (first[0, :, 0] != second[0, :, 0]).any()
        low, high = (f(first.min(), second.min()) for f in (min, max))
        common = min(first.max(), second.max()) - high
        assert common > 0.6 * (first.max() - low)
    picture = np.full((96, 96, 3), 200, np.uint8)
    picture[30:66, 34:60] = (20, 60, 90)
    subject = seele_proof.subject_of(picture)
    wanted = np.zeros((96, 96), np.uint8)
    wanted[30:66, 34:60] = 1
    assert (subject & wanted).sum() / (subject | wanted).sum() > 0.9
    changed = seele_proof.composite(picture, subject, [0, 3])
    np.testing.assert_array_equal(changed[subject == 0], picture[subject == 0])
    assert (changed != picture)[subject == 1].mean() > 0.5
    assert seele_proof.colour_error(picture, picture, subject) == 0
    assert seele_proof.colour_error(picture, changed, subject) > 1
    flat = np.full((96, 96, 3), 128, np.uint8)
    assert 0.03 < seele_proof.subject_of(flat).mean() < 0.5  # the disc


def test_the_table_of_proofs():
    """The learned prompt is better by a tenth on each picture, by no chance."""
    seeds = {0: {"learned": [0.9, 1.8], "random": [1.0, 2.0]}}
    seeds[1] = {"learned": [1.8, 0.9], "random": [2.0, 1.0]}
    found = seele_proof.summary(seeds)
    assert found["learned"]["mean"] == pytest.approx(1.35)
    assert found["random"]["change"] == pytest.approx(-0.1)
    assert found["random"]["interval"] == pytest.approx([-0.1, -0.1])
    assert found["random"]["seeds"] == pytest.approx([-0.1, -0.1])
    row = "-10.0% (-10.0% to -10.0%; -10.0%, -10.0%)"
    assert row in seele_proof.page({"remove": found})


@pytest.mark.slow
def test_the_commands_on_tiny_networks(tmp_path, capsys):
    """Of random weights: everything is trained, measured and written."""
    rng, pictures = np.random.default_rng(0), tmp_path / "pictures"
    pictures.mkdir()
    for i in range(4):
        coarse = rng.integers(0, 256, (8, 9, 3), np.uint8)
        Image.fromarray(coarse).resize((90, 80)).save(pictures / f"{i}.png")
    narrow = NARROW_SMALL | {"image_size": 64}
    mae = NARROW_ASUKA["mae"] | {"image_size": 64, "patch": 8}
    options = {name: narrow[name] for name in ("image_size", "unet", "autoencoder")}
    leads = {"mae": mae, "feature_blocks": 1, "alignment": {"width": 4, "heads": 2}}
    built = {
        "sd_small": narrow,
        "mae_small": mae,
        "asuka_small": options | leads,
    }
    files = {}
    for name, overrides in built.items():
        files[name] = str(tmp_path / f"{name}.safetensors")
        arrays = as_arrays(presets.build(name, **overrides).use_state())
        save_weights(files[name], arrays, {"preset": name, "overrides": overrides})

    given = ["-test_path", str(pictures), "-output_path", str(tmp_path / "rows")]
    given += ["-sd", files["sd_small"], "-mae", files["mae_small"]]
    asuka_rows.main([*given, "-asuka", files["asuka_small"], "-num_steps", "2"])
    shown = capsys.readouterr().out.splitlines()
    names = ["MAE", "SD", 'SD, "background"', "SD-Repaint", "SD from the MAE's picture"]
    names += ["ASUKA", "biharmonic", "patchmatch"]
    found = [x.split(" |")[0] for x in shown if x.startswith("| ")]
    assert found[2:] == [f"| {name}" for name in (*names, "(the true pictures)")]
    report = json.loads((tmp_path / "rows" / "rows.json").read_text())
    assert set(report["methods"]["ASUKA"]["from_asuka"]["lpips"]) == {0.0}
    assert report["arguments"]["text"] == "background"

    given = ["-train_path", str(pictures), "-test_path", str(pictures), "-limit", "2"]
    given += ["-preset", "asuka_small", "-from_weights", files["asuka_small"]]
    given += ["-output_path", str(tmp_path / "ablation"), "-seeds", "0", "-steps", "1"]
    given += ["-batch_size", "2", "-validation_images", "1", "-set"]
    given += [f"{k}={json.dumps(v)}" for k, v in {**options, **leads}.items()]
    given += ["perceptual_weight=0"]
    asuka_ablation.main(given)
    done = json.loads((tmp_path / "ablation" / "ablation.json").read_text())
    assert list(done["rows"]) == list(asuka_ablation.ROWS) and done["pictures"] == 2
    assert done["rows"]["VAE as it is"]["seconds"] == 0 < done["rows"]["VAE"]["seconds"]
    asuka_ablation.main(given)  # again: nothing is trained
    with pytest.raises(SystemExit, match="must hold the arguments of this run"):
        asuka_ablation.main([*given, "-limit", "1"])

    given = ["-train_path", str(pictures), "-test_path", str(pictures)]
    given += ["-from_weights", files["sd_small"], "-seeds", "0", "-test_limit", "2"]
    given += [
        "-output_path",
        str(tmp_path / "proof"),
        "-steps",
        "1",
        "-batch_size",
        "2",
    ]
    given += ["-validation_images", "1", "-set"]
    given += [f"{k}={json.dumps(v)}" for k, v in narrow.items()]
    seele_proof.main(given)
    found = json.loads((tmp_path / "proof" / "proof.json").read_text())["proofs"]
    assert set(found) == {"remove", "harmonize", "refer"}
    rows = ["learned", "random words", "no text", "its first text"]
    assert list(found["remove"]) == rows
    assert all(row["mean"] > 0 for rows in found.values() for row in rows.values())
    seele_proof.main(given)  # what is there is only shown again
    assert "| refer | beside it |" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="must hold the arguments of this run"):
        seele_proof.main([*given[:-1], "prompt=x"])
