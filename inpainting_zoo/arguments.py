"""The command line, read into the settings of a command."""

import argparse
import dataclasses
import functools
import json
import math
import typing
from collections.abc import Collection, Iterable

from inpainting_zoo import __version__
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.options import COMMANDS
from inpainting_zoo.settings import found, kind_of
from inpainting_zoo.storage.places import check_place


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{self.prog}: {message}")


def parse(argv: list):
    """Reads the command line; every long option takes one dash or two.

    Returns:
        `(command, settings)`: the command's name and its `Settings`.

    Raises:
        InputError: if an option is unknown, has a wrong value, or names a place that
            cannot be written to.
    """
    command = "train"
    if argv and not argv[0].startswith("-"):
        command, *argv = argv
    kind, description = choose("command", command, COMMANDS)
    parser = _Parser(
        prog=f"runner.py {command}" if command != "train" else "runner.py",
        description=description,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        epilog="commands: "
        + "; ".join(f"{name}: {about}" for name, (_, about) in COMMANDS.items()),
    )
    version = f"keras-inpainting-zoo {__version__}"
    parser.add_argument("-version", "--version", action="version", version=version)
    for field in kind.options():
        flag = field.metadata.get("flag", field.name)
        names = [flag, *field.metadata.get("aliases", ())]
        flags = [dashes + name for name in names for dashes in ("-", "--")]
        about = _help(field)
        parser.add_argument(*flags, dest=field.name, help=about, **_argument(field))
    given = vars(parser.parse_args(argv))
    settings = kind(**given, given=frozenset(given))
    settings.complete()
    for field in settings.options():
        place = getattr(settings, field.name)
        if "writes" in field.metadata and place is not None:
            check_place(field.name, place, field.metadata["writes"])
    return command, settings


def dashed(message: str) -> str:
    """Returns an error's text with the dash that its argument has as an option."""
    name, colon, _ = message.partition(":")
    fields = [f for kind, _ in COMMANDS.values() for f in kind.options()]
    known = {f.metadata.get("flag", f.name) for f in fields}
    # "save_to, its suffix" is of save_to.
    return f"-{message}" if colon and name.split(",")[0] in known else message


def _argument(field):
    kind = kind_of(field)
    if kind is bool:
        return {"action": "store_true"}
    if kind is list:
        return {"nargs": "+", "metavar": "FILE"}
    if kind is dict:
        action = functools.partial(Pairs, texts=field.metadata.get("texts"))
        return {"nargs": "+", "action": action, "metavar": "KEY=VALUE"}
    if kind == str | bool:
        return {"nargs": "?", "const": True, "metavar": "FILE"}
    if typing.get_origin(kind) is tuple:
        kind, *others = typing.get_args(kind)
        shown = "X" if kind is float else kind.__name__.upper()
        return {"nargs": 1 + len(others), "type": kind, "metavar": shown}
    return {"type": kind, "metavar": kind.__name__.upper()}


def _help(field):
    text, default = field.metadata["help"].replace("%", "%%"), field.default
    if choices := field.metadata.get("choices"):
        text += f"; one of {', '.join(found(choices))}"
    shown = default not in (None, False, dataclasses.MISSING)
    return f"{text} (default: {default})" if shown else text


class Pairs(argparse.Action):
    """Collects key=value, also over several uses.

    Args:
        texts: where a function is that returns what `read_pairs` takes, or None.
    """

    def __init__(self, *args, texts: str | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.texts = texts

    def __call__(self, parser, namespace, values, option_string=None):
        pairs = dict(getattr(namespace, self.dest, {}))
        try:
            pairs |= read_pairs(values, found(self.texts)() if self.texts else ())
        except ValueError as error:
            parser.error(f"argument {option_string}: {error}")
        setattr(namespace, self.dest, pairs)


def read_pairs(pairs: Iterable, texts: Collection = ()) -> dict:
    """Returns the values of pairs "key=value", which are JSON where they can be.

    Args:
        pairs: as they were typed.
        texts: keys whose values are no numbers, whatever they look like.

    Raises:
        ValueError: if one is no pair, or its number not finite.
    """
    read = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise ValueError(f"key=value, received {pair!r}")
        try:
            read[key] = json.loads(value)
        except json.JSONDecodeError:
            read[key] = value
        if key in texts and not isinstance(read[key], str):
            read[key] = value
        if isinstance(read[key], float) and not math.isfinite(read[key]):
            raise ValueError(f"finite, received {pair!r}")
    return read
