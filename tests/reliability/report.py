"""Writes docs/reliability.md from the reports of a test run.

`RELIABILITY_REPORT=docs/reliability.md python -m pytest tests/reliability` runs the
tests and updates the table; `make soak` does so for the long forms.
"""

import datetime
import os
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

HEAD = """\
# Reliability

What must hold under load (L), faults (F), bad input (B) and attacks (S), and how it
went the last time. Written by `tests/reliability/report.py`; do not edit. Numbers are
of the machine that ran the tests.

    RELIABILITY_REPORT=docs/reliability.md python -m pytest tests/reliability
    make soak

The second runs the long forms. A "short form" is a test that does less than its row
asks for, and that a long one does; its figures tell how much.

- B1: `evaluate` refuses a damaged picture by name, because a mean over fewer pictures
  is another number; training replaces up to 1 % of the pictures and counts them. Those
  to validate on are read before training begins and left out, up to 1 % of all.
- B2: what is over 64 megapixels is refused from its header by every command;
  `-max_pixels` is the only limit.
- B7: `inpaint` refuses a mask of another size unless `-resize_mask` is given. Training
  and `evaluate` bring pictures of all sizes to one square, and masks with them: scaled
  by nearest neighbour to the short side and cropped to the centre, whatever their
  aspect.
- F7: a batch is a function of the seed and the step alone, so the step that the error
  names is enough to make it again; `-resume` comes to it again. The tests make a term
  NaN in the step, and all else runs as it always does.
- F8: the device that is full is played by a completion that raises the engine's error.
- F9: a picture is finished when the ledger says so, which it does after the picture is
  saved. A kill between the two lets one picture be completed again, to the same bytes.
- F12: a network that refuses ends a download at once, one in which no connection comes
  about after 3 seconds. A server that has taken the connection and is silent has four
  times 3 seconds, since a slow one is not an absent one; longer than the row's 5.
- L5: a place in the queue is taken before the upload and kept until the answer; what
  has begun when its client goes away is finished, what has not never begins.
- S2: nothing is deleted after a session because nothing is written: pictures of
  requests stay in memory.

| row | test | result | figures | date |
|---|---|---|---|---|
"""
ROWS = {f"{kind}{i + 1}" for kind, n in zip("LFBS", (8, 13, 15, 2)) for i in range(n)}
LINE = re.compile(r"\| (\w+) \| `(.+?)` \| .* \|$")


class Report:
    """A pytest plugin that collects the outcome of every test with a row.

    Args:
        path: of the Markdown file; lines of tests that do not run now stay, those of
            tests that are no more do not.
    """

    def __init__(self, path):
        self.path, self.lines, self.tests = Path(path), {}, set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config, items):
        # Before slow tests are deselected, and unless single ones are asked for.
        if not any("::" in argument for argument in config.args):
            self.tests = {_name(item.nodeid) for item in items}

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        properties = report.user_properties
        figures = [f"{k} {_text(v)}".strip() for k, v in properties if k != "row"]
        figures, test = ", ".join(figures), _name(report.nodeid)
        today = datetime.date.today().isoformat()
        for row in [value for name, value in properties if name == "row"]:
            cells = (row, f"`{test}`", report.outcome, figures.replace("|", "/"), today)
            self.lines[row, test] = f"| {' | '.join(cells)} |"

    def pytest_sessionfinish(self):
        former = self.path.read_text().splitlines() if self.path.is_file() else []
        found = {m.groups(): m.string for m in map(LINE.match, former) if m}
        found = {(row, t): line for (row, t), line in found.items() if self._is(t)}
        lines = sorted((found | self.lines).items(), key=lambda item: _order(item[0]))
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(HEAD + "".join(f"{line}\n" for _, line in lines))

    def _is(self, test):
        """Whether there still is such a test, as far as this run can know."""
        file, _, name = test.partition("::")
        function = f"def {name.partition('[')[0]}("
        path = TESTS / file
        if not path.is_file() or function not in path.read_text():
            return False
        # Of functions that were collected, with all their parameters.
        known = {t.partition("[")[0] for t in self.tests}
        return test in self.tests or test.partition("[")[0] not in known


def pytest_configure(config):
    """Registers the report, but not with the workers of a parallel run."""
    path = os.environ.get("RELIABILITY_REPORT")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(path))


def pytest_collection_modifyitems(items):
    """Notes the rows of a test, and its form, where its report carries them."""
    for item in items:
        rows = [marker.args[0] for marker in item.iter_markers("row")]
        item.user_properties += [("row", row) for row in sorted(rows)]
        if item.get_closest_marker("short"):
            item.user_properties.append(("short form", ""))


def _name(nodeid):
    return nodeid.partition("tests/")[2]


def _order(key):
    row, test = key
    return "LFBS".index(row[0]), int(row[1:]), test


def _text(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)
