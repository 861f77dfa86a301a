"""What settings are made of: fields with rules, checked whichever door they take."""

import dataclasses
import functools
import math
import operator
import os
import pkgutil
import types
import typing

from inpainting_zoo.errors import InputError, choose


def option(default, text: str, **rules):
    """Returns a field of settings.

    Args:
        default: None is the preset's or derived.
        text: for the help.
        **rules: `least`, `most`, `above` and `below` bound numbers; `choices` are the
            names that there are, or where their table is ("module:TABLE", loaded when
            it is needed); `check` takes a value, or is where a function is that does,
            and raises; `writes` is "file", "folder" or "any": what is written there;
            `texts` is where a function is that returns which keys have texts as values;
            `flag` is the name on the command line; `aliases` are others.
    """
    rules["help"] = text
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=rules)
    return dataclasses.field(default=default, metadata=rules)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a command, checked.

    Args:
        given: names of those that the command line gave.

    Attributes:
        NEEDED: names of those that the command cannot do without.

    Raises:
        InputError: names the argument, its rule and what was received.
    """

    NEEDED: typing.ClassVar[tuple] = ()

    given: frozenset = dataclasses.field(default=frozenset(), repr=False, compare=False)

    @classmethod
    def options(cls) -> list:
        """Returns the fields that are options of the command line."""
        return [f for f in dataclasses.fields(cls) if f.metadata]

    def __post_init__(self):
        for field in self.options():
            check(field, getattr(self, field.name))

    def as_dict(self) -> dict:
        """Returns every option by name."""
        return {field.name: getattr(self, field.name) for field in self.options()}

    def complete(self):
        """Checks that all that the command cannot do without is there.

        Raises:
            InputError: names the first that is not.
        """
        for name in self.NEEDED:
            if not getattr(self, name):
                raise InputError(f"{name}: is needed, received none")

    def check_sources(self):
        """Checks that what the command reads is there, before an engine is loaded.

        Raises:
            InputError: names the first that is not.
        """


def kind_of(field):
    """Returns the type that a field's value has where it is not None."""
    hint = field.type
    if not isinstance(hint, types.UnionType):
        return hint
    kinds = [kind for kind in typing.get_args(hint) if kind is not types.NoneType]
    return functools.reduce(operator.or_, kinds)


def check(field, value):
    """Checks one value by the type and the rules of its field."""
    if value is None and field.default is None:
        return
    rules, kind = field.metadata, kind_of(field)
    name = rules.get("flag", field.name)
    if typing.get_origin(kind) is tuple:
        kinds = typing.get_args(kind)
        if not isinstance(value, list | tuple) or len(value) != len(kinds):
            raise InputError(f"{name}: must be {len(kinds)}, received {value!r}")
        for each in zip(kinds, value):
            check_value(name, *each, rules)
    else:
        check_value(name, kind, value, rules)
    if "choices" in rules and value != field.default:
        choose(name, value, dict.fromkeys(found(rules["choices"])))
    if "check" in rules:
        found(rules["check"])(value)


def check_value(name: str, kind, value, rules):
    """Checks one value by its type and by the bounds among its rules.

    Raises:
        InputError: names the argument, its rule and what was received.
    """
    if kind in (int, float):
        _check_number(name, kind, value, rules)
    elif not isinstance(value, os.PathLike if kind is str else kind) and not (
        kind is str and isinstance(value, str)
    ):
        words = f"of type {getattr(kind, '__name__', kind)}"
        words = {bool: "true or false", str: "text"}.get(kind, words)
        raise InputError(f"{name}: must be {words}, received {value!r}")


def _check_number(name, kind, value, rules):
    wanted = int if kind is int else int | float
    number = isinstance(value, wanted) and not isinstance(value, bool)
    if not (
        number
        and -math.inf < value < math.inf  # which takes integers of any length
        and rules.get("least", -math.inf) <= value <= rules.get("most", math.inf)
        and rules.get("above", -math.inf) < value < rules.get("below", math.inf)
    ):
        words = {"least": "at least", "above": "above", "most": "at most"}
        words |= {"below": "below"}
        bounds = [f"{word} {rules[k]}" for k, word in words.items() if k in rules]
        what = "a whole number" if kind is int else "a finite number"
        rule = " and ".join([f"{what}, {bounds[0]}" if bounds else what, *bounds[1:]])
        raise InputError(f"{name}: must be {rule}, received {value!r}")


def found(named):
    """Returns what a "module:NAME" names, or what is no such text."""
    return pkgutil.resolve_name(named) if isinstance(named, str) else named
