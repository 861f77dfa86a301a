"""What is written replaces nothing but former outputs, and that before any work."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import cli
from inpainting_zoo.errors import InputError
from inpainting_zoo.exporting.formats import OUTPUT, is_export
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.inpainting.picture import check_output, inpaint_file
from inpainting_zoo.models.completer import Completer
from inpainting_zoo.storage.checkpoints import save_weights
from inpainting_zoo.storage.files import atomic, refuse_replacing
from inpainting_zoo.storage.locks import held
from inpainting_zoo.training.animate import animate
from inpainting_zoo.training.experiment import Experiment
from inpainting_zoo.weights.convert import convert_file


class Grey(Completer):
    """A model that paints holes grey."""

    image_size = 64

    def predict_images(self, images, masks, seed=0):
        return np.full_like(images, 99)


@pytest.fixture
def folder(tmp_path):
    """A picture and a mask of one name in folders, and what is no picture."""
    for name, colour in (("images", "red"), ("masks", "white")):
        (tmp_path / name).mkdir()
        Image.new("RGB", (6, 6), colour).save(tmp_path / name / "a.png")
    (tmp_path / "notes.png").write_text("notes of mine")
    return tmp_path


def test_the_rule(tmp_path):
    (tmp_path / "a").touch()
    refuse_replacing("x", [tmp_path / "none"], "nothing", lambda path: False)
    refuse_replacing("x", [tmp_path / "a"], "a file", lambda path: path.is_file())
    rule = "^x: must replace nothing but a folder, received '.*a', which is something"
    with pytest.raises(InputError, match=rule):
        refuse_replacing("x", [tmp_path / "a"], "a folder", lambda path: path.is_dir())


def test_a_picture_may_replace_another_but_not_what_is_read(folder):
    image, mask = folder / "images/a.png", folder / "masks/a.png"
    inpaint_file(Grey(), image, mask, folder / "out.png")
    inpaint_file(Grey(), image, mask, folder / "out.png")
    for hit in (image, mask, folder / "images"):
        with pytest.raises(InputError, match=r"^(save_to|suffix|output)"):
            check_output(image, mask, hit, in_place=False)
    with pytest.raises(InputError, match="must not be the mask"):
        check_output(image, mask, mask, in_place=True)
    check_output(image, mask, image, in_place=True)


def test_a_picture_is_refused_before_the_model_is_loaded(folder, capsys):
    paths = {"-image": "images/a.png", "-mask": "masks/a.png", "-save_to": "notes.png"}
    words = [w for k, v in paths.items() for w in (k, str(folder / v))]
    (folder / "weights.npz").write_text("damaged")
    words += ["-from_weights", str(folder / "weights.npz")]
    assert cli.main(["inpaint", *words]) == 4
    assert "-save_to: must replace nothing but a picture" in capsys.readouterr().err


def test_a_picture_replaces_another_only_if_told(folder, capsys):
    paths = {"-image": "images/a.png", "-mask": "masks/a.png", "-save_to": "mine.png"}
    words = [w for k, v in paths.items() for w in (k, str(folder / v))]
    mine = folder / "mine.png"
    shutil.copy(folder / "images/a.png", mine)
    before = mine.read_bytes()
    assert cli.main(["inpaint", *words]) == 4
    assert "-save_to: must be new, or -overwrite given" in capsys.readouterr().err
    assert mine.read_bytes() == before
    assert cli.main(["inpaint", *words, "-overwrite"]) == 0
    assert mine.read_bytes() != before
    shutil.copy(folder / "images/a.png", mine)
    assert cli.main(["inpaint", *words, "-in_place"]) == 4  # that is not the input
    assert mine.read_bytes() == before
    words[-1] = words[1]
    assert cli.main(["inpaint", *words, "-in_place"]) == 0
    assert (folder / "images/a.png").read_bytes() != before
    words[-1] = str(mine)
    mine.write_text("my notes")
    assert cli.main(["inpaint", *words, "-overwrite"]) == 4
    assert mine.read_text() == "my notes"
    folders = [str(folder / name) for name in ("images", "masks", "out")]
    words = [w for k, v in zip(paths, folders) for w in (k, v)]
    assert cli.main(["inpaint", *words, "-overwrite"]) == 4
    assert "-overwrite: must be for a file" in capsys.readouterr().err


def test_a_folder_run_replaces_only_what_one_has_written(folder):
    images, masks = folder / "images", folder / "masks"
    (folder / "mine").mkdir()
    shutil.copy(images / "a.png", folder / "mine/a.png")
    with pytest.raises(InputError, match=r"outputs of a run, .*ledger\.jsonl"):
        inpaint_folder(Grey(), images, masks, folder / "mine")
    for output in (images, masks):
        with pytest.raises(InputError, match="must not hold the images, unless"):
            inpaint_folder(Grey(), images, masks, output)
    former = (images / "a.png").read_bytes(), (masks / "a.png").read_bytes()
    assert former == tuple(p.read_bytes() for p in (images / "a.png", masks / "a.png"))
    (folder / "mine/ledger.jsonl").write_text("my accounts\n")
    with pytest.raises(InputError, match="whose line 1 is something else"):
        inpaint_folder(Grey(), images, masks, folder / "mine")
    assert (folder / "mine/ledger.jsonl").read_text() == "my accounts\n"
    for _ in range(2):
        assert inpaint_folder(Grey(), images, masks, folder / "out") == 0
    assert sorted(p.name for p in (folder / "out").iterdir()) == [
        "a.png",
        "ledger.jsonl",
    ]


def test_what_was_retouched_or_came_from_elsewhere_stays(folder):
    """But not an output that is damaged, or that a killed run has not recorded."""
    images, masks, out = folder / "images", folder / "masks", folder / "out"
    assert inpaint_folder(Grey(), images, masks, out) == 0
    written, ledger = (out / "a.png").read_bytes(), (out / "ledger.jsonl").read_text()
    shutil.copy(images / "a.png", out / "a.png")
    with pytest.raises(InputError, match=r"recorded in ledger\.jsonl, .*a\.png"):
        inpaint_folder(Grey(), images, masks, out)
    (out / "a.png").write_bytes(written[:45])
    assert inpaint_folder(Grey(), images, masks, out) == 0
    assert (out / "a.png").read_bytes() == written
    for begun in ('{"file": "a.png", "status": "begun"}\n', ledger[:30]):
        (out / "ledger.jsonl").write_text(begun)
        assert inpaint_folder(Grey(), images, masks, out) == 0
        assert "begun" not in (out / "ledger.jsonl").read_text()
    (out / "ledger.jsonl").write_text("")
    with pytest.raises(InputError, match=r"recorded in ledger\.jsonl, .*a\.png"):
        inpaint_folder(Grey(), images, masks, out)


def test_what_others_are_writing_stays(folder):
    """A part of a program that still runs; those of killed ones are removed."""
    out = folder / "out"
    (out / "exp").mkdir(parents=True)
    left = [out / ".zoo-1.part", out / "exp/.zoo-2.part"]
    for path in left:
        path.write_bytes(b"")
    with atomic(out / "other.bin") as file:
        assert inpaint_folder(Grey(), folder / "images", folder / "masks", out) == 0
        file.write(b"whole")
    assert (out / "other.bin").read_bytes() == b"whole"
    assert not left[0].exists() and left[1].exists()


def test_in_place_through_a_link_replaces_what_it_leads_to(folder):
    image, link = folder / "images/a.png", folder / "link.png"
    link.symlink_to(image)
    former = image.read_bytes()
    inpaint_file(Grey(), link, folder / "masks/a.png", link, in_place=True)
    assert link.is_symlink() and image.read_bytes() != former


@pytest.mark.parametrize(
    "name",
    [
        "lock",
        "weights/generator.safetensors",
        "summaries/generator.txt",
        "predicted_pics/joint/step_00000001.png",
        "logs/joint/notes.txt",
    ],
)
def test_a_folder_of_other_files_is_no_place_for_an_experiment(tmp_path, name):
    path = tmp_path / "mine" / name
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    refused = pytest.raises(
        InputError, match=r"experiment_name: must .* something else"
    )
    with refused, Experiment(tmp_path / "mine").in_use():
        pass
    assert path.read_text() == "precious"


def test_two_folder_runs_do_not_share_an_output_folder(folder):
    images, masks = folder / "images", folder / "masks"
    in_use = pytest.raises(InputError, match="save_to: must not be in use")
    (folder / "out").mkdir()
    with held(folder / "out", "save_to"), in_use:
        inpaint_folder(Grey(), images, masks, folder / "out")
    assert inpaint_folder(Grey(), images, masks, folder / "out") == 0


def test_a_conversion_replaces_neither_its_source_nor_a_strangers_file(tmp_path):
    source, mine = tmp_path / "netG.npz", tmp_path / "mine.npz"
    np.savez(source, x=np.zeros(3))
    np.savez(mine, x=np.ones(3))
    with pytest.raises(InputError, match="save_to: must not be the source"):
        convert_file(source, "gmcnn_official_pytorch", source)
    with pytest.raises(InputError, match="nothing but converted weights"):
        convert_file(source, "gmcnn_official_pytorch", mine)
    save_weights(mine, {"a": np.zeros(2)}, {"preset": "gmcnn_small"})  # as trained
    with pytest.raises(InputError, match="nothing but converted weights"):
        convert_file(source, "gmcnn_official_pytorch", mine)
    save_weights(mine, {"a": np.zeros(2)}, {"source": {"a.pth": "0" * 64}})
    with pytest.raises(ValueError, match="does not fit"):  # the source, then
        convert_file(source, "gmcnn_official_pytorch", mine)


def test_an_export_replaces_an_export(tmp_path):
    file, graph = tmp_path / "a.onnx", tmp_path / "saved"
    file.write_bytes(b"another model")
    graph.mkdir()
    assert not is_export("onnx", file) and not is_export("saved_model", graph)
    file.write_bytes(b"image mask " + OUTPUT)
    (graph / "saved_model.pb").write_bytes(OUTPUT)
    assert is_export("onnx", file) and is_export("saved_model", graph)
    assert not is_export("onnx", graph) and not is_export("saved_model", file)
    (graph / "notes.txt").touch()  # would be lost with the folder
    assert not is_export("saved_model", graph)


def test_an_animation_replaces_an_animation(tmp_path):
    samples = tmp_path / "run/predicted_pics/joint"
    samples.mkdir(parents=True)
    Image.new("RGB", (40, 20)).save(samples / "step_00000001.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "mine.gif")
    with pytest.raises(InputError, match="nothing but a former animation"):
        animate(tmp_path / "run", tmp_path / "mine.gif")
    for _ in range(2):
        animate(tmp_path / "run", tmp_path / "new.gif")


@pytest.mark.parametrize("name", ["config.json", "metrics.json"])
def test_a_training_replaces_no_files_of_another_project(tmp_path, name):
    (tmp_path / name).write_text('{"name": "a project"}')
    refused = pytest.raises(InputError, match="nothing but the files of a former run")
    with refused, Experiment(tmp_path).in_use():
        pass
    assert [p.name for p in tmp_path.iterdir()] == [name]
    (tmp_path / "config.json").write_text(json.dumps({"settings": {}}))
    with Experiment(tmp_path).in_use():
        pass
