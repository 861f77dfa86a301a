"""Downloads that are cut, wrong files in the cache, no network."""

import hashlib
import http.server
import socket
import threading

import pytest

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.features.vgg import FILE, MD5
from inpainting_zoo.storage.files import fetch

from .commands import EAGER, TINY
from .experiments import parts, where


@pytest.fixture
def server(tmp_path):
    """A web server of 1 kB; `cut` says how many answers end half-way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            web.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(bytes(500 if web.requests <= web.cut else 1000))

        def log_message(self, *arguments):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.requests, web.cut = 0, 0
    web.url = f"http://127.0.0.1:{web.server_port}/weights.h5"
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield web
    web.shutdown()
    web.server_close()
    thread.join()


WHOLE, HALF = (hashlib.md5(bytes(n)).hexdigest() for n in (1000, 500))


@pytest.mark.row("F11")
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_download_that_is_cut(server, tmp_path, cut):
    server.cut, path = cut, tmp_path / "new" / "weights.h5"
    if cut < 2:
        assert fetch(server.url, path, WHOLE).read_bytes() == bytes(1000)
        assert fetch(server.url, path, WHOLE) == path  # from the cache
    else:
        with pytest.raises(WeightsError, match=f"{HALF} instead of {WHOLE}"):
            fetch(server.url, path, WHOLE)
        assert not path.exists()
    assert server.requests == min(cut + 1, 2) and not parts(tmp_path)


@pytest.mark.row("F12")
def test_the_cache_needs_no_network(server, tmp_path):
    (tmp_path / "weights.h5").write_bytes(bytes(1000))
    assert fetch("http://127.0.0.1:9", tmp_path / "weights.h5", WHOLE).is_file()
    with pytest.raises(InputError, match="refused"):
        fetch("http://127.0.0.1:9", tmp_path / "other.h5", WHOLE)


def train_with_vgg(zoo, images, tmp_path, proxy):
    environment = {"KERAS_HOME": str(tmp_path), "https_proxy": proxy, "no_proxy": ""}
    options = (*TINY, *EAGER, "-id_mrf_weight", 0.05, "-steps", 1)
    return zoo.run(*where(images, tmp_path), *options, **environment)


@pytest.mark.row("F11")
def test_a_wrong_file_in_the_cache(zoo, images, tmp_path):
    cached = tmp_path / "models" / FILE
    cached.parent.mkdir()
    cached.write_bytes(bytes(500))
    result = train_with_vgg(zoo, images, tmp_path, "http://127.0.0.1:9")
    assert result.code == 5, result.err
    assert HALF in result.error and MD5 in result.error
    assert not cached.exists()


@pytest.mark.row("F12")
def test_no_network(zoo, images, tmp_path, record_property):
    """Whether the network refuses at once or never answers."""
    seconds = {}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = {"refused": 9, "timed out": silent.getsockname()[1]}
        for reason, port in ports.items():
            result = train_with_vgg(zoo, images, tmp_path, f"http://127.0.0.1:{port}")
            assert result.code == 4, result.err
            assert reason in result.error
            assert str(tmp_path / "models" / FILE) in result.error
            seconds[reason] = result.seconds
            record_property(f"seconds if {reason}", result.seconds)
    # What comes before, building the networks, takes a busy machine long.
    assert seconds["timed out"] - seconds["refused"] < 5
    assert not parts(tmp_path)
