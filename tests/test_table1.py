"""The comparison of variants: its arithmetic, and its commands at the smallest size."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.evaluation.protocol import BINS
from inpainting_zoo.tools import readme_benchmarks, table1
from inpainting_zoo.tools.commands import train_and_evaluate
from tiny_vgg import write as write_vgg

VGG = {"vgg_weights": "vgg19.npz", "vgg16_weights": None}


def row(psnr):
    """What an evaluation of three pictures gives; two have holes of 10 to 20 %."""
    measures = {"psnr": psnr, "psnr_hole": psnr - 6, "ssim": 0.9, "l1": 0.02}
    measures |= {"l1_hole": 0.1, "report_004": psnr + 5}
    counts = dict.fromkeys(BINS, 0) | {"10-20": 2, "above": 1}
    bins = {
        area: {"images": count, "psnr": psnr + 1 if count else None}
        for area, count in counts.items()
    }
    return measures | {"bins": bins}


def report(psnr):
    return {
        "own": row(psnr),
        "methods": {name: row(20.0) for name in BASELINES},
        "images": 3,
        "image_size": 64,
        "versions": {"keras": "3"},
        "weights_sha256": "ab",
    }


def both_stages(psnr):
    return {"warm_up_generator": report(psnr), "wgan": report(psnr - 1)}


@pytest.fixture
def table():
    reports = {
        ("none", 0): both_stages(24.0),
        ("none", 1): both_stages(26.0),
        ("se_report", 0): both_stages(24.5),
        ("se_report", 1): both_stages(25.5),
    }
    about = {"preset": "gmcnn_small", "set": [], "seeds": [0, 1]}
    about |= {"batch_size": 8, "training": ["-gpu", "0"]}
    about |= {"steps": {"warm_up_generator": 9, "wgan": 3}, "claims": table1.CLAIMS}
    return about | table1.summary(reports)


def test_means_deviations_and_paired_gains(table):
    plain, gated = (table["variants"][name] for name in ("none", "se_report"))
    root2 = 2**0.5
    psnr = plain["warm_up_generator"]["psnr"]
    assert psnr == pytest.approx({"mean": 25, "deviation": root2})
    assert plain["warm_up_generator"]["gain"] == {"mean": 0, "deviation": 0}
    stage = gated["wgan"]
    assert stage["psnr_hole"] == pytest.approx({"mean": 18, "deviation": root2 / 2})
    # + 0.5 with one seed, - 0.5 with the other
    assert stage["gain"] == pytest.approx({"mean": 0, "deviation": root2 / 2})
    assert list(stage["bins"]) == ["10-20", "above"]
    assert stage["bins"]["10-20"]["images"] == 2
    assert stage["bins"]["above"]["psnr"]["mean"] == pytest.approx(25)
    assert table["baselines"]["telea"]["psnr"] == {"mean": 20, "deviation": None}


def test_variants_and_classical_methods_have_rows_of_their_own():
    reports = {(name, 0): both_stages(24.0) for name in table1.VARIANTS}
    about = {"preset": "", "set": [], "seeds": [0], "batch_size": 1, "training": []}
    about |= {"steps": {"warm_up_generator": 1, "wgan": 1}, "claims": {}}
    page = readme_benchmarks.table1(about | table1.summary(reports))
    for name in (*table1.VARIANTS, *BASELINES):
        assert page.count(f"| {name} |") == 4  # two tables a stage


def test_one_seed_has_no_deviation():
    assert table1.mean_and_deviation([3.0]) == {"mean": 3.0, "deviation": None}


def test_variants_without_the_plain_one_have_no_gain():
    found = table1.summary({("se", 0): both_stages(24.0)})
    assert "gain" not in found["variants"]["se"]["wgan"]


def test_the_table_as_a_page(table):
    page = readme_benchmarks.table1(table)
    gain = "0.00 ± 0.71"
    words = (
        "steps 9 of stage 1 and 3 of stage 2 of 8 images, seeds 0, 1, options `-gpu 0`"
    )
    assert words in page.replace("\n", " ")
    assert "| se_report | 25.00 ± 0.71 | 19.00 ± 0.71 | 0.9000 ± 0.0000 |" in page
    assert page.count(f"{gain} | no difference |") == 2
    assert "| telea | 20.00 | 14.00 | 0.9000 | 0.0200 | 0.1000 | - | - |" in page
    assert "| se_report | 27.78 | 29.00 ± 0.71 | 24.00 ± 0.71 |" in page
    assert "| a2_report | 27.30 | - | - |" in page
    page = readme_benchmarks.losses(table | VGG)
    assert page.startswith("## Losses of GMCNN")
    assert "VGG19: `vgg19.npz`, VGG16: `Keras`;" in page
    assert page.count("| se_report |") == 4 and "27.78" not in page


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        ({"mean": 0.3, "deviation": 0.1}, "better"),  # t is 4.303, so ± 0.25
        ({"mean": 0.2, "deviation": 0.1}, "no difference"),
        ({"mean": -0.3, "deviation": 0.1}, "worse"),
        ({"mean": 0.3, "deviation": None}, "-"),
        (None, "-"),
    ],
)
def test_a_gain_is_one_beyond_its_confidence_interval(gain, verdict):
    assert readme_benchmarks.verdict(gain, 3) == verdict


@pytest.mark.parametrize("word", ["-seed", "--seed"])
def test_one_seed_for_all_is_refused(word, capsys):
    words = [word for name in PATHS for word in (f"-{name}", "nowhere")]
    with pytest.raises(SystemExit):
        table1.parse([*words, word, "3"])
    assert "-seed: must be given as -seeds, received 3" in capsys.readouterr().err


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_further_options_are_those_of_training(dashes):
    words = [word for name in PATHS for word in (f"{dashes}{name}", "nowhere")]
    words += [f"{dashes}set", "known_weight=1", f"{dashes}gpu", "0"]
    options = table1.parse(words)
    assert options.set == ["known_weight=1"]
    assert options.training == [f"{dashes}gpu", "0"]


def test_each_network_of_id_mrf_has_its_file():
    words = [word for name in PATHS for word in (f"-{name}", "vgg19.npz")]
    for further, of_vgg16 in (
        ([], []),  # the download
        (["-vgg16_weights", "vgg16.npz"], ["-vgg_weights", "vgg16.npz"]),
    ):
        options = table1.parse([*words, *further])
        for variant, file in (
            ("laplacian", ["-vgg_weights", "vgg19.npz"]),
            ("vgg16", of_vgg16),
        ):
            _, train, _ = table1.arguments(options, Path(), variant, 0)["wgan"]
            found = train.index("-from_weights") + 2
            assert train[found:] == file


PATHS = ("train_path", "mask_path", "test_path", "test_masks", "vgg_weights")


def test_what_is_done_is_not_done_again(tmp_path, capsys):
    words = [word for name in PATHS for word in (f"-{name}", "nowhere")]
    words += ["-variants", "se", "-seeds", "0", "-output_path", str(tmp_path)]
    options = table1.parse(words)
    for stage, psnr in (("warm_up_generator", 24.0), ("wgan", 23.0)):
        name, train, evaluate = table1.arguments(options, tmp_path, "se", 0)[stage]
        found = report(psnr)
        found["methods"][name] = found.pop("own")
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
        (tmp_path / f"{name}_report_004.json").write_text(json.dumps(found))
        given = {"train": [*map(str, train)], "evaluate": [*evaluate, *table1.METRICS]}
        (tmp_path / f"{name}.args.json").write_text(json.dumps(given))
    table1.main(words)
    written = json.loads((tmp_path / "table1.json").read_text())
    assert written["variants"]["se"]["wgan"]["psnr"]["mean"] == 23
    assert "| se | 24.00 |" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"'-steps', '5'.* received .*'1500'"):
        table1.main([*words, "-steps", "5"])


def test_numbers_of_other_arguments_are_refused(tmp_path):
    """As of those that nobody kept."""
    report, kept = tmp_path / "one.json", tmp_path / "one.args.json"
    report.write_text('{"images": 3}')
    arguments = ["-steps", 5], ["-test_path", "faces"]
    with pytest.raises(SystemExit, match="received unknown arguments"):
        train_and_evaluate("one", tmp_path, *arguments)
    kept.write_text('{"train": ["-steps", "5"], "evaluate": ["-test_path", "faces"]}')
    assert train_and_evaluate("one", tmp_path, *arguments) == {"images": 3}
    with pytest.raises(SystemExit, match="must hold the arguments of this run"):
        train_and_evaluate("one", tmp_path, ["-steps", 5], ["-test_path", "scenes"])
    assert report.read_text() == '{"images": 3}'


@pytest.mark.slow
def test_it_trains_and_evaluates_both_stages(pictures, tmp_path):
    images, masks = pictures / "images", pictures / "masks"
    paths = (images, masks, images, masks, write_vgg(tmp_path / "vgg.npz"))
    data = [word for name, path in zip(PATHS, paths) for word in (f"-{name}", path)]
    tiny = ["base_channels=4", "critic_channels=4", "image_size=32", "critic_steps=1"]
    what = ["-steps", 2, "-wgan_steps", 1, "-seeds", 0, "-variants", "none"]
    what += ["-batch_size", 2, "-set", *tiny, "-output_path", tmp_path]
    script = ROOT / "tools" / "table1.py"
    found = subprocess.run(
        [sys.executable, str(script), *map(str, [*data, *what])],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    written = json.loads((tmp_path / "table1.json").read_text())
    assert written["variants"]["none"]["wgan"]["psnr"]["mean"] > 0
    assert (tmp_path / "none_0_wgan" / "weights" / "generator.safetensors").is_file()
