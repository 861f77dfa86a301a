"""Writes docs/reliability.md from the reports of a test run.

`RELIABILITY_REPORT=docs/reliability.md python -m pytest tests/reliability` runs the
tests and updates the table; with `-m slow` it does so for the long forms.
"""

import datetime
import os
import re
from pathlib import Path

HEAD = """\
# Reliability

What must hold under load (L), faults (F), bad input (B) and attacks (S), and how it
went the last time. Written by `tests/reliability/report.py`; do not edit. Numbers are
of the machine that ran the tests.

    RELIABILITY_REPORT=docs/reliability.md python -m pytest tests/reliability
    RELIABILITY_REPORT=docs/reliability.md python -m pytest tests/reliability -m slow

- B1: `evaluate` refuses a damaged picture by name, because a mean over fewer pictures
  is another number; training replaces up to 1 % of the pictures and counts them.
- F7: a batch is a function of the seed and the step alone, so the step that the error
  names is enough to make it again; `-resume` comes to it again.
- F8: the device that is full is played by a completion that raises the engine's error.
- L5, L8, F13 and S2 wait for the parts that they are about.

| row | test | result | figures | date |
|---|---|---|---|---|
"""
LINE = re.compile(r"\| (\w+) \| `(.+?)` \| .* \|$")


class Report:
    """A pytest plugin that collects the outcome of every test with a row.

    Args:
        path: of the Markdown file; lines of tests that do not run now stay.
    """

    def __init__(self, path):
        self.path, self.lines = Path(path), {}

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        properties = report.user_properties
        figures = ", ".join(f"{k} {_text(v)}" for k, v in properties if k != "row")
        test = report.nodeid.partition("tests/")[2]
        today = datetime.date.today().isoformat()
        for row in [value for name, value in properties if name == "row"]:
            cells = (row, f"`{test}`", report.outcome, figures.replace("|", "/"), today)
            self.lines[row, test] = f"| {' | '.join(cells)} |"

    def pytest_sessionfinish(self):
        former = self.path.read_text().splitlines() if self.path.is_file() else []
        found = {m.groups(): m.string for m in map(LINE.match, former) if m}
        lines = sorted((found | self.lines).items(), key=lambda item: _order(item[0]))
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(HEAD + "".join(f"{line}\n" for _, line in lines))


def pytest_configure(config):
    """Registers the report, but not with the workers of a parallel run."""
    path = os.environ.get("RELIABILITY_REPORT")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(path))


def pytest_collection_modifyitems(items):
    """Notes the rows of a test where its report carries them."""
    for item in items:
        rows = [marker.args[0] for marker in item.iter_markers("row")]
        item.user_properties += [("row", row) for row in sorted(rows)]


def _order(key):
    row, test = key
    return "LFBS".index(row[0]), int(row[1:]), test


def _text(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)
