"""The tables of the reports: the page is its files', and the command that measures."""

import json
import subprocess
import sys

import pytest

from conftest import ROOT
from inpainting_zoo import presets
from inpainting_zoo.tools import reports, reports_page
from inpainting_zoo.tools.make_readme import REPORTS


def test_the_page_is_made_of_the_files_of_the_repository():
    """`make reports` writes it; `OPTIONS="-only"` measures nothing."""
    page = (ROOT / "docs" / "reports.md").read_text()
    assert page == reports_page.page(REPORTS)


def test_what_is_shipped_is_what_was_measured():
    found = [
        json.loads(path.read_text()) for path in REPORTS.glob("report_00*/*_of_*.json")
    ]
    assert found
    for report in found:
        if "weights" not in report:
            assert report["weights_sha256"] == presets.digest(report["preset"])


def write(folder, kind, preset, about=None, **rows):
    """Writes a report of two pictures; a method's row repeats one number."""
    measures = ("psnr", "psnr_hole", "ssim", "l1", "l1_hole", "l2", "l2_hole", "lpips")
    report = {"preset": preset, "test_set": "faces_pairs_40", "images": 2}
    report |= {"image_size": 128, **(about or {})}
    report["methods"] = {name: dict.fromkeys(measures, x) for name, x in rows.items()}
    path = folder / f"{kind}_of_{preset}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report))


def test_claims_stand_beside_what_is_measured(tmp_path):
    about, ours = {"neighbours": 5798}, "context_encoder_faces_128"
    write(tmp_path, "report_000/centre", ours, about, **{ours: 21.0})
    rows = {"patchmatch": 20.0, "nearest_neighbour": 19.0}
    write(tmp_path, "report_000/centre", "patchmatch", about, **rows)
    write(tmp_path, "report_000/circle", ours, about, **{ours: 22.0})
    page = reports_page.page(tmp_path)
    here = "21.0000 (21.0000) | 21.0000 (21.0000) | 21.00 (21.00)"
    claimed = "| Context Encoder | CelebA-HQ | 0.0322 | 0.0088 | 21.28 |"
    assert f"{claimed} {here} | `{ours}` |" in page
    assert "| 18.58 | 19.0000 (19.0000) | 19.0000 (19.0000) | 19.00 (19.00) |" in page
    assert "| 16.17 | - | - | - | its pictures need an account |" in page
    assert "`-presets sd2_inpainting=FILE` |" in page
    words = page.replace("\n", " ")
    assert "2 pictures of `faces_pairs_40` (of report 004's 200 pairs of" in words
    assert "128 px, squares of half their side" in words
    assert "pastes from 5,798 other faces." in words
    assert f"| {ours} | {here} | {here.replace('21', '22')} |" in page
    assert "| patchmatch | 20.0000 (20.0000) | 20.0000 (20.0000) | 20.00 (20.00) | - |"


def test_measures_that_need_more_pictures_are_left_open(tmp_path):
    about = {"test_set": "scenes_test", "weights": "mat.pkl"}
    write(tmp_path, "report_002/scenes", "mat_512", about, mat_512=0.25)
    page = reports_page.page(tmp_path)
    places = "| 0.202 | 3.765 | 0.348 | 0.195"
    assert f"{places} | 0.2500 | - | - | - | `mat_512` |" in page
    assert "| SEELE | 21.98 | 0.87 | 24.40 | 0.13 |" in page
    assert "| - | - | - | - | not in the zoo |" in page
    assert "| mat_512 | 0.25 | 0.2500 | 0.2500 |\n" in page


def test_rows_of_a_table_are_of_the_same_pictures(tmp_path):
    """The larger set where there are two; of few pictures FID is marked."""
    about = {"test_set": "scenes_test", "images": 3000}
    write(tmp_path, "report_002/scenes", "mat_512", about, mat_512=0.25)
    path = tmp_path / "report_002/scenes_of_mat_512.json"
    report = json.loads(path.read_text())
    report["methods"]["mat_512"] |= {"fid_torchvision": 7.0, "fid": 8.0}
    path.write_text(json.dumps(report))
    few = report | {"images": 504, "preset": "patchmatch"}
    few["methods"] = {"patchmatch": {"psnr": 31.0}}
    path = tmp_path / "patchmatch_on_scenes_test_at_256.json"
    path.write_text(json.dumps(few))
    page = reports_page.report_002(tmp_path)
    assert "Here: 3000 pictures" in page and "patchmatch" not in page
    assert "| 0.195 | 0.2500 | 7.000 | - | - | `mat_512` |" in page
    words = page.replace("\n", " ")
    assert "Of 3,000 pictures, under 5,000, FID is too large" in words
    assert "by torchvision's Inception" in words and "FID | FID torchvision |" in page


def test_trainings_of_both_reports_are_rows(tmp_path):
    row = {"psnr_hole": 18.0, "psnr": 24.0}
    sweep = {"preset": "small", "steps": 9, "images": 4, "data_set": "faces"}
    sweep |= {"ratios": {"1": row, "1000": row}, "variants": {"noise": row}}
    (tmp_path / "lambda_ratios.json").write_text(json.dumps(sweep))
    found = {name: {"mean": 25.0, "deviation": 0.5} for name in ("psnr", "report_004")}
    gain = {"gain": {"mean": 0.5, "deviation": 0.1}}
    variants = {"none": {"wgan": found}, "laplacian": {"wgan": found | gain}}
    table = {"preset": "small", "steps": {"warm_up_generator": 9, "wgan": 3}}
    table |= {"images": 4, "image_size": 64, "seeds": [0, 1, 2], "variants": variants}
    table |= {"vgg_weights": "vgg19.npz", "vgg16_weights": "vgg16.npz"}
    table["baselines"] = {"telea": {"psnr": {"mean": 24.0, "deviation": None}}}
    variants["vgg16"] = {"wgan": found | gain}
    for name in ("table1", "losses"):
        (tmp_path / f"{name}.json").write_text(json.dumps(table))
    for kind, psnr in (("rule", 33.0), ("completed", 28.0)):
        write(tmp_path, f"report_004/{kind}", "gmcnn", {}, gmcnn=psnr)
    page = reports_page.page(tmp_path)
    assert "| faces (here) | 128x128 | 18.00 | - | - | 18.00 |" in page
    assert "input (here) | 128x128 | - | - | - | 18.00 |" in page
    assert "frozen (here) | 128x128 | - | - | - | not trained yet |" in page
    same = "25.00 ± 0.50 | 25.00 ± 0.50"
    assert f"(`none`) | 25.70 | {same} | - | - |" in page
    assert f"| no substantial effect | {same} | 0.50 ± 0.10 | better |" in page
    by = "ID-MRF is by VGG19: `vgg19.npz`, VGG16: `vgg16.npz`; conv3_4"
    assert page.replace("\n", " ").count(by) == 2
    assert "(`se_report`) | 27.78 | not trained yet | - | - | - |" in page
    assert page.count("| `telea` | - | - | 24.00 | - | - |") == 2
    assert "| `gmcnn` | 33.00 | 28.00 |" in page


def test_without_files_nothing_is_measured(tmp_path):
    page = reports_page.page(tmp_path)
    assert page.replace("\n", " ").count("Nothing is measured yet.") == 6
    assert max(map(len, page.split("\n\n")[1].splitlines())) <= 88


def test_paths_are_asked_for_by_the_parts_that_need_them(capsys):
    with pytest.raises(SystemExit):
        reports.parse(["-only", "004_pairs", "000", "-faces_pairs", "x"])
    assert "-train_path: needed by 000, received none" in capsys.readouterr().err
    options = reports.parse(["-only", "004_pairs", "-faces_pairs", "x", "-gpu", "0"])
    assert options.further == ["-gpu", "0"]


@pytest.mark.slow
def test_the_command_measures_trains_and_does_nothing_twice(pictures, tmp_path):
    images, masks = pictures / "images", pictures / "masks"
    other = tmp_path / "train"
    other.mkdir()
    for path in images.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    words = ["-faces_pairs", pictures, "-train_path", other, "-test_path", images]
    words += ["-scenes", images, "-scene_masks", masks, "-limit", 2]
    words += ["-reports", tmp_path / "kept", "-page", tmp_path / "page.md"]
    words += ["-output_path", tmp_path / "out", "-data_set", "noise"]
    sweep = ["-steps", 1, "-batch_size", 2, "-pictures", 1, "-ratios", 1, "-variants"]
    sweep += ["-set", "base_channels=4", "bottleneck=8", "discriminator_channels=4"]

    def run(*further):
        found = subprocess.run(
            [sys.executable, ROOT / "tools/reports.py", *map(str, [*words, *further])],
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0, found.stderr
        return [x for x in found.stdout.splitlines() if x.startswith("$ ")]

    measured = "-only", "000", "002", "-presets", "patchmatch"
    trained = "-only", "004_pairs", "001_sweep", "-presets", "gmcnn_faces_128", *sweep
    assert len(run(*measured)) == 3
    # Two evaluations; the sweep's script, its training and its evaluation.
    assert len(run(*trained)) == 5
    page = (tmp_path / "page.md").read_text()
    assert "| nearest_neighbour | " in page and "| noise (here) | 128x128 | " in page
    assert "| `gmcnn_faces_128` | " in page
    assert run(*measured) == []
    (script,) = run(*trained)  # which has nothing to do
    assert "lambda_ratios.py" in script
    assert (tmp_path / "page.md").read_text() == page
