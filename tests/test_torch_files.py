"""PyTorch's files without PyTorch: every tensor as it was, and nothing is run."""

import functools
import struct
import sys
import tracemalloc
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inpainting_zoo.errors import WeightsError
from inpainting_zoo.storage import inert_pickle
from inpainting_zoo.weights.read_checkpoint import read_tensors
from parity import GOLDENS
from torch_writer import (
    KINDS,
    NONE,
    Writer,
    call,
    dictionary,
    name,
    number,
    storage,
    text,
    thing,
    tuple_of,
)

MB = 2**20
RNG = np.random.default_rng(0)
NETWORK = {
    "model.1.ffc.convl2l.weight": RNG.normal(size=(2, 3, 3, 3)).astype("float32"),
    "model.1.bn_l.running_mean": RNG.normal(size=2).astype("float32"),
    "model.1.bn_l.num_batches_tracked": np.array(7),
    "model.5.conv1.ffc.convg2g.fu.conv_layer.weight": np.ones((2, 2), "float16"),
}


def same(found, expected):
    assert set(found) == set(expected) and len(found) == len(expected)
    for key, array in expected.items():
        assert found.shapes[key] == array.shape
        assert found[key].dtype == array.dtype
        np.testing.assert_array_equal(found[key], array)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.pth"


PACKED = functools.partial(Writer.save, packed=True)
SAVES = pytest.mark.parametrize("save", [Writer.save, PACKED, Writer.save_stream])


@SAVES
def test_state_dicts_of_all_formats(path, save):
    writer = Writer()
    save(writer, path, writer.state_dict(NETWORK))
    same(read_tensors(path), NETWORK)


def test_modules_of_torchscript_have_the_names_of_their_state_dict(path):
    writer = Writer()
    prefixed = {f"model.generator.{key}": array for key, array in NETWORK.items()}
    code = {"code/__torch__/module.py": b"import os", "constants.pkl": b"\x80\x02)."}
    writer.save(path, writer.module(prefixed), "big-lama", **code)
    found = read_tensors(path)
    assert "model.generator.model.1.ffc.convl2l.weight" in found
    same(found, prefixed)


def test_lightning_checkpoints_with_objects_beside_their_tensors(path):
    writer = Writer()
    scalar = call("numpy.core.multiarray.scalar", name("numpy.dtype"), text("8 bytes"))
    config = thing("omegaconf.dictconfig.DictConfig", {"_content": b"}", "x": NONE})
    state_dict = writer.state_dict({f"generator.{k}": a for k, a in NETWORK.items()})
    value = dictionary(
        {
            "epoch": number(39),
            "pytorch-lightning_version": text("1.2.9"),
            "callbacks": b"}("
            + name("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")
            + dictionary({"best_model_score": writer.tensor(np.float32([0.5]))})
            + b"u",
            "score": scalar,
            "state_dict": state_dict,
            "hyper_parameters": config,
            "sets": call("builtins.set", b"](" + number(3) + b"e"),
        }
    )
    writer.save(path, value)
    found = read_tensors(path)
    same(found, {f"state_dict.generator.{k}": a for k, a in NETWORK.items()})


def test_networks_that_were_saved_whole(path):
    writer = Writer()
    weight = call(
        "torch._utils._rebuild_parameter",
        writer.tensor(np.float32([1, 2])),
        b"\x88",
        call("collections.OrderedDict"),
    )
    parameters, buffers = dictionary({"weight": weight, "bias": NONE}), b"}"
    layer = {"_parameters": parameters, "_buffers": buffers, "_modules": b"}"}
    modules = dictionary({"0": thing("torch.nn.Linear", layer)})
    value = thing("mine.Net", {"_modules": modules, "_parameters": b"}"})
    writer.save(path, value)
    same(read_tensors(path), {"0.weight": np.float32([1, 2])})


def test_pairs_tagged_tensors_and_sizes_of_other_versions(path):
    writer = Writer()
    steps = writer.tensor(np.float32([3]))
    shape, strides = tuple_of(number(1)), tuple_of(number(1))
    offset_and_size = number(0) + call("torch.Size", shape)
    of_old = name("torch._utils._rebuild_tensor") + b"("
    of_old += storage("Float", "0", 1, NONE) + offset_and_size + strides + b"tR"
    function, arguments = steps[: steps.index(b"(")], steps[steps.index(b"(") : -1]
    tagged = call(
        "torch._tensor._rebuild_from_type_v2",
        function,
        name("torch.nn.Parameter"),
        arguments,
        dictionary({"tag": text("x")}),
    )
    pair = b"](" + text("old") + of_old + b"e"
    pairs = call("collections.OrderedDict", b"](" + pair + b"e")
    writer.save(path, dictionary({"pairs": pairs, "tagged": tagged}))
    three = np.float32([3])
    same(read_tensors(path), {"tagged": three, "pairs.old": three})


@st.composite
def views(draw):
    """An array, and the array that it is a view of from a number on."""
    dtype = np.dtype(draw(st.sampled_from(list(KINDS))))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    first = draw(st.integers(0, 5))
    base = RNG.normal(size=first + int(np.prod(shape)) + draw(st.integers(0, 3)))
    base = (base * 50).astype(dtype)
    view = base[first : first + int(np.prod(shape))].reshape(shape)
    for axis in range(view.ndim):
        start, step = draw(st.integers(0, 2)), draw(st.integers(1, 3))
        view = np.moveaxis(np.moveaxis(view, axis, 0)[start::step], 0, axis)
    if view.size:
        first = view.__array_interface__["data"][0] - base.ctypes.data
        first //= base.itemsize
    axes = draw(st.permutations(range(view.ndim)))
    return view.transpose(axes), base, first


@settings(deadline=None, max_examples=200)
@given(view=views(), save=st.sampled_from(SAVES.args[1]))
def test_any_view_of_any_type(tmp_path_factory, view, save):
    path, writer = tmp_path_factory.mktemp("views") / "a.pt", Writer()
    array, base, first = view
    value = dictionary({"x": writer.tensor(array, base, first)})
    save(writer, path, value)
    found = read_tensors(path)
    assert found.shapes["x"] == array.shape
    expected = np.float32 if array.dtype == ml_dtypes.bfloat16 else array.dtype
    assert found["x"].dtype == expected and found["x"].flags.c_contiguous
    np.testing.assert_array_equal(found["x"], array.astype(expected))


def attacks(canary):
    """What to put into a pickle, by what it would do."""
    touch, source = text(f"touch {canary}"), text(f"open({str(canary)!r}, 'w')")
    module = text("canary_module")
    return {
        "system": call("os.system", touch),
        "posix": call("posix.system", touch),
        "popen": call("subprocess.Popen", b"](" + text("touch") + source + b"e"),
        "open": call("builtins.open", text(str(canary)), text("w")),
        "python 2": call("__builtin__.open", text(str(canary)), text("w")),
        "eval": call("builtins.eval", source),
        "exec": call("builtins.exec", source),
        "getattr": call("builtins.getattr", name("os.path"), text("os")),
        "import": call("builtins.__import__", module),
        "importlib": call("importlib.import_module", module),
        "named": name("canary_module.anything"),
        "named by text": module + text("anything") + b"\x93",
        "inst": b"(" + touch + b"ios\nsystem\n",
        "obj": b"(" + name("os.system") + touch + b"o",
        "new": name("canary_module.Class") + b")\x81",
        "new with words": name("canary_module.Class") + b")}\x92",
        "state": thing("canary_module.Class", {"__setstate__": name("os.system")}),
        "state of a name": name("os.system") + dictionary({"x": touch}) + b"b",
        "of a rebuilder": name("torch._utils._rebuild_tensor_v2")
        + tuple_of(NONE, dictionary({"__defaults__": touch}))
        + b"b",
        "reduce": name("os.system") + b"(" + touch + b"tR" + b")R",
        "partial": call("functools.partial", name("os.system"), touch) + b")R",
        "storage": tuple_of(text("module"), name("canary_module.Class"), NONE, NONE)
        + b"Q",
        "persistent": call("os.system", touch) + b"Q",
        "list": call("builtins.list") + b"(" + call("os.system", touch) + b"e",
        "jit": call("torch.jit._pickle.restore_type_tag", b"]", source),
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("attack", attacks(""))
def test_nothing_is_executed(path, tmp_path, monkeypatch, attack, stream):
    """Alone it is refused; beside tensors it is as if it was not there."""
    canary = tmp_path / "canary"
    source = f"open({str(canary)!r}, 'w')"
    (tmp_path / "canary_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    value = attacks(canary)[attack]
    for items in ({"a": value}, {"a": value, "b": None}):
        writer = Writer()
        if "b" in items:
            items["b"] = writer.tensor(np.float32([1, 2]))
        (writer.save_stream if stream else writer.save)(path, dictionary(items))
        if "b" in items:
            same(read_tensors(path), {"b": np.float32([1, 2])})
        else:
            with pytest.raises(WeightsError, match=r"^source: must ") as error:
                read_tensors(path)
            assert "\n" not in str(error.value)
        assert not canary.exists() and "canary_module" not in sys.modules


def nested(opening, closing, depth):
    return opening * depth + NONE + closing * depth


def claim(count=1, shape=(1,), strides=(1,), offset=0, key="0", kind="Float"):
    """A tensor of a file that holds two numbers."""
    return dictionary(
        {
            "x": call(
                "torch._utils._rebuild_tensor_v2",
                storage(kind, key, count),
                number(offset),
                tuple_of(*map(number, shape)),
                tuple_of(*map(number, strides)),
            )
        }
    )


TERABYTES = 10 * 2**40
BOMBS = {
    "a storage of 10 TB": claim(TERABYTES, (TERABYTES,)),
    "a shape of 10 TB": claim(1, (TERABYTES,), (0,)),
    "shapes whose product is huge": claim(1, (2**40, 2**40), (0, 0)),
    "beyond its storage": claim(1, (1,), (1,), 1),
    "strides beyond it": claim(2, (1, 2), (1, 2)),
    "a negative offset": claim(offset=-1),
    "a negative stride": claim(1, (1,), (-1,)),
    "a negative shape": claim(1, (-1, -1)),
    "a wider type": claim(2, (2,), kind="Double"),
    "no such storage": claim(key="1"),
    "another folder's": claim(key="../version"),
    "a number of 2 MB": claim(2 ** (8 * 250), (2 ** (8 * 250),)),
    "many dimensions": claim(1, (1,) * 33, (1,) * 33),
    "fewer strides": claim(1, (1, 1), (1,)),
    "text of 10 TB": b"\x8d" + struct.pack("<Q", TERABYTES) + b"a",
    "bytes of 10 TB": b"\x8e" + struct.pack("<Q", TERABYTES) + b"a",
    "bytes of 2 GB": b"B" + struct.pack("<I", 2**31 - 1) + b"a",
    "a huge memo": b"}r" + struct.pack("<I", 2**32 - 1),
    "a huge number of digits": b"I" + b"9" * 100_000 + b"\n",
    "nested lists": nested(b"](", b"e", 20_000),
    "nested tuples": nested(b"(", b"t", 100_000),
    "a nested tuple as a key": b"}(" + nested(b"(", b"t", 100_000) + b"Nu",
    "nested dictionaries": nested(b"}(" + text("a"), b"u", 20_000),
    "nested objects": nested(name("a.b") + b")\x81", b"b", 20_000),
    "nested calls": nested(name("a.b") + b"(", b"tR", 20_000),
    "nested without a name": nested(b"}(" + text(""), b"u", 20_000),
    "it contains itself": b"}q\x00(" + text("a") + b"h\x00u",
    "an object of itself": name("a.b") + b")\x81q\x00}(" + text("a") + b"h\x00ub",
    "a list of arguments with itself": name("a.b") + b"]q\x00Rq\x01h\x00h\x01a0",
    "a doubling of doublings": b"}q\x00"
    + b"".join(
        b"}(" + text("a") + b"h" + bytes([i]) + text("b") + b"h" + bytes([i]) + b"u"
        b"q" + bytes([i + 1])
        for i in range(60)
    ),
    "long names": dictionary({"a" * 600: dictionary({"b": NONE})}),
    "marks without an end": b"(" * 100_000,
    "ends without a mark": b"t",
    "an empty stack": b"",
    "a number that is long text": b"F" + b"x" * 2000 + b"\n",
    "nothing to call": b"R",
    "what was never remembered": b"h\x07",
    "an extension": b"\x82\x01",
    "a buffer outside": b"\x97",
    "a name of a number": number(1) + number(2) + b"\x93",
    "no pickle": b"\xff\xfe",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_in_a_line_without_memory(path, bomb):
    writer = Writer()
    writer.tensor(np.float32([1, 2]))
    writer.save(path, BOMBS[bomb])
    refused(path, 64 * MB)


def refused(path, memory):
    """Checks that a file is, in a short line, and in so much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=r"^source: must ") as error:
            read_tensors(path)
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def repeated(step, remembered=NONE):
    """A million steps about what is remembered as number 0: kilobytes, compressed."""
    return remembered + b"q\x00" + step * (10**6 // len(step))


PACKED_BOMBS = {
    "lists": repeated(b"]"),
    "dictionaries": repeated(b"}"),
    "remembered": repeated(b"\x94"),
    "calls": repeated(b"h\x00)R", name("a.b")),
    "names": repeated(b"h\x00h\x00\x93", text("a" * 50_000)),
    "numbers as keys": repeated(
        b"}h\x00Ns", b"\x8b" + struct.pack("<i", 1500) + b"a" * 1500
    ),
    "no pairs": b"(" + b"N" * 60_000 + b"lq\x000}("
    + b"".join(
        text(str(i)) + name("collections.OrderedDict") + b"(h\x00tR" for i in range(500)
    ) + b"u",
    "long names": b"}q\x00"
    + b"".join(
        b"}(" + text("a" * 27) + b"h" + bytes([i]) + text("b" * 27) + b"h" + bytes([i])
        + b"uq" + bytes([i + 1])
        for i in range(18)
    ),
    "text": text("a" * 60 * MB),
}  # fmt: skip


@pytest.mark.parametrize("bomb", PACKED_BOMBS)
def test_packed_bombs_take_no_memory_beyond_their_file(path, bomb):
    Writer().save(path, PACKED_BOMBS[bomb], packed=True)
    assert path.stat().st_size < MB // 8
    refused(path, 16 * MB)


@pytest.mark.parametrize("packed", [False, True])
def test_pickles_have_an_end(path, monkeypatch, packed):
    monkeypatch.setattr(inert_pickle, "MOST_STEPS", 1000)
    Writer().save(path, b"N0" * 1000, packed=packed)
    with pytest.raises(WeightsError, match="over 1000 steps"):
        read_tensors(path)


def test_storages_in_a_pickle_are_read_once_and_end_together(tmp_path, monkeypatch):
    """A hundred tensors of one of 4,000 steps, and three more of as many."""
    writer, path = Writer(), tmp_path / "a.pkl"
    writer.tensor(np.float32([1, 2]))
    writer.save_stream(path, b"N0" * 2000 + storage("Float", "0", 2, NONE))
    content = path.read_bytes()
    held = b"B" + struct.pack("<I", len(content)) + content
    load, numbers = "torch.storage._load_from_bytes", (number(2), number(1))

    def write(**storages):
        about = (number(0), *map(tuple_of, numbers))
        tensors = {
            key: call("torch._utils._rebuild_tensor_v2", call(load, value), *about)
            for key, value in storages.items()
        }
        content = held + b"q\x000" + dictionary(tensors)
        path.write_bytes(b"\x80\x03" + content + b".")

    monkeypatch.setattr(inert_pickle, "MOST_STEPS", 10_000)
    shared = {f"x{i}": b"h\x00" for i in range(100)}
    write(**shared)
    same(read_tensors(path), dict.fromkeys(shared, np.float32([1, 2])))
    write(x=b"h\x00", a=held, b=held, c=held)
    with pytest.raises(WeightsError, match="over 10000 steps"):
        read_tensors(path)


def test_archives_that_unfold(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(100 * MB))
    with pytest.raises(WeightsError, match=f"declare {100 * MB} bytes, over the limit"):
        read_tensors(path)
    Writer().save(path, b"}")
    for compression in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("a/data.pkl", b"}.")
        with pytest.raises(WeightsError, match="another compression"):
            read_tensors(path)


def test_archives_of_something_else(path):
    Writer().save(path, b"}", byteorder=b"big")
    with pytest.raises(WeightsError, match="big-endian"):
        read_tensors(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<p/>")
    with pytest.raises(WeightsError, match=r"0 data\.pkl where PyTorch writes one"):
        read_tensors(path)
    Writer().save(path, b"](Ne")
    with pytest.raises(WeightsError, match=r"by name, received .* with a list"):
        read_tensors(path)


@SAVES
def test_files_that_are_cut(path, save):
    writer = Writer()
    save(writer, path, writer.state_dict(NETWORK))
    content = path.read_bytes()
    for length in range(1, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match="source: must be a readable") as error:
            read_tensors(path)
        assert "\n" not in str(error.value)


def test_numbers_of_another_checksum(path):
    """Names and shapes are there; arrays are refused when they are read.

    All of the storage counts, whichever part of it an array has.
    """
    writer = Writer()
    weight = np.float32(range(100))
    end = writer.tensor(weight[60:], weight, 60)
    writer.save(path, dictionary({"x": writer.tensor(weight), "end": end}))
    content = path.read_bytes()
    assert content.count(weight.tobytes()) == 2
    damaged = weight.copy()
    damaged[50] = 0
    path.write_bytes(content.replace(weight.tobytes(), damaged.tobytes()))
    found = read_tensors(path)
    for key in ("x", "end"):
        with pytest.raises(WeightsError, match=r"must be a readable .*Bad CRC-32"):
            found[key]


@SAVES
def test_arrays_do_not_change_with_the_file(path, save):
    writer, weight = Writer(), np.float32(range(10_000))
    save(writer, path, dictionary({"x": writer.tensor(weight)}))
    found = read_tensors(path)["x"]
    with open(path, "r+b") as file:  # in place
        file.write(bytes(path.stat().st_size))
    np.testing.assert_array_equal(found, weight)


def test_parts_of_another_storage_in_old_files(path):
    view = tuple_of(text("1"), number(0), number(1))
    value = call("torch._utils._rebuild_tensor", storage("Float", "0", 1, view))
    Writer().save_stream(path, dictionary({"x": value}))
    with pytest.raises(WeightsError, match="storage 0 is a part of another one"):
        read_tensors(path)


SHARED = np.float32([1.5, -2, 0.25])
HALVES = np.float16([0.5, 65504, -0.125])
TRANSPOSED = np.arange(12, dtype="float32").reshape(3, 4).T
STATE_DICT = {
    "layer.weight": TRANSPOSED,
    "layer.bias": SHARED,
    "tied.bias": SHARED,
    "tied.last": SHARED[1:],
    "half": HALVES,
    "brain": np.float32([1, -3]),
    "steps": np.array(7),
}
SCRIPTED = {
    "layer.weight": TRANSPOSED,
    "layer.bias": SHARED,
    "layer.mean": HALVES,
    "layer.steps": np.array(7),
    "tied.weight": SHARED[None],
    "tied.bias": SHARED[1:2],
}
KEPT = {
    "zip": {f"state_dict.{key}": array for key, array in STATE_DICT.items()},
    "before_zip": {f"state_dict.{key}": array for key, array in STATE_DICT.items()},
    "script": SCRIPTED,
}


@pytest.mark.parametrize("name", KEPT)
def test_kept_files_that_pytorch_wrote(name):
    same(read_tensors(GOLDENS / "torch" / f"{name}.pt"), KEPT[name])


@pytest.mark.parametrize("stream", [False, True])
def test_files_that_pytorch_writes_here(path, stream):
    torch = pytest.importorskip("torch", reason="PyTorch writes the test's file")
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(5, 2)
    ).eval()
    expected = {k: v.numpy() for k, v in network.state_dict().items()}
    zipped = {"_use_new_zipfile_serialization": not stream}
    torch.save(network.state_dict(), path, **zipped)
    same(read_tensors(path), expected)
    torch.save(network, path, **zipped)
    same(read_tensors(path), expected)
    torch.jit.save(torch.jit.script(network), path)
    same(read_tensors(path), expected)
