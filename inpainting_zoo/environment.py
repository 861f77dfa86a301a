"""What a run happened on: versions, processor, memory, and the commit of this code."""

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

try:
    import resource
except ImportError:  # on Windows
    resource = None

LIBRARIES = ("numpy", "skimage", "cv2", "PIL", "patchmatch", "keras")
LIBRARIES += ("tensorflow", "jax")


def versions() -> dict:
    """Returns the versions of Python and of the libraries that decide the numbers."""
    packages = packages_distributions()
    found = {m: version(packages[m][0]) for m in LIBRARIES if m in packages}
    return {"python": platform.python_version()} | found


def processor() -> dict:
    """Returns the model of the CPU and the number of its cores."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:  # not on Linux
        found = None
    model = found[1] if found else platform.processor()
    return {"model": model, "cores": os.cpu_count()}


def commit(folder: Path = Path(__file__).parents[1]) -> str | None:
    """Returns the short name of the checked-out commit of this library, or None.

    Args:
        folder: that holds the package; the top of a checkout of this library, or a
            place that it was installed to, perhaps within a repository of its user.
    """
    project = folder / "pyproject.toml"
    if not ((folder / ".git").exists() and project.is_file()):
        return None
    if 'name = "keras-inpainting-zoo"' not in project.read_text(errors="replace"):
        return None
    try:
        command = ["git", "rev-parse", "--short", "HEAD"]
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError:
        return None
    return found.stdout.strip() or None


def peak_memory() -> float | None:
    """Returns the most memory that this process has had in MB, where that is known."""
    if resource is None:
        return None
    try:  # what `resource` tells on Linux begins with the peak of who started this
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 2**10
    except (OSError, TypeError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
