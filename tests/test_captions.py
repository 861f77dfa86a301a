"""Tables of what is said of pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import cli
from inpainting_zoo.arguments import parse
from inpainting_zoo.data.captions import read_table, rows_of
from inpainting_zoo.data.training import TrainingPairs
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.inpainting.inpaint import own_options
from inpainting_zoo.models.completer import Completer


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    return read_table(path, "captions", ["prompt", "negative_prompt"])


def test_rows_by_name(tmp_path):
    """In UTF-8 with a mark before it, and with a line break within a cell."""
    found = table(tmp_path, '\ufefffile,prompt\na.png,"a cat, \n grün"\nb/c.jpg,\n')
    assert found == {"a.png": {"prompt": "a cat, \n grün"}, "b/c.jpg": {"prompt": ""}}
    rows = rows_of(["a.jpg", "b/c.jpg", "d.jpg"], found, "captions")
    assert rows == {"a.jpg": found["a.png"], "b/c.jpg": found["b/c.jpg"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns must be file and some of prompt, negative_prompt, received none"),
        ("file\na.png\n", "columns must be"),
        ("name,prompt\na.png,x\n", "columns must be"),
        ("file,prompt,colour\na.png,x,y\n", "columns must be"),
        ("file,prompt\na.png\n", "line 2 of .* must have a cell for each"),
        ("file,prompt\na.png,x,y\n", "line 2"),
        ("file,prompt\na.png,x\na.png,y\n", "line 3 .* a new name, received 'a.png'"),
        ('file,prompt\na.png,"x\n', "must be a CSV file"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=f"^captions: {words}"):
        table(tmp_path, text)


def test_wrong_names_are_refused(tmp_path):
    with pytest.raises(InputError, match="captions: must be a CSV file"):
        read_table(tmp_path, "captions", ["prompt"])
    images = ["a.jpg", "b.jpg"]
    twice = {"a.png": {"prompt": ""}, "a.jpeg": {"prompt": ""}}
    with pytest.raises(InputError, match="one row for a picture, received a"):
        rows_of(images, twice, "captions")
    with pytest.raises(InputError, match="must name pictures such as"):
        rows_of(images, {"z.jpg": {"prompt": ""}}, "captions")


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    rng = np.random.default_rng(0)
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(path)
    return paths


def test_captions_go_with_their_pictures(images):
    """Also in place of a damaged file."""
    captions = {images[0]: "zero", images[1]: "one"}
    pairs = TrainingPairs(images, "centre", 20, 3, 0, max_zoom=1, captions=captions)
    shown = {path: np.asarray(Image.open(path)) for path in images}
    for i in range(2):
        batch = pairs.batch(i)
        for image, text in zip(batch["image"], batch["caption"]):
            (path,) = [
                path
                for path, picture in shown.items()
                if (image == picture).all() or (image == picture[:, ::-1]).all()
            ]
            assert text == captions.get(path, "")


def test_crops_come_again(images):
    """Every second epoch has the same pictures, cut alike, with other masks."""
    pairs = TrainingPairs(images, "blocks", 8, 3, 0, max_zoom=2, crops=2)
    endless = TrainingPairs(images, "blocks", 8, 3, 0, max_zoom=2)
    cut = [
        [{x.tobytes() for x in p.batch(i)["image"]} for i in range(4)]
        for p in (pairs, endless)
    ]
    assert cut[0][0] == cut[0][2] != cut[0][1] == cut[0][3]
    assert cut[1][0] != cut[1][2]
    assert (pairs.batch(0)["mask"] != pairs.batch(2)["mask"]).any()
    assert pairs.fingerprint() != endless.fingerprint()


class Grey(Completer):
    """Paints holes as bright as its text is long."""

    OPTIONS = {"prompt": "", "num_steps": 1}  # noqa: RUF012
    image_size = 64

    def predict_images(self, images, masks, seed=0, **options):
        return np.full_like(images, len(self.chosen(options)["prompt"]))


def test_pictures_of_a_folder_have_prompts_of_their_own(pictures, tmp_path):
    """A changed row redoes its picture and no other."""

    def complete(text):
        table, output = tmp_path / "prompts.csv", tmp_path / "out"
        table.write_text(f"file,prompt\n{text}")
        words = ["-image", pictures / "images", "-mask", pictures / "masks"]
        words = ["inpaint", *words, "-save_to", output, "-with_from", table]
        _, settings = parse([*map(str, words), "-with", "prompt=four"])
        paths = settings.image, settings.mask, settings.save_to
        own = own_options(settings, Grey.OPTIONS)
        assert inpaint_folder(Grey(), *paths, own=own, **settings.with_options) == 0
        lines = (output / "ledger.jsonl").read_text().splitlines()
        statuses = {row["file"]: row["status"] for row in map(json.loads, lines)}
        filled = {}
        for name in statuses:
            hole = np.asarray(Image.open(pictures / "masks" / name)) > 0
            filled[name] = set(np.asarray(Image.open(output / name))[hole].flat)
        return filled, [name for name, status in statuses.items() if status == "ok"]

    filled, done = complete("1.png,a\n2,\n")
    assert filled == {f"{i}.png": {1 if i == 1 else 4} for i in range(8)}
    assert len(done) == 8
    filled, done = complete("1.png,a\n2,aa\n")
    assert filled == {f"{i}.png": {{1: 1, 2: 2}.get(i, 4)} for i in range(8)}
    assert done == ["2.png"]


def test_tables_that_nobody_reads_are_refused(pictures, tmp_path, capsys):
    table = tmp_path / "prompts.csv"
    table.write_text("file,prompt\n0.png,a\n")
    folders = [pictures / "images", pictures / "masks"]
    files = [folder / "0.png" for folder in folders]
    for preset, (image, mask), words in (
        ("patchmatch", folders, "-with_from: must be for a model that takes a text"),
        ("sd15_inpainting", files, "-with_from: must be for a folder"),
    ):
        save_to = tmp_path / ("out.png" if image.suffix else "out")
        given = ["inpaint", "-preset", preset, "-image", image, "-mask", mask]
        given += ["-save_to", save_to, "-with_from", table]
        assert cli.main([*map(str, given)]) == 4
        assert words in capsys.readouterr().err
