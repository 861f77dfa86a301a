"""Weights of Stable Diffusion as people have them."""

import json

import ml_dtypes
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from inpainting_zoo import cli, presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.stable_diffusion.tokenizer import clip_tokenizer
from inpainting_zoo.storage.component_folders import component_files
from inpainting_zoo.weights import stable_diffusion_names as names_of
from inpainting_zoo.weights.read_checkpoint import digests, read_tensors
from parity import golden
from tiny_diffusion import GOLDENS, TINY
from torch_writer import Writer

FILES = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}


ATTENTION = "down_blocks.0.attentions.0"
VALUES = "mid_block.attentions.0.to_v"
KEYS = "encoder.layers.1.self_attn.k_proj"
# Some of our names, and where their numbers are in `states`.
PLACES = {
    "unet/conv_in/kernel": ("unet", "conv_in.weight"),
    f"unet/{ATTENTION}.proj_in/kernel": ("unet", f"{ATTENTION}.proj_in.weight"),
    f"encoder/encoder.{VALUES}/kernel": ("vae", f"encoder.{VALUES}.weight"),
    "decoder/post_quant_conv/bias": ("vae", "post_quant_conv.bias"),
    f"text_encoder/{KEYS}/kernel": ("text_encoder", f"text_model.{KEYS}.weight"),
}


@pytest.fixture(scope="module")
def states():
    """Official tensors by component."""
    parts = {"unet": "unet", "encoder": "vae", "text_encoder": "text_encoder"}
    return {
        component: {
            name.removeprefix("sd/"): array
            for name, array in golden(f"diffusion/{GOLDENS[part]}").items()
            if name.startswith("sd/")
        }
        for part, component in parts.items()
    }


@pytest.fixture(scope="module")
def variables():
    return presets.build("sd15_inpainting", **TINY).use_state()


def write(folder, states, dtype="float32"):
    for component, state in states.items():
        (folder / component).mkdir(parents=True, exist_ok=True)
        arrays = {k: np.ascontiguousarray(v).astype(dtype) for k, v in state.items()}
        save_file(arrays, folder / component / FILES[component])
    return folder


def check(path, variables, states, tolerance=0.0, config=TINY):
    """All variables have an array of their shape, and some their numbers."""
    arrays, _ = presets.open_weights(path, variables, "sd15_inpainting", config)
    assert set(arrays) == set(variables)
    assert all(arrays.shapes[k] == tuple(v.shape) for k, v in variables.items())
    for ours, (component, theirs) in PLACES.items():
        expected = states[component][theirs]
        if ours.endswith("kernel"):
            kernel = expected.ndim == 4 and ATTENTION not in theirs
            expected = expected if kernel else expected.reshape(expected.shape[:2])
            expected = expected.transpose((2, 3, 1, 0) if kernel else (1, 0))
        np.testing.assert_allclose(arrays[ours], expected, atol=tolerance, err_msg=ours)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_folders_of_diffusers(tmp_path, variables, states, dtype):
    """Also in the cache of Hugging Face, where there is one snapshot."""
    tolerance = {"float32": 0, "float16": 2e-3, "bfloat16": 2e-2}[dtype]
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    write(tmp_path / "snapshots" / "abc", states, kind)
    for path in (tmp_path, tmp_path / "snapshots" / "abc"):
        check(path, variables, states, tolerance)
    assert len(digests(tmp_path)) == len(component_files(tmp_path)) == 3


def test_shards(tmp_path, variables, states):
    folder = write(tmp_path, states)
    names, (whole,) = [*states["unet"]], (folder / "unet").iterdir()
    parts = {"one.safetensors": names[:50], "two.safetensors": names[50:]}
    for file, held in parts.items():
        arrays = {k: np.ascontiguousarray(states["unet"][k]) for k in held}
        save_file(arrays, folder / "unet" / file)
    index = folder / "unet" / f"{whole.name}.index.json"
    places = {name: file for file, held in parts.items() for name in held}
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    whole.unlink()
    check(folder, variables, states)
    (folder / "unet" / "two.safetensors").unlink()
    with pytest.raises(InputError, match=r"lacks '.*two.safetensors', which its index"):
        read_tensors(folder)
    index.write_text("{}")
    with pytest.raises(WeightsError, match="must be an index of shards"):
        read_tensors(index)


@pytest.mark.parametrize(
    ("component", "file"),
    [
        ("unet", "diffusion_pytorch_model.fp16.safetensors.index.json"),
        ("unet", "diffusion_pytorch_model.safetensors.index.fp16.json"),
        ("vae", "diffusion_pytorch_model.bin.index.json"),
        ("text_encoder", "model.fp16.safetensors.index.json"),
        ("text_encoder", "pytorch_model.bin.index.json"),
    ],
)
def test_indexes_by_all_their_names(tmp_path, variables, states, component, file):
    folder = write(tmp_path, states)
    (whole,) = (folder / component).iterdir()
    whole.rename(whole.with_name("one.safetensors"))
    places = dict.fromkeys(states[component], "one.safetensors")
    (folder / component / file).write_text(json.dumps({"weight_map": places}))
    check(folder, variables, states)
    assert len(digests(folder)) == 4


def test_bin_files_of_float16(tmp_path, variables, states):
    folder, writer = write(tmp_path, states), Writer()
    (folder / "vae" / FILES["vae"]).unlink()
    path = folder / "vae" / "diffusion_pytorch_model.fp16.bin"
    writer.save_stream(path, writer.state_dict(states["vae"]))
    check(folder, variables, states)


def test_the_main_snapshot_of_several(tmp_path, variables, states):
    write(tmp_path / "snapshots" / "abc", states)
    (tmp_path / "snapshots" / "aaa").mkdir()
    with pytest.raises(InputError, match="with aaa, abc; name one of them"):
        check(tmp_path, variables, states)
    (tmp_path / "refs").mkdir()
    (tmp_path / "refs" / "main").write_text("abc")
    check(tmp_path, variables, states)


def test_what_is_no_folder_of_weights_is_told(tmp_path, capsys):
    """In the words of the option, with what could be meant."""
    (tmp_path / "x.txt").write_text("weights")
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "model.safetensors").touch()
    for name in ("image", "mask"):
        white = np.full((8, 8), 255, np.uint8)
        Image.fromarray(white).save(tmp_path / f"{name}.png")
    words = ["inpaint", "-save_to", tmp_path / "out.png"]
    words += ["-image", tmp_path / "image.png", "-mask", tmp_path / "mask.png"]
    known = "-preset", "sd15_inpainting"
    for name, preset, said in (
        ("x.txt", known, "must be a file (.npz, "),
        ("empty", known, "folder of diffusers (unet/, vae/, text_encoder/)"),
        ("one", known, "with model.safetensors; name one of them"),
        ("empty", (), "a folder needs its -preset as well"),
    ):
        given = [*words, *preset, "-from_weights", tmp_path / name]
        assert cli.main([*map(str, given)]) in (4, 5)
        error = capsys.readouterr().err
        assert error.count("error: -from_weights: ") == 1 and said in error, error


def test_former_names_of_attention(tmp_path, variables, states):
    vae = {names_of.former(name): array for name, array in states["vae"].items()}
    assert "encoder.mid_block.attentions.0.proj_attn.weight" in vae
    check(write(tmp_path, {**states, "vae": vae}), variables, states)


def original(states):
    """The same tensors as the original program of the first version saves them."""
    found = {
        "model_ema.decay": np.zeros((), "float32"),
        "betas": np.zeros(3, "float32"),
    }
    for name, array in states["unet"].items():
        found[f"model.diffusion_model.{names_of.unet(name, 1, {1})}"] = array
    for name, array in states["vae"].items():
        name = names_of.autoencoder(name, 4)
        kernel = ".attn_1." in name and array.ndim == 2
        array = array[..., None, None] if kernel else array
        found[f"first_stage_model.{name}"] = array
    for name, array in states["text_encoder"].items():
        found[f"cond_stage_model.transformer.{name}"] = array
    return found


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_single_files_of_the_original(tmp_path, variables, states, suffix):
    path, arrays = tmp_path / f"model{suffix}", original(states)
    if suffix == ".ckpt":
        writer = Writer()
        writer.save_stream(path, writer.state_dict(arrays))
    else:
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
    check(path, variables, states)


def test_a_single_file_of_the_second_version(tmp_path, variables, states):
    """Its text encoder has queries, keys and values in one, and a layer too many."""
    arrays = {k: v for k, v in original(states).items() if "cond_stage" not in k}
    thirds = {}
    for name, array in states["text_encoder"].items():
        source, third = names_of.open_clip(name.removeprefix("text_model."))
        if third is None:
            arrays[f"cond_stage_model.model.{source}"] = array
        else:
            thirds.setdefault(f"cond_stage_model.model.{source}", {})[third] = array
    for name, found in thirds.items():
        arrays[name] = np.concatenate([found[i] for i in range(3)])
    beyond = "cond_stage_model.model.transformer.resblocks.2.ln_1.weight"
    assert beyond.replace(".2.", ".1.") in arrays
    arrays |= {beyond: np.ones(32, "float32")}
    arrays["cond_stage_model.model.text_projection"] = np.ones((32, 32), "float32")
    path = tmp_path / "model.safetensors"
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
    check(path, variables, states)


def test_original_names():
    """Of the published files."""
    attending = {1, 2, 3}
    for ours, theirs in {
        "conv_in.weight": "input_blocks.0.0.weight",
        "time_embedding.linear_2.bias": "time_embed.2.bias",
        "down_blocks.0.resnets.0.norm1.bias": "input_blocks.1.0.in_layers.0.bias",
        "down_blocks.0.downsamplers.0.conv.bias": "input_blocks.3.0.op.bias",
        "down_blocks.1.resnets.0.conv_shortcut.bias": (
            "input_blocks.4.0.skip_connection.bias"
        ),
        "down_blocks.2.attentions.1.norm.bias": "input_blocks.8.1.norm.bias",
        "down_blocks.3.resnets.1.time_emb_proj.bias": (
            "input_blocks.11.0.emb_layers.1.bias"
        ),
        "mid_block.attentions.0.proj_out.bias": "middle_block.1.proj_out.bias",
        "mid_block.resnets.1.conv2.bias": "middle_block.2.out_layers.3.bias",
        "up_blocks.0.upsamplers.0.conv.bias": "output_blocks.2.1.conv.bias",
        "up_blocks.1.upsamplers.0.conv.bias": "output_blocks.5.2.conv.bias",
        "up_blocks.3.attentions.2.norm.bias": "output_blocks.11.1.norm.bias",
        "conv_norm_out.bias": "out.0.bias",
        "conv_out.bias": "out.2.bias",
    }.items():
        assert names_of.unet(ours, 2, attending) == theirs
    for ours, theirs in {
        "encoder.down_blocks.1.resnets.0.conv_shortcut.bias": (
            "encoder.down.1.block.0.nin_shortcut.bias"
        ),
        "encoder.down_blocks.0.downsamplers.0.conv.bias": (
            "encoder.down.0.downsample.conv.bias"
        ),
        "decoder.up_blocks.0.resnets.2.norm1.bias": "decoder.up.3.block.2.norm1.bias",
        "decoder.up_blocks.2.upsamplers.0.conv.bias": "decoder.up.1.upsample.conv.bias",
        "decoder.mid_block.attentions.0.group_norm.bias": (
            "decoder.mid.attn_1.norm.bias"
        ),
        "decoder.conv_norm_out.bias": "decoder.norm_out.bias",
        "quant_conv.bias": "quant_conv.bias",
    }.items():
        assert names_of.autoencoder(ours, 4) == theirs
    layer = "encoder.layers.5.self_attn"
    block = "transformer.resblocks.5.attn"
    assert names_of.open_clip(f"{layer}.v_proj.bias") == (f"{block}.in_proj_bias", 2)
    assert names_of.open_clip(f"{layer}.out_proj.bias") == (
        f"{block}.out_proj.bias",
        None,
    )
    assert names_of.open_clip("final_layer_norm.bias") == ("ln_final.bias", None)


def test_what_does_not_fit_is_named(tmp_path, variables, states):
    unet = dict(states["unet"])
    unet["more"] = unet.pop("conv_out.bias")
    unet["conv_in.weight"] = unet["conv_in.weight"][:, :4]  # not one for inpainting
    folder = write(tmp_path, {**states, "unet": unet})
    with pytest.raises(WeightsError) as error:
        presets.open_weights(folder, variables, "sd15_inpainting", TINY)
    for words in (
        r"missing: 1 (unet.conv_out.bias)",
        r"unexpected: 1 (unet.more)",
        r"1 (unet.conv_in.weight is (32, 4, 3, 3) instead of (32, 9, 3, 3))",
    ):
        assert words in str(error.value)


def test_the_folders_tokenizer_must_be_the_models(tmp_path, variables, states, caplog):
    folder, ours = write(tmp_path, states), clip_tokenizer()
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "vocab.json").write_text(json.dumps(ours.vocabulary))
    merges = "\n".join(map(" ".join, ours.ranks))
    (tokenizer / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    check(folder, variables, states)
    about = tokenizer / "special_tokens_map.json"
    about.write_text(json.dumps({"pad_token": "!"}))
    with pytest.raises(
        WeightsError, match=r"pad_token: must be '!', .* received '<\|e"
    ):
        check(folder, variables, states)
    check(folder, variables, states, config={**TINY, "pad_token": "!"})
    about.write_text(json.dumps({"pad_token": {}}))
    with pytest.raises(WeightsError, match=r"special_tokens_map.json must say a pad"):
        check(folder, variables, states)
    about.unlink()
    (tokenizer / "vocab.json").rename(tokenizer / "tokenizer.json")
    check(folder, variables, states)
    assert "has no vocab.json, so it is taken for CLIP's" in caplog.text
    (tokenizer / "tokenizer.json").rename(tokenizer / "vocab.json")
    (tokenizer / "merges.txt").write_text("a b\n")
    with pytest.raises(WeightsError, match="tokenizer: must be CLIP's"):
        check(folder, variables, states)
