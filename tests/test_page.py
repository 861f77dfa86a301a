"""A person's way through the page, in a real browser."""

import threading

import numpy as np
import pytest
from PIL import Image

from browser import CONTROL, SHIFT, Person, browser, capsule, iou
from served import Negative, negative, noise, pixels, png, server, square

WIDTH, HEIGHT = 300, 200
SIZE = {"size": (WIDTH, HEIGHT)}
IMAGE = noise(HEIGHT, WIDTH)
TILTED = capsule(HEIGHT, WIDTH, (60, 60), (200, 120), 30)
waiting = threading.Event()  # holds the model that "gmcnn_faces_128" stands for


class Slow(Negative):
    """A model that waits until it may."""

    def predict_images(self, images, masks, seed=0, **options):
        waiting.wait(30)
        return 255 - images


def load(name):
    return Slow() if name == "gmcnn_faces_128" else negative(name)


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    """A person before the page."""
    folder = tmp_path_factory.mktemp("browser")
    Image.fromarray(IMAGE).save(folder / "photo.png")
    driver = browser(folder)
    try:
        with server(load) as address:
            person = Person(driver, folder)
            person.address = address
            yield person
    finally:
        driver.quit()


@pytest.fixture
def painter(person):
    """The person with a picture open, a brush of 30 pixels and no widening."""
    person.visit(person.address)
    person.opens(person.folder / "photo.png")
    person.set("size", 30)
    person.set("mask_dilation", 0)
    return person


def test_a_person_removes_a_thing(painter):
    painter.drags((60, 60), (130, 90), (200, 120), **SIZE)
    painted = painter.mask()
    assert iou(painted, TILTED) > 0.98
    painter.run()
    result = pixels(painter.saves("save"))
    changed = (result == 255 - IMAGE).all(axis=2)
    assert iou(changed, painted) == 1  # what the service saw is what was painted
    np.testing.assert_array_equal(result[~painted], IMAGE[~painted])
    assert painter.find("compare-bar").is_displayed()
    painter.click("undo")  # the result
    assert painter.mask().sum() == painted.sum()
    painter.click("undo")  # the stroke
    assert not painter.mask().any()
    assert not painter.find("undo").is_enabled()
    painter.click("redo", "redo")
    np.testing.assert_array_equal(pixels(painter.saves("save")), result)
    assert painter.errors() == []


def shown(painter, x, y):
    """The colour that the screen shows at a point of the picture."""
    scale, left, top = painter.place(WIDTH, HEIGHT)
    script = (
        "const c = document.getElementById('canvas'), b = c.getBoundingClientRect();"
        "return [...c.getContext('2d').getImageData("
        "arguments[0] - b.left, arguments[1] - b.top, 1, 1).data.slice(0, 3)]"
    )
    painter.driver.execute_async_script(
        "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
    )
    place = (left + (x + 0.5) * scale, top + (y + 0.5) * scale)
    return np.array(painter.driver.execute_script(script, *place))


def test_the_original_is_shown_by_key_and_slider(painter):
    painter.tool("rectangle")
    painter.drags((50, 50), (250, 150), **SIZE)
    painter.run()
    before, after = IMAGE[100, 100], 255 - IMAGE[100, 100]

    def is_near(colour):
        return np.abs(shown(painter, 100, 100) - colour.astype(int)).max() < 12

    assert is_near(after)
    painter.key("o", kinds=("rawKeyDown",))
    assert is_near(before)
    painter.key("o", kinds=("keyUp",))
    assert is_near(after)
    painter.set("compare", 60)
    assert is_near(before)
    painter.set("compare", 20)
    assert is_near(after)


def test_it_goes_on_from_the_result(painter):
    painter.tool("rectangle")
    painter.drags((50, 50), (100, 100), **SIZE)
    painter.run()
    assert not painter.find("run").is_enabled()  # the mask was not kept
    painter.click("keep")
    painter.drags((80, 80), (150, 150), **SIZE)
    second = painter.mask()
    painter.run()
    assert iou(painter.mask(), second) == 1
    changed = (pixels(painter.saves("save")) != IMAGE).any(axis=2)
    first = np.zeros_like(second)
    first[50:100, 50:100] = True
    np.testing.assert_array_equal(changed, first ^ second)  # twice is not at all


def test_the_rectangle_is_exact_and_the_lasso_follows(painter):
    painter.tool("rectangle")
    painter.drags((210, 150), (40, 20), **SIZE)
    wanted = np.zeros((HEIGHT, WIDTH), bool)
    wanted[20:150, 40:210] = True
    assert iou(painter.mask(), wanted) == 1
    painter.click("undo")
    painter.tool("lasso")
    painter.drags((50, 50), (250, 50), (250, 150), **SIZE)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    triangle = (x < 250) & (y > 50) & (x - 50 > 2 * (y - 50))
    assert iou(painter.mask(), triangle) > 0.98


def test_the_eraser_takes_away(painter):
    painter.drags((50, 100), (250, 100), **SIZE)
    painter.tool("eraser")
    painter.set("size", 20)
    painter.drags((150, 50), (150, 150), **SIZE)
    drawn = capsule(HEIGHT, WIDTH, (50, 100), (250, 100), 30)
    erased = capsule(HEIGHT, WIDTH, (150, 50), (150, 150), 20)
    assert iou(painter.mask(), drawn & ~erased) > 0.98


def test_a_mask_is_saved_loaded_inverted_and_cleared(painter):
    painter.drags((60, 60), (200, 120), **SIZE)
    painted = painter.mask()
    path = painter.folder / "mask.png"
    path.write_bytes(png(painted.astype(np.uint8) * 255))
    painter.click("clear")
    assert not painter.find("run").is_enabled() and not painter.mask().any()
    painter.find("open-mask").send_keys(str(path))
    painter.wait("return !document.getElementById('run').disabled")
    assert iou(painter.mask(), painted) == 1
    painter.click("invert")
    assert iou(painter.mask(), ~painted) == 1
    painter.click("invert")
    painter.run()
    changed = (pixels(painter.saves("save")) != IMAGE).any(axis=2)
    assert iou(changed, painted) == 1


def test_a_mask_of_another_shape_is_refused(painter):
    path = painter.folder / "other.png"
    path.write_bytes(png(square(50, 50, 10, 10, 20)))
    painter.find("open-mask").send_keys(str(path))
    painter.waits_for("A mask for 300 × 200 pixels was expected")


def test_what_is_painted_after_zooming_and_dragging_is_where_it_was_seen(painter):
    scale, left, top = painter.place(WIDTH, HEIGHT)
    x, y = left + 100 * scale, top + 80 * scale
    painter.wheel(x, y, -1000)
    factor = np.exp(1.5)
    painter.key(" ", kinds=("rawKeyDown",))
    painter.drags_on_screen((x, y), (x + 30, y - 20))
    painter.key(" ", kinds=("keyUp",))
    x, y = x + 30, y - 20  # where the point (100, 80) is now
    painter.set("size", 10)
    painter.drags_on_screen((x, y), (x + 20 * scale * factor, y))
    assert iou(painter.mask(), capsule(HEIGHT, WIDTH, (100, 80), (120, 80), 10)) > 0.95
    painter.click("zoom-fit")
    painter.drags((30, 150), (60, 150), **SIZE)
    wanted = capsule(HEIGHT, WIDTH, (100, 80), (120, 80), 10)
    wanted |= capsule(HEIGHT, WIDTH, (30, 150), (60, 150), 10)
    assert iou(painter.mask(), wanted) > 0.95


def test_the_keyboard_is_enough(painter):
    painter.driver.execute_script("document.getElementById('canvas').focus()")
    painter.set("size", 40)
    painter.key("ArrowLeft", SHIFT)
    painter.key("Enter")
    for _ in range(6):
        painter.key("ArrowRight")
    painter.key("Enter")
    wanted = capsule(HEIGHT, WIDTH, (110, 100), (170, 100), 40)
    assert iou(painter.mask(), wanted) > 0.97
    painter.key("z", CONTROL)
    assert not painter.mask().any()
    painter.key("z", CONTROL | SHIFT)
    painter.key("i")
    assert iou(painter.mask(), ~wanted) > 0.97
    painter.key("i")
    size = int(painter.find("size").get_property("value"))
    painter.key("]")
    assert int(painter.find("size").get_property("value")) > size
    painter.key("e")
    script = "return document.querySelector('[name=tool]:checked').value"
    assert painter.driver.execute_script(script) == "eraser"
    painter.key("r")
    painter.waits_for("Done")


def test_fingers_paint_and_pinch(painter):
    painter.driver.execute_cdp_cmd(
        "Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2}
    )
    scale, left, top = painter.place(WIDTH, HEIGHT)

    def at(x, y):
        return left + x * scale, top + y * scale

    painter.touches([at(60, 60)], [at(130, 90)], [at(200, 120)])
    painted = painter.mask()
    assert iou(painted, TILTED) > 0.95
    painter.touches([at(130, 100), at(170, 100)], [at(90, 100), at(210, 100)])
    assert iou(painter.mask(), painted) == 1  # two fingers do not paint
    painter.set("size", 10)
    painter.touches([at(150, 160)], [at(210, 160)])  # three times as large now
    wanted = capsule(HEIGHT, WIDTH, (150, 120), (170, 120), 10)
    assert (painter.mask() & wanted).sum() > 0.9 * wanted.sum()
    painter.driver.execute_cdp_cmd(
        "Emulation.setTouchEmulationEnabled", {"enabled": False}
    )


def test_a_run_can_be_cancelled(painter):
    waiting.clear()
    painter.drags((60, 60), (200, 120), **SIZE)
    painter.set("model", "gmcnn_faces_128")
    painter.click("run")
    painter.waits_for("Working, 1 s")
    painter.click("cancel")
    painter.waits_for("Cancelled")
    waiting.set()
    assert not painter.find("save").is_enabled()
    painter.run()


def test_variants_are_offered_where_a_model_draws(painter):
    painter.wait("return document.querySelector('[name=variants]')")
    painter.driver.execute_script("document.querySelector('[name=variants]').value = 3")
    painter.drags((60, 60), (200, 120), **SIZE)
    painter.run()
    shown = painter.driver.find_elements("css selector", "#variants button")
    pressed = [button.get_attribute("aria-pressed") for button in shown]
    assert pressed == ["true", "false", "false"]
    shown[2].click()
    pressed = [button.get_attribute("aria-pressed") for button in shown]
    assert pressed == ["false", "false", "true"]


def test_options_are_those_that_the_model_declares(painter):
    names = "return [...document.getElementById('options').elements].map(e => e.name)"
    painter.wait(f"{names}.includes('patch_size')")
    found = painter.driver.execute_script(names)
    assert found == ["patch_size", "seed", "variants"]
    painter.drags((60, 60), (200, 120), **SIZE)
    painter.set("mask_dilation", 3)
    painter.set("feathering", 5)
    painter.click("run")
    painter.waits_for("feathering: must be at most")
    assert "error" in painter.find("status").get_attribute("class")


def test_options_arrive_as_they_were_set(painter):
    painter.drags((60, 60), (200, 120), **SIZE)
    painter.set("model", "mat_512")  # whose truncation is 1.0, no whole number
    painter.wait("return document.querySelector('[name=truncation]')")
    painter.driver.execute_script(
        "document.querySelector('[name=truncation]').value = 0.5;"
        "document.querySelector('[name=expected]').checked = true"
    )
    painter.run()
    wanted = {"truncation": 0.5, "expected": True, "noise": "stored"}
    assert Negative.received == wanted


def test_a_photograph_is_saved_in_its_own_format(person):
    photograph = person.folder / "photo.jpg"
    Image.fromarray(IMAGE).save(photograph, quality=95)
    person.visit(person.address)
    person.opens(photograph)
    person.drags((60, 60), (200, 120), **SIZE)
    person.run()
    person.set("format", "jpeg")
    saved = person.saves("save")
    assert saved.startswith(b"\xff\xd8") and pixels(saved).shape == IMAGE.shape


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(person, way):
    person.visit(person.address)
    script = """
        const [bytes, way, done] = arguments;
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "x.png", {type: "image/png"}));
        const event = way === "drop"
          ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
          : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
        document.getElementById("empty").dispatchEvent(event);
        done();
    """
    person.driver.execute_async_script(script, list(png(IMAGE)), way)
    person.waits_for("300 × 200 pixels")


def test_a_pen_paints(painter):
    scale, left, top = painter.place(WIDTH, HEIGHT)
    places = [(left + x * scale, top + y * scale) for x, y in ((60, 60), (200, 120))]
    pen = {"pointerType": "pen"}
    painter.mouse("mousePressed", *places[0], **pen)
    painter.mouse("mouseMoved", *places[1], **pen)
    painter.mouse("mouseReleased", *places[1], **pen)
    assert iou(painter.mask(), TILTED) > 0.98


def test_a_text_file_is_refused_in_a_line(painter):
    path = painter.folder / "notes.png"
    path.write_text("no picture")
    painter.opens(path, says="is no picture that this browser can show")
    painter.drags((60, 60), (200, 120), **SIZE)
    painter.run()  # what was open still is


def test_a_service_that_is_gone_is_said(person):
    with server(load) as address:
        person.visit(address)
        person.opens(person.folder / "photo.png")
        person.drags((60, 60), (200, 120), **SIZE)
        person.wait("return !document.getElementById('run').disabled")
    person.click("run")
    person.waits_for("The service does not answer")
    assert person.find("run").is_enabled()


def test_a_phone_has_room_for_all_of_it(painter):
    screen = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    painter.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        script = "return document.documentElement.scrollWidth"
        assert painter.driver.execute_script(script) <= 360
        painter.drags((60, 60), (200, 120), **SIZE)
        assert iou(painter.mask(), TILTED) > 0.98
    finally:
        painter.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_has_a_name_for_a_screen_reader(painter):
    tree = painter.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
    roles = {
        "button",
        "slider",
        "spinbutton",
        "combobox",
        "radio",
        "checkbox",
        "Canvas",
    }
    found = [n for n in tree["nodes"] if n.get("role", {}).get("value") in roles]
    assert len(found) > 15
    assert [n for n in found if not n["name"].get("value", "").strip()] == []


@pytest.mark.long
def test_24_megapixels_do_not_freeze(person, record_property):
    side, other = 6000, 4000
    path = person.folder / "large.png"
    blocks = noise(other // 40, side // 40).repeat(40, 0).repeat(40, 1)
    Image.fromarray(blocks).save(path, compress_level=1)
    person.visit(person.address)
    person.driver.execute_script(
        "window.longest = 0; new PerformanceObserver(list => list.getEntries().forEach("
        "e => window.longest = Math.max(window.longest, e.duration)))"
        ".observe({entryTypes: ['longtask']})"
    )
    person.opens(path)
    person.set("mask_dilation", 0)
    person.set("size", 300)
    person.drags((1000, 1000), (3000, 2000), size=(side, other))
    person.run()
    longest = person.driver.execute_script("return window.longest")
    record_property("longest task in ms", longest)
    assert longest < 2000
    changed = (pixels(person.saves("save")) != blocks).any(axis=2)
    wanted = capsule(other, side, (1000, 1000), (3000, 2000), 300)
    assert iou(changed, wanted) > 0.98
