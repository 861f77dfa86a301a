"""What a run records of where it happened."""

import subprocess

from conftest import ROOT
from inpainting_zoo import environment


def test_the_commit_is_that_of_this_library(tmp_path):
    words = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert environment.commit() == (found.stdout.strip() or None)
    # Installed into a repository of its user, it has none.
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    commit = ["git", *who, "commit", "-q", "--allow-empty", "-m", "theirs"]
    subprocess.run(commit, cwd=tmp_path, check=True)
    (tmp_path / "site-packages").mkdir()
    assert environment.commit(tmp_path / "site-packages") is None
    assert environment.commit(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    assert environment.commit(tmp_path) is None


def test_memory_is_known_where_the_system_tells(monkeypatch):
    assert environment.peak_memory() > 1
    monkeypatch.setattr(environment, "resource", None)  # as on Windows
    assert environment.peak_memory() is None


def test_versions_and_processor_are_named():
    assert {"python", "numpy", "keras"} <= environment.versions().keys()
    assert environment.processor()["cores"] >= 1
