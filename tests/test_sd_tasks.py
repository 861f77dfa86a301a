"""Task inversion and harmonization: losses by hand, files, what use makes of them."""

import json

import numpy as np
import pytest
from keras import ops
from PIL import Image
from safetensors.numpy import load_file, save_file

from inpainting_zoo import chosen, cli, presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.inpainting.inpaint import load
from inpainting_zoo.options import EvaluateSettings, InpaintSettings, ServeSettings
from inpainting_zoo.stable_diffusion import samplers
from inpainting_zoo.stable_diffusion.tasks import LENGTH, TASKS, read_adapter
from inpainting_zoo.storage.checkpoints import as_arrays, load_weights, save_weights
from parity import difference
from tiny_diffusion import NARROW

pytestmark = pytest.mark.both_engines
ABOUT = {"preset": "sd15_inpainting", "overrides": NARROW}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of all networks."""
    path = tmp_path_factory.mktemp("weights") / "all.safetensors"
    model = presets.build("sd15_inpainting", **NARROW)
    save_weights(path, as_arrays(model.use_state()), ABOUT)
    return path


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    """Files of LoRA and of a prompt, of random numbers, and the model that has them."""
    folder, rng = tmp_path_factory.mktemp("adapters"), np.random.default_rng(0)
    about = {**ABOUT, "overrides": {**NARROW, "lora_rank": 3}}
    model = presets.build("sd15_inpainting", **about["overrides"], tasks=["harmonize"])
    for part in ("lora", "harmonize"):
        state = model.use_state(part)
        for variable in state.values():
            variable.assign(rng.normal(size=variable.shape))
        path = folder / f"{part}.safetensors"
        save_weights(path, as_arrays(state), about, model.file_names)
    prompt = {"remove/remove/prompt": rng.normal(size=(LENGTH, 4)).astype("float32")}
    save_weights(folder / "remove.safetensors", prompt, ABOUT)
    return folder, model


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    hole = np.zeros((16, 16), np.uint8)
    hole[4:12, 3:9] = 1
    return rng.integers(0, 256, (16, 16, 3), np.uint8), hole


def test_what_a_file_has_on_record_holds_with_a_preset(tmp_path):
    """Unless another value is given; of another preset it must be the same."""
    told = {"predicts": "velocity", "pad_token": "!"}
    model = presets.build("sd15_inpainting", **NARROW, **told)
    arrays, path = as_arrays(model.use_state()), tmp_path / "a.safetensors"
    save_weights(path, arrays, {**ABOUT, "overrides": {**NARROW, **told}})
    loaded = presets.load("sd15_inpainting", path)
    assert loaded.pad_token == "!" and loaded.target is samplers.velocity
    assert presets.load("sd15_inpainting", path, pad_token="a").pad_token == "a"
    by_file, _ = presets.load_file(path, predicts="noise")
    assert (by_file.pad_token, by_file.target) == ("!", samplers.PREDICTS["noise"][0])
    with pytest.raises(InputError, match=r"arguments are .* received 'pad'"):
        presets.load("sd15_inpainting", path, pad="a")

    save_weights(path, arrays, {"preset": "sd2_inpainting", "overrides": NARROW})
    words = "taken as sd2_inpainting .* pad_token '!', received sd15_inpainting with"
    with pytest.raises(WeightsError, match=words):
        presets.load("sd15_inpainting", path, **NARROW)
    loaded = presets.load("sd15_inpainting", path, **NARROW, pad_token="!")
    assert loaded.pad_token == "!"
    about = {"preset": "sd_small", "overrides": {**NARROW, "predicts": "noise"}}
    save_weights(path, arrays, about)
    with pytest.raises(
        WeightsError, match=r"latent_scale 0\.0, received sd15_inpainting"
    ):
        presets.load("sd15_inpainting", path, **NARROW)


def test_weights_are_held_in_the_precision_of_a_command(weights, picture, tmp_path):
    """Known pixels stay as they are; a folder's recipe tells the precision."""
    where = {"from_weights": str(weights), "output_path": str(tmp_path)}
    settings = InpaintSettings(**where, mixed_precision="bfloat16")
    (model, recipe), (_, plain) = load(settings), load(InpaintSettings(**where))
    assert {v.dtype for v in model.use_state().values()} == {"bfloat16"}
    image, hole = picture
    completed = model.inpaint(image, hole, num_steps=2)
    np.testing.assert_array_equal(completed[hole == 0], image[hole == 0])
    assert recipe.split() == [*plain.split(), "bfloat16"]
    with pytest.raises(InputError, match="mixed_precision: must be float32 for mat_"):
        EvaluateSettings(preset="mat_512", mixed_precision="float16")
    with pytest.raises(InputError, match="must be float32 for patchmatch, received b"):
        load(InpaintSettings(mixed_precision="bfloat16"))
    with pytest.raises(InputError, match="mixed_precision: needs a model that is nam"):
        ServeSettings(mixed_precision="bfloat16")
    arrays = {k: np.array(a) for k, a in load_weights(weights)[0].items()}
    arrays["unet/conv_in/bias"] += 1e5
    save_weights(tmp_path / "large.safetensors", arrays, ABOUT)
    where["from_weights"] = str(tmp_path / "large.safetensors")
    with pytest.raises(
        WeightsError, match=r"must be finite in float16, received .*/bia"
    ):
        load(InpaintSettings(**where, mixed_precision="float16"))


def test_one_picture_reads_no_weights_twice(weights, picture, tmp_path, monkeypatch):
    """Their digest is for what is recorded, such as a folder's ledger."""
    hashed = []
    monkeypatch.setattr(chosen, "digests", lambda f, _: hashed.append(f) or {f: "1"})
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for folder, array in zip(("images", "masks"), (picture[0], 255 * picture[1])):
        Image.fromarray(array).save(tmp_path / folder / "a.png")
    for name, out, count in (("a.png", "one.png", 0), ("", "all", 1)):
        words = ["-image", tmp_path / "images" / name, "-from_weights", weights]
        words += ["-mask", tmp_path / "masks" / name, "-save_to"]
        words += [tmp_path / out, "-with", "num_steps=1"]
        assert cli.main(["inpaint", *map(str, words)]) == 0
        assert len(hashed) == count


def test_loras_file_has_the_names_of_diffusers(adapters):
    folder, model = adapters
    file = folder / "lora.safetensors"
    held = load_file(file)
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0"
    assert held[f"unet.{layer}.lora_A.weight"].shape == (3, 4)
    assert {name.split(".lora_")[1] for name in held} == {"A.weight", "B.weight"}
    ours, _ = load_weights(file)
    for name, variable in model.use_state("lora").items():
        np.testing.assert_array_equal(ours[name], ops.convert_to_numpy(variable))


def test_files_of_others_are_read(adapters, tmp_path):
    """Without what we add, by former names, and with a factor on record."""
    folder, _ = adapters
    arrays, path = load_file(folder / "lora.safetensors"), tmp_path / "lora.safetensors"
    ours = dict(load_weights(folder / "lora.safetensors")[0])

    def check(renamed, factor=1, metadata=None):
        save_file(renamed, path, metadata)
        found = read_adapter(path)
        assert set(found) == set(ours)
        for name, array in found.items():
            scaled = ours[name] * (factor if "lora_B" in name else 1)
            np.testing.assert_allclose(array, scaled, rtol=1e-6)

    check(arrays)
    about = {"unet.r": 3, "unet.lora_alpha": 6}
    check(arrays, 2, {"lora_adapter_metadata": json.dumps(about)})
    former = {}
    for name, array in arrays.items():
        layer, end = name.removeprefix("unet.").split(".lora_")
        end = "down.weight" if end == "A.weight" else "up.weight"
        block, projection = layer.split(".to_")
        former[f"{block}.processor.to_{projection.split('.')[0]}_lora.{end}"] = array
    check(former)
    ends = {".lora_A.": ".lora.down.", ".lora_B.": ".lora.up."}
    check({n.replace(end := n[-14:-6], ends[end]): a for n, a in arrays.items()})
    save_file({**arrays, "text_encoder.x": np.zeros(1, "float32")}, path)
    with pytest.raises(WeightsError, match=r"adapters: .*text_encoder\.x"):
        read_adapter(path)


def test_what_adapters_cannot_hold_is_named(weights, adapters, tmp_path):
    folder, path = adapters[0], tmp_path / "other.safetensors"
    lora = folder / "lora.safetensors"
    arrays = load_file(lora)

    def refuse(words, *files):
        with pytest.raises((InputError, WeightsError), match=words):
            presets.load("sd15_inpainting", weights, files)
        with pytest.raises((InputError, WeightsError), match=words):
            presets.load_file(weights, adapters=files)

    layer = "unet.down_blocks.0.attentions.0.proj_in"
    ends = {
        "lora_A": np.zeros((3, 4), "float32"),
        "lora_B": np.zeros((4, 3), "float32"),
    }
    others = {f"{layer}.{end}.weight": array for end, array in ends.items()}
    save_file({**arrays, **others}, path)
    refuse(r"adapters: .*other.safetensors must .*2 \(lora/lora/down_.*proj_in", path)
    save_file(arrays, path)
    refuse("adapters: must hold a part once, received lora in .*lora.saf", lora, path)
    first = next(name for name in arrays if name.endswith("lora_A.weight"))
    alpha = first.replace(".lora_A.weight", ".alpha")
    save_file({**arrays, alpha: np.ones(2, "float32")}, path)
    refuse(r"must hold one number as unet.*\.alpha, received shape \(2,\)", path)
    save_file({**arrays, first: np.array(1, "float32")}, path)
    refuse("LoRA of one rank, 1 or more, received 3, a number", path)
    save_file(
        {n: a[:0] if "lora_A" in n else a[:, :0] for n, a in arrays.items()}, path
    )
    refuse("LoRA of one rank, 1 or more, received 0", path)


@pytest.mark.long
def test_one_backbone_serves_all_tasks(weights, adapters, picture):
    """LoRA counts for texts and for harmonization, not for other tasks."""
    folder, _ = adapters
    files = [folder / f"{n}.safetensors" for n in ("lora", "remove", "harmonize")]
    model = presets.load("sd15_inpainting", weights, files, **NARROW)
    plain = presets.load("sd15_inpainting", weights, files[1:2], **NARROW)
    chosen = {"num_steps": 2, "guidance_scale": 2.0}

    def both(**options):
        return [m.inpaint(*picture, **chosen, **options) for m in (model, plain)]

    np.testing.assert_array_equal(*both(task="remove"))
    adapted, without = both()
    assert (adapted != without).any()
    none = model.inpaint(*picture, **chosen, lora_scale=0)
    np.testing.assert_array_equal(none, without)
    assert (both(task="remove")[0] != without).any()
    image, hole = picture
    other = image.copy()
    other[5:7, 4:6] = 255 - other[5:7, 4:6]  # inside the hole
    same = {"guidance_scale": 1.0, "num_steps": 1}
    for task, seen in (("remove", False), ("harmonize", True)):
        found = [model.inpaint(x, hole, task=task, **same) for x in (image, other)]
        assert (found[0] != found[1]).any() == seen, task
        np.testing.assert_array_equal(found[0][hole == 0], image[hole == 0])
    for options, words in (
        ({"task": "complete"}, "task: one of remove, harmonize, received 'complete'"),
        ({"task": "remove", "prompt": "a"}, "prompt: must not be given with a task"),
        ({"lora_scale": -1}, "lora_scale: must be .* at least 0, received -1"),
        ({"task": "harmonize", "repaint": True}, "repaint: must be false with the"),
    ):
        with pytest.raises(InputError, match=words):
            model.inpaint(*picture, **options)
    with pytest.raises(InputError, match="lora_scale: needs a model with LoRA"):
        plain.inpaint(*picture, lora_scale=0.5)
    with pytest.raises(InputError, match="adapters: must not be given for patchmatch"):
        presets.load("patchmatch", adapters=files)


@pytest.mark.parametrize("predicts", ["noise", "velocity"])
def test_the_loss_of_harmonization(predicts):
    """Of a network that all but knows noise + x - x*, and what it is shown."""
    options = NARROW | {"tasks": ["harmonize"], "predicts": predicts}
    model = presets.build("sd15_inpainting", **options)
    rng = np.random.default_rng(0)
    image, target = rng.uniform(-1, 1, (2, 1, 16, 16, 3)).astype("float32")
    mask = np.zeros((1, 16, 16, 1), "float32")
    mask[:, 8:] = 1
    batch = {"image": image, "target": target, "mask": mask}
    batch = {name: ops.convert_to_tensor(x) for name, x in batch.items()}
    inputs = model.task_inputs("harmonize", batch)
    x, goal = (
        ops.convert_to_numpy(model.encode({"image": batch[k]}))
        for k in ("image", "target")
    )
    noise = rng.normal(size=x.shape).astype("float32")
    alpha, meant, seen = samplers.signal()[700], noise + x - goal - 0.5, []
    if predicts == "velocity":  # which means this noise in the noisy target
        shown = samplers.add_noise(goal, noise, alpha)
        meant = (meant - (1 - alpha) ** 0.5 * shown) / alpha**0.5

    def answer(given, training):
        seen.extend(given)
        return ops.convert_to_tensor(meant.astype("float32"))

    model.unet = answer
    prompt = model._prompts_of("harmonize", 1)
    loss, _ = model.denoising_loss(
        **inputs, noise=noise, timestep=np.array([700]), prompt=prompt
    )
    assert float(loss) == pytest.approx(0.25, rel=1e-4)
    shown = samplers.add_noise(goal, noise, alpha)
    expected = np.concatenate([shown, np.ones((1, 2, 2, 1)) * [[[0]], [[1]]], x], -1)
    assert difference(seen[0], expected) < 1e-5  # the mask's lower row is the hole
    assert seen[2].shape == (1, LENGTH, 4)


@pytest.mark.parametrize("sampler", ["ddim", "euler", "dpmpp", "pndm"])
def test_harmonization_ends_at_the_target(sampler):
    """Sampled with a network that predicts Equation 2 of its loss without error.

    The latent of the composite is 1, that of the target 0; samples go a little beyond.
    """
    plan = samplers.schedule(sampler, 30)
    latents, noises = [1.5 * plan.start], []
    for i, (alpha, scale) in enumerate(zip(plan.alphas, plan.scales)):
        noise = latents[-1] * scale / (1 - alpha) ** 0.5
        noises.append(noise + 1)
        latents.append(
            sum(w * x for w, x in zip(plan.latents[i], latents[::-1]))
            + sum(w * x for w, x in zip(plan.noises[i], noises[::-1]))
        )
    assert -0.3 < latents[-1] < 0.05


def test_the_loss_of_references():
    """Of latents one below the other: of the picture, and of what is beside it."""
    model = presets.build("sd15_inpainting", **NARROW, tasks=["refer"])
    rng = np.random.default_rng(0)
    image, reference = rng.uniform(-1, 1, (2, 1, 16, 16, 3)).astype("float32")
    mask = np.zeros((1, 16, 16, 1), "float32")
    mask[:, 8:] = 1
    batch = {"image": image, "reference": reference, "mask": mask}
    batch = {name: ops.convert_to_tensor(x) for name, x in batch.items()}
    inputs = model.task_inputs("refer", batch)
    views = [model.encode({"image": x}) for x in (image, reference)]
    assert inputs["latents"].shape == (1, 4, 2, 4)
    expected = np.concatenate([ops.convert_to_numpy(x) for x in views], axis=1)
    assert difference(inputs["latents"], expected) < 1e-6
    known = ops.convert_to_numpy(inputs["known"])
    assert known[0, :, 0, 0].tolist() == [0, 1, 0, 0]  # the hole is in the first view
    assert difference(known[:, 2:, :, 1:], expected[:, 2:]) < 1e-6
    assert model._prompts_of("refer", 3).shape == (3, 2 * LENGTH, 4)


def test_pictures_are_completed_beside_references(picture):
    """Each view has its own embeddings; what is in the hole is not seen."""
    image, hole = picture
    model = presets.build("sd15_inpainting", **NARROW, tasks=["refer", "remove"])
    (prompt,) = model.use_state("refer").values()
    rng = np.random.default_rng(1)
    prompt.assign(rng.normal(size=prompt.shape))
    others = rng.integers(0, 256, (2, 20, 16, 3), np.uint8)
    chosen = {"num_steps": 2, "guidance_scale": 1.0}
    model.refer_to(others[0])
    found = model.inpaint(image, hole, **chosen)  # the task is understood
    np.testing.assert_array_equal(found[hole == 0], image[hole == 0])
    again = model.inpaint(image, hole, task="refer", **chosen)
    np.testing.assert_array_equal(found, again)
    filled = np.where(hole[..., None], 255 - image, image)
    np.testing.assert_array_equal(
        model.inpaint(filled, hole, **chosen)[hole == 1], found[hole == 1]
    )
    for references in (others[1:], others):
        model.refer_to(*references)
        assert (model.inpaint(image, hole, **chosen) != found).any()
        guided = model.inpaint(image, hole, **chosen | {"guidance_scale": 3.0})
        assert (guided != found).any()
    model.refer_to(others[0])
    changed = rng.normal(size=(LENGTH, 4)).astype("float32")
    prompt.assign(ops.concatenate([prompt[:LENGTH], changed]))
    assert (model.inpaint(image, hole, **chosen) != found).any()

    with pytest.raises(InputError, match=r"reference: must not be .* task remove"):
        model.inpaint(image, hole, task="remove", **chosen)
    with pytest.raises(InputError, match="reference: must be at most 3, received 4"):
        model.refer_to(*[others[0]] * 4)
    model.refer_to()
    with pytest.raises(InputError, match="reference: is needed for the task refer"):
        model.inpaint(image, hole, task="refer", **chosen)
    text = model.inpaint(image, hole, **chosen)  # and each view attends to all again
    plain = presets.build("sd15_inpainting", **NARROW)
    for variable, value in zip(
        plain.use_state("unet").values(), model.use_state("unet").values()
    ):
        variable.assign(value)
    with pytest.raises(InputError, match="reference: needs a prompt of the task refer"):
        plain.refer_to(others[0])
    for part in ("encoder", "decoder", "text_encoder"):
        ours, theirs = plain.use_state(part), model.use_state(part)
        for name, variable in ours.items():
            variable.assign(theirs[name])
    np.testing.assert_array_equal(plain.inpaint(image, hole, **chosen), text)


def test_stages_say_what_they_need():
    lora = presets.build("sd15_inpainting", **NARROW, lora_rank=2)
    with pytest.raises(InputError, match=r"lora_rank: must be 0 .* received 2"):
        lora.make_stage("task_inversion", None)
    with pytest.raises(InputError, match=r"task: one of remove, .*'harmonize'"):
        presets.build("sd15_inpainting", **NARROW, task="harmonize")
    assert lora.stage_masks("task_inversion") == TASKS["remove"].masks
    assert lora.stage_masks("denoising") == lora.masks


def test_a_prompt_begins_as_its_text():
    model = presets.build("sd15_inpainting", **NARROW, task="outpaint")
    model.make_stage("task_inversion", None).initialize()
    tokens = model.tokenizer(TASKS["outpaint"].text, 77)[None]
    expected = ops.convert_to_numpy(model.text_encoder(tokens))[0, :LENGTH]
    assert difference(model.prompts["outpaint"].embeddings, expected) < 1e-6
