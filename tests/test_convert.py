"""Official checkpoints of every format become our weights, whole or not at all."""

import os
import pickle
import sys

import keras
import numpy as np
import pytest
from keras import ops
from safetensors.numpy import save_file

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.gmcnn.networks import build_generator
from inpainting_zoo.options import ConvertSettings
from inpainting_zoo.storage.checkpoints import as_arrays
from inpainting_zoo.storage.downloads import Weights
from inpainting_zoo.storage.files import sha256
from inpainting_zoo.weights.convert import convert, convert_file
from inpainting_zoo.weights.convert_gmcnn import official_tensors
from parity import difference, golden, nhwc
from torch_writer import Writer, dictionary, number, save_state_dict

PYTORCH, TF1 = "gmcnn_official_pytorch", "gmcnn_official_tf1"
NARROW = {"base_channels": 4}
PARAMETERS = {PYTORCH: 12_561_891, TF1: 12_429_107, "gmcnn_keras_port": 12_806_595}


def official(name):
    """Only the weights of a golden file, by the official names."""
    arrays = golden(name)
    return {k.removeprefix("w:"): v for k, v in arrays.items() if k.startswith("w:")}


@pytest.fixture(scope="module")
def state_dict():
    return official("generator_c4_196")


@pytest.fixture(scope="module")
def tf1_variables():
    return official("tf1_generator_c4_128x96")


def check_pytorch(path):
    """The file's generator gives what the official one gives."""
    model, metadata = presets.load_file(path)
    assert (metadata["preset"], metadata["overrides"]) == (PYTORCH, NARROW)
    arrays = golden("generator_c4_196")
    x = nhwc(arrays["input"])
    prediction = model.generator([x[..., :3], x[..., 3:]])
    assert difference(prediction, nhwc(arrays["output"])) < 2e-5


def same_weights(path, other):
    with np.load(path) as a, np.load(other) as b:
        assert set(a.files) == set(b.files)
        names = [name for name in a.files if name != "metadata"]
        assert len(names) == 88
        return all(np.array_equal(a[name], b[name]) for name in names)


@pytest.fixture(scope="module")
def converted(state_dict, tmp_path_factory):
    """Our weights from an .npz of the PyTorch names."""
    folder = tmp_path_factory.mktemp("converted")
    np.savez(folder / "bare.npz", **state_dict)
    report = convert_file(folder / "bare.npz", PYTORCH, folder / "ours.npz", NARROW)
    assert (report["tensors"], report["parameters"]) == (88, 197_959)
    assert report["ignored"] == []
    assert list(report["source"]) == ["bare.npz"]
    return folder / "ours.npz"


def test_npz_with_bare_names(converted):
    check_pytorch(converted)


def test_what_is_converted_is_not_converted_again(converted, tmp_path):
    with pytest.raises(WeightsError, match="source: must be of another program, rec"):
        convert_file(converted, PYTORCH, tmp_path / "again.npz", NARROW)
    assert not list(tmp_path.iterdir())


def test_a_published_file_is_known_by_its_hash(
    state_dict, tmp_path, monkeypatch, capsys
):
    np.savez(tmp_path / "bare.npz", **state_dict)
    settings = ConvertSettings(
        preset=PYTORCH,
        source=str(tmp_path / "bare.npz"),
        save_to=str(tmp_path / "ours.npz"),
        set=NARROW,
    )
    convert(settings)
    assert capsys.readouterr().out.count("\n") == 1  # nobody knows that one
    digest = sha256(tmp_path / "bare.npz")
    published = Weights("gmcnn.npz", digest, licence="as is", source="its authors")
    entry = presets.get(PYTORCH) | {"published": published}
    monkeypatch.setitem(presets.PRESETS, PYTORCH, entry)
    convert(settings)
    first, _ = capsys.readouterr().out.splitlines()
    assert first == "bare.npz: gmcnn.npz of its authors; as is"


def test_npz_with_prefixed_names_among_others(converted, state_dict, tmp_path):
    prefixed = {f"w:{name}": array for name, array in state_dict.items()}
    np.savez(tmp_path / "a.npz", **prefixed, input=np.zeros(3))
    convert_file(tmp_path / "a.npz", PYTORCH, tmp_path / "ours.npz", NARROW)
    assert same_weights(tmp_path / "ours.npz", converted)


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_pytorch_files(suffix, converted, state_dict, tmp_path):
    source = tmp_path / f"official{suffix}"
    save_state_dict(source, state_dict)
    convert_file(source, PYTORCH, tmp_path / "ours.npz", NARROW)
    assert same_weights(tmp_path / "ours.npz", converted)


def test_safetensors(converted, state_dict, tmp_path):
    save_file(state_dict, tmp_path / "official.safetensors")
    source = tmp_path / "official.safetensors"
    convert_file(source, PYTORCH, tmp_path / "ours.npz", NARROW)
    assert same_weights(tmp_path / "ours.npz", converted)


def save_checkpoint(folder, variables):
    """Writes a TensorFlow checkpoint with these names; returns its prefix."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow writes the test's file")
    prefix = str(folder / "snap-40000")
    names, tensors = list(variables), [tf.constant(v) for v in variables.values()]
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=tensors,
    )
    return prefix


WRAPPERS = [
    "module.{}",
    "state_dict.{}",
    "model.state_dict.{}",
    "params_ema.{}",
    "generator.module.{}",
    "netG.{}",
    "ema.{}",
]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_wrappers_put_before_the_names(wrapper, converted, state_dict, tmp_path):
    wrapped = {wrapper.format(name): array for name, array in state_dict.items()}
    wrapped["netD.0.weight"] = np.zeros(3, "float32")
    save_file(wrapped, tmp_path / "Official.SAFETENSORS")
    source = tmp_path / "Official.SAFETENSORS"
    report = convert_file(source, PYTORCH, tmp_path / "ours.npz", NARROW)
    assert report["ignored"] == ["netD.0.weight"]
    assert same_weights(tmp_path / "ours.npz", converted)


def test_of_two_networks_the_average_is_taken(converted, state_dict, tmp_path):
    both = {f"params.{name}": array + 1 for name, array in state_dict.items()}
    both |= {f"params_ema.{name}": array for name, array in state_dict.items()}
    np.savez(tmp_path / "both.npz", **both)
    convert_file(tmp_path / "both.npz", PYTORCH, tmp_path / "ours.npz", NARROW)
    assert same_weights(tmp_path / "ours.npz", converted)
    both = {name.replace("params_ema", "other"): array for name, array in both.items()}
    np.savez(tmp_path / "both.npz", **both)
    with pytest.raises(WeightsError, match=r"received 'params\.', 'other\.'; save one"):
        convert_file(tmp_path / "both.npz", PYTORCH, tmp_path / "b.npz", NARROW)


@pytest.mark.parametrize("suffix", [".pth.tar", ".ckpt", ".bin", ".PTH"])
def test_nested_pytorch_checkpoints(suffix, converted, state_dict, tmp_path):
    writer, source = Writer(), tmp_path / f"official{suffix}"
    weights = {f"module.{name}": array for name, array in state_dict.items()}
    average = writer.tensor(np.zeros(3, "float32"))
    slots = b"}(" + number(0) + dictionary({"exp_avg": average, "step": number(7)})
    checkpoint = {
        "epoch": number(3),
        "generator": writer.state_dict(weights),
        "optimizer": dictionary({"state": slots + b"u"}),
    }
    writer.save(source, dictionary(checkpoint))
    report = convert_file(source, PYTORCH, tmp_path / "ours.npz", NARROW)
    assert report["ignored"] == ["optimizer.state.0.exp_avg"]
    assert same_weights(tmp_path / "ours.npz", converted)
    Writer().save(source, dictionary({"epoch": number(3)}))
    with pytest.raises(WeightsError, match=r"tensors by name, received .* a dict"):
        convert_file(source, PYTORCH, tmp_path / "b.npz", NARROW)


def test_a_file_of_something_else_is_told_in_a_line(tmp_path):
    others = {f"blocks.{i}.attention.weight": np.zeros(3) for i in range(180)}
    np.savez(tmp_path / "a.npz", **others)
    with pytest.raises(WeightsError) as error:
        convert_file(tmp_path / "a.npz", PYTORCH, tmp_path / "ours.npz", NARROW)
    message = str(error.value)
    assert "holds 180 (blocks.0.attention.weight, blocks.1" in message
    assert "none is called as EB1.0.bias is; try gmcnn_official_pytorch" in message
    assert len(message) < 400 and os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize(
    "config", [{"hole_fill": "pull_push"}, {"padding": "same"}, {"topology": "tf1"}]
)
def test_only_the_official_network_takes_official_weights(state_dict, tmp_path, config):
    np.savez(tmp_path / "a.npz", **state_dict)
    with pytest.raises(InputError, match="preset: must be the official network, of"):
        convert_file(tmp_path / "a.npz", PYTORCH, tmp_path / "b.npz", NARROW | config)
    for preset in ("gmcnn_faces_128", "lama_faces_256", "mat_small"):
        with pytest.raises(InputError, match="hole_fill 'zero', received 'biharmonic'"):
            presets.load(preset, tmp_path / "a.npz")


def test_tf1_checkpoints_and_what_training_adds(tf1_variables, tmp_path):
    extra = {
        "inpaint_net/b1conv1/kernel/Adam": np.zeros((7, 7, 5, 4), "float32"),
        "inpaint_net/b1conv1/kernel/Adam_1": np.zeros((7, 7, 5, 4), "float32"),
        "inpaint_net/b1conv1/kernel/Momentum": np.zeros((7, 7, 5, 4), "float32"),
        "inpaint_net/b1conv1/bias/RMSProp_1": np.zeros(4, "float32"),
        "inpaint_net/b1conv1/bias/ExponentialMovingAverage": np.zeros(4, "float32"),
        "train/beta2_power": np.float32(0.5),
        "discriminator/disc_global/conv1/bias": np.zeros(64, "float32"),
        "beta1_power": np.float32(0.5),
    }
    prefix = save_checkpoint(tmp_path, tf1_variables | extra)
    outputs = []
    for i, source in enumerate((tmp_path, prefix, f"{prefix}.index")):
        outputs.append(tmp_path / f"ours{i}.npz")
        report = convert_file(source, TF1, outputs[-1], NARROW)
        assert report["tensors"] == 88
        assert set(report["ignored"]) == set(extra)
        assert all(name.startswith("snap-40000.") for name in report["source"])
    assert same_weights(outputs[0], outputs[1])
    assert same_weights(outputs[0], outputs[2])

    model, _ = presets.load_file(outputs[0])
    arrays = golden("tf1_generator_c4_128x96")
    inputs = [arrays["input_nhwc"][..., ::-1], arrays["mask_nhwc"]]
    prediction = model.generator(inputs)
    assert difference(prediction, arrays["output_nhwc"][..., ::-1]) < 2e-5


def test_every_problem_is_named_and_nothing_is_written(state_dict, tmp_path):
    wrong = dict(state_dict)
    del wrong["EB2.13.bias"]
    del wrong["EB3.0.weight"]
    wrong["EB1.99.weight"] = np.zeros(3, "float32")
    wrong["EB1.3.weight"] = wrong["EB1.3.weight"][:, :, :5]
    np.savez(tmp_path / "a.npz", **wrong)
    with pytest.raises(WeightsError) as error:
        convert_file(tmp_path / "a.npz", PYTORCH, tmp_path / "ours.npz", NARROW)
    message = str(error.value)
    missing = message.partition("missing: 2 (")[2].partition(")")[0]
    assert set(missing.split(", ")) == {"EB3.0.weight", "EB2.13.bias"}
    assert "unexpected: 1 (EB1.99.weight)" in message
    assert "EB1.3.weight is (16, 8, 5, 7) instead of (16, 8, 7, 7)" in message
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("value", [np.nan, 1])
def test_tensors_that_are_not_finite_floats(state_dict, tmp_path, value):
    wrong = np.full_like(state_dict["EB1.4.bias"], value, dtype=type(value))
    np.savez(tmp_path / "a.npz", **state_dict | {"EB1.4.bias": wrong})
    with pytest.raises(WeightsError, match=r"not finite floats: EB1\.4\.bias"):
        convert_file(tmp_path / "a.npz", PYTORCH, tmp_path / "ours.npz", NARROW)
    assert os.listdir(tmp_path) == ["a.npz"]


def test_another_program_or_width_is_refused(state_dict, tmp_path):
    np.savez(tmp_path / "a.npz", **state_dict)
    with pytest.raises(WeightsError, match="none is called as inpaint_net/b"):
        convert_file(tmp_path / "a.npz", TF1, tmp_path / "ours.npz", NARROW)
    with pytest.raises(WeightsError, match=r"EB1.0.weight is .* instead of \(2, 4, "):
        convert_file(
            tmp_path / "a.npz", PYTORCH, tmp_path / "b.npz", {"base_channels": 2}
        )
    with pytest.raises(InputError, match="published"):
        convert_file(tmp_path / "a.npz", "gmcnn_keras_port", tmp_path / "b.npz", NARROW)
    with pytest.raises(InputError, match="attention: official weights have none"):
        convert_file(
            tmp_path / "a.npz", PYTORCH, tmp_path / "b.npz", {"attention": "se"}
        )
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_official_files_are_read_directly(converted, state_dict, tmp_path, suffix):
    """As they are after converting, which writes either format."""
    source = tmp_path / f"netG{suffix}"
    if suffix == ".npz":
        np.savez(source, **state_dict)
    else:
        save_file(state_dict, source)
    convert_file(source, PYTORCH, tmp_path / f"ours{suffix}", NARROW)
    files = [source, {"generator": source}, converted, tmp_path / f"ours{suffix}"]
    direct, *others = (
        as_arrays(presets.load(PYTORCH, file, **NARROW).use_state()) for file in files
    )
    for other in others:
        assert list(other) == list(direct)
        assert all(np.array_equal(other[name], direct[name]) for name in direct)
    check_pytorch(tmp_path / f"ours{suffix}")


def test_an_official_file_of_another_program(state_dict, tmp_path):
    save_file(state_dict, tmp_path / "netG.safetensors")
    with pytest.raises(WeightsError, match="does not fit gmcnn_official_tf1: it"):
        presets.load(TF1, tmp_path / "netG.safetensors", **NARROW)
    (tmp_path / "netG.h5").touch()
    with pytest.raises(WeightsError, match="from_weights: must be a file"):
        presets.load(PYTORCH, tmp_path / "netG.h5", **NARROW)
    with pytest.raises(InputError, match="from_weights: must be a file"):
        presets.load(PYTORCH, tmp_path / "none.pth", **NARROW)


class Attack:
    def __reduce__(self):
        return os.mkdir, (os.environ["ATTACKED"],)


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".safetensors", ".index"])
@pytest.mark.parametrize("content", ["empty", "garbage", "pickle"])
def test_damaged_and_hostile_files(suffix, content, tmp_path, monkeypatch):
    if suffix == ".index":
        pytest.importorskip("tensorflow", reason="it reads such files")
    monkeypatch.setenv("ATTACKED", str(tmp_path / "attacked"))
    source = tmp_path / f"a{suffix}"
    contents = {"empty": b"", "garbage": b"PK\x03\x04" + bytes(range(200))}
    source.write_bytes(contents.get(content) or pickle.dumps({"a": Attack()}))
    with pytest.raises(
        WeightsError, match=r"source: must be an? (intact|read)"
    ) as error:
        convert_file(source, PYTORCH, tmp_path / "ours.npz", NARROW)
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == [source.name]


def test_missing_files(tmp_path):
    for source in ("none.npz", "none.pth", "snap-1", "."):
        with pytest.raises(InputError, match="source: must"):
            convert_file(tmp_path / source, PYTORCH, tmp_path / "ours.npz", NARROW)
    (tmp_path / "a.index").touch()
    (tmp_path / "b.index").touch()
    with pytest.raises(InputError, match=r"one checkpoint of .* with a.index, b.index"):
        convert_file(tmp_path, TF1, tmp_path / "ours.npz", NARROW)


def test_a_missing_package_is_asked_for(state_dict, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    (tmp_path / "a.index").touch()
    with pytest.raises(InputError, match=r"needs tensorflow .* pip install tensorflow"):
        convert_file(tmp_path / "a", TF1, tmp_path / "ours.npz", NARROW)


def test_above_32_channels_the_tf1_program_has_one_more_layer_a_column():
    generator = build_generator(34, "tf1", padding="same")
    variables = {f"generator/{v.path}": v for v in generator.variables}
    tensors = official_tensors(variables, {"topology": "tf1", "padding": "same"})
    assert len(tensors) == 94
    name = "inpaint_net/b2conv11_atrous/kernel"
    assert tensors[name][1] == (5, 5, 136, 136)
    assert generator.get_layer("column2_conv10").dilation_rate == (32, 32)
    assert "inpaint_net/b3conv15_upsample/b3conv15_upsample_conv/bias" in tensors


@pytest.mark.parametrize("preset", PARAMETERS)
def test_parameters_of_the_official_presets(preset):
    generator = presets.build(preset).generator
    assert generator.count_params() == PARAMETERS[preset]


def test_the_port_does_not_see_the_mask():
    generator = build_generator(4, "keras_port", padding="same")
    kernel = generator.get_layer("column1_conv0").kernel
    assert kernel.shape == (7, 7, 3, 4)
    assert generator.get_layer("column1_conv5").activation is keras.activations.linear
    image = np.zeros((1, 8, 8, 3), "float32")
    outputs = [generator([image, np.full((1, 8, 8, 1), m)]) for m in (0.0, 1.0)]
    assert difference(outputs[0], ops.convert_to_numpy(outputs[1])) == 0
