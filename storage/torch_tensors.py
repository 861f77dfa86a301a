"""The tensors that a pickle of PyTorch describes: their names, and where they lie."""

import collections
import dataclasses
import itertools
import math
import re

import ml_dtypes
import numpy as np

from inpainting_zoo.storage.inert_pickle import (
    LARGEST,
    Global,
    Persistent,
    StandIn,
    is_key,
)

MOST_VALUES, MOST_CHARACTERS, LONGEST_NAME = 2**18, 2**23, 500
MOST_DIMENSIONS = 32
# What a module that was saved whole puts between the names of a state dict.
BETWEEN = re.compile(r"(?<![^.])_(modules|parameters|buffers)\.")
TENSORS = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
PARAMETERS = {
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
}
# What StyleGAN's programs pickle: objects whose classes come as text, and storages, as
# in any pickle of tensors, as the bytes of a file.
PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
EMBEDDED = "torch.storage._load_from_bytes"
WITH_ATTRIBUTES = "torch._tensor._rebuild_from_type_v2"


@dataclasses.dataclass(frozen=True)
class Storage:
    """`count` numbers in a part of the file that is called `key`."""

    key: str
    dtype: np.dtype
    count: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple

    @property
    def span(self) -> int:
        """How many numbers there are from its first to its last, in the storage."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides))


def named_tensors(value, sizes: dict) -> dict:
    """Returns name -> `Tensor` of dictionaries and objects in each other.

    Args:
        value: of the pickle, as `inert_pickle.describe` gives it.
        sizes: bytes of each part of the file.

    Raises:
        ValueError: if a tensor is not within its storage, or that not within the file,
            or if there is more than any network has.
    """
    found = {name: _tensor(made) for name, made in _named(value)}
    found = {name: tensor for name, tensor in found.items() if tensor}
    for name, tensor in found.items():
        _check(name, tensor, sizes)
    return found


def storage_of(reference: Persistent) -> Storage | None:
    """Returns what ("storage", its class, key, device, count) is, None of others.

    Raises:
        Exception: of many a kind, if it is damaged.
    """
    if not isinstance(reference.id, tuple) or reference.id[:1] != ("storage",):
        return None  # the source of a class, in files of old
    _, named, key, _, count, *view = reference.id
    package, *_, kind = named.name.split(".")
    dtype = DTYPES.get(kind.removesuffix("Storage")) if package == "torch" else None
    if dtype is None or not is_key(key):
        return None  # of quantized numbers, say
    if view and view[0] is not None:
        raise ValueError(f"its storage {key} is a part of another one")
    return Storage(str(key), np.dtype(dtype), count)


def embedded_storages(value) -> list:
    """Returns the stand-ins of storages that lie in a pickle itself, as bytes.

    The `state` of each is to become what it refers to.
    """
    found = {}
    for _, made in _named(value):
        reference = (_arguments(made) or [None])[0]
        if isinstance(reference, StandIn) and reference.name == EMBEDDED:
            found[id(reference)] = reference
    return list(found.values())


def _named(value):
    """Yields names with dots, and the stand-ins that nested values hold by them.

    As the names have a limit, so has what contains itself.
    """
    left, count, characters = collections.deque([("", value)]), 0, 0
    while left:
        prefix, value = left.popleft()
        for key, inner in _items(value):
            length = len(prefix) + len(key)
            count, characters = count + 1, characters + length
            if count > MOST_VALUES or length > LONGEST_NAME:
                raise ValueError(
                    f"over {MOST_VALUES} values, or a name of over {LONGEST_NAME} "
                    "characters: it contains itself, or too much"
                )
            if characters > MOST_CHARACTERS:
                raise ValueError(f"names of over {MOST_CHARACTERS} characters together")
            if isinstance(inner, StandIn):
                yield BETWEEN.sub("", prefix + key), inner
            if isinstance(inner, dict | StandIn):
                left.append((f"{prefix}{key}.", inner))


def _items(value):
    """Yields keys and values of a dictionary, or of an object by its attributes."""
    if isinstance(value, dict):
        yield from value.items()
    if not isinstance(value, StandIn):
        return
    if value.name == "collections.OrderedDict" and value.arguments:
        pairs = value.arguments[0]  # as Python 2 writes it
        for pair in pairs if isinstance(pairs, list) else ():
            fits = isinstance(pair, list | tuple) and len(pair) == 2
            # What is no pair is counted, so that there is an end to it.
            yield (str(pair[0]), pair[1]) if fits and is_key(pair[0]) else ("", None)
    if value.name == PERSISTENT and isinstance(value.arguments[0], dict):
        state = value.arguments[0].get("state")
        yield from state.items() if isinstance(state, dict) else ()
    yield from value.items.items()
    if isinstance(value.state, dict):
        yield from value.state.items()


def _arguments(made):
    """Returns what a tensor is made of, None of other stand-ins."""
    if made.name == WITH_ATTRIBUTES and len(made.arguments) == 4:
        function, _, arguments, _ = made.arguments
        if isinstance(function, Global) and isinstance(arguments, tuple):
            made = StandIn(function.name, arguments)
    if made.name in PARAMETERS and made.arguments:
        made = made.arguments[0]
    if not isinstance(made, StandIn) or made.name not in TENSORS:
        return None
    return made.arguments


def _tensor(made):
    """Returns what a stand-in is as a tensor, or None."""
    arguments = _arguments(made)
    if arguments is None:
        return None
    reference, offset, shape, strides = arguments[:4]
    if isinstance(reference, StandIn) and reference.name == EMBEDDED:
        reference = reference.state
    if isinstance(shape, StandIn) and shape.name == "torch.Size":
        (shape,) = shape.arguments
    storage = isinstance(reference, Persistent) and storage_of(reference)
    return Tensor(storage, offset, shape, strides) if storage else None


def _check(name, tensor, sizes):
    storage, numbers = tensor.storage, (tensor.shape, tensor.strides)
    if not all(isinstance(n, tuple) for n in numbers) or not all(
        type(n) is int and 0 <= n < LARGEST
        for n in itertools.chain(*numbers, (tensor.offset, storage.count))
    ):
        raise ValueError(f"{name}: no shape, strides and offset")
    if not len(tensor.shape) == len(tensor.strides) <= MOST_DIMENSIONS:
        raise ValueError(f"{name}: {len(tensor.shape)} dimensions")
    held = sizes.get(storage.key, 0) // storage.dtype.itemsize
    if max(storage.count, math.prod(tensor.shape)) > held:
        raise ValueError(f"{name}: more numbers than the {held} that the file holds")
    if tensor.offset + tensor.span > storage.count:
        raise ValueError(f"{name}: reaches beyond its storage")


# By what PyTorch calls the class of a storage, without "Storage".
DTYPES = {
    "Double": np.float64,
    "Float": np.float32,
    "Half": np.float16,
    "BFloat16": ml_dtypes.bfloat16,
    "Long": np.int64,
    "Int": np.int32,
    "Short": np.int16,
    "Char": np.int8,
    "Byte": np.uint8,
    "Bool": np.bool_,
    "ComplexFloat": np.complex64,
    "ComplexDouble": np.complex128,
}
