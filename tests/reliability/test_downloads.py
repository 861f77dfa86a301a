"""Downloads that are cut, wrong files in the cache, no network."""

import dataclasses
import hashlib
import http.server
import json
import os
import random
import socket
import threading
import time
import types

import numpy as np
import pytest

from inpainting_zoo import cli, presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.features.vgg import VGG19
from inpainting_zoo.storage import downloads
from inpainting_zoo.storage.downloads import Weights, cache_folder, fetch, locate
from parity import golden
from torch_writer import Writer

from .commands import EAGER, TINY
from .experiments import parts, where

CONTENT = random.Random(0).randbytes(1000)
OTHER = bytes(1000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SILENCE = 0.5  # seconds


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE", 0)


@pytest.fixture
def serve():
    """Starts web servers of one file.

    Each sends `content`, at most `at_once` bytes an answer, and from where it is asked
    to if `ranges`; its size before it if `sized`. The first answers are instead the
    numbers of `errors`, None for silence of `SILENCE` seconds. What was asked for is in
    `asked`.
    """
    started = []

    def start(content=CONTENT, at_once=10**6, ranges=True, sized=True, errors=()):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers["Range"]
                web.asked.append(asked)
                if len(web.asked) <= len(errors):
                    if number := errors[len(web.asked) - 1]:
                        self.send_error(number)
                    else:
                        time.sleep(SILENCE)
                    return
                first = 0
                if ranges and asked:
                    first = int(asked.removeprefix("bytes=").removesuffix("-"))
                    if first >= len(content):
                        return self.send_error(416)
                    self.send_response(206)
                    last = len(content) - 1
                    span = f"bytes {first}-{last}/{len(content)}"
                    self.send_header("Content-Range", span)
                else:
                    self.send_response(200)
                if sized:
                    self.send_header("Content-Length", str(len(content) - first))
                self.end_headers()
                self.wfile.write(content[first : first + at_once])

            def log_message(self, *arguments):
                pass

        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        web.asked, web.url = [], f"http://127.0.0.1:{web.server_port}/weights"
        web.thread = threading.Thread(target=web.serve_forever)
        web.thread.start()
        started.append(web)
        return web

    yield start
    for web in started:
        web.shutdown()
        web.server_close()
        web.thread.join()


@pytest.mark.row("F11")
def test_a_download_that_is_cut_goes_on_where_it_ended(serve, tmp_path):
    web, path = serve(at_once=400), tmp_path / "new" / "weights"
    assert fetch([web.url], path, SHA256).read_bytes() == CONTENT
    assert web.asked == [None, "bytes=400-", "bytes=800-"]
    assert not parts(tmp_path)
    assert fetch([web.url], path, SHA256) == path  # from the cache
    assert len(web.asked) == 3


@pytest.mark.row("F11")
def test_a_download_that_was_given_up_goes_on_in_the_next_call(serve, tmp_path):
    web, path = serve(at_once=100), tmp_path / "weights"
    with pytest.raises(InputError, match="cut, 500 bytes before the end"):
        fetch([web.url], path, SHA256)
    assert not path.exists()
    (part,) = parts(tmp_path)
    assert part.read_bytes() == CONTENT[:500]
    assert fetch([serve().url], path, SHA256).read_bytes() == CONTENT
    assert not parts(tmp_path)


@pytest.mark.row("F11")
def test_servers_that_cannot_continue_start_over(serve, tmp_path):
    path, part = tmp_path / "weights", tmp_path / "weights.part"
    part.write_bytes(CONTENT[:500])
    web = serve(ranges=False)
    assert fetch([web.url], path, SHA256).read_bytes() == CONTENT
    assert web.asked == ["bytes=500-"] and not parts(tmp_path)
    web = serve(ranges=False, at_once=500)
    with pytest.raises(InputError, match="cut"):
        fetch([web.url], tmp_path / "never", SHA256)
    assert len(web.asked) == 1 + downloads.IN_VAIN  # which got no further


@pytest.mark.row("F12")
@pytest.mark.parametrize("error", [None, 429, 500, 503])
def test_a_server_that_is_slow_or_busy_is_asked_again(
    serve, tmp_path, monkeypatch, error
):
    monkeypatch.setattr(downloads, "TIMEOUT", SILENCE / 2)
    web, path = serve(errors=[error]), tmp_path / "weights"
    assert fetch([web.url], path, SHA256).read_bytes() == CONTENT
    assert len(web.asked) == 2
    lasting, other = serve(errors=[error] * 9), tmp_path / "other"
    with pytest.raises(InputError, match=rf"{lasting.url}: \w"):
        fetch([lasting.url], other, SHA256)
    assert len(lasting.asked) == downloads.IN_VAIN and not parts(tmp_path)


@pytest.mark.row("F12")
def test_a_server_without_the_file_is_asked_once(serve, tmp_path):
    without, web = serve(errors=[404]), serve()
    urls = [without.url, web.url]
    assert fetch(urls, tmp_path / "weights", SHA256).read_bytes() == CONTENT
    assert len(without.asked) == 1


@pytest.mark.row("F11")
@pytest.mark.parametrize("sized", [True, False])
def test_no_more_is_downloaded_than_the_file_is_large(serve, tmp_path, sized):
    """Known sizes may be a tenth too small; what was right before is kept."""
    endless, path = serve(bytes(10**6), sized=sized), tmp_path / "weights"
    with pytest.raises(InputError, match="where about 1000 are right"):
        fetch([endless.url], path, SHA256, 1000)
    assert not list(tmp_path.iterdir())
    (tmp_path / "weights.part").write_bytes(CONTENT[:500])
    urls = [endless.url, serve().url]
    assert fetch(urls, path, SHA256, 950).read_bytes() == CONTENT


def test_what_the_disk_has_no_place_for_is_not_downloaded(serve, tmp_path, monkeypatch):
    full = types.SimpleNamespace(free=999)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: full)
    with pytest.raises(InputError, match=r"the disk has 0\.0 MB"):
        fetch([serve().url], tmp_path / "weights", SHA256)
    assert not list(tmp_path.iterdir())


@pytest.mark.row("F11")
@pytest.mark.parametrize("length", [500, 1000, 2000])
def test_a_wrong_beginning_is_thrown_away(serve, tmp_path, length):
    path, part = tmp_path / "weights", tmp_path / "weights.part"
    part.write_bytes(bytes(length))
    web = serve()
    assert fetch([web.url], path, SHA256).read_bytes() == CONTENT
    assert web.asked == [f"bytes={length}-", None] and not parts(tmp_path)


@pytest.mark.row("F11")
def test_a_part_that_was_complete(serve, tmp_path):
    path, part = tmp_path / "weights", tmp_path / "weights.part"
    part.write_bytes(CONTENT)
    assert fetch([serve().url], path, SHA256).read_bytes() == CONTENT


@pytest.mark.row("F11")
def test_mirrors_are_tried_in_their_order(serve, tmp_path):
    other, web, unused = serve(OTHER), serve(), serve()
    urls = ["http://127.0.0.1:9", other.url, web.url, unused.url]
    assert fetch(urls, tmp_path / "weights", SHA256).read_bytes() == CONTENT
    assert (other.asked, web.asked, unused.asked) == ([None], [None], [])


@pytest.mark.row("F11")
def test_another_file_is_never_returned(serve, tmp_path):
    web, wrong = serve(OTHER), hashlib.sha256(OTHER).hexdigest()
    with pytest.raises(WeightsError, match=f"SHA-256 {wrong} instead of {SHA256}"):
        fetch([web.url], tmp_path / "weights", SHA256)
    assert not list(tmp_path.iterdir())


def test_an_md5_is_told_by_its_length(serve, tmp_path):
    md5, wrong = (hashlib.md5(c).hexdigest() for c in (CONTENT, OTHER))
    assert fetch([serve().url], tmp_path / "weights", md5).is_file()
    with pytest.raises(WeightsError, match=f"MD5 {wrong} instead of {md5}"):
        fetch([serve(OTHER).url], tmp_path / "other", md5)


def test_two_programs_share_a_download(serve, tmp_path):
    web, path, found = serve(), tmp_path / "weights", []
    threads = [
        threading.Thread(target=lambda: found.append(fetch([web.url], path, SHA256)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [path] * 4 and len(web.asked) == 1
    assert path.read_bytes() == CONTENT and not parts(tmp_path)


@pytest.mark.row("F12")
def test_the_cache_needs_no_network(tmp_path):
    (tmp_path / "weights").write_bytes(CONTENT)
    urls = ["http://127.0.0.1:9"]
    assert fetch(urls, tmp_path / "weights", SHA256).is_file()
    with pytest.raises(InputError, match="refused"):
        fetch(urls, tmp_path / "other", SHA256)


def test_files_are_hashed_once_and_when_they_change(tmp_path, monkeypatch):
    hashed, path = [], tmp_path / "weights"
    digest = downloads.digest
    monkeypatch.setattr(
        downloads, "digest", lambda *about: hashed.append(about) or digest(*about)
    )
    path.write_bytes(CONTENT)
    for _ in range(3):
        assert fetch([], path, SHA256) == path
    assert len(hashed) == 1
    path.write_bytes(OTHER)
    os.utime(path, ns=(0, 0))
    with pytest.raises(WeightsError, match=r"now called weights\.wrong"):
        fetch([], path, SHA256)
    assert len(hashed) == 2 and not path.exists()
    path.write_bytes(CONTENT)
    (tmp_path / ".weights.checked").write_text("[")
    assert fetch([], path, SHA256) == path
    assert json.loads((tmp_path / ".weights.checked").read_text())["bytes"] == 1000


@pytest.mark.row("F11")
def test_wrong_files_of_the_user_are_kept(serve, tmp_path):
    """Each under a name of its own, beside the right one."""
    path, web = tmp_path / "weights", serve()
    for i, kept in enumerate(("weights.wrong", "weights.wrong1")):
        path.write_bytes(OTHER + bytes(i))
        assert fetch([web.url], path, SHA256).read_bytes() == CONTENT
        assert (tmp_path / kept).read_bytes() == OTHER + bytes(i)


def test_where_weights_are(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path / "home"))
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    web = serve()
    weights = Weights("lama/one", SHA256, (web.url,))
    found = locate(weights, shipped)
    assert found == tmp_path / "home" / "lama" / "one"
    assert found.read_bytes() == CONTENT
    (shipped / "two").write_bytes(OTHER)  # nobody looks at its hash
    assert locate(Weights("two", SHA256), shipped) == shipped / "two"
    with pytest.raises(InputError, match=f"at {tmp_path / 'home' / 'three'} or"):
        locate(Weights("three", SHA256), shipped)


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Puts a tiny big-lama.pt in the place of the official one; returns its bytes."""
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("INPAINTING_ZOO_MIRRORS", raising=False)
    arrays = golden("lama/tiny_d3_b2")
    tensors = {k.replace("sd/", "model.generator."): arrays[k] for k in arrays}
    tensors = {k: v for k, v in tensors.items() if k.startswith("model.")}
    writer, path = Writer(), tmp_path / "big-lama.pt"
    writer.save(path, writer.module(tensors), "big-lama")
    content, preset = path.read_bytes(), presets.get("lama_big")

    def serve_at(*urls):
        weights = dataclasses.replace(
            preset["weights"]["generator"],
            urls=urls,
            digest=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
        config = preset["config"] | {"base_channels": 8, "blocks": 2}
        tiny = {**preset, "config": config, "weights": {"generator": weights}}
        monkeypatch.setitem(presets.PRESETS, "lama_big", tiny)

    path.unlink()
    return content, serve_at


@pytest.mark.row("F11")
def test_official_weights_are_downloaded_once(serve, official, tmp_path, caplog):
    """Cut and continued, with licence and source, checked, and converted on load."""
    content, serve_at = official
    web = serve(content, at_once=2 * len(content) // 3)
    serve_at(web.url)
    model = presets.load("lama_big")
    assert len(web.asked) == 2 and web.asked[1].startswith("bytes=")
    path = tmp_path / "home" / "big-lama.pt"
    assert path.read_bytes() == content and not parts(tmp_path)
    told = caplog.text
    for words in ("Apache-2.0", "Sanster/models", web.url, str(path), "MB from"):
        assert words in told
    kernel = model.use_state()["generator/entry/local_to_local/kernel"]
    theirs = golden("lama/tiny_d3_b2")["sd/model.1.ffc.convl2l.weight"]
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 1, 0))
    caplog.clear()
    presets.load("lama_big")
    presets.verify("lama_big")
    assert len(web.asked) == 2 and not caplog.text


@pytest.mark.row("F11")
def test_wrong_official_weights_are_never_opened(
    serve, official, tmp_path, monkeypatch
):
    """A further mirror can be named, and is asked after those that are known."""
    content, serve_at = official
    wrong, web = serve(OTHER), serve(content)
    serve_at(wrong.url)
    opened, read = [], presets.read_tensors
    monkeypatch.setattr(
        presets, "read_tensors", lambda *a: opened.append(a[0]) or read(*a)
    )
    with pytest.raises(WeightsError, match=r"SHA-256 .* instead of"):
        presets.load("lama_big")
    assert not opened and not list((tmp_path / "home").iterdir())
    folder = web.url.removesuffix("weights")
    monkeypatch.setenv("INPAINTING_ZOO_MIRRORS", f"http://127.0.0.1:9 {folder}")
    presets.load("lama_big")
    assert opened == [tmp_path / "home" / "big-lama.pt"]
    assert (len(wrong.asked), len(web.asked)) == (2, 1)


@pytest.mark.row("F12")
def test_official_weights_without_a_network(official, images, tmp_path, capsys):
    """A line says what to put where; with it there the command needs no network."""
    content, serve_at = official
    serve_at("http://127.0.0.1:9/big-lama.pt")
    files = ("-image", images / "0.png", "-mask", images / "1.png")
    command = ["inpaint", "-preset", "lama_big", *map(str, files)]
    command += ["-save_to", str(tmp_path / "out.png")]
    assert cli.main(command) == 4
    *_, error = capsys.readouterr().err.splitlines()
    path = tmp_path / "home" / "big-lama.pt"
    assert f"big-lama.pt: must be at {path} or be downloaded, http://127" in error
    assert error.endswith(
        "-from_weights FILE takes them saved anew, or in another format"
    )
    assert not (tmp_path / "out.png").exists()
    path.write_bytes(content)
    assert cli.main(command) == 0
    assert (tmp_path / "out.png").is_file()
    theirs = tmp_path / "theirs.pt"
    path.rename(theirs)
    command[-1] = str(tmp_path / "again.png")
    assert cli.main([*command, "-from_weights", str(theirs)]) == 0
    again = (tmp_path / "again.png").read_bytes()
    assert again == (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize("name", ["lama_fourier", "lama_regular"])
def test_official_networks_without_a_download(name):
    with pytest.raises(InputError, match=f"preset: {name} comes without trained"):
        presets.load(name)


def test_the_cache_folder_without_a_home(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("INPAINTING_ZOO_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "inpainting_zoo"
    assert not caplog.records
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert cache_folder().name == "inpainting_zoo"
    assert "no home directory" in caplog.text and str(cache_folder()) in caplog.text


def train_with_vgg(zoo, images, tmp_path, proxy):
    environment = {"KERAS_HOME": str(tmp_path), "https_proxy": proxy, "no_proxy": ""}
    environment["INPAINTING_ZOO_HOME"] = str(tmp_path / "zoo")
    options = (*TINY, *EAGER, "-id_mrf_weight", 0.05, "-steps", 1)
    return zoo.run(*where(images, tmp_path), *options, **environment)


@pytest.mark.row("F11")
def test_a_wrong_file_in_the_cache(zoo, images, tmp_path):
    cached = tmp_path / "models" / VGG19.file
    cached.parent.mkdir()
    cached.write_bytes(bytes(500))
    result = train_with_vgg(zoo, images, tmp_path, "http://127.0.0.1:9")
    assert result.code == 5, result.err
    assert (
        hashlib.md5(bytes(500)).hexdigest() in result.error
        and VGG19.md5 in result.error
    )
    assert cached.with_name(f"{VGG19.file}.wrong").read_bytes() == bytes(500)
    assert not cached.exists()


@pytest.mark.row("F12")
def test_no_network(zoo, images, tmp_path, record_property):
    result = train_with_vgg(zoo, images, tmp_path, "http://127.0.0.1:9")
    assert result.code == 4, result.err
    assert "refused" in result.error
    assert str(tmp_path / "zoo" / VGG19.file) in result.error
    record_property("seconds if refused", result.seconds)
    assert not parts(tmp_path)


@pytest.mark.row("F12")
@pytest.mark.long
def test_a_network_that_never_answers(zoo, images, tmp_path, record_property):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = train_with_vgg(zoo, images, tmp_path, address)
    assert result.code == 4, result.err
    assert "timed out" in result.error
    assert str(tmp_path / "zoo" / VGG19.file) in result.error
    record_property("seconds if timed out", result.seconds)
    assert not parts(tmp_path)
