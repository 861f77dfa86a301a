"""The table of rows: every row has a test, and every line is of one."""

import re
from pathlib import Path

import pytest

from .report import HEAD, ROWS, TESTS, Report


def test_every_row_has_a_test():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    marked = set(re.findall(r"mark\.row\(\"(\w+)\"\)", text))
    assert marked == ROWS


def test_every_line_is_of_a_test_that_there_is():
    report = (TESTS.parent / "docs" / "reliability.md").read_text()
    lines = re.findall(r"^\| (\w+) \| `(\S+)::(\w+)[\[`]", report, re.MULTILINE)
    assert {row for row, _, _ in lines} == ROWS
    for _, file, function in lines:
        assert f"def {function}(" in (TESTS / file).read_text()


FILE = "reliability/test_report.py"


@pytest.mark.parametrize(
    ("test", "stays"),
    [
        (f"{FILE}::test_lines_of_lost_tests_go", False),  # has parameters by now
        (f"{FILE}::test_lines_of_lost_tests_go[unknown]", False),
        (f"{FILE}::test_every_row_has_a_test", True),
        (f"{FILE}::test_nothing", False),
        ("reliability/test_nothing.py::test_nothing", False),
    ],
)
def test_lines_of_lost_tests_go(request, tmp_path, test, stays):
    """Those of tests that were not collected this time stay."""
    path = tmp_path / "docs" / "reliability.md"
    path.parent.mkdir()
    line = f"| L1 | `{test}` | passed | images 30 | 2026-01-01 |\n"
    path.write_text(HEAD + line)
    report = Report(path)
    report.tests = {request.node.nodeid.partition("tests/")[2]}
    report.pytest_sessionfinish()
    assert path.read_text() == HEAD + (line if stays else "")
