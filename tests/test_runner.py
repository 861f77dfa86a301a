"""The commands that a user types, each in a process of its own."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from conftest import ROOT, TINY, check_animation, run, save_tiny
from inpainting_zoo import cli as runner
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.metrics.image_quality import psnr
from inpainting_zoo.options import TrainSettings

pytestmark = pytest.mark.long


def test_an_experiment_is_a_folder(trained):
    folder = trained / "tiny"
    config = json.loads((folder / "config.json").read_text())
    assert config["stage"] == "wgan"
    assert config["settings"]["seed"] == 0
    assert config["settings"]["steps"] == 1
    former = json.loads((folder / "config_warm_up_generator.json").read_text())
    assert (former["stage"], former["settings"]["steps"]) == ("warm_up_generator", 3)
    assert {"keras", "numpy", "tensorflow"} <= set(config["versions"])
    for name in ("generator", "global_critic", "local_critic"):
        text = (folder / "summaries" / f"{name}.txt").read_text()
        assert "Total params" in text
    with Image.open(folder / "predicted_pics/warm_up_generator/step_00000002.png") as p:
        assert p.width >= 4 * 32
    names = {p.name for p in (folder / "weights").iterdir()}
    assert names == {
        "generator.safetensors",
        "manifest.json",
        "warm_up_generator-00000003.npz",
        "wgan-00000001.npz",
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [h["step"] for h in metrics["warm_up_generator"]["history"]] == [2, 3]


def test_tensorboard_shows_terms_and_pictures(trained):
    log = EventAccumulator(str(trained / "tiny/logs/wgan"), {"images": 0}).Reload()
    terms = {"reconstruction", "known", "id_mrf", "adversarial", "critic"}
    wanted = {*terms, *(f"weighted_{t}" for t in terms), "validation_psnr"}
    assert wanted <= set(log.Tags()["scalars"])
    one_by_one = [f"validation/inpainted_image_{i}" for i in range(2)]  # held out
    assert sorted(log.Tags()["images"]) == ["samples", *one_by_one]
    (picture,), (grid,) = (
        [decoded(e) for e in log.Images(tag)] for tag in (one_by_one[0], "samples")
    )
    pasted = grid[-2 * 36 : -36 - 4, -2 * 36 : -36 - 4]  # first row, third column
    np.testing.assert_array_equal(picture, pasted)
    log = EventAccumulator(str(trained / "tiny/logs/warm_up_generator")).Reload()
    steps = [event.step for event in log.Scalars("reconstruction")]
    assert steps == [1, 2, 3]
    assert [event.step for event in log.Scalars("validation_loss")] == [2, 3]


def decoded(event):
    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


def test_tensorboard_shows_totals_and_settings(trained):
    """The total loss of each network is the sum of its weighted terms."""
    log = EventAccumulator(str(trained / "tiny/logs/wgan")).Reload()
    networks = {
        "generator": ("reconstruction", "known", "id_mrf", "adversarial"),
        "critic": ("critic", "gradient_penalty"),
    }
    for network, terms in networks.items():
        parts = [log.Scalars(f"weighted_{term}")[0].value for term in terms]
        total = log.Scalars(f"{network}_loss")[0].value
        assert total == pytest.approx(sum(parts), rel=1e-5)
    (content,) = log.PluginTagToContent("hparams").values()
    shown = HParamsPluginData.FromString(content).session_start_info.hparams
    assert shown["steps"].number_value == 1
    assert shown["run_eagerly"].bool_value
    assert shown["preset"].string_value == "gmcnn_small"
    assert json.loads(shown["set"].string_value)["image_size"] == 32


def test_samples_become_a_gif_with_epochs(trained, tmp_path):
    check_animation(trained / "tiny", 3, tmp_path / "x.gif")


def test_evaluate_writes_report_csv_and_pictures(trained, pictures):
    report = trained / "report.json"
    found = run(
        *("evaluate", "-test_path", pictures / "images", "-mask_path"),
        *(pictures / "masks", "-output_path", trained, "-experiment_name", "tiny"),
        *("-report", report, "-metrics", "psnr,lpips,kid_alexnet"),
    )
    assert found.returncode == 0, found.stderr
    assert "biharmonic" in found.stdout
    content = json.loads(report.read_text())
    assert content["images"] == 8
    methods = {"tiny", *BASELINES}
    assert set(content["methods"]) == methods
    assert content["methods"]["tiny"]["outside_max"] == 0
    with open(report.with_suffix(".csv")) as file:
        assert len(list(csv.DictReader(file))) == 8 * len(methods)
    assert report.with_suffix(".png").is_file()
    log = EventAccumulator(str(trained / "tiny/logs/test_report")).Reload()
    for name in ("psnr", "lpips", "kid_alexnet"):
        (logged,) = log.Scalars(f"test_{name}")
        measured = content["methods"]["tiny"][name]
        assert (logged.step, logged.value) == (1, pytest.approx(measured))


def test_evaluate_pastes_back_what_inpaint_completes(pictures, tmp_path):
    image, mask = (tmp_path / folder / "0.png" for folder in ("images", "masks"))
    for path in (image, mask):
        path.parent.mkdir()
        source = pictures / path.relative_to(tmp_path)
        Image.open(source).resize((70, 70), Image.NEAREST).save(path)
    model = ["-from_weights", save_tiny(tmp_path / "tiny.npz"), "-strategy"]
    report, saved = tmp_path / "report.json", tmp_path / "completed.png"

    def main(*arguments):
        assert runner.main([str(argument) for argument in arguments]) == 0

    main(
        *("evaluate", "-test_path", image.parent, "-mask_path", mask.parent),
        *("-image_size", 70, "-report", report, *model, "resize"),
    )
    content = json.loads(report.read_text())
    assert (content["image_size"], content["strategy"]) == (70, "resize")
    scores = content["methods"]["gmcnn_small"]
    assert scores["outside_max"] == 0
    command = ["inpaint", "-image", image, "-mask", mask, "-save_to", saved]
    main(*command, *model, "resize")
    truth, resized = (np.asarray(Image.open(path)) for path in (image, saved))
    assert scores["psnr"] == pytest.approx(psnr(truth, resized))
    main(*command, "-overwrite", *model, "original")
    assert (np.asarray(Image.open(saved)) != resized).any()


def test_inpaint_a_file(trained, pictures, tmp_path):
    image, mask = pictures / "images/0.png", pictures / "masks/0.png"
    weights = trained / "tiny/weights/generator.safetensors"
    saved = tmp_path / "completed.png"
    found = run(
        *("inpaint", "-image", image, "-mask", mask, "-save_to", saved),
        *("-from_weights", weights),
    )
    assert found.returncode == 0, found.stderr
    before, after = (np.asarray(Image.open(p)) for p in (image, saved))
    hole = np.asarray(Image.open(mask)) >= 128
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any()


def test_presets_are_listed():
    found = run("presets")
    assert found.returncode == 0
    assert "gmcnn_256" in found.stdout


def test_help_prints_every_option_and_default():
    found = run("-h")
    assert found.returncode == 0
    words = " ".join(found.stdout.split())
    for name, default in TrainSettings().as_dict().items():
        assert f"--{name}" in words
        if default not in (None, False, {}):
            assert f"(default: {default})" in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-train_pth", "x"], "-train_pth"),
        (["tran"], "received 'tran'"),
        ([], "-train_path"),
        (["-train_path", "nowhere"], "nowhere"),
        (["-train_path", "samples", "-mixed_precision", "int8"], "int8"),
        (["-train_path", "samples", "-batch_size", "99"], "-batch_size"),
        (["-train_path", "samples", "-masks", "stars=1"], "stars"),
        (["-train_path", "samples", "-from_weights"], "from_weights"),
        (["-train_path", "samples", "-from_weights", "no.npz"], "no.npz"),
        (["-train_path", "samples", "-resume"], "resume"),
        (["-train_path", "samples", "-set", "width=3"], "width"),
        (["-train_path", "samples", "-preset", "unet"], "unet"),
        (["inpaint", "-image", "x.png"], "-mask"),
        (["evaluate", "-preset", "gmcnn_small"], "from_weights"),
        (["evaluate", "-strategy", "shrink"], "shrink"),
        (["evaluate", "-experiment_name", "none"], "-experiment_name"),
    ],
)
def test_wrong_input_gets_one_line_and_exit_code_4(
    arguments, message, tmp_path, capsys
):
    if arguments[:1] in (["-train_path"], ["evaluate"]):
        arguments = [*arguments, "-output_path", tmp_path]
    if "-train_path" in arguments:
        arguments += ["-id_mrf_weight", "0"]
        if "-preset" not in arguments:
            arguments += ["-preset", "gmcnn_small"]
    assert runner.main([str(argument) for argument in arguments]) == 4
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x[:6] == "error:"]
    assert message in line
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_stage_is_never_started_over_silently(trained, pictures):
    data = ["-train_path", pictures / "images", "-output_path", trained]
    found = run(*data, "-experiment_name", "tiny", "-warm_up_generator", *TINY)
    assert found.returncode == 4
    assert "-resume" in found.stderr
    assert "Traceback" not in found.stderr


def test_convert_an_official_checkpoint(tmp_path):
    source = ROOT / "tests/goldens/generator_c4_196.npz"
    saved = tmp_path / "official.npz"
    command = ["convert", "-preset", "gmcnn_official_pytorch", "-source", source]
    found = run(*command, "-save_to", saved)
    assert found.returncode == 5  # another width
    assert "EB1.0.weight" in found.stderr
    assert not saved.exists()
    found = run(*command, "-save_to", saved, "-set", "base_channels=4")
    assert found.returncode == 0, found.stderr
    assert "88 tensors, 197959 parameters" in found.stdout
    assert saved.is_file()
