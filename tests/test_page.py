"""A person's way through the page, in a real browser."""

import io
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from browser import CONTROL, SHIFT, Person, browser, capsule, iou
from conftest import STORED
from inpainting_zoo import presets
from inpainting_zoo.inpainting.picture import complete_bytes
from inpainting_zoo.inpainting.reposition import reposition
from inpainting_zoo.options import ServeSettings
from inpainting_zoo.serving.serve import own_models
from inpainting_zoo.stable_diffusion.samplers import SAMPLERS
from served import (
    Negative,
    Referring,
    negative,
    noise,
    pixels,
    png,
    server,
    square,
)
from tiny_diffusion import NARROW

WIDTH, HEIGHT = 300, 200
SIZE = {"size": (WIDTH, HEIGHT)}
IMAGE = noise(HEIGHT, WIDTH)
TILTED = capsule(HEIGHT, WIDTH, (60, 60), (200, 120), 30)
KINDS = {str: "text", int: "number", float: "number", bool: "checkbox"}
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


def test_a_person_moves_a_thing(painter):
    """What is painted is dragged, nudged by keys and made smaller; then undone."""
    painter.tool("move")
    painter.drags((50, 50), (60, 60), **SIZE)
    painter.waits_for("Paint over what to move first.")
    painter.tool("rectangle")
    painter.drags((40, 40), (100, 110), **SIZE)
    mask = painter.mask()
    assert painter.find("run").text == "Remove"
    painter.tool("move")
    painter.drags((70, 70), (110, 80), (160, 100), **SIZE)
    assert painter.find("run").text == "Move"
    painter.key("ArrowRight")
    painter.key("ArrowDown", SHIFT)
    painter.set("scale", 0.5)
    painter.drags((70, 70), **SIZE)  # a click moves nothing
    painter.run()
    assert painter.find("run").text == "Remove"
    assert painter.find("scale").get_attribute("value") == "1"
    result = pixels(painter.saves("save"))
    chosen = {"scale": 0.5, "mask_dilation": 0}
    expected = reposition(Negative(), IMAGE, mask, (91, 40), **chosen).image
    np.testing.assert_array_equal(result, expected)
    assert (result != IMAGE).any(axis=2)[mask].mean() > 0.5
    scales = []
    for said in ("Move", "Move", "Move", "Move", "Remove"):  # a scale, keys, a drag
        painter.click("undo")
        assert painter.find("run").text == said
        scales.append(painter.find("scale").get_attribute("value"))
    assert scales == ["0.5", "1", "1", "1", "1"]
    assert painter.mask().sum() == mask.sum()
    painter.drags((70, 70), (110, 80), **SIZE)
    painter.click("clear")  # and another thing is removed
    painter.tool("rectangle")
    painter.drags((150, 20), (180, 60), **SIZE)
    assert painter.find("run").text == "Remove"


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


def test_the_brush_has_keys_and_a_wheel(painter):
    def becomes(size):
        script = "return document.getElementById('size-shown').textContent === '{}'"
        painter.wait(script.format(size))

    scale, left, top = painter.place(WIDTH, HEIGHT)
    x, y = left + 150 * scale, top + 100 * scale
    painter.key("]")
    becomes(36)  # a fifth more
    painter.key("[")
    becomes(30)
    painter.wheel(x, y, -100, modifiers=CONTROL)
    becomes(36)
    painter.wheel(x, y, 100, modifiers=CONTROL)
    painter.wheel(x, y, 100, modifiers=CONTROL)
    becomes(25)
    painter.drags((60, 60), (200, 120), **SIZE)  # nothing has been zoomed
    wanted = capsule(HEIGHT, WIDTH, (60, 60), (200, 120), 25)
    assert iou(painter.mask(), wanted) > 0.98


def test_tab_and_enter_are_enough(person):
    person.visit(person.address)
    person.tabs_to("open")
    person.opens(person.folder / "photo.png")  # as the dialog would, had it hands
    person.tabs_to("size")
    person.key("ArrowRight")
    brush = int(person.find("size").get_property("value"))
    person.tabs_to("canvas")
    for key in ("Enter", *["ArrowRight"] * 4, "Enter"):
        person.key(key)
    painted = person.mask()
    wanted = capsule(HEIGHT, WIDTH, (150, 100), (150 + brush, 100), brush)
    assert iou(painted, wanted) > 0.95
    person.driver.execute_script("document.getElementById('canvas').focus()")
    person.tabs_to("run")
    person.key("Enter")
    person.waits_for("Done")
    assert person.focus == "canvas"  # where it goes on
    person.tabs_to("save", SHIFT)
    before = set((person.folder / "saved").iterdir())
    person.key("Enter")
    changed = (pixels(person.saved(before)) != IMAGE).any(axis=2)
    assert (changed[painted]).all()


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
    painter.touches([at(100, 50), at(180, 50)], [at(110, 60), at(190, 60)])
    painter.touches([at(110, 60), at(190, 60)], [at(100, 50), at(180, 50)])  # and back
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
    painter.waits_for("Working, ")  # some seconds
    painter.click("cancel")
    painter.waits_for("Cancelled")
    painter.wait(
        "return fetch('/api/health').then((x) => x.json())"
        ".then(({ taken }) => taken === 0)"
    )
    waiting.set()
    assert not painter.find("save").is_enabled()
    painter.run()


def vary(painter, variants, seed=0):
    """Asks for variants from a seed on."""
    painter.wait("return document.querySelector('[name=variants]')")
    painter.driver.execute_script(
        "document.querySelector('[name=variants]').value = arguments[0];"
        "document.querySelector('[name=seed]').value = arguments[1]",
        *(variants, seed),
    )


def test_one_of_several_variants_is_chosen(painter):
    vary(painter, 3, seed=4)
    painter.drags((60, 60), (200, 120), **SIZE)
    hole = painter.mask()[..., None]
    painter.run()

    def is_saved(seed):
        wanted = np.where(hole, 255 - seed - IMAGE, IMAGE)
        return np.array_equal(pixels(painter.saves("save")), wanted)

    def pressed():
        return [button.get_attribute("aria-pressed") for button in shown]

    shown = painter.driver.find_elements("css selector", "#variants button")
    # Each shows the hole, in the square of 133 pixels around the line that was drawn.
    script = "return [...arguments[0].firstChild.getContext('2d').getImageData(80, 80, "
    script += "1, 1).data].slice(0, 3)"
    assert min(painter.driver.execute_script(script, shown[2])) >= 255 - 6 - 99
    assert [button.text for button in shown] == ["seed 4", "seed 5", "seed 6"]
    assert pressed() == ["true", "false", "false"] and is_saved(4)
    shown[2].click()
    assert pressed() == ["false", "false", "true"] and is_saved(6)
    painter.click("undo")  # the choice
    assert pressed() == ["true", "false", "false"] and is_saved(4)


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
    painter.set("mask_dilation", 2000)
    painter.click("run")
    assert painter.find("mask_dilation").is_displayed()  # its rule can be said


def test_a_model_tells_what_it_is_for(painter):
    options = painter.driver.find_elements("css selector", "#model option")
    shown = [option.text for option in options]
    assert shown[0] == "patchmatch (no weights)"
    assert "lama_faces_256 (14 MB)" in shown
    painter.set("model", "lama_big")
    text, big = painter.find("about").text, presets.about("lama_big")
    assert text.startswith("Photographs: the official big-lama; 51.0 M parameters.")
    assert "Licence of the weights: Apache-2.0." in text
    assert ("The first run downloads 206 MB." in text) != big["here"]


def test_ones_own_model_is_chosen_from_the_start(person):
    about = {"name": "mine", "description": "your own weights", "licence": ""}
    about |= {"bytes": 5_000_000, "here": True}
    with server(load, own=(about, [Negative()])) as address:
        person.visit(address)
        chosen = person.driver.find_element("css selector", "#model option:checked")
        assert chosen.text == "mine (5 MB)"
        assert person.find("about").text == "Your own weights."
        person.opens(person.folder / "photo.png")
        person.drags((60, 60), (200, 120), **SIZE)
        person.run()


def test_other_views_go_with_the_picture(person):
    """Where the model looks at some; the field is not there where it does not."""
    about = {"name": "mine", "description": "your own", "licence": ""}
    about |= {"bytes": 5_000_000, "here": True}
    model, files = Referring(), [person.folder / f"view{i}.png" for i in range(2)]
    for i, file in enumerate(files):
        Image.fromarray(IMAGE[i:]).save(file)
    with server(load, own=(about, [model])) as address:
        person.visit(address)
        person.opens(person.folder / "photo.png")
        person.wait("return !document.getElementById('references-field').hidden")
        person.find("references").send_keys("\n".join(map(str, files)))
        person.drags((60, 60), (200, 120), **SIZE)
        person.run()
        assert [x.shape[0] for x in model.seen] == [HEIGHT, HEIGHT - 1]
        widths = "return ['html', 'aside'].map(name => document.querySelector(name))"
        widths += ".every(e => e.scrollWidth <= e.clientWidth)"
        assert person.driver.execute_script(widths)  # names of files are cut off
        person.set("model", "patchmatch")
        person.wait("return document.getElementById('references-field').hidden")
        person.drags((60, 60), (200, 120), **SIZE)
        person.run()  # without them


def test_bounds_and_words_of_options(painter):
    painter.set("model", "mat_512")
    painter.wait("return document.querySelector('[name=truncation]')")
    script = "const e = document.querySelector('[name=truncation]');"
    found = painter.driver.execute_script(f"{script} return [e.min, e.max]")
    assert found == ["0", "1"]
    words = painter.driver.execute_script(f"{script} return e.parentNode.textContent")
    assert words == "Truncation1: any answer; towards 0 ever nearer to the average one"
    assert "the mean of both drawn maps, 0.5" in painter.find("options").text


def test_options_arrive_as_they_were_set(painter):
    painter.drags((60, 60), (200, 120), **SIZE)
    painter.set("model", "mat_512")  # whose truncation is 1.0, no whole number
    painter.wait("return document.querySelector('[name=truncation]')")
    painter.driver.execute_script(
        "document.querySelector('[name=truncation]').value = 0.5;"
        "document.querySelector('[name=expected]').checked = true"
    )
    painter.driver.find_element("name", "noise").send_keys("drawn")
    painter.run()
    wanted = {"truncation": 0.5, "expected": True, "noise": "drawn"}
    assert Negative.received == wanted


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory):
    """A tiny Stable Diffusion of one's own, as the service holds it."""
    from inpainting_zoo.storage.checkpoints import as_arrays, save_weights

    file = tmp_path_factory.mktemp("weights") / "mine.safetensors"
    arrays = as_arrays(presets.build("sd15_inpainting", **NARROW).use_state())
    about = {"preset": "sd15_inpainting", "overrides": NARROW}
    save_weights(file, arrays, about)
    return own_models(ServeSettings(from_weights=str(file)))


@pytest.mark.long
@pytest.mark.both_engines
def test_a_prompt_is_painted_by_ones_own_diffusion(person, diffusion):
    _, (model,) = diffusion
    photograph = person.folder / "photo.png"
    texts = {"prompt": "Oh, a red mill", "negative_prompt": "boats"}
    texts |= {"num_steps": 2, "guidance_scale": 2.5}
    chosen = {**texts, "sampler": "euler"}
    with server(own=diffusion) as address:
        person.visit(address)
        person.opens(photograph)
        person.wait("return document.querySelector('[name=prompt]')")
        script = "return [...document.getElementById('options').elements]"
        names = person.driver.execute_script(f"{script}.map(e => e.name)")
        assert names == [*model.OPTIONS, "seed", "variants"]
        kinds = person.driver.execute_script(f"{script}.map(e => e.type)")
        wanted_kinds = {k: KINDS[type(x)] for k, x in model.OPTIONS.items()}
        wanted_kinds["sampler"] = "select-one"
        assert kinds == [*wanted_kinds.values(), "number", "number"]
        script = (
            "return [...document.querySelector('[name=sampler]')].map(e => e.value)"
        )
        assert person.driver.execute_script(script) == [*SAMPLERS]
        sampler = person.driver.find_element("name", "sampler")
        assert sampler.get_property("value") == "dpmpp"
        person.set("mask_dilation", 0)
        person.drags((60, 60), (200, 120), **SIZE)
        hole = person.mask()
        person.types(num_steps=900)
        person.click("run")
        person.waits_for("Working, ")  # some seconds
        assert person.find("progress").is_displayed()
        person.click("cancel")
        person.waits_for("Cancelled; nothing has changed.")
        assert not person.find("save").is_enabled()
        person.types(**texts, seed=5)
        sampler.send_keys("euler")
        person.run("Done, seed 5.", seconds=120)  # after what was cancelled
        found = pixels(person.saves("save"))

        def wanted(**options):
            made, _ = complete_bytes(
                model, photograph.read_bytes(), png(hole), **chosen | options
            )
            return pixels(made)

        np.testing.assert_array_equal(found, wanted(seed=5))
        np.testing.assert_array_equal(found[~hole], IMAGE[~hole])
        assert (found[hole] != IMAGE[hole]).any()
        assert (found != wanted(seed=5, prompt="")).any()
        person.click("undo")
        person.types(variants=2, seed=6)
        person.run(seconds=60)
        assert person.sees("variants")
        shown = person.driver.find_elements("css selector", "#variants button")
        for seed, button in zip((6, 7), shown, strict=True):
            assert button.text == f"seed {seed}"
            button.click()
            varied = pixels(person.saves("save"))
            np.testing.assert_array_equal(varied, wanted(seed=seed))
            np.testing.assert_array_equal(varied[~hole], IMAGE[~hole])
        person.click("undo", "undo", "undo")
        assert person.sees("run") and person.sees("status")  # the form is long
        person.types(num_steps=5000)  # which the browser says is too much
        person.click("run")
        script = "return document.querySelector('[name=num_steps]').validity"
        assert person.driver.execute_script(f"{script}.rangeOverflow")
        assert not person.driver.execute_script(f"{script}.valid")


@pytest.mark.parametrize("kind", ["jpeg", "webp", "bmp"])
def test_a_photograph_is_saved_in_its_own_format(person, kind):
    photograph = person.folder / f"photo.{kind}"
    Image.fromarray(IMAGE).save(photograph, quality=95)
    person.visit(person.address)
    person.opens(photograph)
    person.drags((60, 60), (200, 120), **SIZE)
    person.run()
    person.set("format", kind)
    saved = Image.open(io.BytesIO(person.saves("save")))
    assert saved.format.lower() == kind and saved.size == (WIDTH, HEIGHT)


def test_a_turned_photograph_comes_back_upright_with_its_profile(person):
    path, exif = person.folder / "turned.jpg", Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    stored = Image.fromarray(np.ascontiguousarray(STORED[6](IMAGE)))
    stored.save(path, exif=exif, icc_profile=profile, quality=95)
    with Image.open(path) as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture))
    person.visit(person.address)
    person.opens(path, says=f"{WIDTH} × {HEIGHT} pixels")
    person.set("mask_dilation", 0)
    person.tool("rectangle")
    person.drags((50, 20), (250, 60), **SIZE)
    person.run()
    saved = person.saves("save")
    changed = (pixels(saved) != upright).any(axis=2)
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[20:60, 50:250] = True
    np.testing.assert_array_equal(changed, hole)
    person.set("format", "jpeg")
    for content in (saved, person.saves("save")):
        picture = Image.open(io.BytesIO(content))
        assert picture.size == (WIDTH, HEIGHT)
        assert picture.info["icc_profile"] == profile and not picture.getexif()


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


@pytest.mark.parametrize("width", [320, 360])
def test_a_phone_has_room_for_all_of_it(painter, width):
    screen = {"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    painter.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        script = "return document.documentElement.scrollWidth"
        assert painter.driver.execute_script(script) <= width
        painter.drags((60, 60), (200, 120), **SIZE)
        assert iou(painter.mask(), TILTED) > 0.98
        vary(painter, 3)
        painter.run()
        assert painter.find("compare-bar").is_displayed()
        assert painter.driver.execute_script(script) <= width
        painter.driver.execute_script("scrollTo(0, document.body.scrollHeight)")
        assert painter.sees("variants") and painter.sees("status")
    finally:
        painter.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_has_a_name_for_a_screen_reader(painter):
    vary(painter, 3)
    painter.drags((60, 60), (200, 120), **SIZE)
    painter.run()
    painter.set("model", "mat_512")  # which has a choice of noise
    painter.wait("return document.querySelector('[name=noise]')")
    painter.tool("move")  # which has a scale
    painter.driver.execute_script(
        "document.querySelectorAll('details').forEach((e) => { e.open = true; })"
    )
    tree = painter.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
    roles = {"button", "slider", "spinbutton", "combobox", "radio", "checkbox"}
    roles |= {"Canvas"}
    found = [n for n in tree["nodes"] if n.get("role", {}).get("value") in roles]
    assert {n["role"]["value"] for n in found} == roles
    script = "return document.querySelectorAll('input, button, select, #canvas').length"
    hidden = 2  # Cancel, while nothing runs; other views, where the model sees none
    assert len(found) == painter.driver.execute_script(script) - hidden
    assert [n for n in found if not n["name"].get("value", "").strip()] == []


TEXTS = """
    const opaque = (e) => {
      const colour = getComputedStyle(e).backgroundColor;
      return colour.startsWith("rgb(") ? colour : opaque(e.parentElement);
    };
    return [...document.body.querySelectorAll("*")].filter((e) =>
      e.checkVisibility() && !e.disabled && !e.matches("option")
      && ([...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
          || e.matches("input:not([type=range], [type=radio])"))
    ).map((e) => [e.id || e.textContent.trim() || e.name,
                  getComputedStyle(e).color, opaque(e)]);
"""


def luminance(colour):
    """The relative luminance, as WCAG has it, of "rgb(r, g, b)"."""
    assert colour.startswith("rgb("), colour
    values = np.array([int(x) for x in colour[4:-1].split(",")]) / 255
    linear = np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )
    return linear @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_every_text_can_be_read(painter, scheme, is_dark):
    path = painter.folder / "notes.txt"
    path.write_text("no picture")
    painter.media(prefers_color_scheme=scheme)
    try:
        painter.driver.execute_script("document.getElementById('keys').open = true")
        painter.drags((60, 60), (200, 120), **SIZE)
        found = painter.driver.execute_script(TEXTS)
        painter.run()
        found += painter.driver.execute_script(TEXTS)
        painter.opens(path, says="is no picture")
        found += painter.driver.execute_script(TEXTS)
    finally:
        painter.media(prefers_color_scheme="")
    assert len(found) > 100
    for name, *colours in found:
        ink, ground = map(luminance, colours)
        assert (ink > ground) == is_dark or name in ("run", "Brush"), name
        ratio = (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05)
        assert ratio >= 4.5, (name, colours, ratio)


def test_nothing_is_asked_of_another_host(person):
    person.addresses()
    person.visit(person.address)
    person.opens(person.folder / "photo.png")
    person.drags((60, 60), (200, 120), **SIZE)
    person.run()
    person.saves("save")
    asked = [urlsplit(x) for x in person.addresses()]
    assert "/api/inpaint" in {address.path for address in asked}
    hosts = {address.netloc for address in asked if address.scheme != "blob"}
    assert hosts == {urlsplit(person.address).netloc}


def test_the_browser_runs_no_script_but_the_pages_own(person):
    person.visit(person.address)
    found = person.driver.execute_async_script(
        """
        const [done] = arguments, refused = [];
        addEventListener("securitypolicyviolation", (event) => {
          refused.push(event.effectiveDirective);
          if (refused.length === 4) done([refused.sort(), window.foreign ?? null]);
        });
        const script = document.createElement("script");
        script.textContent = "window.foreign = 1";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", "<p style='color: red'></p>");
        new Image().src = "http://127.0.0.2/x.png";
        fetch("http://127.0.0.2/").catch(() => {});
        """
    )
    refused = ["connect-src", "img-src", "script-src-elem", "style-src-attr"]
    assert found == [refused, None]
    person.errors()  # of which the console complains


def timed(person, act):
    """Milliseconds, by the page's clock, until what was done is on the screen."""
    start = person.driver.execute_script("return performance.now()")
    act()
    frame = "requestAnimationFrame(() => requestAnimationFrame(() => {}))"
    frame = frame.replace("{}", "arguments[0](performance.now())")
    return round(person.driver.execute_async_script(frame) - start)


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
    drag = (1000, 1000), (3000, 2000)
    record_property("open in ms", timed(person, lambda: person.opens(path)))
    person.set("mask_dilation", 0)
    person.set("size", 300)
    for name, act in (
        ("stroke", lambda: person.drags(*drag, size=(side, other))),
        ("undo", lambda: person.click("undo")),
        ("redo", lambda: person.click("redo")),
        ("run", lambda: person.run(seconds=180)),
    ):
        record_property(f"{name} in ms", timed(person, act))
    longest = person.driver.execute_script("return window.longest")
    record_property("longest task in ms", longest)
    assert longest < 2000
    changed = (pixels(person.saves("save")) != blocks).any(axis=2)
    wanted = capsule(other, side, (1000, 1000), (3000, 2000), 300)
    assert iou(changed, wanted) > 0.98
