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
        self.path, self.rows, self.lines = Path(path), {}, {}

    def pytest_collection_modifyitems(self, items):
        for item in items:
            self.rows[item.nodeid] = [m.args[0] for m in item.iter_markers("row")]

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        figures = ", ".join(f"{k} {_text(v)}" for k, v in report.user_properties)
        test = report.nodeid.partition("tests/")[2]
        today = datetime.date.today().isoformat()
        for row in self.rows[report.nodeid]:
            cells = (row, f"`{test}`", report.outcome, figures.replace("|", "/"), today)
            self.lines[row, test] = f"| {' | '.join(cells)} |"

    def pytest_sessionfinish(self):
        former = self.path.read_text().splitlines() if self.path.is_file() else []
        found = {m.groups(): m.string for m in map(LINE.match, former) if m}
        lines = sorted((found | self.lines).items(), key=lambda item: _order(item[0]))
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(HEAD + "".join(f"{line}\n" for _, line in lines))


def pytest_configure(config):
    """Called from conftest.py."""
    if path := os.environ.get("RELIABILITY_REPORT"):
        config.pluginmanager.register(Report(path))


def _order(key):
    row, test = key
    return "LFBS".index(row[0]), int(row[1:]), test


def _text(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)
