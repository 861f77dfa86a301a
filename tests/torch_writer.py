"""Writes PyTorch's files by hand: pickles step by step, and what they refer to."""

import struct
import zipfile

import numpy as np

KINDS = {
    "float64": "Double",
    "float32": "Float",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
}
MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # as LONG1
NONE = b"N"


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def name(dotted):
    """The step GLOBAL, which names a function or class."""
    return b"c" + "\n".join(dotted.rsplit(".", 1)).encode() + b"\n"


def tuple_of(*values):
    return b"(" + b"".join(values) + b"t"


def call(function, *arguments):
    return name(function) + tuple_of(*arguments) + b"R"


def dictionary(items):
    """Text -> what is written already."""
    return b"}(" + b"".join(text(k) + v for k, v in items.items()) + b"u"


def thing(kind, attributes):
    """An object of a class, with attributes by name."""
    return name(kind) + b")\x81" + dictionary(attributes) + b"b"


def storage(kind, key, count, *view):
    about = (text("storage"), name(f"torch.{kind}Storage"), text(key), text("cpu"))
    return tuple_of(*about, number(count), *view) + b"Q"


class Writer:
    """Collects the numbers of a file while its pickle is written."""

    def __init__(self):
        self.parts, self.counts = {}, {}

    def tensor(self, array, base=None, offset=0):
        """Writes an array, as a view of `base` from its number `offset` on."""
        base = np.ascontiguousarray(array if base is None else base)
        strides = [s // array.itemsize for s in array.strides]
        key = str(len(self.parts))
        self.parts[key], self.counts[key] = base.tobytes(), base.size
        return call(
            "torch._utils._rebuild_tensor_v2",
            storage(KINDS[array.dtype.name], key, base.size),
            number(offset),
            tuple_of(*map(number, array.shape)),
            tuple_of(*map(number, strides)),
            b"\x89",
            call("collections.OrderedDict"),
        )

    def state_dict(self, arrays):
        """An OrderedDict, as PyTorch's is."""
        items = dictionary({k: self.tensor(a) for k, a in arrays.items()})
        return call("collections.OrderedDict") + items[1:]

    def module(self, arrays):
        """Modules of TorchScript in each other, of names with dots."""
        nested = {"training": b"\x89"}
        for dotted in dict.fromkeys(key.partition(".")[0] for key in arrays):
            inner = {
                key.partition(".")[2]: array
                for key, array in arrays.items()
                if key.partition(".")[0] == dotted
            }
            nested[dotted] = (
                self.tensor(inner[""]) if "" in inner else self.module(inner)
            )
        return thing("__torch__.torch.nn.Module___torch_mangle_7", nested)

    def save(self, path, value, root="archive", packed=False, **others):
        """Writes the zip format, which PyTorch does not compress."""
        compression = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr(f"{root}/data.pkl", b"\x80\x02" + value + b".")
            for key, content in self.parts.items():
                archive.writestr(f"{root}/data/{key}", content)
            for key, content in {"version": b"3\n", **others}.items():
                archive.writestr(f"{root}/{key}", content)

    def save_stream(self, path, value):
        """Writes the format before it."""
        about = dictionary({"protocol_version": number(1001), "little_endian": b"\x88"})
        keys = b"](" + b"".join(map(text, self.parts)) + b"e"
        pickles = [MAGIC, number(1001), about, value, keys]
        content = b"".join(b"\x80\x02" + pickle + b"." for pickle in pickles)
        for key, part in self.parts.items():
            content += struct.pack("<q", self.counts[key]) + part
        path.write_bytes(content)


def save_state_dict(path, arrays):
    """Writes what `torch.save(state_dict, path)` does."""
    writer = Writer()
    writer.save(path, writer.state_dict(arrays))
