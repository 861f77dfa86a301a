"""What surrounds Stable Diffusion's networks: tokens, samplers."""

import json

import numpy as np
import pytest

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.stable_diffusion import samplers
from inpainting_zoo.stable_diffusion.tokenizer import (
    END,
    START,
    Tokenizer,
    clip_tokenizer,
    read_tokenizer,
    words,
)
from parity import GOLDENS, golden


def test_tokens_are_those_of_transformers():
    """Accents, emoji, numerals, many scripts, empty and long texts."""
    reference = json.loads((GOLDENS / "diffusion/clip_ids.json").read_text())
    tokenizer = clip_tokenizer()
    assert len(tokenizer.vocabulary) == 49_408 and len(reference["texts"]) == 24
    for text, ids in zip(reference["texts"], reference["ids"]):
        padded = ids + [49_407] * (77 - len(ids))
        assert tokenizer(text).tolist() == padded, text


def test_words():
    found = words("Don't  stop_2night!? Ⅷ")
    assert found == ["don", "'t", "stop", "_", "2", "night", "!?", "ⅷ"]
    assert words("") == [] and words(f"a {END}") == ["a", END]


def tiny_tokenizer(pad=END):
    """Of three letters, of which a and b merge, and then with c."""
    tokens = ["a", "b", "c", "a</w>", "b</w>", "c</w>", "ab", "abc</w>", START, END]
    return Tokenizer({t: i for i, t in enumerate(tokens)}, [("a", "b")], pad)


def test_pairs_are_merged():
    tokenizer = tiny_tokenizer("c")
    assert tokenizer.ids("abac ab") == [8, 6, 0, 5, 0, 4, 9]
    assert tokenizer("abc", 6).tolist() == [8, 6, 5, 9, 2, 2]
    assert tokenizer("abababab", 4).tolist() == [8, 6, 6, 9]


def test_tokenizers_are_read(tmp_path):
    vocabulary = tiny_tokenizer().vocabulary
    with pytest.raises(InputError, match=r"tokenizer: must hold vocab.json"):
        read_tokenizer(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    assert read_tokenizer(tmp_path).pad == END
    assert read_tokenizer(tmp_path)("ab", 4).tolist() == [8, 0, 4, 9]
    about = tmp_path / "special_tokens_map.json"
    for pad in ("a", {"content": "a", "lstrip": False}):
        about.write_text(json.dumps({"pad_token": pad}))
        assert read_tokenizer(tmp_path)("b", 4).tolist() == [8, 4, 9, 0]
    assert read_tokenizer(tmp_path, "b").pad == "b"
    (tmp_path / "merges.txt").write_text("a b c\n")
    with pytest.raises(WeightsError, match="no pair"):
        read_tokenizer(tmp_path)
    with pytest.raises(WeightsError, match="must know 'x'"):
        Tokenizer(vocabulary, [], "x")


SCHEDULES = {
    "ddim": lambda: samplers.ddim(5),
    "ddim_begin2": lambda: samplers.ddim(5, 2),
    "ddim_vpred": lambda: samplers.ddim(5),
    "ddim_trailing": lambda: samplers.ddim(5, spacing="trailing"),
    "euler": lambda: samplers.euler(5),
    "euler_linspace": lambda: samplers.euler(5, spacing="linspace"),
    "dpmpp_2m": lambda: samplers.dpm_solver(6),
    "dpmpp_2m_linspace": lambda: samplers.dpm_solver(6, spacing="linspace"),
    "dpmpp_2m_karras": lambda: samplers.dpm_solver(6, spacing="karras"),
    "pndm_plms": lambda: samplers.pndm(6),
}


@pytest.fixture(scope="module")
def arrays():
    return golden("diffusion/schedulers")


@pytest.mark.parametrize("name", SCHEDULES)
def test_samplers_are_those_of_diffusers(arrays, name):
    schedule = SCHEDULES[name]()
    assert schedule.start == pytest.approx(float(arrays[f"{name}/init_noise_sigma"]))
    check_steps(schedule, arrays, name)


@pytest.mark.parametrize("name", ["euler", "dpmpp", "dpmpp_karras"])
def test_samplers_that_begin_later_are_those_of_diffusers(name):
    arrays = golden("diffusion/schedulers_strength")
    schedule = samplers.schedule(name, 7, 4 / 7)
    picture, noise = arrays[f"{name}/picture"], arrays[f"{name}/noise"]
    start = samplers.add_noise(picture, noise, schedule.alphas[0]) / schedule.scales[0]
    np.testing.assert_allclose(start, arrays[f"{name}/samples"][0], atol=1e-5)
    check_steps(schedule, arrays, name)


def check_steps(schedule, arrays, name):
    """From fixed predictions: what the network is shown, and where each step leads."""
    np.testing.assert_allclose(schedule.timesteps, arrays[f"{name}/timesteps"])
    latents, noises = [arrays[f"{name}/samples"][0]], []
    for i, row in enumerate(schedule.rows()):
        _, alpha, scale, *weights = row
        shown = scale * latents[0]
        np.testing.assert_allclose(shown, arrays[f"{name}/model_inputs"][i], atol=1e-4)
        noise = arrays[f"{name}/model_outputs"][i]
        if name == "ddim_vpred":
            noise = alpha**0.5 * noise + (1 - alpha) ** 0.5 * shown
        noises.insert(0, noise)
        half = samplers.HISTORY
        new = sum(w * x for w, x in zip(weights[:half], latents))
        new += sum(w * e for w, e in zip(weights[half:], noises))
        latents.insert(0, new)
        np.testing.assert_allclose(new, arrays[f"{name}/samples"][i + 1], atol=1e-4)


def test_noise_of_the_diffusion(arrays):
    np.testing.assert_allclose(samplers.signal(), arrays["alphas_cumprod"], atol=1e-6)
    latents, noise = arrays["add_noise/x0"], arrays["add_noise/noise"]
    for i, t in enumerate(arrays["add_noise/timesteps"]):
        alpha = samplers.signal()[t]
        noisy = samplers.add_noise(latents, noise, alpha)
        np.testing.assert_allclose(noisy[0], arrays["add_noise/out"][i], atol=1e-5)
        moved = samplers.velocity(latents, noise, alpha)
        np.testing.assert_allclose(moved[0], arrays["velocity/out"][i], atol=1e-5)


@pytest.mark.parametrize("name", samplers.SAMPLERS)
@pytest.mark.parametrize("strength", [1.0, 0.6, 0.2])
def test_every_sampler_finds_what_the_noise_hides(name, strength):
    """Where the network knows the noise exactly, each step keeps to one picture."""
    schedule = samplers.schedule(name, 5, strength)
    data, noise = 0.3, -1.2
    rows = schedule.rows().astype(float)
    first = rows[0]
    latents = [samplers.add_noise(data, noise, first[1]) / first[2]]
    for _, _, _, *weights in rows:
        half = samplers.HISTORY
        new = sum(w * x for w, x in zip(weights[:half], latents))
        latents.insert(0, new + sum(w * noise for w in weights[half:]))
    share = samplers.signal()[0]
    # Officially these two end at the noise of the first time step, not at none.
    noisy = name in ("ddim", "pndm")
    expected = samplers.add_noise(data, noise, share) if noisy else data
    assert latents[0] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("heun", 5), "sampler: one of ddim, .* received 'heun'"),
        (("ddim", 0), "num_steps: must be a whole number, .* at most 999, received 0"),
        (("ddim", 2.0), "num_steps: .* received 2.0"),
        (("dpmpp", 999), "num_steps: must be at most 998 with the sampler dpmpp"),
        (("ddim", 5, 0), "strength: must be .* above 0 and at most 1, rec.* 0"),
        (("ddim", 5, 0.1), "strength: .* received 0.1"),
        (("ddim", 5, "all"), "strength: must be a finite number, .*received 'all'"),
    ],
)
def test_arguments_are_checked(arguments, words):
    with pytest.raises(InputError, match=words):
        samplers.schedule(*arguments)
