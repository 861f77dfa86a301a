"""Experiments that were moved, damaged, begun twice or that fail."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conftest import save_tiny
from inpainting_zoo import cli
from inpainting_zoo.engine.backend import explicit_settings
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting import inpaint as command
from inpainting_zoo.models.completer import Completer
from inpainting_zoo.options import InpaintSettings, TrainSettings
from inpainting_zoo.storage.locks import locked
from inpainting_zoo.training.data import load_data
from inpainting_zoo.training.record import resumed

TINY = ["-preset", "gmcnn_small", "-set", "base_channels=4", "-image_size", "16"]
TINY += ["-batch_size", "2", "-run_eagerly", "-validation_images", "1"]
RESUME = ["-resume", "-experiment_name", "run", "-output_path"]


def main(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def begun(pictures, tmp_path_factory):
    """Two steps of the warm-up, by its name as a stage; returns the output folder."""
    output = tmp_path_factory.mktemp("begun")
    where = ("-train_path", pictures / "images", "-output_path", output)
    stage = ("-stage", "warm_up_generator", "-steps", 2, "-save_every", 1)
    assert main(*where, "-experiment_name", "run", *TINY, *stage) == 0
    return output


@pytest.fixture
def copy(begun, tmp_path):
    """A copy of that experiment; returns the output folder."""
    shutil.copytree(begun / "run", tmp_path / "run")
    return tmp_path


def test_masks_that_teach_nothing_are_refused_before_anything_is_written(
    pictures, tmp_path, capsys
):
    for name, grey in (("black", 0), ("white", 255)):
        (tmp_path / name).mkdir()
        Image.new("L", (16, 16), grey).save(tmp_path / name / "mask.png")
        where = ("-train_path", pictures / "images", "-mask_path", tmp_path / name)
        words = ("-output_path", tmp_path / "out", "-stage", "warm_up_generator")
        assert main(*where, *words, *TINY) == 4
        lines = capsys.readouterr().err.splitlines()
        assert "mask_path: at most 1 % of the masks may be without" in lines[-1]
        assert "received 1 of 1" in lines[-1]
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def states(output):
    return {p.name: p.read_bytes() for p in (output / "run" / "weights").glob("*.npz")}


def error(capsys):
    """The one line that says what is wrong."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


def change_config(output, change):
    path = output / "run" / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


@pytest.mark.long
def test_only_what_the_manifest_names_is_deleted(copy):
    weights = copy / "run" / "weights"
    for name in ("best_so_far-00000002.npz", "warm_up_generator-00000009.npz"):
        shutil.copy(weights / "warm_up_generator-00000002.npz", weights / name)
    assert main(*RESUME, copy, "-steps", 5) == 0
    assert set(states(copy)) == {
        "best_so_far-00000002.npz",
        *(f"warm_up_generator-0000000{i}.npz" for i in (3, 4, 5, 9)),
    }


def test_states_without_a_manifest_are_not_replaced(copy, capsys):
    (copy / "run" / "weights" / "manifest.json").unlink()
    before = states(copy)
    assert main(*RESUME, copy, "-steps", 4) == 4
    assert "manifest.json must list the states beside it" in error(capsys)
    assert states(copy) == before


HOLD = """
import sys
from inpainting_zoo.storage.locks import locked
with locked(sys.argv[1], "x"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_training_of_a_name_is_refused(copy, capsys):
    words = [sys.executable, "-c", HOLD, str(copy / "run")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, **pipes) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert main(*RESUME, copy, "-steps", 3) == 4
        line = error(capsys)
        assert "-experiment_name: must not be in use" in line
        assert f"process {holder.pid}" in line
        holder.kill()  # which leaves the file and no lock
    with locked(copy / "run", "experiment_name"):
        assert (copy / "run" / "lock").is_file()


@pytest.mark.parametrize(
    "text", ["{}", '{"stage": "warm_up_gener', '\ufeff{"settings": {}}', "[]", ""]
)
def test_a_damaged_record_is_one_line(tmp_path, text, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(text)
    assert main(*RESUME, tmp_path) == 4
    assert "config.json must hold the settings of a run" in error(capsys)


@pytest.mark.long
def test_a_record_of_an_earlier_version_takes_defaults(copy, capsys):
    def older(config):
        for name in ("max_pixels", "validation_images", "stage"):
            del config["settings"][name]

    change_config(copy, older)
    assert main(*RESUME, copy, "-steps", 3) == 0
    out, err = capsys.readouterr()
    assert "by default: max_pixels, validation_images" in out
    assert "from step 2," in out and not err


def test_a_record_of_a_later_version_is_refused(copy, capsys):
    change_config(copy, lambda config: config["settings"].update(colour="blue"))
    assert main(*RESUME, copy) == 4
    assert "of this version, received colour" in error(capsys)


def test_where_exactly_ends_is_said(copy, capsys):
    def elsewhere(config):
        config["engine"] = "abacus"
        config["cpu"]["model"] = "Beads"

    change_config(copy, elsewhere)
    assert main(*RESUME, copy, "-steps", 3) == 0
    line = error(capsys)
    assert line.startswith("warning: resume: engine 'abacus' -> ")
    assert "cpu 'Beads' -> " in line and "no longer bit for bit" in line


def test_settings_that_differ_are_refused_by_either_name(copy, capsys):
    assert main(*RESUME, copy, "-stage", "wgan") == 4
    assert "stage 'warm_up_generator' -> 'wgan'" in error(capsys)
    assert main(*RESUME, copy, "-stage", "denoising") == 4  # of another preset
    assert "stage 'warm_up_generator' -> 'denoising'" in error(capsys)
    assert main(*RESUME, copy, "-warm_up_generator") == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_stage_says_that_it_could_begin_from_another(copy, pictures, capsys):
    where = ("-train_path", pictures / "images", "-output_path", copy, *TINY)
    options = ("-experiment_name", "run", "-steps", 1, "-id_mrf_weight", 0)
    assert main(*where, *options) == 0
    words = "wgan: starts from random weights, see -from_weights"
    assert words in capsys.readouterr().err
    # The former stage goes on by what is on record of it.
    assert main(*RESUME, copy, "-warm_up_generator") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(*RESUME, copy) == 0
    assert "nothing to do: step 1 of 1" in capsys.readouterr().out


def test_pictures_may_move_with_the_experiment(copy):
    recorded = json.loads((copy / "run/config.json").read_text())
    places = {"train_path": "a/pictures", "aligned": {"target": "a/targets"}}
    recorded["settings"] |= {**places, "output_path": "a"}
    (copy / "run/config.json").write_text(json.dumps(recorded))
    where = {"resume": True, "experiment_name": "run", "output_path": str(copy)}

    def given(**others):
        settings = TrainSettings(**where, **others, given=frozenset(others))
        return resumed(settings)

    assert given().train_path == "a/pictures"
    found = given(train_path=f"{copy}/pictures", aligned={"target": f"{copy}/targets"})
    assert found.train_path == f"{copy}/pictures"
    assert found.aligned == {"target": f"{copy}/targets"}
    with pytest.raises(InputError, match="train_path 'a/pictures' -> 'b/"):
        given(train_path="b/pictures")
    with pytest.raises(InputError, match="received aligned"):
        given(aligned={"target": f"{copy}/others"})


def test_a_stage_of_another_model_replaces_nothing(copy, pictures, capsys):
    before = states(copy)
    generator = copy / "run/weights/generator.safetensors"
    trained = generator.read_bytes()
    where = ("-train_path", pictures / "images", "-output_path", copy)
    words = [word if word != "base_channels=4" else "base_channels=2" for word in TINY]
    stage = ("-stage", "wgan", "-set", "id_mrf_weight=0")
    assert main(*where, "-experiment_name", "run", *words, *stage) == 5
    assert "another generator, base_channels 4 -> 2" in error(capsys)
    assert states(copy) == before and generator.read_bytes() == trained


def test_a_stage_that_the_model_lacks_is_named(pictures, tmp_path, capsys):
    where = ("-train_path", pictures / "images", "-output_path", tmp_path)
    assert main(*where, *TINY, "-stage", "joint") == 4
    line = error(capsys)
    assert line == "error: -stage: one of warm_up_generator, wgan, received 'joint'"


def test_one_picture_cannot_be_split(pictures, tmp_path, capsys):
    where = ("-train_path", pictures / "images" / "0.png", "-output_path", tmp_path)
    assert main(*where, *TINY, "-stage", "warm_up_generator") == 4
    assert "-validation_split: must leave a picture" in error(capsys)


def test_as_many_pictures_are_validated_on_as_wanted(pictures):
    for wanted, found in ((2, 2), (40, 4)):
        settings = TrainSettings(
            train_path=str(pictures / "images"),
            batch_size=2,
            validation_split=0.5,
            validation_images=wanted,
        )
        training, validation = load_data(settings, 16, "rectangle=1")
        assert (len(training.images), len(validation)) == (4, found)


def test_masks_within_the_folder_of_pictures_are_not_trained_on(pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "all")
    for path in (tmp_path / "all" / "images").iterdir():
        path.rename(tmp_path / "all" / path.name)
    settings = TrainSettings(
        train_path=str(tmp_path / "all"),
        mask_path=str(tmp_path / "all" / "masks"),
        batch_size=2,
        validation_split=0.5,
    )
    training, validation = load_data(settings, 16, "rectangle=1")
    assert (len(training.images), len(validation)) == (4, 4)
    assert len(training.mask_files) == 8


@pytest.mark.parametrize("given", [True, False])
def test_masks_beside_the_pictures_are_not_trained_on(
    given, pictures, tmp_path, caplog
):
    for i, path in enumerate(sorted((pictures / "images").iterdir())):
        shutil.copy(path, tmp_path / f"{i}{path.suffix}")
    for i in range(3):
        Image.new("L", (32, 32)).save(tmp_path / f"{i}_mask.png")
    settings = TrainSettings(
        train_path=str(tmp_path),
        mask_path=str(tmp_path) if given else None,
        batch_size=2,
        validation_split=0.5,
    )
    training, validation = load_data(settings, 16, "rectangle=1")
    seen = [path.stem for path in training.images]
    seen += [name.partition(".")[0] for name, *_ in validation]
    assert sorted(seen) == [*"01234567"]
    masks = [path.name for path in training.mask_files]
    assert masks == given * ["0_mask.png", "1_mask.png", "2_mask.png"]
    said = "train_path: 3 masks beside their pictures are left out"
    assert (said in caplog.text) == (not given)


def test_what_stands_beside_the_pictures_is_cut_with_them(pictures):
    """Here the pictures themselves, and masks as the places of objects."""
    settings = TrainSettings(
        train_path=str(pictures / "images"),
        masks="objects",
        objects_path=str(pictures / "masks"),
        aligned={"target": str(pictures / "images")},
        batch_size=4,
        validation_split=0.5,
    )
    training, validation = load_data(settings, 16, "rectangle=1")
    batch = training.batch(0)
    np.testing.assert_array_equal(batch["image"], batch["target"])
    assert batch["mask"].any(axis=(1, 2, 3)).all()
    assert len(validation) == 4


def test_a_stage_gets_what_it_takes_beside_the_pictures(pictures, tmp_path, capsys):
    where = ("-train_path", pictures / "images", "-output_path", tmp_path)
    aligned = ("-aligned", f"target={pictures / 'images'}")
    assert main(*where, *TINY, "-stage", "warm_up_generator", *aligned) == 4
    assert error(capsys) == (
        "error: -aligned: nothing in the stage warm_up_generator of gmcnn_small, "
        "received target"
    )


def test_no_event_is_lost_in_a_failure(pictures, tmp_path, capsys):
    where = ("-train_path", pictures / "images", "-output_path", tmp_path)
    options = (*TINY, "-stage", "warm_up_generator", "-experiment_name", "run")
    options += ("-learning_rate", 1e30, "-steps", 20, "-save_every", 1)
    assert main(*where, *options) == 3
    capsys.readouterr()
    manifest = json.loads((tmp_path / "run/weights/manifest.json").read_text())
    log = EventAccumulator(str(tmp_path / "run/logs/warm_up_generator")).Reload()
    steps = [event.step for event in log.Scalars("reconstruction")]
    assert steps and steps[-1] >= manifest[-1]["step"]
    assert steps == list(range(1, len(steps) + 1))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["warm_up_generator"]["median_seconds_per_step"] > 0


def test_settings_of_a_host_program_come_back():
    keras.config.set_image_data_format("channels_first")
    keras.config.set_max_epochs(2), keras.config.set_max_steps_per_epoch(3)

    def limits():
        return keras.config.max_epochs(), keras.config.max_steps_per_epoch()

    one, other = explicit_settings(), explicit_settings()
    try:
        with explicit_settings():
            assert keras.config.image_data_format() == "channels_last"
            assert keras.config.dtype_policy().name == "float32"
            assert limits() == (None, None)
        assert keras.config.image_data_format() == "channels_first"
        assert limits() == (2, 3)
        one.__enter__(), other.__enter__()  # as two threads do, not in each other
        one.__exit__(None, None, None)
        assert keras.config.image_data_format() == "channels_last"
        other.__exit__(None, None, None)
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_max_epochs(None), keras.config.set_max_steps_per_epoch(None)


@pytest.fixture
def completing(pictures, tmp_path):
    """Arguments that complete a picture by an untrained network."""
    paths = ("-image", pictures / "images/0.png", "-mask", pictures / "masks/0.png")
    weights = ("-from_weights", save_tiny(tmp_path / "tiny.npz"))
    return ("inpaint", *paths, *weights, "-save_to", tmp_path / "out.png")


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("-variants", 2), "-variants: must be 1 for a model that draws nothing"),
        (("-with", "prompt=cat"), "-with: one of"),
    ],
)
def test_what_the_model_does_not_take_is_refused(completing, options, rule, capsys):
    assert main(*completing, *options) == 4
    assert rule in error(capsys)
    assert not completing[-1].exists()


def test_variants_have_seeds_and_names_of_their_own(completing, monkeypatch, capsys):
    """By a model that paints the hole in the grey level of the seed."""

    class Painter(Completer):
        OPTIONS, draws, image_size = {"lighter": 0}, True, 64

        def predict_images(self, images, masks, seed=0, lighter=0):
            return np.full_like(images, seed + lighter)

    chosen = ("painter", lambda: "digest", Painter)
    monkeypatch.setattr(command, "identified", lambda settings: chosen)
    words = ("-seed", 5, "-variants", 2, "-with", "lighter=100")
    assert main(*completing, *words) == 0
    out = completing[-1]
    names = [f"{out.stem}_{i}.png" for i in (1, 2)]
    pixels = [keras.utils.img_to_array(keras.utils.load_img(out.parent / n))
              for n in names]  # fmt: skip
    assert [p[15, 15, 0] for p in pixels] == [105, 106]
    assert f"{names[1]}: ok" in capsys.readouterr().out


def test_one_result_keeps_its_name():
    settings = InpaintSettings(save_to="a/b.png", seed=3)
    ((seed, path),) = command.variants(settings)
    assert (seed, str(path)) == (3, "a/b.png")
