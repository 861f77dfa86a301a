"""The service: what it answers, what it keeps in memory, and what it refuses."""

import asyncio
import concurrent.futures
import contextlib
import json
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT, run, save_tiny
from inpainting_zoo import __version__, presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.picture import complete_bytes
from inpainting_zoo.inpainting.reposition import reposition
from inpainting_zoo.options import InpaintSettings, RepositionSettings, ServeSettings
from inpainting_zoo.serving.catalogue import Catalogue
from inpainting_zoo.serving.form import FORMS, completion
from inpainting_zoo.serving.held import Held
from inpainting_zoo.serving.line import Line
from inpainting_zoo.serving.serve import is_loopback, listen, own_models, serve
from served import (
    Referring,
    form,
    negative,
    noise,
    pixels,
    png,
    send,
    server,
    square,
)

IMAGE, HOLE = noise(40, 50), square(40, 50, 10, 20, 8)
PAIR = {"image": png(IMAGE), "mask": png(HOLE)}
SETTINGS = {"inpaint": InpaintSettings, "reposition": RepositionSettings}
# What tests run once or twice compiles longer than it runs.
TWO_CPUS = "--xla_force_host_platform_device_count=2 "
TWO_CPUS += "--xla_backend_optimization_level=0"


@pytest.fixture(scope="module")
def address():
    with server() as found:
        yield found


def test_a_picture_comes_back_completed(address):
    status, headers, content = send(address, body=form(**PAIR, seed="7"))
    assert status == 200 and headers["Content-Type"] == "image/png"
    expected = np.where(HOLE[..., None] != 0, 248 - IMAGE, IMAGE)
    np.testing.assert_array_equal(pixels(content), expected)
    assert headers["X-Seed"] == "7" and json.loads(headers["X-Notes"]) == []


def test_the_readmes_lines_of_python(address, tmp_path, monkeypatch):
    """As they stand, but for the port."""
    lines = (ROOT / "README.md").read_text().splitlines()
    first = lines.index("    import requests")
    program = "\n".join(line.strip() for line in lines[first : first + 4])
    monkeypatch.chdir(tmp_path)
    image = np.zeros((9, 9, 3), np.uint8)
    Image.fromarray(image).save("photo.jpg")
    Image.fromarray(np.eye(9, dtype=np.uint8) * 255).save("mask.png")
    exec(program.replace("http://127.0.0.1:8000", address))
    assert np.asarray(Image.open("completed.png")).shape == image.shape


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("page", ["README.md", "docs/page.md"])
def test_the_line_of_curl(address, page, tmp_path):
    """As it stands, but for the port."""
    text = (ROOT / page).read_text().replace("\\\n", "")
    line = next(x for x in text.splitlines() if x.startswith("    curl "))
    (tmp_path / "photo.jpg").write_bytes(png(IMAGE, "JPEG"))
    (tmp_path / "mask.png").write_bytes(PAIR["mask"])
    words = shlex.split(line.replace("http://127.0.0.1:8000", address))
    options = ["--fail", "--silent", "--show-error", "--noproxy", "*"]
    subprocess.run([*words, *options], cwd=tmp_path, check=True, timeout=60)
    assert pixels((tmp_path / "completed.png").read_bytes()).shape == IMAGE.shape


def test_a_subject_is_moved(address):
    place = {"path": "/api/reposition"}
    chosen = {"shift": "[9, -4]", "scale": "0.5", "mask_dilation": "1"}
    body = form(**PAIR, **chosen, preset="patchmatch", seed="3")
    status, headers, content = send(address, **place, body=body)
    assert status == 200 and headers["X-Seed"] == "3"
    assert "keeps its colours" in json.loads(headers["X-Notes"])[0]
    expected = reposition(
        negative("patchmatch"), IMAGE, HOLE, (9, -4), scale=0.5, mask_dilation=1, seed=3
    )
    np.testing.assert_array_equal(pixels(content), expected.image)
    labels = form(**PAIR | {"mask": png(HOLE // 255)}, shift="[9, 0]", mask_label="1")
    assert send(address, **place, body=labels)[0] == 200
    for fields, said in (
        ({}, "shift: is needed, received none"),
        ({"shift": "3"}, "shift: must be 2, received 3"),
        ({"shift": "[0.5, 1]"}, "shift: must be a whole number, received 0.5"),
        ({"shift": "[0, 0]"}, "shift: must move or -scale the subject"),
        ({"shift": "[400, 0]"}, "shift: must leave something of the subject"),
        ({"shift": "[1, 0]", "scale": "9"}, "scale: must be a finite number"),
        ({"shift": "[1, 0]", "matting": "101"}, "matting: must be a whole number"),
        ({"shift": f"[1{400 * '0'}, 0]"}, "shift: must leave something"),
        ({"shift": "[1, 0]", "depth": "x.png"}, "field: one of"),
        ({"shift": "[1, 0]", "mask": png(0 * HOLE)}, "mask: must show a subject"),
    ):
        status, _, error = send(address, **place, body=form(**PAIR | fields))
        assert status == 400 and error["error"].startswith(said), error


def test_options_are_those_of_the_command(address):
    mask = png(255 - HOLE)
    body = form(image=PAIR["image"], mask=mask, invert_mask="true", format="bmp")
    status, headers, content = send(address, body=body)
    assert status == 200 and headers["Content-Type"] == "image/bmp"
    changed = (pixels(content) != IMAGE).all(axis=2)
    np.testing.assert_array_equal(changed, HOLE != 0)
    for name, settings in SETTINGS.items():
        assert set(FORMS[name].fields.values()) <= set(settings.options())


def test_notes_tell_what_should_be_known(address):
    empty = png(np.zeros_like(HOLE))
    _, headers, content = send(address, body=form(image=PAIR["image"], mask=empty))
    assert "no pixel is hole" in json.loads(headers["X-Notes"])[0]
    np.testing.assert_array_equal(pixels(content), IMAGE)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"image": b"some text"}, 400, "image: must be a readable picture"),
        ({"mask": b"some text"}, 400, "mask: must be a readable picture"),
        ({"mask": png(HOLE[:30])}, 400, "mask: must have the picture's aspect"),
        ({"image": "a text"}, 400, "image: must be a file, received text"),
        ({"seed": b"5"}, 400, "seed: must be text, received a file"),
        ({"seed": "-1"}, 400, "seed: must be a whole number"),
        ({"seed": "[" * 5000}, 400, "seed: must be a whole number"),
        ({"mask_dilation": "NaN"}, 400, "mask_dilation: must be a finite number"),
        ({"feathering": "3"}, 400, "feathering: must be at most"),
        ({"fill_alpha": "yes"}, 400, "fill_alpha: must be true or false"),
        ({"preset": "none"}, 400, "preset: one of"),
        ({"format": "gif"}, 400, "format: one of"),
        ({"with": "[]"}, 400, "with: must be of type dict"),
        ({"with": '{"seed": 1}'}, 400, "option: one of"),
        ({"seed": "1" * 70_000}, 400, "body: must be a form"),
        ({"save_to": "x.png"}, 400, "field: one of"),
    ],
)
def test_a_broken_rule_is_named(address, fields, status, said):
    found, _, error = send(address, body=form(**PAIR | fields))
    assert found == status and error["error"].startswith(said)
    assert error["argument"] == error["error"].partition(":")[0]
    assert error["rule"] and error["received"] in error["error"]
    assert "Traceback" not in json.dumps(error)


def test_what_is_no_form_is_refused(address):
    status, _, error = send(address, body=b"{}", Content_Type="application/json")
    assert status == 415 and "must be multipart/form-data" in error["error"]
    status, _, error = send(address, body=form(mask=PAIR["mask"]))
    assert status == 400 and error["error"] == "image: is needed, received none"
    status, _, error = send(address, body=form(**PAIR)[:-30])
    assert status == 400 and error["argument"] in ("body", "mask")


def test_what_fails_says_so_without_a_trace(caplog):
    def broken(name):
        raise RuntimeError("a secret place")

    with server(broken) as address:
        status, _, error = send(address, body=form(**PAIR))
    assert status == 500 and "secret" not in json.dumps(error)
    assert "a secret place" in caplog.text  # in the log it is


def test_models_are_listed_with_what_helps_to_choose(address):
    _, _, found = send(address, "/api/models")
    assert found["default"] == presets.DEFAULT
    models = {model["name"]: model for model in found["models"]}
    assert set(models) == {n for n, p in presets.PRESETS.items() if "weights" in p}
    assert models["lama_big"]["licence"] == "Apache-2.0"
    assert models["lama_big"]["bytes"] == 205_669_692
    here = [model["here"] for model in found["models"]]
    assert here == sorted(here, reverse=True)  # those on this machine first
    _, _, about = send(address, "/api/models/patchmatch")
    assert about["options"] == {"patch_size": 3} and about["draws"]
    assert about["types"] == {"patch_size": "int"} and about["choices"] == {}
    rule = {"least": 1, "most": 15, "about": "radius in pixels"}
    assert about["rules"] == {"patch_size": rule}
    _, _, about = send(address, "/api/models/mat_512")
    assert about["choices"] == {"noise": ["stored", "drawn", "none"]}
    assert not presets.model_class("gmcnn_faces_128").draws  # no seed, no variants
    status, _, error = send(address, "/api/models/none")
    assert status == 400 and error["argument"] == "preset"


def test_the_description_knows_every_field(address):
    _, _, found = send(address, "/api/openapi.json")
    assert found["info"]["version"] == __version__
    schemas = {}
    for name, fields in FORMS.items():
        post = found["paths"][f"/api/{name}"]["post"]
        schema = post["requestBody"]["content"]["multipart/form-data"]["schema"]
        known = {"image", "mask", "preset", "format", *fields.fields, *fields.pictures}
        assert set(schema["properties"]) == known
        assert "lama_photos_256" in schema["properties"]["preset"]["enum"]
        assert schema["properties"]["seed"]["maximum"] == 2**32 - 1
        schemas[name] = schema
    assert "crop" in schemas["inpaint"]["properties"]["strategy"]["enum"]
    assert schemas["inpaint"]["required"] == ["image", "mask"]
    assert schemas["reposition"]["required"] == ["image", "mask", "shift"]
    shift = schemas["reposition"]["properties"]["shift"]
    assert shift["type"] == "array" and shift["minItems"] == shift["maxItems"] == 2


def test_health_tells_the_limits(address):
    _, _, found = send(address, "/api/health")
    assert found["places"] == 8 and found["taken"] == 0 and found["workers"] == 1
    assert found["max_pixels"] == ServeSettings().max_pixels


def test_every_request_is_one_line_of_the_log(caplog):
    with caplog.at_level("INFO", "inpainting_zoo.serving"), server() as address:
        send(address, body=form(**PAIR, preset="lama_faces_256_reconstruction"))
        send(address, "/one%0Atwo")
        numbers = r"\d+ bytes in, \d+ out, model {}, \d+\.\d\d s"
        patterns = (
            f"POST /api/inpaint 200, {numbers.format('lama_faces_256_reconstruction')}",
            rf"GET /one\\ntwo 404, {numbers.format('-')}",
        )
        for pattern in patterns:
            # A line comes after its answer, maybe after one of another test.
            for _ in range(500):
                found = [m for m in caplog.messages if re.fullmatch(pattern, m[20:])]
                if found:
                    break
                time.sleep(0.02)
            (line,) = found
            at = time.mktime(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S"))
            assert 0 <= time.time() - at < 60


def test_the_least_recently_used_model_leaves():
    loaded = []
    names = ["gmcnn_faces_128", "gmcnn_faces_128_wgan", "context_encoder_faces_128"]
    room = sum(presets.about(name)["bytes"] for name in names[:2])
    held = Held(room, lambda name: loaded.append(name) or negative(name))
    first = held.get(names[0])
    held.get(names[1])
    assert held.get(names[0]) is first
    held.get(names[2])
    assert list(held.models) == [names[2]]  # which is larger than either
    held.get(names[1])
    assert loaded == [*names, names[1]]
    held.get("lama_big")  # larger than all the room, and held nevertheless
    assert list(held.models) == ["lama_big"]


def test_models_without_weights_take_no_room():
    held = Held(1, negative)
    held.get("gmcnn_faces_128")
    held.get("patchmatch")
    held.get("lama_big")
    assert list(held.models) == ["lama_big"]


def test_the_defaults_of_a_form_are_the_commands():
    for kind in FORMS.values():
        found = completion({}, Catalogue(), kind)
        assert found == (presets.DEFAULT, "png", {}, {})


def test_a_port_that_is_taken_is_an_error():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port: must be free .*received {port}"):
            serve(ServeSettings(port=port))


def test_addresses_that_others_can_reach():
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost", "127.8.8.8")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "example.org")))


def test_ones_own_weights_come_first(tmp_path):
    file = save_tiny(tmp_path / "mine.npz")
    own = own_models(ServeSettings(from_weights=str(file)))
    with server(own=own) as address:
        _, _, found = send(address, "/api/models")
        first = found["models"][0]
        assert first["name"] == found["default"] == "gmcnn_small"
        assert first["description"] == "your own weights, mine.npz"
        assert first["bytes"] == file.stat().st_size and first["here"]
        names = [model["name"] for model in found["models"]]
        assert "patchmatch" in names and len(names) == len(set(names))
        _, _, content = send(address, body=form(**PAIR))
        _, _, about = send(address, "/api/models/gmcnn_small")
        assert about["options"] == {} and not about["draws"]
        _, _, other = send(address, body=form(**PAIR, preset="patchmatch"))
    expected, _ = complete_bytes(own[1][0], PAIR["image"], PAIR["mask"])
    np.testing.assert_array_equal(pixels(content), pixels(expected))
    negated = np.where(HOLE[..., None] != 0, 255 - IMAGE, IMAGE)
    np.testing.assert_array_equal(pixels(other), negated)  # by the others' door


def test_other_views_are_shown_to_the_model():
    """For one picture alone; a model that looks at none refuses them."""
    about = presets.about("patchmatch") | {"name": "mine"}
    model, views = Referring(), [png(IMAGE[:30]), png(255 - IMAGE)]
    with server(own=(about, [model])) as address:
        assert send(address, "/api/models/mine")[2]["references"] == 2
        status, *_ = send(address, body=form(**PAIR, reference=views))
        assert status == 200 and model.shown == ()
        for seen, view in zip(model.seen, views, strict=True):
            np.testing.assert_array_equal(seen, pixels(view))
        model.seen.clear()
        assert send(address, body=form(**PAIR))[0] == 200 and model.seen == []
        other = {"preset": "patchmatch", "reference": views[:1]}
        assert send(address, "/api/models/patchmatch")[2]["references"] == 0
        for fields, said in (
            (other, "reference: must be for a model that looks at others, received 1"),
            ({"reference": b"a text"}, "reference: must be a readable picture"),
            ({"reference": "a text"}, "reference: must be a file, received text"),
        ):
            status, _, error = send(address, body=form(**PAIR, **fields))
            assert status == 400 and error["error"].startswith(said)


def test_ones_own_experiment_has_its_name(tmp_path):
    save_tiny(tmp_path / "mine" / "weights" / "generator.npz")
    where = {"experiment_name": "mine", "output_path": str(tmp_path)}
    about, (model,) = own = own_models(ServeSettings(**where))
    assert about["description"] == "your own weights, generator.npz"
    with server(own=own) as address:
        assert send(address, "/api/models")[2]["default"] == about["name"] == "mine"
        _, _, content = send(address, body=form(**PAIR, preset="mine"))
    expected, _ = complete_bytes(model, **PAIR)
    np.testing.assert_array_equal(pixels(content), pixels(expected))


def test_a_preset_that_is_named_is_the_default():
    about, (model,) = own_models(ServeSettings(preset="gmcnn_faces_128"))
    assert about == presets.about("gmcnn_faces_128") and model.image_size == 128
    assert Catalogue((about, [model])).default == "gmcnn_faces_128"
    assert own_models(ServeSettings()) is None


@contextlib.contextmanager
def command(*options, **environment):
    """Runs `serve` on a free port as a user does; yields its process and address."""
    argv = [sys.executable, str(ROOT / "runner.py"), "serve", "-port", "0", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, **environment}
    process = subprocess.Popen(argv, cwd=ROOT, env=environment, **pipes)
    try:
        line = next(line for line in process.stdout if line.startswith("page: "))
        yield process, line.split()[1].rstrip(";")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "options", "warning"),
    [
        (signal.SIGINT, (), ""),
        (
            signal.SIGTERM,
            ("-host", "0.0.0.0"),
            "warning: host: 0.0.0.0 lets everyone in who can reach this machine: there "
            "are no accounts, and nothing is encrypted\n",
        ),
    ],
)
def test_the_command_serves_until_a_signal_comes(number, options, warning):
    with command(*options) as (process, address):
        address = address.replace("0.0.0.0", "127.0.0.1")
        assert send(address, "/api/health")[2]["status"] == "ok"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err == warning
    assert re.search("GET /api/health 200, ", out) and len(out.splitlines()) == 1


def test_the_command_refuses_a_port_that_is_taken_in_a_line():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        found = run("serve", "-port", port)
    assert found.returncode == 4 and found.stdout == ""
    said = f"error: -port: must be free on -host 127.0.0.1, received {port}: Address"
    assert found.stderr.startswith(said) and found.stderr.count("\n") == 1


@pytest.mark.long
@pytest.mark.parametrize("preset", ["patchmatch", "lama_photos_256"])
def test_the_command_completes_pictures(preset):
    image, hole = noise(70, 90), square(70, 90, 20, 30, 16)
    pair = {"image": png(image), "mask": png(hole)}
    with command() as (process, address):
        answer = send(address, body=form(**pair, preset=preset), timeout=300)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (answer[0], process.returncode) == (200, 0) and "Traceback" not in err
    assert re.search(rf"POST /api/inpaint 200, .* model {preset}, ", out)
    expected, _ = complete_bytes(presets.load(preset), **pair)
    difference = np.abs(pixels(answer[2]) - pixels(expected).astype(int))
    np.testing.assert_array_equal(difference[hole == 0], 0)
    assert difference.max() <= 1  # of another process, in which threads may round


@pytest.mark.long
@pytest.mark.parametrize("engine", ["tensorflow", "jax"])
def test_two_devices_complete_two_pictures_at_once(engine, tmp_path):
    """Each prediction waits for one on the other device, which one worker never has."""
    file = save_tiny(tmp_path / "mine.npz")
    environment = {**os.environ, "KERAS_BACKEND": engine, "XLA_FLAGS": TWO_CPUS}
    command = [sys.executable, str(ROOT / "tests" / "two_devices.py"), str(file)]
    found = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment
    )
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout.splitlines()[-1])
    assert told["workers"] == 2 and told["same"] == [True] * 6
    assert len(set(told["devices"])) == 2
    assert [told["devices"].count(device) for device in set(told["devices"])] == [3, 3]


@pytest.mark.long
def test_the_first_model_that_loads_the_engine_brings_its_devices():
    environment = {"KERAS_BACKEND": "jax", "XLA_FLAGS": TWO_CPUS}
    with command(**environment) as (process, address):

        def ask(preset):
            body = form(**PAIR, preset=preset)
            return pixels(send(address, body=body, timeout=300)[2])

        def workers():
            return send(address, "/api/health")[2]["workers"]

        ask("patchmatch")
        assert workers() == 1  # without an engine, which may take all of a GPU
        first = ask("gmcnn_faces_128")
        assert workers() == 2
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for again in pool.map(ask, ["gmcnn_faces_128"] * 2):
                np.testing.assert_array_equal(again, first)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err


def test_two_workers_take_turns_at_one_line():
    begun = queue.SimpleQueue()
    doors = {name: threading.Event() for name in ("first", "second", "fourth")}

    def job(name):
        def run(worker):
            begun.put((name, worker))
            assert doors[name].wait(30)
            return name

        return run

    async def main():
        line = Line(8)
        line.hire("one")
        line.hire("other")
        leaves = asyncio.Event()
        working = [
            asyncio.ensure_future(line.work(job(name), gone))
            for name, gone in (
                *(("first", None), ("second", None)),
                *(("third", leaves.wait()), ("fourth", None)),
            )
        ]
        found = [await asyncio.to_thread(begun.get, timeout=30) for _ in range(2)]
        assert sorted(found) == [("first", "one"), ("second", "other")]
        leaves.set()
        assert await working[2] is None
        doors["second"].set()
        assert await working[1] == "second"
        found = await asyncio.to_thread(begun.get, timeout=30)
        assert found == ("fourth", "other")  # the third, who left, never begins
        for door in doors.values():
            door.set()
        assert await asyncio.gather(*working) == ["first", "second", None, "fourth"]
        assert begun.empty()
        assert await line.work(lambda worker: worker) == "one"  # where models are
        line.close()

    asyncio.run(main())


@pytest.mark.long
def test_no_engine_is_loaded_for_the_page_and_its_default_model():
    code = """if True:
        import sys
        from inpainting_zoo import presets
        from served import *
        pair = form(image=png(noise(40, 50)), mask=png(square(40, 50, 10, 20, 8)))
        with server(presets.load) as address:
            assert send(address, "/api/models")[0] == 200
            assert send(address, "/api/models/patchmatch")[0] == 200
            assert send(address, "/api/models/mat_512")[0] == 200
            assert send(address, body=pair)[0] == 200
            assert not {"keras", "tensorflow", "jax"} & set(sys.modules)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    command = [sys.executable, "-c", code]
    subprocess.run(command, check=True, timeout=120, env=environment)
