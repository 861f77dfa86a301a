"""The comparison of ensembles: its arithmetic, and its command at the smallest size."""

import json

import pytest

from conftest import save_tiny
from inpainting_zoo.ensemble.command import OWN
from inpainting_zoo.tools import ensemble_ablation


def report(psnr, seconds=60):
    rows = {OWN: psnr, "first": 20.0, "second": 21.0, "average": 22.0}
    gain = {"over": "second", "mean": psnr - 21, "interval": [psnr - 22, psnr - 20]}
    return {
        "methods": {
            name: {"psnr": value, "lpips": None} for name, value in rows.items()
        },
        "gain": {"psnr": gain},
        "images": 3,
        "image_size": 64,
        "members": {"first": "lama_big", "second": "patchmatch"},
        "versions": {"keras": "3"},
        "seconds": seconds,
    }


def test_variants_are_rows_over_seeds_and_the_rest_is_there_once():
    reports = {("hvi", 0): report(22.0), ("rgb", 0): report(23.0)}
    reports |= {("hvi", 1): report(24.0, 180), ("rgb", 1): report(23.0)}
    table = ensemble_ablation.summary(reports)
    assert [*table["methods"]] == ["hvi", "first", "second", "average", "rgb"]
    psnr = {"mean": 23, "deviation": pytest.approx(2**0.5)}
    assert table["methods"]["hvi"]["psnr"] == psnr
    assert table["methods"]["average"] == {"psnr": {"mean": 22, "deviation": 0}}
    assert table["seeds"] == [0, 1]
    lines = ensemble_ablation.page(table).splitlines()
    assert lines[0] == "|  | PSNR | PSNR gained | minutes |"
    gains = "+1.00 (+0.00 to +2.00); +3.00 (+2.00 to +4.00)"
    assert lines[2] == f"| hvi | 23.00 ± 1.41 | {gains} | 2 |"
    assert lines[3] == "| first | 20.00 ± 0.00 |  |  |"


def test_gains_are_of_what_was_measured():
    """And without an interval where there was one picture."""
    measured = report(22.0)
    for row in measured["methods"].values():
        row["lpips"] = row.pop("psnr") / 100
    measured["gain"] = {"lpips": {"over": "first", "mean": 0.02, "interval": None}}
    lines = ensemble_ablation.page(
        ensemble_ablation.summary({("hvi", 0): measured})
    ).splitlines()
    assert lines[0] == "|  | LPIPS | LPIPS gained | minutes |"
    assert lines[2] == "| hvi | 0.2200 | +0.0200 | 1 |"


def test_what_variants_are_of_is_refused(capsys):
    for pair in ("color_space=rgb", "denoise=false", "skips=false", "blend=true"):
        with pytest.raises(SystemExit):
            ensemble_ablation.parse(["-train_path", "x", "-set", "channels=2", pair])
        name = pair.partition("=")[0]
        assert f"-set: what variants are of is theirs, received {name}" in (
            capsys.readouterr().err
        )


def test_what_is_chosen_for_each_run_is_refused(capsys):
    for name in ("-seed", "-cache", "--experiment_name"):
        with pytest.raises(SystemExit):
            ensemble_ablation.parse(["-train_path", "x", name, "1"])
        assert f"-{name.strip('-')}: is chosen for each run" in capsys.readouterr().err


@pytest.mark.slow
def test_the_smallest_comparison(pictures, tmp_path, capsys):
    tiny = save_tiny(tmp_path / "tiny.npz", image_size=16)
    ensemble_ablation.main(
        [str(word) for word in (
            *("-train_path", pictures / "images", "-mask_path", pictures / "masks"),
            *("-members", tiny, "patchmatch", "-image_size", 16, "-batch_size", 2),
            *("-steps", 1, "-variants", "hvi", "rgb_without_denoisers", "-metrics"),
            *("psnr", "-set", "channels=2", "perceptual_weight=0", "style_weight=0"),
            *("-run_eagerly", "-output_path", tmp_path / "out"),
            *("-validation_split", 0.3),
        )]
    )  # fmt: skip
    table = json.loads((tmp_path / "out/ablation.json").read_text())
    assert {"hvi", "rgb_without_denoisers", "average"} <= set(table["methods"])
    assert "| by_hole_area |" in capsys.readouterr().out
    weights = tmp_path / "out/seed_0/experiments/rgb_without_denoisers/weights"
    assert {path.stem for path in weights.glob("*.safetensors")} == {"combiner"}
