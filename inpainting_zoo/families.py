"""What is known of a family of models without loading it, and so its engine."""

import ast
import builtins
import dataclasses
import functools
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from inpainting_zoo.errors import choose
from inpainting_zoo.settings import check_value


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of a model.

    Args:
        annotation: as its source has it, such as "int | None".
        types: that it names.
        default: a number, text or None; what is computed counts as None.
    """

    annotation: str
    types: tuple
    default: Any


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of models, as its presets name it.

    Args:
        model: where its class is, "inpainting_zoo.folder.module:Class".
        network: where the function is that builds its networks, whose arguments the
            model takes as well.
        stages: names of the ways of training, in their order; none cannot be trained.
        inputs: what a stage takes beside image and mask: its name -> names.
        sizes: takes the model's arguments; returns the heights and widths that it can
            be shown, or raises InputError.
        options: what `inpaint` takes beyond image, mask and seed: name -> default.
        rules: of these options, beyond the types of their defaults; see
            `check_options`.
        choices: argument of the model that is a name -> where the table of names is,
            "inpainting_zoo.folder.module:TABLE"; see `names_in`.
        draws: whether another seed gives another picture; None if that depends on
            what the model is made of.
        precisions: names that `-mixed_precision` may have.
        shares: names of arguments that are at most 1.
        bound: names of arguments that weights need as they were, though no shape tells.
        adapters: module with `read_adapter` and `arguments`, which open files that
            stand beside the weights; None has none.
    """

    model: str
    network: str | None = None
    stages: tuple = ()
    inputs: Mapping = dataclasses.field(default_factory=dict)
    sizes: Callable | None = None
    options: Mapping = dataclasses.field(default_factory=dict)
    rules: Mapping = dataclasses.field(default_factory=dict)
    choices: Mapping = dataclasses.field(default_factory=dict)
    draws: bool | None = False
    precisions: tuple = ("float32", "bfloat16", "float16")
    shares: tuple = ()
    bound: tuple = ()
    adapters: str | None = None

    @property
    def folder(self) -> str:
        """The folder that it is in, such as "gmcnn"."""
        return self.model.split(".")[1]

    def load(self) -> type:
        """Returns the class; this loads the engine if it has one."""
        module, _, name = self.model.partition(":")
        return getattr(import_module(module), name)

    @functools.cached_property
    def arguments(self) -> dict:
        """What the model takes: name -> `Argument`."""
        return {**self._networks, **declared(self.model)}

    @functools.cached_property
    def generator_options(self) -> list:
        """Names of the arguments that decide what its networks are."""
        own = declared(self.model)
        return [name for name in self._networks if name not in own]

    @property
    def _networks(self):
        return declared(self.network) if self.network else {}


def check_options(
    given: Mapping, options: Mapping, rules: Mapping, argument: str = "option"
):
    """Checks what a model takes for a picture; this loads no engine.

    Args:
        given: name -> value.
        options: name -> default, of whose type a value must be.
        rules: name -> its bounds (`least`, `most`, `above`) or "choices", where the
            table of its names is, see `names_in`; and "about", words for a form.
        argument: what to call an unknown option in an error.

    Raises:
        InputError: names the first that is unknown or breaks its rule.
    """
    for name, value in given.items():
        default = choose(argument, name, options or {"(this model takes none)": None})
        rule = rules.get(name, {})
        check_value(name, type(default), value, rule)
        if "choices" in rule:
            choose(name, value, dict.fromkeys(names_in(rule["choices"])))


def declared(place: str) -> dict:
    """Returns what a class or function takes, by name, read from its source.

    To import it would load the engine, which takes seconds that a wrong argument is not
    worth.

    Args:
        place: "module:name".
    """
    nodes, name = _source(place)
    node = _named(nodes, name)
    if isinstance(node, ast.ClassDef):
        node = _named(node.body, "__init__")
    defaults = node.args.defaults
    return {
        argument.arg: Argument(
            ast.unparse(argument.annotation),
            tuple(_types(argument.annotation)),
            default.value if isinstance(default, ast.Constant) else None,
        )
        for argument, default in zip(node.args.args[-len(defaults) :], defaults)
    }


def names_in(place: str) -> list:
    """Returns the names in a table, read from its source as `declared` does.

    Args:
        place: "module:TABLE" of a dict or tuple that is written out.
    """
    nodes, name = _source(place)
    tables = [node for node in nodes if isinstance(node, ast.Assign)]
    table = next(x.value for x in tables if ast.unparse(x.targets[0]) == name)
    elements = table.keys if isinstance(table, ast.Dict) else table.elts
    return [element.value for element in elements]


def _source(place):
    """Returns what stands in the source of "module:name", and the name."""
    module, _, name = place.partition(":")
    return _statements(module), name


@functools.cache  # options are checked for every picture
def _statements(module):
    return ast.parse(find_spec(module).loader.get_source(module)).body


def _named(nodes, name):
    return next(node for node in nodes if getattr(node, "name", None) == name)


def _types(annotation):
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield getattr(builtins, node.id)
        elif isinstance(node, ast.Constant):
            yield type(node.value)
