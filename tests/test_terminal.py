"""What the terminal shows, how fast, and what it never shows."""

import json
import os
import statistics
import subprocess
import sys
import warnings

import pytest

from conftest import ROOT
from inpainting_zoo import cli, terminal

ENGINES = {"keras", "tensorflow", "jax", "torch"}
QUIET = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}


def python(script, *arguments, **environment):
    """Runs a script in a process of its own, with the engine's settings untouched."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**QUIET, **environment},
    )


# A picture that is there, and its mask.
PICTURE, HOLE = (
    str(ROOT / "docs" / name) for name in ("removal.jpg", "removal_hole.png")
)
OTHER = str(ROOT / "weights" / "reports" / "examples.png")  # of another size
OF_ANOTHER = str(ROOT / "weights" / "lama_faces_256.safetensors")
FOLDER = ["-image", str(ROOT / "docs" / "gallery"), "-preset", "gmcnn_faces_128"]
INPAINT = ["inpaint", "-image", PICTURE, "-mask", HOLE, "-save_to", "nowhere.png"]
COMMAND = """
import sys, time
began = time.perf_counter()
from inpainting_zoo import cli
try:
    code = cli.main(sys.argv[1:])
except SystemExit as error:  # of argparse
    code = error.code
loaded = {"keras", "tensorflow", "jax", "torch", "cv2"} & set(sys.modules)
print(code, *sorted(loaded), sep=",")
print(time.process_time(), time.perf_counter() - began)
"""


def seconds(*arguments):
    """Returns the medians of three calls: of the processor, and by the clock."""
    calls = [python(COMMAND, *arguments).stdout.splitlines()[-1] for _ in range(3)]
    return [
        statistics.median(times)
        for times in zip(*(map(float, call.split()) for call in calls))
    ]


TRAIN = ["-train_path", "samples", "-preset", "gmcnn_small"]
EVALUATE = ["evaluate", "-test_path", "samples", "-preset", "gmcnn_faces_128"]
EXPORT = ["export", "-save_to", "nowhere.onnx", "-format", "onnx"]
ENSEMBLE = ["ensemble", "-train_path", "samples", "-cache", "nowhere"]
ENSEMBLE += ["-preset", "ensemble_faces_128"]
CONVERT = ["convert", "-preset", "gmcnn_small", "-save_to", "nowhere.npz"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-h"], 0),
        (["--version"], 0),
        (["evaluate", "-h"], 0),
        (["presets"], 0),
        (["evaluate", "-preset", "gmcnn_255"], 4),
        (["tran"], 4),
        ([], 4),
        (["-train_path", "samples", "-stepz", "3"], 4),
        (["-train_path", "samples", "-steps", "-3"], 4),
        (["-train_path", "samples", "-masks", "stars"], 4),
        (["-train_path", "samples", "-mixed_precision", "int8"], 4),
        ([*TRAIN, "-preset", "mat_small", "-mixed_precision", "bfloat16"], 4),
        (["-train_path", "samples", "-optimizer", "sgd"], 4),
        (["-train_path", "samples", "-output_path", "runner.py"], 4),
        (["evaluate", "-strategy", "shrink", "-preset", "gmcnn_small"], 4),
        (["export", "-format", "pdf", "-save_to", "x", "-preset", "gmcnn_small"], 4),
        (["inpaint", "-image", "x.png"], 4),
        (["-train_path", "nowhere"], 4),
        (["-train_path", "samples", "-mask_path", "nowhere"], 4),
        (["-train_path", "samples", "-aligned", "target=nowhere"], 4),
        (["-train_path", "samples", "-preset", "patchmatch"], 4),
        (["-train_path", "samples", "-stage", "warm"], 4),
        (["-train_path", "samples", "-preset", "mat_small", "-warm_up_generator"], 4),
        (["-resume", "-experiment_name", "nowhere"], 4),
        ([*INPAINT, "-preset", "gmcnn_faces_128", "-variants", "3"], 4),
        ([*INPAINT, "-preset", "gmcnn_faces_128", "-with", "steps=3"], 4),
        ([*INPAINT, "-from_weights", "nowhere.npz"], 4),
        (["inpaint", "-image", "nowhere.png", *INPAINT[3:], "-preset", "mat_512"], 4),
        (["evaluate", "-preset", "gmcnn_small", "-metrics", "psnrr"], 4),
        (["evaluate", "-preset", "gmcnn_small", "-methods", "magic"], 4),
        (["evaluate", "-preset", "gmcnn_small", "-protocol", "mine"], 4),
        (["evaluate", "-preset", "gmcnn_small", "-test_path", "nowhere"], 4),
        (["evaluate", "-experiment_name", "nowhere"], 4),
        (["animate", "-experiment_name", "nowhere"], 4),
        (["convert", "-preset", "lama_big", "-source", "x.pt", "-save_to", "x.npz"], 4),
        (["export", "-format", "onnx", "-save_to", "x", "-preset", "gmcnn_small"], 4),
        (["ensemble", "-train_path", "nowhere", "-cache", "nowhere"], 4),
        (["ensemble", "-train_path", "samples", "-cache", "x", "-metrics", "x"], 4),
        # Arguments of the model, and what its sizes allow.
        ([*TRAIN, "-set", "width=3"], 4),
        ([*TRAIN, "-set", "known_weight=many"], 4),
        ([*TRAIN, "-set", "base_channels=-1"], 4),
        ([*TRAIN, "-set", "attention=b2"], 4),
        ([*TRAIN, "-preset", "mat_small", "-set", "perceptual=vgg18"], 4),
        ([*TRAIN, "-image_size", "3"], 4),
        ([*TRAIN, "-preset", "mat_small", "-image_size", "100"], 4),
        ([*TRAIN, "-preset", "mae_small", "-image_size", "100"], 4),
        ([*TRAIN, "-preset", "context_encoder", "-image_size", "64"], 4),
        ([*TRAIN, "-preset", "mat_small", "-critic_steps", "3"], 4),
        ([*TRAIN, "-set", "local_size=1000"], 4),
        # Values of what a model takes for a picture.
        ([*INPAINT, "-preset", "lama_photos_256", "-with", "refine=maybe"], 4),
        ([*INPAINT, "-preset", "mat_512", "-with", "truncation=abc"], 4),
        ([*INPAINT, "-preset", "mat_512", "-with", "noise=loud"], 4),
        # Pictures and masks that do not belong together.
        ([*INPAINT, "-preset", "gmcnn_faces_128", "-mask", OTHER], 4),
        ([*INPAINT, "-preset", "gmcnn_faces_128", "-mask", PICTURE], 4),
        ([*INPAINT, "-preset", "gmcnn_faces_128", "-mask_from", "alpha"], 4),
        ([*INPAINT, *FOLDER, "-mask", "notebooks"], 4),
        ([*INPAINT, *FOLDER, "-save_to", FOLDER[1]], 4),
        (["reposition", *INPAINT[1:], "-shift", "0", "0"], 4),
        # What there is to train on, and to start from.
        ([*TRAIN, "-batch_size", "100"], 4),
        ([*TRAIN, "-masks", "files"], 4),
        ([*TRAIN, "-masks", "one_object"], 4),
        ([*TRAIN, "-dataset_layout", "cityscapes"], 4),
        ([*TRAIN, "-aligned", "target=samples"], 4),
        ([*TRAIN, "-preset", "ensemble"], 4),
        ([*TRAIN, "-vgg_weights", "nowhere.npz"], 4),
        ([*TRAIN, "-from_weights", "nowhere.npz"], 4),
        ([*TRAIN, "-from_weights", PICTURE], 5),
        ([*TRAIN, "-from_weights", OF_ANOTHER], 5),
        ([*TRAIN, "-from_weights", "-output_path", "nowhere"], 4),
        ([*EVALUATE, "-preset", "gmcnn_small"], 4),
        ([*EVALUATE, "-preset", "gmcnn_small", "-verify"], 4),
        ([*EVALUATE, "-from_weights", "nowhere.npz"], 4),
        ([*EVALUATE, "-from_weights", PICTURE], 5),
        ([*EVALUATE, "-adapters", PICTURE], 4),
        ([*EVALUATE, "-report", f"{PICTURE}/report.json"], 4),
        ([*EVALUATE, "-report", PICTURE], 4),
        ([*EVALUATE, "-lpips_weights", "nowhere.npz"], 4),
        ([*EVALUATE, "-inception_weights", "nowhere.npz"], 4),
        ([*EVALUATE, "-metrics", "lpips_vgg16"], 4),
        ([*EVALUATE, "-metrics", "fid"], 4),
        ([*EVALUATE, "-with", "steps=3"], 4),
        ([*EVALUATE, "-protocol", "report_004", "-metrics", "psnr"], 4),
        ([*EVALUATE, "-protocol", "report_004", "-image_size", "3"], 4),
        ([*EVALUATE, "-protocol", "report_000", "-image_size", "128"], 4),
        ([*EVALUATE, "-protocol", "report_000", "-mask_dilation", "3"], 4),
        ([*EVALUATE, "-protocol", "res", "-texture", "patchmatch"], 4),
        ([*EVALUATE, "-methods", "nearest_neighbour"], 4),
        ([*EVALUATE, "-methods", "telea", "-train_path", "tests"], 4),
        ([*EVALUATE, "-lpips_weights", "requirements.txt"], 4),
        ([*EVALUATE, "-masks", "files"], 4),
        ([*EVALUATE, "-test_path", "requirements.txt"], 4),
        (["join"], 4),
        (["join", "-save_to", "nowhere"], 4),
        (["join", "-report", "nowhere.json"], 4),
        ([*ENSEMBLE, "-preset", "gmcnn_small"], 4),
        ([*ENSEMBLE, "-members", "gmcnn_small", "patchmatch"], 4),
        ([*ENSEMBLE, "-set", "width=3"], 4),
        ([*ENSEMBLE, "-image_size", "3"], 4),
        ([*ENSEMBLE, "-batch_size", "100"], 4),
        ([*ENSEMBLE, "-metrics", "lpips_vgg16"], 4),
        ([*ENSEMBLE, "-metrics", "fid"], 4),
        ([*ENSEMBLE, "-masks", "files"], 4),
        ([*ENSEMBLE, "-vgg_weights", "nowhere.npz"], 4),
        ([*EXPORT, "-preset", "gmcnn_small"], 4),
        ([*EXPORT, "-preset", "patchmatch"], 4),
        ([*EXPORT, "-preset", "mat_512", "-image_size", "100"], 4),
        ([*EXPORT, "-from_weights", "nowhere.npz"], 4),
        ([*EXPORT, "-from_weights", PICTURE], 5),
        ([*CONVERT, "-source", "nowhere.pth"], 4),
        ([*CONVERT, "-source", PICTURE, "-set", "width=3"], 4),
        ([*CONVERT, "-source", PICTURE, "-preset", "ensemble"], 4),
        ([*CONVERT, "-source", PICTURE, "-save_to", "nowhere.pdf"], 4),
    ],
)
def test_help_and_refusals_load_no_engine(arguments, code):
    found = python(COMMAND, *arguments)
    *_, last, times = found.stdout.splitlines()
    printed, *loaded = last.split(",")
    assert (int(printed), ENGINES & set(loaded)) == (code, set()), found.stderr
    lines = found.stderr.splitlines()
    assert len(lines) == (code != 0) and all(x.startswith("error: ") for x in lines)
    processor, _ = map(float, times.split())
    assert processor < 1 or seconds(*arguments)[0] < 1


def test_a_stage_that_has_begun_loads_no_engine(tmp_path):
    states = tmp_path / "run" / "weights"
    states.mkdir(parents=True)
    entry = {"file": "wgan-00000002.npz", "stage": "wgan", "step": 2, "sha256": ""}
    (states / "manifest.json").write_text(json.dumps([entry]))
    words = ("-output_path", str(tmp_path), "-experiment_name", "run")
    found = python(COMMAND, *TRAIN, *words)
    printed, *loaded = found.stdout.splitlines()[0].split(",")
    assert (printed, ENGINES & set(loaded)) == ("4", set())
    assert "which holds step 2; continue it with -resume" in found.stderr


def test_other_settings_than_recorded_load_no_engine(tmp_path):
    record = {"stage": "wgan", "settings": {"preset": "gmcnn_small", "seed": 3}}
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(json.dumps(record))
    words = ("-resume", "-output_path", str(tmp_path), "-experiment_name", "run")
    found = python(COMMAND, *words, "-seed", "4")
    printed, *loaded = found.stdout.splitlines()[0].split(",")
    assert (printed, ENGINES & set(loaded)) == ("4", set())
    assert "must stay as recorded, received seed 3 -> 4" in found.stderr


def test_refusals_answer_as_soon_as_help():
    """Both by the clock of one run, since others may use the machine."""
    _, shown = seconds("-h")
    for wrong in (["-image_size", "3"], ["-batch_size", "100"]):
        assert seconds(*TRAIN, *wrong)[1] < 5 * shown


def test_a_checkout_that_is_not_set_up_says_so():
    """Without site-packages, as where nothing was installed."""
    command = [sys.executable, "-S", str(ROOT / "runner.py"), "presets"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 1 and not found.stdout
    (line,) = found.stderr.splitlines()
    assert line.startswith("error: ") and "is not installed: run `make setup`" in line


def test_an_engine_that_is_none_of_ours_is_named(tmp_path):
    found = python(COMMAND, "presets", KERAS_BACKEND="torch")
    assert "error: KERAS_BACKEND: must be tensorflow or jax" in found.stderr
    (tmp_path / "keras.json").write_text('{"backend": "theano"}')
    elsewhere = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""}
    found = python(COMMAND, "presets", **elsewhere)
    assert found.stdout.startswith("4\n") and "received 'theano'" in found.stderr
    assert "keras.json" in found.stderr and len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"floatx": "bfloat16"}', "floatx must be float16 or float32 or float64"),
        ('{"epsilon": "x"}', "epsilon must be a number such as 1e-07, received 'x'"),
        ('{"image_data_format": 3}', "image_data_format must be channels_last or"),
        ('{"backend": ""}', "KERAS_BACKEND: must be tensorflow or jax, received ''"),
        ('{"backend": null}', "must be tensorflow or jax, received None"),
        ("[]", "must hold settings of Keras by name, received []"),
    ],
)
def test_what_keras_would_not_start_with_is_one_line(tmp_path, config, words):
    (tmp_path / "keras.json").write_text(config)
    found = python(COMMAND, "presets", KERAS_HOME=str(tmp_path))
    assert words in found.stderr and len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"])
def test_limits_of_keras_must_be_numbers(name):
    found = python(COMMAND, "presets", **{name: "abc"})
    rule = "must be a whole number, received 'abc'"
    assert found.stdout.startswith("4\n")
    assert found.stderr == f"error: {name}: {rule}\n"


def test_the_devices_of_jax_must_be_there():
    words = ("-steps", "1", "-batch_size", "1", "-output_path", "nowhere")
    here = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "foo"}
    found = python(COMMAND, "-train_path", "samples", *words, **here)
    (line,) = found.stderr.splitlines()
    assert line.startswith("error: JAX_PLATFORMS: must name devices that are there")
    assert "received 'foo'" in line and found.stdout.startswith("4,")


ASIDE = """
import os, sys
from inpainting_zoo import cli, terminal

def main(argv):
    os.write(2, b"what a compiled library says\\n")
    print("ours", file=sys.stderr)
    if argv == ["raise"]:
        raise RuntimeError("of the engine")
    if argv == ["abort"]:
        os.abort()
    return 3

cli.main = main
cli.console()
"""


def test_lines_of_compiled_libraries_are_set_aside(tmp_path):
    found = python(ASIDE, TMPDIR=str(tmp_path))
    assert (found.returncode, found.stderr) == (3, "ours\n")
    assert not list(tmp_path.iterdir())
    found = python(ASIDE, TF_CPP_MIN_LOG_LEVEL="0")
    assert found.stderr == "what a compiled library says\nours\n"


def test_a_failing_engine_has_its_last_words(tmp_path):
    found = python(ASIDE, "raise", TMPDIR=str(tmp_path))
    assert "last lines:\nwhat a compiled library says\n" in found.stderr
    assert found.stderr.splitlines()[-1] == "RuntimeError: of the engine"
    assert not list(tmp_path.iterdir())


def test_a_crash_of_the_engine_is_told_and_its_lines_stay(tmp_path):
    found = python(ASIDE, "abort", TMPDIR=str(tmp_path))
    assert found.returncode < 0 and "Fatal Python error: Aborted" in found.stderr
    (file,) = tmp_path.iterdir()
    assert file.read_text() == "what a compiled library says\n"
    assert terminal.tail(file) == "what a compiled library says"


def test_notes_are_output_and_warnings_are_one_line(capsys):
    log = terminal.logging.getLogger("inpainting_zoo.anything")
    with terminal.notes():
        log.info("step %d", 3)
        log.warning("skipped %s", "a.png")
        text = warnings.formatwarning("many\n words", UserWarning, "file.py", 1)
    log.info("nobody listens any more")
    assert capsys.readouterr() == ("step 3\n", "warning: skipped a.png\n")
    assert text == "warning: many words\n"
    assert "file.py" in warnings.formatwarning("x", UserWarning, "file.py", 1)


def test_every_command_has_a_room_that_says_what_it_does():
    for target in cli.COMMANDS.values():
        function = cli.pkgutil.resolve_name(target)
        assert function.__doc__
