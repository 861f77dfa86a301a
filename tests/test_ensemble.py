"""The ensemble: its networks, its stages, and its command from pictures to a table."""

import json
import shutil
import signal
import time
from collections import Counter

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from conftest import needs, save_tiny, slow_on_jax
from inpainting_zoo import cli, memory, presets
from inpainting_zoo.chosen import chosen_model
from inpainting_zoo.data.images import list_images, read_image, read_mask
from inpainting_zoo.data.training import order_of_epoch
from inpainting_zoo.engine import backend
from inpainting_zoo.engine.precisions import DTYPES
from inpainting_zoo.ensemble.cache import Cache, of_three_channels, shuffled
from inpainting_zoo.ensemble.command import OWN, better_by_area, gain, in_words
from inpainting_zoo.ensemble.members import Member
from inpainting_zoo.ensemble.networks import build_combiner, build_networks
from inpainting_zoo.ensemble.presets import ROLES
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.models.completer import Completer
from inpainting_zoo.options import EnsembleSettings
from inpainting_zoo.options.model import ModelSettings
from inpainting_zoo.storage.files import sha256
from parity import difference
from tiny_vgg import write as write_vgg

pytestmark = pytest.mark.both_engines
SIDE = 16
TINY = ("-image_size", SIDE, "-steps", 2, "-save_every", 1, "-batch_size", 2)
TINY += ("-metrics", "psnr", "-validation_split", 0.3)
# Tracing takes longer than two steps; on JAX each operation is compiled by itself.
TINY += ("-run_eagerly",) if backend.BACKEND == "tensorflow" else ()
TINY += ("-masks", "rectangle", "-per_category", 4, "-validation_images", 1)
SET = ("-set", "channels=2", "perceptual_weight=0", "style_weight=0")


def main(*arguments):
    return cli.main([str(argument) for argument in arguments])


def fill(cache, folder, **changed):
    """Fills a cache with the eight pictures that are fit for it."""
    split = {"validation_split": 0.25, "masks": "rectangle", **changed}
    settings = EnsembleSettings(train_path=str(folder / "pictures"), **split)
    cache.fill(settings, SIDE, "rectangle")


def error(capsys):
    """The line that says what is wrong, after those on pictures that were left out."""
    *warnings, line = capsys.readouterr().err.splitlines()
    assert all("left out" in warning for warning in warnings)
    return line


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two categories of pictures, one of them grey and one damaged."""
    root, rng = tmp_path_factory.mktemp("ensemble"), np.random.default_rng(0)
    for category in "ab":
        (root / "pictures" / category).mkdir(parents=True)
        for i in range(5):
            colours = rng.integers(0, 256, (6, 6, 3), np.uint8)
            picture = Image.fromarray(colours).resize((24, 20), Image.BICUBIC)
            grey = picture.convert("L") if (category, i) == ("b", 0) else picture
            grey.save(root / "pictures" / category / f"{i}.png")
    (root / "pictures" / "b" / "1.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def command(folder):
    """The words of the command but for the cache, of a tiny network and PatchMatch."""
    tiny = save_tiny(folder / "tiny.npz", image_size=SIDE)
    words = ("ensemble", "-train_path", folder / "pictures", *TINY, *SET)
    return (*words, "-members", tiny, "patchmatch")


@pytest.fixture(scope="module")
def done(folder, command):
    """The cache after the command has run."""
    assert main(*command, "-cache", folder / "cache") == 0
    return Cache(folder / "cache")


@pytest.fixture(scope="module")
def ensemble(done):
    """The trained ensemble."""
    where = {"experiment_name": "ensemble", "output_path": str(done.experiments)}
    return chosen_model(ModelSettings(**where))[1]


def test_pictures_become_a_table(done):
    record = json.loads((done.folder / "cache.json").read_text())
    assert (record["train"], record["validation"]) == (5, 2)
    assert record["left_out"] == {"of 1 channels": 1, "unreadable": 1}
    report = json.loads((done.experiments / "ensemble.json").read_text())
    assert [*report["methods"]] == [OWN, *ROLES, "average", "by_hole_area"]
    assert all(row["outside_max"] == 0 for row in report["methods"].values())
    assert report["images"] == 2
    better = max(report["methods"][role]["psnr"] for role in ROLES)
    found = report["methods"][OWN]["psnr"] - better
    assert report["gain"]["psnr"]["mean"] == pytest.approx(found)
    for suffix in (".csv", ".png"):
        assert (done.experiments / f"ensemble{suffix}").is_file()


@pytest.mark.long
def test_what_is_done_is_not_done_again(done, command, capsys):
    members = sorted((done.folder / "members").rglob("*.png"))
    weights = sorted((done.experiments / "ensemble/weights").iterdir())
    before = [path.stat().st_mtime_ns for path in (*members, *weights)]
    assert main(*command, "-cache", done.folder) == 0
    assert [path.stat().st_mtime_ns for path in (*members, *weights)] == before
    out = capsys.readouterr().out
    assert "pictures: 7 as chosen before" in out
    assert out.count("0 ok, 7 skipped") == 2 and out.count("done before, 2 steps") == 3


@slow_on_jax
@pytest.mark.long
def test_an_interrupted_run_ends_with_the_same_weights(done, command, capsys):
    """As if it had been killed after one of two steps of the second stage."""
    former, stopped = (done.experiments / name for name in ("ensemble", "stopped"))
    shutil.copytree(former, stopped)
    weights = stopped / "weights"
    for path in (*weights.glob("final_*"), weights / "combiner-00000002.npz"):
        path.unlink()
    manifest = json.loads((weights / "manifest.json").read_text())
    kept = [entry for entry in manifest if (weights / entry["file"]).is_file()]
    (weights / "manifest.json").write_text(json.dumps(kept))
    config = json.loads((stopped / "config.json").read_text())
    config["settings"]["stage"] = config["stage"] = "combiner"
    (stopped / "config.json").write_text(json.dumps(config))
    words = ("-cache", done.folder, "-experiment_name", "stopped")
    assert main(*command, *words, "-learning_rate", 0.5) == 4  # another run
    assert main(*command, *words) == 0
    assert "random weights" not in capsys.readouterr().err  # there are no others
    for part in ("denoiser", "combiner", "final_denoiser"):
        name = f"weights/{part}.safetensors"
        assert (stopped / name).read_bytes() == (former / name).read_bytes()
        states = (
            np.load(f / f"weights/{part}-00000002.npz") for f in (stopped, former)
        )
        with next(states) as one, next(states) as other:
            assert one.files == other.files
            for variable in one.files:
                np.testing.assert_array_equal(one[variable], other[variable])


@pytest.mark.slow
def test_a_cache_that_was_moved_goes_on(done, folder, command, monkeypatch):
    """By a relative path, with a member by one, after one of two steps of the last."""
    shutil.copytree(done.folder, folder / "moved")
    experiment = folder / "moved/experiments/ensemble"
    manifest = json.loads((experiment / "weights/manifest.json").read_text())
    (experiment / "weights" / manifest.pop()["file"]).unlink()
    (experiment / "weights/manifest.json").write_text(json.dumps(manifest))
    monkeypatch.chdir(folder)
    words = ("-members", "tiny.npz", "patchmatch", "-cache", "moved")
    assert main(*command, *words) == 0
    settings = json.loads((experiment / "config.json").read_text())["settings"]
    assert settings["train_path"] == "moved/train.txt"
    assert settings["aligned"]["hole"] == "moved/masks"
    assert settings["set"]["first"] == str(folder / "tiny.npz")
    name = "ensemble/weights/final_denoiser.safetensors"
    former = (done.experiments / name).read_bytes()
    assert (experiment.parent / name).read_bytes() == former


def test_a_stage_learns_behind_the_trained_networks_before_it(done, ensemble):
    """What the last stage has validated is what all the files together predict."""
    metrics = json.loads((done.experiments / "ensemble/metrics.json").read_text())
    pair = done.pairs("validation", ensemble.members, 0, SIDE)[0]
    prediction = ensemble.predict_aligned(*pair[1:])
    loss = ensemble.validation_number(prediction, *pair[1:3])
    logged = metrics["final_denoiser"]["history"][-1]["validation_loss"]
    assert logged == pytest.approx(loss, rel=1e-4)


def test_joint_is_staged_and_known_pixels_stay(done, ensemble):
    """Members loaded for a picture or a batch, or their completions read from files."""
    members = ensemble.members
    pairs = done.pairs("validation", members, 0, SIDE)
    found = [pairs[i] for i in range(2)]
    images, masks = (np.stack([pair[i] for pair in found]) for i in (1, 2))
    batch = ensemble.inpaint_batch(images, masks)
    assert all("model" not in vars(member) for member in members.values())
    image, mask, completed = found[0][1:]
    prediction = ensemble.predict_aligned(image, mask, completed)
    # Sums of a batch may be taken in another order: a level of 255 at most.
    expected = prediction[mask == 1].astype(int)
    np.testing.assert_allclose(batch[0][mask == 1], expected, atol=1)
    np.testing.assert_array_equal(batch[0][mask == 0], image[mask == 0])
    assert all("model" not in vars(member) for member in members.values())
    alone = ensemble.inpaint(image, mask).astype(int)
    np.testing.assert_allclose(alone, batch[0], atol=1)
    assert all("model" in vars(member) for member in members.values())
    assert ensemble.draws  # PatchMatch does
    with pytest.raises(InputError, match=r"option: one of .* received 'third'"):
        ensemble.inpaint(images[0], masks[0], third=images[0])


def test_a_folder_has_one_member_in_memory(done, ensemble, tmp_path, monkeypatch):
    """Also after a stop, from which it goes on; a broken picture stops nobody."""
    (tmp_path / "in").mkdir()
    for path in list_images(done.images)[:3]:
        shutil.copy(path, tmp_path / "in")
    (tmp_path / "in" / "0.png").write_bytes(b"no picture")
    where = {"experiment_name": "ensemble", "output_path": str(done.experiments)}
    _, model, _ = chosen_model(ModelSettings(**where))
    seen = []
    inpaint_batch = Completer.inpaint_batch

    def watched(self, *arguments, **options):
        if isinstance(self, Member):
            others = [m for m in model.members.values() if m is not self]
            assert all("model" not in vars(other) for other in others)
            seen.append(self.name)
            if len(seen) == stop:
                raise KeyboardInterrupt
        return inpaint_batch(self, *arguments, **options)

    monkeypatch.setattr(Completer, "inpaint_batch", watched)
    paths = tmp_path / "in", done.masks, tmp_path / "out"
    stop = 4
    with pytest.raises(KeyboardInterrupt):
        inpaint_folder(model, *paths, strategy="original")
    first, second = (member.name for member in model.members.values())
    assert seen == [first] * 3 + [second] and (tmp_path / "out/.members").is_dir()
    stop = None
    assert inpaint_folder(model, *paths, strategy="original") == 2
    assert seen[4:] == [second] * 3
    assert not (tmp_path / "out/.members").exists()
    assert all("model" not in vars(member) for member in model.members.values())
    for path in list_images(tmp_path / "out"):
        pair = (
            read_image(tmp_path / "in" / path.name),
            read_mask(done.masks / path.name),
        )
        np.testing.assert_array_equal(ensemble.inpaint(*pair), read_image(path))
    del seen[:]
    inpaint_folder(model, *paths, strategy="original")
    assert seen == []


def test_members_complete_what_the_cache_holds(done, ensemble):
    """Each picture by the command is what the member makes of it alone."""
    (path, *_), (mask, *_) = list_images(done.images), list_images(done.masks)
    image, hole = read_image(path), read_mask(mask)
    for member in ensemble.members.values():
        expected = read_image(done.completed_by(member) / path.name)
        np.testing.assert_array_equal(member.inpaint(image, hole), expected)
        member.release()


def test_the_networks_are_what_their_options_say():
    assert [*build_networks(channels=2)] == ["denoiser", "combiner", "final_denoiser"]
    assert [*build_networks(channels=2, denoise=False)] == ["combiner"]
    counts = {
        (skips, space): build_combiner(2, skips, space, "float32").count_params()
        for skips in (True, False)
        for space in ("rgb", "hvi")
    }
    assert counts[True, "hvi"] == counts[True, "rgb"] + 1  # k
    # 3x3 kernels of the decoder that see 2, 4 and 8 further channels.
    assert counts[True, "rgb"] - counts[False, "rgb"] == 9 * (2**2 + 4**2 + 8**2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("space", ["rgb", "hvi"])
def test_combiners_end_in_float32(space, dtype):
    needs(dtype)
    rng = np.random.default_rng(0)
    images = [rng.uniform(-1, 1, (2, 16, 24, 3)).astype("float32") for _ in range(2)]
    network = build_combiner(2, True, space, DTYPES[dtype])
    found = ops.convert_to_numpy(network([*images, images[0][..., :1]]))
    assert found.shape == images[0].shape and found.dtype == np.float32
    assert np.abs(found).max() <= 1


def test_blending_begins_with_the_mean():
    """Of both pictures in the colours of the combiner; denoisers with their picture."""
    networks = build_networks(2, color_space="rgb", blend=True)
    rng = np.random.default_rng(0)
    first, second = (rng.uniform(-1, 1, (2, 16, 24, 3)) for _ in range(2))
    mask = np.zeros((2, 16, 24, 1))
    mean = networks["combiner"]([first, second, mask])
    assert difference(mean, (first + second) / 2) < 1e-6
    for name in ("denoiser", "final_denoiser"):
        assert difference(networks[name]([first]), first) < 1e-6
    hvi = build_networks(2, blend=True)["combiner"]
    assert difference(hvi([first, first, mask]), first) < 1e-3
    red, blue = (
        np.full((1, 8, 8, 3), x, "float32") for x in ((1, -1, -1), (-1, -1, 1))
    )
    mean = ops.convert_to_numpy(hvi([red, blue, mask[:1, :8, :8]]))[0, 0, 0]
    assert mean == pytest.approx([1, 0, 1], abs=1e-3)  # of HVI; that of RGB is darker
    kernel, bias = networks["combiner"].get_layer("output").get_weights()
    bias[3] = 20  # share of the first
    networks["combiner"].get_layer("output").set_weights([kernel, bias])
    assert difference(networks["combiner"]([first, second, mask]), first) < 1e-6


def test_lpips_asks_for_its_file_at_once():
    """And not when the combiner learns; where it weighs nothing it is not needed."""
    lpips = {"perceptual": "lpips", "style_weight": 0}
    about = {"train_path": "samples", "cache": "cache"}
    with pytest.raises(InputError, match="vgg_weights: is needed with -set perceptual"):
        EnsembleSettings(**about, set=lpips).check_sources()
    lpips["perceptual_weight"] = 0
    EnsembleSettings(**about, set=lpips).check_sources()


def test_features_are_asked_for_before_pictures_are_made(command, tmp_path, capsys):
    """Those of the losses by default, of a file that ends before they do."""
    file = write_vgg(tmp_path / "vgg.npz", ((64, 2),))
    words = ("-set", "style_weight=0.1", "-vgg_weights", file)
    assert main(*command, *words, "-cache", tmp_path / "cache") == 4
    line = error(capsys)
    assert "holds no block2_conv2__kernel; or train without it: -set perc" in line
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("perceptual", ["vgg16", "lpips"])
def test_features_of_the_combiners_loss(perceptual):
    """Of their scale only LPIPS, which has heads, knows."""
    image = x = keras.Input((None, None, 3))
    maps = [x := keras.layers.Conv2D(2, 3, padding="same")(x) for _ in range(5)]
    network, heads = keras.Model(image, maps), [np.float32([1, i]) for i in range(5)]
    model = presets.build("ensemble", channels=2, perceptual=perceptual)
    loaded = (network, heads) if perceptual == "lpips" else network
    model.make_stage("combiner", lambda name, taps: loaded)
    rng = np.random.default_rng(0)
    pictures = [rng.uniform(-1, 1, (1, 8, 8, 3)).astype("float32") for _ in range(2)]
    terms = model.feature_terms(*pictures)
    assert float(terms["style"]) > 0
    if perceptual == "lpips":
        both = network(pictures[0]), network(pictures[1])
        expected = float(perceptual_similarity_loss(*both, heads))
        assert float(terms["perceptual"]) == pytest.approx(expected, rel=1e-5)
        return
    model.features = lambda picture: [10 * y for y in network(picture)]
    for name, value in model.feature_terms(*pictures).items():
        assert float(terms[name]) == pytest.approx(float(value), rel=1e-3) != 0


def test_an_ensemble_without_denoisers_has_one_stage():
    model = presets.build("ensemble_faces_128", denoise=False, channels=2)
    assert [*model.parts] == ["combiner"]
    with pytest.raises(InputError, match=r"stage: combiner without .* 'denoiser'"):
        model.make_stage("denoiser", None)
    model = presets.build("ensemble", channels=2, style_weight=0.0,
                          perceptual_weight=0.0)  # fmt: skip
    model.make_stage("combiner", None)
    assert [*model.parts] == ["denoiser", "combiner"]


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("-preset", "gmcnn_small"), "-preset: an ensemble, received gmcnn_small"),
        (("-members", "patchmatch", "no"), "-members: presets with weights"),
        (("-memory_limit", 1), "-memory_limit: from the"),
        (("-memory_limit", 10**9), "-memory_limit: from the"),
        (("-validation_split", 0), "-validation_split: must keep pictures"),
        (("-set", "color_space=lab"), "color_space: one of rgb, hvi"),
        (("-set", "edges=canny"), "edges: one of laplacian, sobel"),
        (("-stage", "denoiser"), "unrecognized arguments: -stage denoiser"),
        (("-steps", 0), "-steps: must be a whole number, at least 1"),
    ],
)
def test_wrong_options_are_one_line(command, words, rule, tmp_path, capsys):
    assert main(*command, "-cache", tmp_path / "cache", *words) == 4
    assert rule in error(capsys)


def test_a_cache_holds_the_pictures_of_one_run(done, command, capsys):
    assert main(*command, "-cache", done.folder, "-seed", 1) == 4
    assert "-cache: must hold the pictures of these settings" in error(capsys)
    assert main("ensemble", "-train_path", done.images) == 4
    assert error(capsys) == "error: -cache: is needed, received none"


@pytest.mark.parametrize("name", ["train.txt", "images/mine.png", "masks/mine.png"])
def test_a_folder_of_something_else_is_no_cache(folder, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("precious")
    with pytest.raises(InputError, match="cache: must replace nothing but a cache"):
        fill(Cache(tmp_path), folder)
    assert path.read_text() == "precious" and not (tmp_path / "cache.json").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"mine": 1}', "received KeyError 'settings'"),
        ('{"settings": {', "received JSONDecodeError"),
        ("[]", "received TypeError"),
    ],
)
def test_a_record_of_something_else_is_no_cache(folder, tmp_path, content, words):
    (tmp_path / "cache.json").write_text(content)
    with pytest.raises(InputError, match=f"must hold the settings of a cache, {words}"):
        fill(Cache(tmp_path), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["cache.json"]


def test_pictures_to_validate_on_do_not_get_the_largest_holes(folder, tmp_path, caplog):
    """Of mask files whose names go with the size of the hole; each is drawn once."""
    (tmp_path / "files").mkdir()
    for i in range(8):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[: i + 1] = 255
        Image.fromarray(mask).save(tmp_path / "files" / f"hole_{i}.png")
    cache = Cache(tmp_path / "cache")
    fill(cache, folder, masks="files", mask_path=str(tmp_path / "files"))
    rows = [
        np.asarray(Image.open(path)).any(axis=1).sum()
        for path in sorted(cache.masks.iterdir())
    ]
    assert sorted(rows) == [*range(1, 9)] != rows
    assert {*rows[-2:]} != {7, 8}
    assert caplog.text.count("have a mask of their name") == 1
    fill(cache, folder, masks="files", mask_path=str(tmp_path / "files"))
    assert caplog.text.count("have a mask of their name") == 1  # which is done


def test_a_cache_that_was_killed_before_its_lists_has_them(folder, tmp_path):
    cache = Cache(tmp_path)
    fill(cache, folder)
    lists = [cache.list_of("train"), cache.list_of("validation")]
    whole = [path.read_text() for path in lists]
    assert [len(text.splitlines()) for text in whole] == [6, 2]
    for path in lists:
        path.unlink()
    for path in (*cache.images.iterdir(), *cache.masks.iterdir()):
        path.unlink()
    fill(cache, folder)
    assert [path.read_text() for path in lists] == whole
    assert len(list_images(cache.images)) == len(list_images(cache.masks)) == 8


def test_a_table_replaces_nothing_else(command, tmp_path, capsys):
    path = tmp_path / "experiments/ensemble.csv"
    path.parent.mkdir()
    path.write_text("precious")
    assert main(*command, "-cache", tmp_path, "-experiment_name", "ensemble") == 4
    assert "must replace nothing but a former report" in error(capsys)
    assert path.read_text() == "precious" and not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("-learning_rate", 0.5), "learning_rate 0.0001 -> 0.5"),
        (("-steps", 3), "-steps: must stay 2, for which denoiser of ensemble was"),
        (("-steps", 1), "-steps: must stay 2, for which denoiser of ensemble was"),
    ],
)
def test_an_experiment_has_the_settings_of_one_run(done, command, words, rule, capsys):
    assert main(*command, "-cache", done.folder, *words) == 4
    assert rule in error(capsys)


def test_what_needs_the_networks_alone_is_refused(done, folder, capsys):
    model = ("-experiment_name", "ensemble", "-output_path", done.experiments)
    words = ("-protocol", "report_004", "-report", folder / "report.json")
    assert main("evaluate", *model, "-test_path", done.images, *words) == 4
    assert "-protocol: completed_1 for a model" in error(capsys)
    if backend.BACKEND == "tensorflow":  # which exports
        words = ("-format", "saved_model", "-save_to", folder / "exported")
        assert main("export", *model, *words) == 4
        assert "received one of first, second" in error(capsys)
        assert not (folder / "exported").exists()


def test_as_many_of_each_folder_as_wanted(folder):
    images, left_out = list_images(folder / "pictures"), Counter()
    about, other = (
        EnsembleSettings(train_path="pictures", cache="cache", seed=i) for i in (0, 1)
    )
    found = of_three_channels(images, left_out, about, per_folder=2)
    assert Counter(path.parent.name for path in found) == {"a": 2, "b": 2}
    assert found == of_three_channels(images, Counter(), about, per_folder=2)
    assert found != of_three_channels(images, Counter(), other, per_folder=2)
    assert len(of_three_channels(images, left_out, about)) == 8


def test_pictures_that_are_too_large_are_left_out(folder):
    """Their 24x20 pixels are 480; of the ten, one is damaged and one grey."""
    left_out, settings = Counter(), EnsembleSettings(train_path="x", max_pixels=479)
    with pytest.raises(InputError, match=r"train_path: .* none among 10"):
        of_three_channels(list_images(folder / "pictures"), left_out, settings)
    assert left_out == {"unreadable": 10}


def test_pictures_to_validate_on_are_fit_and_no_others(folder, tmp_path):
    pictures = folder / "pictures"
    path = tmp_path / "validation.txt"
    path.write_text(f"{pictures}/b/0.png\n")
    words = "validation_path: must hold pictures of three channels, received none"
    with pytest.raises(InputError, match=words):
        fill(Cache(tmp_path / "grey"), folder, validation_path=str(path))
    path.write_text("".join(f"{pictures}/a/{i}.png\n" for i in range(2)))
    words = r"validation_path: must hold no pictures of -train_path, received 2 \(/"
    with pytest.raises(InputError, match=words):
        fill(Cache(tmp_path / "both"), folder, validation_path=str(path))
    assert not (tmp_path / "both").exists()


def test_the_better_member_depends_on_the_hole():
    """The first is off by 1 of small holes and by 3 of large ones, the second by 2."""
    image = np.zeros((4, 4, 3), np.uint8)
    pairs = []
    for rows, off in ((1, 1), (2, 3)):
        mask = np.zeros((4, 4), np.uint8)
        mask[:rows] = 1
        completed = {"first": image + np.uint8(off), "second": image + np.uint8(2)}
        pairs.append(("name", image, mask, completed))
    choice = better_by_area(pairs)
    assert (choice["20-30"], choice["40-50"]) == ("first", "second")
    # On all, the first is off by 5 in squares, the second by 4.
    assert choice["0-10"] == choice["above"] == "second"


def test_the_gain_is_over_the_better_member():
    psnr = {OWN: [21.0, 23.0], "first": [20.0, 20.0], "second": [20.5, 21.5]}
    report = {
        "methods": {m: {"psnr": np.mean(v), "lpips": None} for m, v in psnr.items()},
        "rows": [{"method": m, "psnr": x} for m, v in psnr.items() for x in v],
    }
    found = gain(report, seed=0)
    assert [*found] == ["psnr"]
    assert (found["psnr"]["over"], found["psnr"]["mean"]) == ("second", 1.0)
    assert found["psnr"]["interval"] == [0.5, 1.5]


def test_the_gain_of_one_picture_has_no_interval():
    """Nor has that of two of which one is perfect by both; of perfect ones is none."""
    rows = [("first", 20.0), ("second", 21.0), (OWN, 23.0)]
    perfect = [(method, np.inf) for method, _ in rows]
    report = {
        "methods": {m: {"psnr": x} for m, x in rows},
        "rows": [{"method": m, "psnr": x} for m, x in rows],
    }
    found = gain(report, seed=0)
    assert found == {"psnr": {"over": "second", "mean": 2.0, "interval": None}}
    words = "ensemble - second, psnr: +2.0000 (one picture has no interval)"
    assert in_words(found) == words
    report["rows"] += [{"method": m, "psnr": x} for m, x in perfect]
    assert gain(report, seed=0) == found
    assert gain(report | {"rows": report["rows"][3:]}, seed=0) == {}


def test_members_have_the_names_of_their_weights(folder, command):
    file = Member(str(folder / "tiny.npz"))
    assert file.name == f"tiny_{sha256(folder / 'tiny.npz')[:8]}"
    assert Member("patchmatch").name == "patchmatch"
    assert Member("patchmatch").digest == ""


def test_members_complete_with_the_texture_of_their_preset(folder, tmp_path):
    """And again what they completed without it."""
    tiny = {"base_channels": 2, "blocks": 1, "image_size": SIDE}
    path = save_tiny(tmp_path / "tiny.npz", "lama_photos_256", **tiny)

    class Bare(Member):
        texture = None

    cache, found = Cache(tmp_path / "cache"), {}
    fill(cache, folder)
    for kind in (Bare, Member):
        member = kind(str(path))
        cache.complete(member, 0)
        paths = list_images(cache.completed_by(member))
        found[kind] = [read_image(path) for path in paths]
    assert not np.array_equal(found[Bare], found[Member])
    image = read_image(list_images(cache.images)[0])
    hole = read_mask(list_images(cache.masks)[0])
    expected = member.model.inpaint(image, hole, texture="patchmatch")
    np.testing.assert_array_equal(found[Member][0], expected)
    np.testing.assert_array_equal(member.inpaint(image, hole), expected)
    assert Member("lama_photos_256").texture == "patchmatch"
    assert Member("patchmatch").texture is None
    # Whether it draws is known without its model, and asking takes none out of use.
    assert not member.draws and "model" in vars(member)
    member.release()
    assert not member.draws and "model" not in vars(member)


def test_holes_do_not_grow_along_an_epoch():
    """Sorted masks go to pictures in another order than these are learned in."""
    sizes = dict(zip(shuffled(range(90), 0), range(90)))  # of the masks, by picture
    for epoch in range(3):
        learned = [sizes[i] for i in order_of_epoch(0, epoch, 80)]
        assert abs(np.corrcoef(learned, range(80))[0, 1]) < 0.4


@pytest.mark.parametrize("name", ["ensemble_faces_128", "ensemble_photos_256"])
def test_members_need_no_download(name):
    config = presets.get(name)["config"]
    assert {config[role] for role in ROLES} <= {*presets.ready()}


def test_memory_is_limited_while_it_grows():
    """Also where Ctrl-C is ignored, as in the background of a script."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    refused = pytest.raises(InputError, match=r"memory_limit: \d+ MB, received")
    with refused, memory.limited(int(memory.held()) + 100):
        grown = [np.ones(2**22) for _ in range(10)]  # 32 MB each
        time.sleep(10)
        del grown
    assert signal.signal(signal.SIGINT, former) == signal.SIG_IGN
    with memory.limited(None):
        pass
    with pytest.raises(KeyboardInterrupt), memory.limited(int(memory.held()) + 1000):
        raise KeyboardInterrupt  # by the user
