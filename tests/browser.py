"""A person at the page: Chromium without a window, driven by Selenium."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from served import pixels

DRIVER, BROWSER = "/usr/bin/chromedriver", "/usr/bin/chromium"
ARGUMENTS = (
    *("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"),
    *("disable-quic", "no-first-run", "disable-background-networking"),
    *("disable-component-update", "disable-sync", "force-device-scale-factor=1"),
    "window-size=1200,900",
)


def browser(folder):
    """Starts Chromium with its downloads in a folder, or skips and says how."""
    for program in (DRIVER, BROWSER):
        if not shutil.which(program):
            pytest.skip(f"needs {program}: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="needs pip install selenium"
    )
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (*ARGUMENTS, f"user-data-dir={folder / 'profile'}"):
        options.add_argument(f"--{argument}")
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder / "saved")}
    )
    logs = {"browser": "ALL", "performance": "ALL"}  # the latter of the network
    options.set_capability("goog:loggingPrefs", logs)
    service = webdriver.ChromeService(DRIVER)
    return webdriver.Chrome(options=options, service=service)


class Person:
    """What a person does with the page.

    Args:
        driver: of `browser`.
        folder: that it was given.
    """

    def __init__(self, driver, folder: Path):
        self.driver, self.folder = driver, folder
        (folder / "saved").mkdir(exist_ok=True)

    def visit(self, address):
        self.driver.get(address)
        self.wait("return document.querySelectorAll('#model option').length > 0")

    def wait(self, script, seconds=30):
        """Waits until a script returns something, and returns that."""
        end = time.monotonic() + seconds
        while not (found := self.driver.execute_script(script)):
            assert time.monotonic() < end, (script, self.status)
            time.sleep(0.02)
        return found

    def find(self, name):
        return self.driver.find_element("id", name)

    def click(self, *names):
        for name in names:
            self.wait(f"return !document.getElementById('{name}').disabled")
            self.find(name).click()

    @property
    def status(self):
        return self.find("status").text

    def waits_for(self, words, seconds=30):
        text = "return document.getElementById('status').textContent.includes('{}')"
        self.wait(text.format(words), seconds)

    def opens(self, path, says="Paint over"):
        self.driver.execute_script("document.getElementById('status').textContent = ''")
        self.find("open").send_keys(str(path))
        self.waits_for(says)

    def set(self, name, value):
        """Sets a slider or a field as its user does."""
        script = (
            "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event('input', {bubbles: true}));"
            "e.dispatchEvent(new Event('change', {bubbles: true}))"
        )
        self.driver.execute_script(script, name, value)

    def types(self, **texts):
        """Types into fields of the model's options, instead of what is there."""
        for name, text in texts.items():
            field = self.driver.find_element("css selector", f"#options [name={name}]")
            field.clear()
            field.send_keys(str(text))

    def tool(self, name):
        self.driver.execute_script(f"document.querySelector('[value={name}]').click()")

    def run(self, says="Done", seconds=30):
        self.click("run")
        self.waits_for(says, seconds)
        self.wait("return document.getElementById('progress').hidden")

    def place(self, width, height, fill=0.97):
        """Where a picture that is fitted to the window lies: scale, left, top."""
        script = (
            "const b = document.getElementById('canvas').getBoundingClientRect();"
            "return [b.left, b.top, b.width, b.height]"
        )
        left, top, across, down = self.driver.execute_script(script)
        scale = min(across / width, down / height, 40) * fill
        return (
            scale,
            left + (across - width * scale) / 2,
            top + (down - height * scale) / 2,
        )

    def mouse(self, kind, x, y, **more):
        event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        event |= {"buttons": 0 if kind == "mouseReleased" else 1}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event | more)

    def drags(self, *points, size=None):
        """Drags the mouse along points of a fitted picture of this size, (w, h)."""
        scale, left, top = self.place(*size)
        places = [(left + x * scale, top + y * scale) for x, y in points]
        self.drags_on_screen(*places)

    def drags_on_screen(self, first, *rest):
        self.mouse("mouseMoved", *first, buttons=0)
        self.mouse("mousePressed", *first)
        for place in rest:
            self.mouse("mouseMoved", *place)
        self.mouse("mouseReleased", *(rest[-1] if rest else first))

    def wheel(self, x, y, delta, **more):
        self.mouse("mouseWheel", x, y, deltaX=0, deltaY=delta, buttons=0, **more)

    def touches(self, *steps):
        """Puts fingers down at the first step's points, moves and lifts them."""
        for i, step in enumerate(steps):
            points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(step)]
            kind = "touchMove" if i else "touchStart"
            self._touch(kind, points)
        self._touch("touchEnd", [])

    def _touch(self, kind, points):
        event = {"type": kind, "touchPoints": points}
        self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", event)

    def key(self, key, modifiers=0, kinds=("keyDown", "keyUp")):
        code = ord(key.upper()) if len(key) == 1 else CODES[key]
        for kind in kinds:
            event = {"type": kind, "key": key, "windowsVirtualKeyCode": code}
            event |= {"modifiers": modifiers, "text": "\r" * (key == "Enter")}
            self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", event)

    def saves(self, button):
        """Clicks what saves a file; returns its bytes."""
        before = set((self.folder / "saved").iterdir())
        self.click(button)
        return self.saved(before)

    def saved(self, before):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            new = set((self.folder / "saved").iterdir()) - before
            done = [p for p in new if not p.name.endswith((".crdownload", ".tmp"))]
            done = [p for p in done if not p.name.startswith(".")]
            # an empty file keeps the name until the content is moved there
            done = [p for p in done if p.stat().st_size]
            if done:
                return done[0].read_bytes()
            time.sleep(0.02)
        raise AssertionError("nothing was saved")

    def mask(self):
        """The mask as it is saved, True in the hole."""
        return pixels(self.saves("save-mask"))[..., 0] >= 128

    def addresses(self):
        """What the browser has asked for since this was called before."""
        events = [json.loads(x["message"]) for x in self.driver.get_log("performance")]
        events = [event["message"] for event in events]
        sent = [x for x in events if x["method"] == "Network.requestWillBeSent"]
        return [x["params"]["request"]["url"] for x in sent]

    def sees(self, name):
        """Whether all of something is within the window, and nothing covers it."""
        script = (
            "const e = document.getElementById(arguments[0]);"
            "const b = e.getBoundingClientRect(), y = (b.top + b.bottom) / 2;"
            "return b.top >= 0 && b.bottom <= innerHeight + 1 && b.height > 0"
            " && e.contains(document.elementFromPoint(b.left + 9, y))"
        )
        return self.driver.execute_script(script, name)

    @property
    def focus(self):
        """The identifier of what has the focus, if it has one."""
        return self.driver.execute_script("return document.activeElement.id")

    def tabs_to(self, name, modifiers=0):
        """Presses Tab until something has the focus."""
        passed = []
        while self.focus != name:
            self.key("Tab", modifiers)
            passed.append(self.focus)
            assert len(passed) < 50, passed

    def media(self, **features):
        """Lets the page see features such as prefers_color_scheme="dark"."""
        found = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": found})

    def errors(self):
        """What the browser's console complains about."""
        return [x for x in self.driver.get_log("browser") if x["level"] == "SEVERE"]


CONTROL, SHIFT = 2, 8
CODES = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
CODES |= {"Tab": 9, "Enter": 13, "Escape": 27, "Delete": 46}


def iou(found, wanted):
    """Intersection over union of two masks."""
    found, wanted = np.asarray(found, bool), np.asarray(wanted, bool)
    return (found & wanted).sum() / (found | wanted).sum()


def capsule(height, width, start, end, size):
    """What a round brush of a diameter covers between two points."""
    y, x = np.mgrid[:height, :width] + 0.5
    (ax, ay), (bx, by) = start, end
    length = max((bx - ax) ** 2 + (by - ay) ** 2, 1e-9)
    along = (((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length).clip(0, 1)
    distance = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
    return distance <= size / 2
