"""The service in a thread of the test's process, and requests to it."""

import contextlib
import io
import json
import threading
import time
import urllib.error
import urllib.request

import numpy as np
from PIL import Image

from inpainting_zoo import presets
from inpainting_zoo.models.completer import Completer
from inpainting_zoo.options import ServeSettings
from inpainting_zoo.serving.app import make_app
from inpainting_zoo.serving.serve import listen, make_server

# A server that listens for a test has nothing to say through a proxy.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Negative(Completer):
    """A model whose answer is another everywhere, darker by its seed.

    What changed is the hole.
    """

    image_size = 256
    received = None  # the options of the last pictures

    def predict_images(self, images, masks, seed=0, **options):
        Negative.received = options
        return 255 - images - np.uint8(seed % 100)


class Referring(Negative):
    """The same, which notes what it is shown beside a picture."""

    most_references = 2

    def __init__(self):
        self.shown, self.seen = [], []

    def refer_to(self, *references):
        self.shown = references

    def predict_images(self, images, masks, seed=0, **options):
        self.seen += self.shown
        return super().predict_images(images, masks, seed, **options)


def negative(name):
    """Loads it in place of any preset, whose options it takes."""
    model = Negative()
    model.OPTIONS = dict(presets.family(name).options)
    return model


@contextlib.contextmanager
def server(load=negative, own=None, **settings):
    """Runs the service on a free port of this machine; yields its address."""
    app = make_app(ServeSettings(port=0, **settings), load, own)
    with listen("127.0.0.1", 0) as listening:
        running = make_server(app)
        thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
        thread.start()
        end = time.monotonic() + 30
        while not running.started and time.monotonic() < end:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(30)


def png(array, format="PNG", **options):
    """The bytes of a picture file."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(array)).save(file, format, **options)
    return file.getvalue()


def pixels(content):
    """The array of a picture file's bytes."""
    return np.asarray(Image.open(io.BytesIO(content)))


def form(**fields):
    """The body of a form: bytes become files, texts fields, lists several."""
    lines = []
    lists = {k: x if isinstance(x, list) else [x] for k, x in fields.items()}
    for name, value in ((name, x) for name, values in lists.items() for x in values):
        file = f'; filename="{name}.png"' if isinstance(value, bytes) else ""
        lines += [f'--edge\r\nContent-Disposition: form-data; name="{name}"{file}']
        lines += ["\r\n\r\n", value, "\r\n"]
    lines += ["--edge--\r\n"]
    return b"".join(x if isinstance(x, bytes) else x.encode() for x in lines)


def send(address, path="/api/inpaint", body=None, timeout=60, **headers):
    """Sends a request; returns (status, headers, content), JSON decoded."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        headers.setdefault("Content-Type", "multipart/form-data; boundary=edge")
    request = urllib.request.Request(address + path, body, headers)
    try:
        answer = _opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        content = answer.read()
        if answer.headers["Content-Type"] == "application/json":
            content = json.loads(content)
        return answer.status, answer.headers, content


def noise(height, width, seed=0):
    """A picture of colours that differ from their negative."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 100, (height, width, 3), np.uint8)


def square(height, width, top, left, side):
    """A mask, 255 in a square hole."""
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask
