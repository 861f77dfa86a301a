"""Errors that the command line turns into one line and an exit code."""


class ZooError(Exception):
    """What a user can read and mend; `exit_code` is that of the command."""

    exit_code: int


class InputError(ZooError, ValueError):
    """An argument or a file breaks a rule: names it, the rule and what was received."""

    exit_code = 4


class NumericError(ZooError, ArithmeticError):
    """A loss term or a weight is NaN or infinite: names it and the step."""

    exit_code = 3


class WeightsError(ZooError, ValueError):
    """A weight file is damaged, untrusted or does not fit the model."""

    exit_code = 5


def some(names) -> str:
    """Returns how many names there are, and the first three of them."""
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} ({', '.join(sorted(names)[:3])}{more})"


def choose(argument: str, name: str, table: dict):
    """Returns the entry of a table called `name`.

    Raises:
        InputError: if there is none; names `argument` and the names there are.
    """
    if name not in table:
        raise InputError(f"{argument}: one of {', '.join(table)}, received {name!r}")
    return table[name]
