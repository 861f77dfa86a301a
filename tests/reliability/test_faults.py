"""Faults: full disks, lost rights, NaN, too little memory, missing networks."""

import hashlib
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import tiny_vgg
from conftest import Plain
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.storage.checkpoints import load_weights

from .commands import EAGER, TINY, finish, start_as_root_of_its_own
from .experiments import RESUME, STAGES, WARM_UP, parts, states, where
from .folders import Pictures, ledger


@pytest.mark.row("F4")
@pytest.mark.long
def test_a_full_disk(images, tmp_path, record_property):
    """A disk of 6 MB has room for two states and not for a third."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=6m tmpfs {disk} || exit 99"
    script = f'{mount}; "$@"; code=$?; cp -r {disk} {copy}; exit $code'
    options = (*TINY, *EAGER, *WARM_UP, "-steps", 20, "-save_every", 1)
    arguments = (*where(images, disk), *options, "-sample_every", 20)
    code, printed = finish(start_as_root_of_its_own(script, *arguments))
    if code == 99 or "unshare" in printed:
        pytest.skip("this user may not mount a small disk")
    error = printed.strip().splitlines()[-1]
    record_property("message", error.replace(str(disk), ""))
    assert code == 4 and "No space left on device" in error
    assert "run/weights" in error and "Traceback" not in printed
    assert len(states(copy)) >= 1 and not parts(copy)


@pytest.mark.row("F4")
@pytest.mark.long
def test_a_full_disk_while_completing(zoo, tmp_path, weights, record_property):
    """A disk of 96 kB has room for some of 30 pictures; the ledger tells which."""
    pictures = Pictures(tmp_path, 30, weights)
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=96k tmpfs {disk} || exit 99"
    script = f'{mount}; "$@"; code=$?; cp -r {disk} {copy}; exit $code'
    process = start_as_root_of_its_own(script, *pictures.command(disk))
    code, printed = finish(process)
    if code == 99 or "unshare" in printed:
        pytest.skip("this user may not mount a small disk")
    error = printed.strip().splitlines()[-1]
    record_property("message", error.replace(str(disk), "DIR"))
    assert code == 4 and error.startswith("error: ") and "Traceback" not in printed
    assert "No space left on device" in error
    rows = ledger(copy)  # every line of it can be read
    done = {name for name, row in rows.items() if row["status"] == "ok"}
    files = {path.name for path in copy.glob("*.png")}
    # But for one that was saved and could not be recorded any more.
    assert done <= files and len(files - done) <= 1 and 1 <= len(done) < 30
    assert f"{30 - len(done)} files are not done" in error
    assert not parts(copy)
    record_property("done", len(done))
    result = zoo.run(*pictures.command(copy))
    assert result.code == 0 and f"{len(done)} skipped" in result.out, result.err
    assert len(list(copy.glob("*.png"))) == len(ledger(copy)) == 30


@pytest.mark.row("F5")
def test_an_output_folder_that_becomes_read_only(tmp_path, weights, record_property):
    pictures, out = Pictures(tmp_path, 60, weights), tmp_path / "out"
    process = pictures.start_and_wait(out, 3)
    out.chmod(0o555)
    code, printed = finish(process)
    out.chmod(0o755)
    if code == 0:
        pytest.skip("this user may write everywhere")
    done = [row["status"] for row in ledger(out).values()].count("ok")
    rest = pictures.count - done
    record_property("done", done)
    record_property("not done", rest)
    assert code == 4 and f"{rest} files are not done" in printed
    assert "Permission denied" in printed and "Traceback" not in printed
    assert len(ledger(out)) == 60 and 3 <= done == len(list(out.glob("*.png"))) < 60
    assert not parts(out)


@pytest.mark.row("F5")
def test_samples_that_cannot_be_written_cost_no_state(zoo, images, tmp_path):
    """The state of a step is saved before its pictures are drawn."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "predicted_pics").write_text("no folder")
    result = zoo.run(*where(images, tmp_path), *TINY, *EAGER, *WARM_UP, "-steps", 1)
    assert result.code == 4 and "predicted_pics" in result.error, result.err
    assert max(states(tmp_path)) == 1


ENCODER = ("-preset", "context_encoder_regions_64", "-batch_size", 2)
ENCODER += ("-set", "base_channels=4", "bottleneck=8", "discriminator_channels=4")


@pytest.mark.row("F7")
@pytest.mark.parametrize(
    ("stage", "term", "mode"),
    [
        ("warm_up_generator", "reconstruction", EAGER),
        pytest.param("warm_up_generator", "known", (), marks=pytest.mark.slow),
        pytest.param("wgan", "adversarial", EAGER, marks=pytest.mark.long),
        pytest.param("wgan", "critic", EAGER, marks=pytest.mark.long),
        pytest.param("wgan", "gradient_penalty", EAGER, marks=pytest.mark.slow),
        pytest.param("wgan", "id_mrf", EAGER, marks=pytest.mark.slow),
        pytest.param("wgan", "gradient_penalty", (), marks=pytest.mark.slow),
        ("joint", "reconstruction", EAGER),
        pytest.param("joint", "discriminator", (), marks=pytest.mark.slow),
    ],
)
def test_nan_in_a_loss_term(zoo, images, tmp_path, stage, term, mode, record_property):
    """At the third step: it is named at once, and the state of the second is intact."""
    options = [*(ENCODER if stage == "joint" else TINY), *mode]
    if stage == "warm_up_generator":
        options += WARM_UP
    if term == "id_mrf":
        options += ["-id_mrf_weight", 0.05]
        options += ["-vgg_weights", tiny_vgg.write(tmp_path / "vgg.npz")]
    options += ["-steps", 4, "-save_every", 1, "-sample_every", 4]
    result = zoo.run(*where(images, tmp_path), *options, NAN=f"{term}@3")
    assert result.code == 3, result.err
    named = result.error.removeprefix("error: ").partition(": must be finite")[0]
    assert {term, f"weighted_{term}"} <= set(named.split(", "))
    assert "at step 3;" in result.error
    record_property("named", named)
    assert max(states(tmp_path)) == 2
    result = zoo.run(*RESUME, tmp_path, "-steps", 3)
    assert result.code == 0 and "from step 2," in result.out, result.err
    assert max(states(tmp_path)) == 3


@pytest.mark.row("F7")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.long
def test_training_that_diverges(zoo, images, tmp_path, stage, record_property):
    options = (*TINY, *EAGER, *STAGES[stage], "-steps", 20, "-save_every", 1)
    result = zoo.run(*where(images, tmp_path), *options, "-learning_rate", 1e30)
    record_property("message", result.error)
    assert result.code == 3 and "must be finite" in result.error
    assert "at step" in result.error
    states(tmp_path)  # are finite


@pytest.mark.row("F7")
def test_nan_in_the_weights_given(zoo, images, weights, tmp_path):
    arrays, metadata = load_weights(weights)
    arrays = dict(arrays)
    name = next(name for name in arrays if name.endswith("kernel"))
    arrays[name] = np.full_like(arrays[name], np.nan)
    np.savez(tmp_path / "nan.npz", **arrays, metadata=json.dumps(metadata))
    options = (*TINY, *EAGER, "-from_weights", tmp_path / "nan.npz", "-steps", 1)
    result = zoo.run(*where(images, tmp_path), *options)
    assert result.code == 5 and name in result.error
    assert not states(tmp_path)


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


@pytest.mark.row("F8")
def test_too_little_memory_on_the_device(tmp_path, record_property):
    """Without a device that is full, a completion that says so stands in."""
    sizes = []

    def complete(image, mask):
        sizes.append(max(mask.shape))
        if max(mask.shape) > 100 or image[0, 0].tolist() == [0, 0, 0]:
            raise ResourceExhaustedError("OOM when allocating tensor")
        return np.where(mask[..., None] > 0, 255, image).astype(np.uint8)

    (tmp_path / "in").mkdir()
    for name, side, colour in (("a", 350, 9), ("b", 350, 0), ("c", 90, 9)):
        Image.new("RGB", (side, side), (colour,) * 3).save(tmp_path / f"in/{name}.png")
        hole = Image.new("L", (side, side))
        hole.paste(255, (20, 20, 70, 70))
        hole.save(tmp_path / f"{name}.png")
    (tmp_path / "masks").mkdir()
    for path in tmp_path.glob("*.png"):
        path.rename(tmp_path / "masks" / path.name)
    out, options = tmp_path / "out", {"strategy": "original"}
    code = inpaint_folder(
        Plain(complete), tmp_path / "in", tmp_path / "masks", out, **options
    )
    record_property("sizes tried", " ".join(map(str, sizes)))
    assert code == 2 and sizes == [350, 175, 87, 350, 175, 87, 64, 90]
    rows = ledger(out)
    assert [rows[f"{n}.png"]["status"] for n in "abc"] == ["ok", "failed", "ok"]
    assert "memory" in rows["b.png"]["reason"]


@pytest.mark.row("F10")
def test_weights_of_another_configuration(zoo, images, weights, tmp_path):
    other = ("-set", "base_channels=6", "hole_fill=zero")
    given = ("-from_weights", weights, "-steps", 1)
    result = zoo.run(*where(images, tmp_path), *TINY, *EAGER, *other, *given)
    assert result.code == 5
    assert "base_channels 4 -> 6" in result.error and "hole_fill" in result.error
    assert not states(tmp_path)


@pytest.mark.row("F10")
@pytest.mark.parametrize("lost", ["generator", "global_critic"])
def test_networks_that_are_missing(zoo, images, wgan_state, tmp_path, lost):
    """Neither a start from such a state nor its resumption makes up for them."""
    with np.load(wgan_state) as file:
        arrays = {name: file[name] for name in file if not name.startswith(lost)}
    np.savez(tmp_path / "lost.npz", **arrays)
    given = ("-from_weights", tmp_path / "lost.npz", "-steps", 1)
    result = zoo.run(*where(images, tmp_path / "new"), *TINY, *EAGER, *given)
    assert result.code == 5 and re.search(rf"lacks \d+ \({lost}/", result.error)
    assert not states(tmp_path / "new")

    shutil.copytree(wgan_state.parents[1], tmp_path / "old" / "run")
    path = tmp_path / "old" / "run" / "weights" / wgan_state.name
    shutil.copy(tmp_path / "lost.npz", path)
    manifest = path.with_name("manifest.json")
    (entry,) = json.loads(manifest.read_text())
    entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    result = zoo.run(*RESUME, tmp_path / "old", "-steps", 2)
    assert result.code == 5 and "SHA-256" in result.error
    manifest.write_text(json.dumps([entry]))
    result = zoo.run(*RESUME, tmp_path / "old", "-steps", 2)
    assert result.code == 5 and re.search(rf"lacks \d+ \({lost}/", result.error)
    assert max(states(tmp_path / "old")) == 1


@pytest.mark.row("F10")
def test_new_critics_are_announced(zoo, images, weights, tmp_path):
    given = ("-from_weights", weights, "-steps", 1)
    result = zoo.run(*where(images, tmp_path), *TINY, *EAGER, *given)
    assert result.code == 0
    assert "global_critic, local_critic: start from random weights" in result.out
