"""The service under load, and before strangers."""

import concurrent.futures
import contextlib
import gc
import socket
import tempfile
import threading
import time

import numpy as np
import psutil
import pytest

from inpainting_zoo.serving import guard
from inpainting_zoo.serving.form import FORMS
from inpainting_zoo.serving.serve import CONNECTIONS
from served import Negative, form, noise, pixels, png, send, server, square

MB = 2**20
HOLE = square(40, 50, 10, 20, 8)
IMAGE = noise(40, 50)
PAIR = {"image": png(IMAGE), "mask": png(HOLE)}
go = threading.Event()


class Waits(Negative):
    """A model that completes nothing before it may."""

    begun = 0

    def predict_images(self, images, masks, seed=0, **options):
        Waits.begun += 1
        assert go.wait(60)
        return super().predict_images(images, masks, seed, **options)


@pytest.fixture
def slow():
    """The address of a service whose model waits."""
    go.clear()
    Waits.begun = 0
    with server(lambda name: Waits()) as address:
        try:
            yield address
        finally:
            go.set()


@pytest.fixture(scope="module")
def address():
    with server(max_megabytes=1, max_pixels=1_000_000) as found:
        yield found


def health(address):
    return send(address, "/api/health")[2]


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def picture_with_hole(i):
    """A request of its own size and colours, and what must come back."""
    image, hole = noise(40 + i, 50 + i, i), square(40 + i, 50 + i, i, i, 8)
    expected = np.where(hole[..., None] != 0, 255 - image, image)
    return form(image=png(image), mask=png(hole)), expected


@pytest.mark.row("L5")
def test_eight_at_once_each_get_their_own_and_the_ninth_waits(slow):
    requests = [picture_with_hole(i) for i in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(send, slow, body=body) for body, _ in requests]
        until(lambda: health(slow)["taken"] == 8)
        status, headers, error = send(slow, body=requests[0][0])
        assert status == 503 and int(headers["Retry-After"]) >= 1
        assert error["error"].startswith("queue: at most 8 requests at once")
        go.set()
        for answer, (_, expected) in zip(answers, requests):
            status, _, content = answer.result()
            assert status == 200
            np.testing.assert_array_equal(pixels(content), expected)
    assert health(slow)["taken"] == 0
    assert send(slow, body=requests[0][0])[0] == 200


@pytest.mark.row("L5")
def test_who_goes_away_frees_the_place(slow):
    first = connect(slow, form(**PAIR))
    until(lambda: Waits.begun == 1)
    others = [connect(slow, form(**PAIR)) for _ in range(7)]
    until(lambda: health(slow)["taken"] == 8)
    for client in others:
        client.close()
    until(lambda: health(slow)["taken"] == 1)
    go.set()
    assert send(slow, body=form(**PAIR))[0] == 200
    assert Waits.begun == 2  # nothing was done for those who left
    first.close()


def connect(address, body=b"", length=None, **headers):
    """Sends a request without waiting for the answer; returns the socket."""
    host, port = address.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=30)
    lines = {"Host": f"{host}:{port}", "Content-Length": length or len(body)}
    lines |= {"Content-Type": "multipart/form-data; boundary=edge"} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    client.sendall(f"POST /api/inpaint HTTP/1.1\r\n{head}\r\n".encode() + body)
    return client


@pytest.mark.row("S2")
def test_a_body_without_an_end_is_cut():
    with server(body_seconds=0.5) as address:
        body = form(**PAIR)
        with connect(address, body[:100], length=len(body)) as client:
            until(lambda: health(address)["taken"] == 1)
            assert client.recv(2**16).startswith(b"HTTP/1.1 408 ")
        until(lambda: health(address)["taken"] == 0)


@pytest.mark.row("L5")
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(50, marks=pytest.mark.short),
        pytest.param(500, marks=pytest.mark.slow),
    ],
)
def test_many_requests_take_no_more_memory(count, record_property):
    process = psutil.Process()
    with server() as address:
        body = form(image=png(noise(200, 200)), mask=png(square(200, 200, 9, 9, 50)))
        for i in range(count):
            assert send(address, body=body)[0] == 200
            if i == count // 5:
                gc.collect()
                before, files = process.memory_info().rss, process.num_fds()
        gc.collect()
        growth = process.memory_info().rss - before
    record_property("requests", count)
    record_property("memory growth in MB", growth / MB)
    assert growth < 30 * MB
    assert process.num_fds() <= files


@pytest.mark.row("S2")
def test_no_more_connections_are_taken_than_there_may_be(address):
    """Those of clients that never come to the end of their header count."""
    host, port = address.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            client = socket.create_connection((host, int(port)), timeout=30)
            stack.enter_context(client).sendall(b"POST /api/inpaint HTTP/1.1\r\n")
        assert send(address, "/api/health")[0] == 503
    until(lambda: send(address, "/api/health")[0] == 200)


@pytest.mark.row("S2")
def test_who_does_not_read_the_answer_keeps_no_place(address):
    flat = png(np.zeros((1000, 1000, 3), np.uint8))  # whose answer has three megabytes
    body = form(image=flat, mask=png(square(1000, 1000, 9, 9, 50)), format="bmp")
    clients = [connect(address, body) for _ in range(9)]  # more than the queue's places
    until(lambda: health(address)["taken"] == 0)
    assert send(address, body=form(**PAIR))[0] == 200
    for client in clients:
        client.close()


PLACES = ["../../../../etc/passwd", "/etc/passwd", "..\\..\\x", "file:///etc/passwd"]


@pytest.mark.row("S2")
@pytest.mark.parametrize(
    "name",
    ["format", *FORMS["inpaint"].fields, "from_weights", "save_to", "output_path"],
)
def test_no_path_is_taken_from_a_field(address, name, tmp_path):
    canary = tmp_path / "canary.png"
    for place in (*PLACES, str(canary)):
        status, _, error = send(address, body=form(**PAIR | {name: place}))
        assert 400 <= status < 500 and "root:" not in str(error)
    assert not canary.exists()


@pytest.mark.row("S2")
def test_no_path_is_taken_from_an_address_or_a_files_name(address, tmp_path):
    for place in PLACES:
        for path in (f"/{place}", f"/static/{place}", f"/api/models/{place}"):
            for address_path in (path, path.replace("/", "%2f").replace("%2f", "/", 1)):
                status, _, content = send(address, address_path.replace("\\", "%5c"))
                assert 400 <= status < 500 and "root:" not in str(content)
    canary = tmp_path / "canary.png"
    body = form(**PAIR).replace(b'"image.png"', f'"{canary}"'.encode())
    assert send(address, body=body)[0] == 200
    assert not canary.exists()


@pytest.mark.row("S2")
def test_one_byte_over_the_limit_is_refused(address):
    whole = PAIR["image"] + bytes(1_000_000 - len(PAIR["image"]))
    assert send(address, body=form(**PAIR | {"image": whole}))[0] == 200
    for name in ("image", "mask"):
        body = form(**PAIR | {name: whole + b"\0"})
        status, _, error = send(address, body=body)
        assert status == 413 and error["received"] == "1000001"
        assert error["argument"] == name
    status, _, error = send(address, body=form(image=bytes(3_000_001)))
    assert status == 413 and error["argument"] == "body"
    assert send(address, body=form(**PAIR))[0] == 200


@pytest.mark.row("S2")
@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a" + bytes(100),
        b"%PDF-1.7",
        b"",
        PAIR["image"][:60],
    ],
)
def test_formats_are_told_by_content(address, content):
    for name in ("image", "mask"):
        status, headers, error = send(address, body=form(**PAIR | {name: content}))
        assert status == 400 and error["argument"] == name
        assert headers["Content-Type"] == "application/json"
        assert b"<script>" not in str(error).encode()


@pytest.mark.row("S2")
def test_bombs_are_refused_from_their_header(address):
    bomb = png(np.zeros((20_000, 10_000), bool))  # 200 megapixels in some kilobytes
    assert len(bomb) < 100_000
    before = psutil.Process().memory_info().rss
    for name in ("image", "mask"):
        status, _, error = send(address, body=form(**PAIR | {name: bomb}))
        assert status == 400 and "over the limit of 1000000 pixels" in error["error"]
    assert psutil.Process().memory_info().rss - before < 50 * MB


@pytest.mark.row("S2")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "localhost.evil"}, 403),
        ({"Host": "[bad"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "localhost:9", "Origin": "http://localhost:9"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
)
def test_other_sites_are_refused(address, headers, status):
    found, answered, _ = send(address, "/api/health", **headers)
    assert found == status
    assert "Access-Control-Allow-Origin" not in answered


@pytest.mark.row("S2")
def test_every_answer_has_the_headers_that_protect(address):
    for path in ("/", "/static/page.js", "/api/models", "/none"):
        _, headers, _ = send(address, path)
        for name, value in guard.SECURITY.items():
            assert headers[name] == value
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["server"] is None


@pytest.mark.row("S2")
def test_no_temporary_file_is_made(address, monkeypatch):
    """There is no place for one, however large the picture is."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(FileNotFoundError):
        tempfile.mkstemp()
    large = noise(500, 600)  # 900 kB
    hole = png(square(500, 600, 10, 10, 50))
    body = form(image=png(large, "BMP"), mask=hole)
    assert send(address, body=body)[0] == 200


@pytest.mark.slow
@pytest.mark.row("S2")
def test_what_a_fuzzer_sends_is_answered_as_described():
    schemathesis = pytest.importorskip(
        "schemathesis", reason="needs pip install schemathesis"
    )
    with server() as address:
        schema = schemathesis.openapi.from_url(f"{address}/api/openapi.json")
        sent = 0
        for operation in schema.get_all_operations():
            found = operation.ok()
            cases = found.as_strategy()
            sent += fuzz(cases, address)
    assert sent > 100


def fuzz(cases, address):
    """Sends what a strategy makes, and checks each answer; returns how many."""
    import hypothesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    count = 0

    @hypothesis.settings(
        max_examples=100,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=cases)
    def check(case):
        nonlocal count
        count += 1
        checks = [
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ]
        case.call_and_validate(base_url=address, timeout=60, checks=checks)

    check()
    return count
