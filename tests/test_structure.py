"""Imports run down: from commands to families to layers, never back up."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "inpainting_zoo"
# A module may import its own floor and those below; a longer name decides.
FLOORS = [
    "benchmarks tools",
    "cli",
    "arguments",
    "serving",
    "evaluation exporting inpainting training video weights.convert "
    "ensemble.command ensemble.cache",
    # What an ensemble is made of are presets.
    "chosen ensemble.model ensemble.members",
    "presets",
    "gmcnn context_encoder lama mae mat patch_match ensemble stable_diffusion asuka "
    "weights",
    "models",
    "metrics",
    "features losses",
    "layers",
    "engine data drawing options",
    "storage terminal environment memory settings families",
    "errors",
]


def modules():
    """Module name without the package's -> the modules that it imports anywhere."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in ROOT.glob("*/**/*.py")
        if path.relative_to(ROOT).parts[0] not in ("tests", ".venv", "build", "outputs")
    }
    names = {n.removeprefix(f"{PACKAGE}.").removesuffix(".__init__") for n in files}
    found = {}
    for name, path in files.items():
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                short = [n.removeprefix(f"{PACKAGE}.") for n in (node.module, *full)]
                imported |= names.intersection(short)
        name = name.removeprefix(f"{PACKAGE}.").removesuffix(".__init__")
        found[name] = imported - {name, PACKAGE}
    return found


def floor(name):
    prefixes = [(len(p), i) for i, row in enumerate(FLOORS) for p in row.split()
                if f"{name}.".startswith(f"{p}.")]  # fmt: skip
    return max(prefixes)[1] if prefixes else None


@pytest.fixture(scope="module")
def imports():
    return modules()


def test_every_module_has_its_floor(imports):
    assert {n for n in imports if floor(n) is None} == {"__init__"}
    assert floor("weights.convert") < floor("weights.converting")
    assert {"errors", "models.inpainter"} <= imports["chosen"] | imports["gmcnn.model"]


def test_no_import_runs_back_up(imports):
    back = [(name, other) for name, others in imports.items() for other in others
            if name != "__init__" and floor(other) < floor(name)]  # fmt: skip
    assert back == []


def test_no_modules_import_each_other(imports):
    """What imports nothing that is left is taken away, until nothing is."""
    left = dict(imports)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}
