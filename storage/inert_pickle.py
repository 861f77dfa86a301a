"""What a pickle describes, without importing or calling anything that it names."""

import dataclasses
import pickletools
from collections.abc import Callable

# A step takes up to 110 bytes of memory, so a file may have as many as suit its size:
# a tensor has 30, and 130 bytes or more.
FREE_STEPS, MOST_STEPS, BYTES_OF_A_STEP = 2**17, 2**21, 4
LONGEST_NAME, LARGEST = 1000, 2**63


class Steps:
    """The steps that the pickles of one file may take, all together.

    Args:
        size: of the file, in bytes.
    """

    def __init__(self, size: int):
        self.allowed = min(MOST_STEPS, FREE_STEPS + size // BYTES_OF_A_STEP)
        self.taken = 0

    def take(self):
        """Counts a step.

        Raises:
            ValueError: if it is one too many.
        """
        self.taken += 1
        if self.taken > self.allowed:
            raise ValueError(f"its pickles take over {self.allowed} steps")


@dataclasses.dataclass(eq=False, repr=False, slots=True)
class Global:
    """A function or class that a pickle names, such as "os.system": only its name."""

    name: str


@dataclasses.dataclass(eq=False, repr=False, slots=True)
class Persistent:
    """What is kept outside of a pickle, by what the pickle calls it."""

    id: object


@dataclasses.dataclass(eq=False, repr=False, slots=True)
class StandIn:
    """What a pickle wants to be made by a call; nothing is called.

    Args:
        name: of the function or class, "" if it is no name.
        arguments: that it would be called with.
        state: that the object would be given.
        items: that it would be given, as a dictionary is.
    """

    name: str
    arguments: tuple = ()
    state: object = None
    items: dict = dataclasses.field(default_factory=dict)


def describe(file, steps: Steps) -> tuple:
    """Reads one pickle, and leaves the file at its end.

    A pickle is a program for a machine with a stack. This is such a machine, without
    the steps that reach out of it: numbers, text, lists, tuples and dictionaries become
    themselves; sets become lists, keys of dictionaries text, and other keys are left
    out, because hashing a stranger's tuple can end a program.

    Args:
        file: with `read` and `readline`, in binary.
        steps: that are left to it.

    Returns:
        `(value, references)`: what the pickle holds, made of the classes above besides,
        and every `Persistent` in it.

    Raises:
        Exception: of many a kind, if it is damaged, or takes too many steps.
    """
    machine = Machine()
    for opcode, argument, _ in pickletools.genops(file):
        steps.take()
        if opcode.name not in STEPS:
            raise ValueError(f"its pickle uses {opcode.name}")
        try:
            STEPS[opcode.name](machine, argument)
        except (IndexError, KeyError) as error:
            raise ValueError(f"its pickle has nothing for {opcode.name}") from error
    return machine.stack[-1], machine.references


def is_key(value) -> bool:
    """Whether it is safe to hash a stranger's value, and to make text of it."""
    return isinstance(value, str) or (isinstance(value, int) and abs(value) < LARGEST)


class Machine:
    """The stack, the stacks below marks, what is remembered by number."""

    def __init__(self):
        self.stack, self.below, self.memo, self.references = [], [], {}, []

    def mark(self):
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list:
        """Takes everything above the last mark off the stack."""
        values, self.stack = self.stack, self.below.pop()
        return values

    def push(self, value):
        self.stack.append(value)

    def take(self, count: int) -> list:
        """Takes so many values off the stack."""
        return [self.stack.pop() for _ in range(count)][::-1]

    def name(self, module, name):
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("its pickle names something without a name")
        if len(module) + len(name) > LONGEST_NAME:
            raise ValueError(f"its pickle has a name of over {LONGEST_NAME} characters")
        self.push(Global(f"{module}.{name}"))

    def call(self, function, arguments, *_):
        name = function.name if isinstance(function, Global) else ""
        self.push(StandIn(name, arguments if isinstance(arguments, tuple) else ()))

    def give_state(self, state):
        if isinstance(self.stack[-1], StandIn):
            self.stack[-1].state = state

    def extend(self, values):
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def set_items(self, flat):
        target = self.stack[-1]
        target = target.items if isinstance(target, StandIn) else target
        if isinstance(target, dict):
            for key, value in zip(flat[::2], flat[1::2]):
                if is_key(key):
                    target[str(key)] = value

    def dictionary(self, flat):
        self.push({})
        self.set_items(flat)

    def refer(self, persistent_id):
        self.references.append(Persistent(persistent_id))
        self.push(self.references[-1])

    def remember(self, number):
        self.memo[number] = self.stack[-1]


def _each(names: str, step: Callable) -> dict:
    return dict.fromkeys(names.split(), step)


# What each step of a pickle does; `pickletools` says what they are.
STEPS = {
    **_each("PROTO FRAME", lambda m, a: None),
    "STOP": lambda m, a: m.push(m.stack.pop()),
    **_each("INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT", Machine.push),
    **_each("STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE", Machine.push),
    **_each("SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES", Machine.push),
    **_each("BINBYTES8 BYTEARRAY8", Machine.push),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    **_each("EMPTY_LIST EMPTY_SET", lambda m, a: m.push([])),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "MARK": lambda m, a: m.mark(),
    "POP": lambda m, a: m.stack.pop() if m.stack else m.since_mark(),
    "POP_MARK": lambda m, a: m.since_mark(),
    "DUP": lambda m, a: m.push(m.stack[-1]),
    "TUPLE1": lambda m, a: m.push(tuple(m.take(1))),
    "TUPLE2": lambda m, a: m.push(tuple(m.take(2))),
    "TUPLE3": lambda m, a: m.push(tuple(m.take(3))),
    "TUPLE": lambda m, a: m.push(tuple(m.since_mark())),
    **_each("LIST FROZENSET", lambda m, a: m.push(m.since_mark())),
    "DICT": lambda m, a: m.dictionary(m.since_mark()),
    "APPEND": lambda m, a: m.extend(m.take(1)),
    **_each("APPENDS ADDITEMS", lambda m, a: m.extend(m.since_mark())),
    "SETITEM": lambda m, a: m.set_items(m.take(2)),
    "SETITEMS": lambda m, a: m.set_items(m.since_mark()),
    "GLOBAL": lambda m, a: m.name(*a.split(" ", 1)),
    "STACK_GLOBAL": lambda m, a: m.name(*m.take(2)),
    **_each("REDUCE NEWOBJ", lambda m, a: m.call(*m.take(2))),
    "NEWOBJ_EX": lambda m, a: m.call(*m.take(3)),
    "OBJ": lambda m, a: m.call(*m.since_mark()[:1], ()),
    "INST": lambda m, a: m.call(Global(a.replace(" ", ".")), tuple(m.since_mark())),
    "BUILD": lambda m, a: m.give_state(*m.take(1)),
    "BINPERSID": lambda m, a: m.refer(*m.take(1)),
    **_each("PUT BINPUT LONG_BINPUT", Machine.remember),
    "MEMOIZE": lambda m, a: m.remember(len(m.memo)),
    **_each("GET BINGET LONG_BINGET", lambda m, a: m.push(m.memo[a])),
}
