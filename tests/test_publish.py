"""Published weights and what is reported of their training."""

import json
import shutil

import numpy as np
import pytest

from conftest import run
from inpainting_zoo import cli, presets
from inpainting_zoo.environment import processor
from inpainting_zoo.errors import ZooError
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.storage.checkpoints import load_weights, part_file, save_weights
from inpainting_zoo.storage.files import sha256
from inpainting_zoo.tools import commands, publish
from inpainting_zoo.tools.make_readme import training
from inpainting_zoo.tools.training_report import (
    command,
    history,
    in_order,
    training_report,
)
from inpainting_zoo.training.experiment import Experiment

pytestmark = pytest.mark.long


def recorded(**settings):
    """Settings as an experiment records them after its first stage."""
    defaults = TrainSettings().as_dict()
    preset = {"batch_size": 16, "learning_rate": 3e-4, "optimizer": "muon"}
    preset |= {"preset": "gmcnn_faces_128", "adam_betas": [0.9, 0.999], "steps": 9}
    return defaults | preset | settings


def test_the_command_has_what_differs_and_no_folders():
    settings = recorded(
        train_path="/home/me/faces",
        mask_path="/home/me/masks",
        masks="files=4,strokes=1",
        output_path="/home/me/runs",
        warm_up_generator=True,
        resume=True,
        set={"known_weight": 0.3, "attention": "se"},
        seed=2,
    )
    assert command(settings, "warm_up_generator") == (
        "runner.py -train_path TRAIN -mask_path MASKS -masks files=4,strokes=1 "
        "-warm_up_generator -preset gmcnn_faces_128 -set known_weight=0.3 attention=se "
        "-steps 9 -seed 2"
    )


def test_the_command_of_the_second_stage_names_the_first():
    settings = recorded(
        output_path="runs",
        from_weights="runs/one/weights/generator.safetensors",
        vgg_weights="/home/me/vgg.npz",
        optimizer="adam",
        learning_rate=2e-4,
        adam_betas=[0.5, 0.9],
        train_path="samples:train",
    )
    assert command(settings, "wgan") == (
        "runner.py -train_path samples:train -from_weights "
        "outputs/one/weights/generator.safetensors -preset gmcnn_faces_128 -steps 9 "
        "-learning_rate 0.0002 -vgg_weights VGG"
    )
    elsewhere = command(settings | {"from_weights": "/home/me/w.npz"}, "wgan")
    assert "-from_weights WEIGHTS " in elsewhere
    assert "-from_weights -preset" in command(settings | {"from_weights": True}, "wgan")


def test_history_is_thinned_by_means():
    scalars = {
        "seconds_per_step": dict.fromkeys(range(1, 6), 0.5),
        "reconstruction": {1: 1.0, 2: 2.0, 3: 6.0, 4: 1.0, 5: 2.0},
        "weighted_reconstruction": {1: 1.4},
        "validation_psnr": {2: 20.0, 5: 21.0},
    }
    assert history(scalars, points=2) == [
        {"step": 3, "reconstruction": 3.0, "validation_psnr": 20.0},
        {"step": 5, "reconstruction": 1.5, "validation_psnr": 21.0},
    ]
    assert len(history(scalars)) == 5


def test_a_loss_without_terms_is_shown_itself():
    scalars = {"seconds_per_step": {1: 0.5}, "unet_loss": {1: 3.0}}
    assert history(scalars) == [{"step": 1, "unet_loss": 3.0}]
    scalars |= {"l1": {1: 2.0}}
    assert history(scalars) == [{"step": 1, "l1": 2.0}]


def test_the_processor_is_named():
    assert processor()["cores"] >= 1


@pytest.fixture(scope="module")
def experiment(pictures, tmp_path_factory):
    """Two steps of a preset at 32 px; returns the output folder."""
    output = tmp_path_factory.mktemp("outputs")
    found = run(
        *("-train_path", pictures / "images", "-mask_path", pictures / "masks"),
        *("-output_path", output, "-experiment_name", "one", "-steps", 2),
        *("-preset", "gmcnn_small", "-image_size", 32, "-batch_size", 2),
        *("-warm_up_generator", "-run_eagerly"),
    )
    assert found.returncode == 0, found.stderr
    return output


def test_an_experiment_is_published(experiment, tmp_path, capsys):
    publish.main(
        [
            *("-experiment_name", "one", "-output_path", str(experiment)),
            *("-preset", "gmcnn_small", "-save_to", str(tmp_path)),
        ]
    )
    path = tmp_path / "gmcnn_small.safetensors"
    lines = capsys.readouterr().out.splitlines()
    weights = f'Weights("gmcnn_small.safetensors", "{sha256(path)}")'
    assert lines[-1] == f'"weights": {{"generator": {weights}}},'
    trained, about = load_weights(part_file(experiment / "one"))
    model, metadata = presets.load_file(path)
    assert metadata == {k: about[k] for k in ("preset", "stage", "step")} | {
        "overrides": {}
    }
    for name, variable in model.use_state().items():
        assert variable.dtype == "float32"
        np.testing.assert_allclose(variable, trained[name], rtol=1e-3, atol=1e-7)
    assert 2 * model.generator.count_params() < path.stat().st_size < 7e6
    text = (tmp_path / "reports" / "gmcnn_small_training.json").read_text()
    report = json.loads(text)
    assert str(experiment) not in text
    assert (report["steps"], report["batch_size"], report["image_size"]) == (2, 2, 32)
    assert report["files"]["generator"]["sha256"] == sha256(path)
    assert report["cpu"] == processor()
    assert [row["step"] for row in report["history"]] == [1, 2]
    assert report["history"][-1]["validation_psnr"] > 0
    assert report["history"][0]["reconstruction"] > 0


@pytest.mark.slow
def test_parts_of_two_stages_are_published_together(pictures, tmp_path, capsys):
    """Each in a file of its own; the report has the settings of both stages.

    The scripts that train them may be called again, and do nothing then.
    """
    begun = ["-train_path", pictures / "images", "-preset", "sd_small", "-steps", 1]
    begun += ["-batch_size", 1, "-validation_images", 1]
    for words in (["-stage", "autoencoder"], []) * 2:
        commands.train("small", tmp_path / "runs", *begun, *words)
    metrics = json.loads((tmp_path / "runs/small/metrics.json").read_text())
    assert [*metrics] == ["autoencoder", "denoising"]
    publish.main(
        [
            *("-experiment_name", "small", "-output_path", str(tmp_path / "runs")),
            *("-preset", "sd_small", "-save_to", str(tmp_path)),
        ]
    )
    report = json.loads((tmp_path / "reports/sd_small_training.json").read_text())
    assert report["stage"] == "denoising"
    assert [stage["stage"] for stage in report["stages"]] == ["autoencoder"]
    _, first, second = training(report).split("python runner.py")
    assert "reports/sd_small_autoencoder.png" in first
    assert "reports/sd_small.png" in second
    assert "-stage autoencoder" in first and "-stage" not in second  # the last one
    parts = ["decoder", "encoder", "text_encoder", "unet"]
    line = capsys.readouterr().out.splitlines()[-1]
    for part, about in report["files"].items():
        assert about["file"] == f"sd_small_{part}.safetensors"
        assert about["sha256"] == sha256(tmp_path / about["file"])
        assert f'"{part}": Weights("{about["file"]}", "{about["sha256"]}")' in line
    assert [*report["files"]] == parts
    trained = load_weights(tmp_path / "runs/small/weights/unet.safetensors")[0]
    model = presets.load(
        "sd_small", {p: tmp_path / f"sd_small_{p}.safetensors" for p in parts}
    )
    for name, variable in model.use_state("unet").items():
        np.testing.assert_allclose(variable, trained[name], rtol=1e-3, atol=1e-7)


def test_a_training_tells_of_the_one_before(experiment, tmp_path):
    """Of the same stage; its steps come first."""
    first, second = experiment / "one", tmp_path / "two"
    shutil.copytree(first, second)
    config = json.loads((first / "config.json").read_text())
    config["settings"]["from_weights"] = str(part_file(first))
    (second / "config.json").write_text(json.dumps(config))
    metadata = load_weights(part_file(second))[1]
    report, before = (training_report(path, metadata) for path in (second, first))
    assert before["before"] is None
    assert [row["step"] for row in report["history"]] == [1, 2, 3, 4]
    assert report["history"][:2] == before.pop("history")
    assert report["before"] == before
    assert in_order(report) == [before, report]
    page = training(report | {"preset": "gmcnn_small", "stages": []})
    assert page.count("python runner.py") == 2
    config["settings"]["from_weights"] = str(tmp_path / "weights" / "gone.npz")
    (second / "config.json").write_text(json.dumps(config))
    assert training_report(second, metadata)["before"] is None


def test_other_generators_and_stages_are_refused(experiment, tmp_path):
    arguments = ["-experiment_name", "one", "-output_path", str(experiment)]
    none = ["-experiment_name", "none", "-output_path", str(experiment)]
    with pytest.raises(ZooError, match="experiment_name: must have weights, received"):
        publish.main([*none, "-preset", "gmcnn_small", "-save_to", str(tmp_path)])
    with pytest.raises(ZooError, match="base_channels 16 -> None"):
        publish.main([*arguments, "-preset", "gmcnn_256", "-save_to", str(tmp_path)])
    assert not list(tmp_path.iterdir())
    source = part_file(experiment / "one")
    later = Experiment(tmp_path / "later")
    (later.folder / "weights").mkdir(parents=True)
    config = json.loads((experiment / "one" / "config.json").read_text())
    (later.folder / "config.json").write_text(json.dumps(config | {"stage": "wgan"}))
    later.generator.write_bytes(source.read_bytes())
    with pytest.raises(
        ZooError, match="stage warm_up_generator, received those of wgan"
    ):
        publish.main(
            [
                *("-experiment_name", "later", "-output_path", str(tmp_path)),
                *("-preset", "gmcnn_small", "-save_to", str(tmp_path)),
            ]
        )


@pytest.mark.slow
def test_experiments_of_older_programs_go_on(experiment, tmp_path):
    """Their generator is an .npz file, until a step of now is saved beside it."""
    shutil.copytree(experiment / "one", tmp_path / "one")
    old = Experiment(tmp_path / "one")
    arrays, about = load_weights(old.generator)
    save_weights(tmp_path / "one" / "weights" / "generator.npz", dict(arrays), about)
    old.generator.unlink()
    assert old.generator.suffix == ".npz"
    where = ("-output_path", tmp_path, "-experiment_name", "one")
    command = ["export", "-format", "saved_model"]
    assert cli.main([*command, *map(str, where), "-save_to", str(tmp_path / "x")]) == 0
    found = run("-resume", *where, "-steps", 3)
    assert found.returncode == 0, found.stderr
    assert old.generator.suffix == ".safetensors"
    assert load_weights(old.generator)[1]["step"] == 3
    # Nothing is deleted that the run has not written.
    assert (tmp_path / "one" / "weights" / "generator.npz").is_file()
