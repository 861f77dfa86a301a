"""The command line in processes of its own, without root's power over file modes."""

import ctypes
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Seconds rather than minutes: the smallest model, on pictures of 32 pixels.
TINY = (
    *("-preset", "gmcnn_small", "-set", "base_channels=4", "critic_channels=4"),
    *("-image_size", 32, "-batch_size", 2, "-critic_steps", 1, "-id_mrf_weight", 0),
)
LAMA = (
    *("-preset", "lama_small", "-set", "base_channels=2", "blocks=1"),
    *("discriminator_channels=2", "judged=prediction", "perceptual_weight=0"),
    *("-image_size", 32, "-batch_size", 2),
)
EAGER = ("-run_eagerly",)
RUNNER = (sys.executable, str(ROOT / "runner.py"))
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": ""}


@dataclasses.dataclass
class Result:
    """How a command ended.

    Args:
        code: exit code.
        out, err: what it printed.
        seconds: that it took.
        growth: how far the memory rose above what it was before, in bytes.
        calls: how often "predict_images" and "training_step" were called.
    """

    code: int
    out: str
    err: str
    seconds: float
    growth: int
    calls: dict

    @property
    def error(self):
        """The line that says what went wrong."""
        return self.err.strip().splitlines()[-1]


class Session:
    """One interpreter that runs `runner.main` on one command line after the other.

    The engine is loaded once instead of for each command.
    """

    def __init__(self):
        script = Path(__file__).with_name("session.py")
        self.process = _start([sys.executable, str(script)], stdin=subprocess.PIPE)

    def run(self, *arguments, **environment) -> Result:
        """Runs a command with variables of the environment."""
        request = json.dumps([_words(arguments), environment])
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return Result(**json.loads(self.process.stdout.readline()))

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def start(*arguments, runner=RUNNER, **environment) -> subprocess.Popen:
    """Starts a command in a process of its own; prints of both kinds go to stdout.

    Args:
        *arguments: of the command.
        runner: what takes them.
        **environment: variables, beside those that there are.
    """
    return _started([*runner, *_words(arguments)], **environment)


def start_as_root_of_its_own(script, *arguments) -> subprocess.Popen:
    """Starts a shell script that may mount; "$@" in it is the command."""
    shell = ["unshare", "-rm", "sh", "-c", script, "sh"]
    return _started([*shell, *RUNNER, *_words(arguments)])


def wait_for(process, condition, seconds=300):
    """Waits until a condition holds while a process runs; returns its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.003)
    return value


def wait_for_line(process, words):
    """Reads what a process prints up to the line with certain words in it."""
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"ended without printing {words!r}")


def kill(process):
    """SIGKILL, as the kernel does when memory is short."""
    process.kill()
    process.wait()
    process.stdout.close()


def finish(process, seconds=300):
    """Waits for the end; returns the exit code and what was printed since."""
    printed = process.communicate(timeout=seconds)[0]
    # A shell reports a signal as 128 and its number.
    code = process.returncode
    return (code if code >= 0 else 128 - code), printed


def kill_all():
    """Ends what a test that failed has left running."""
    while STARTED:
        if (process := STARTED.pop()).poll() is None:
            kill(process)


STARTED = []


def _started(argv, **environment):
    options = {"stderr": subprocess.STDOUT, "env": {**ENVIRONMENT, **environment}}
    STARTED.append(_start(argv, **options))
    return STARTED[-1]


def _start(argv, env=ENVIRONMENT, **options):
    return subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        env=env,
        cwd=ROOT,
        preexec_fn=_obey_modes if os.geteuid() == 0 else None,
        **options,
    )


def _obey_modes():
    """Takes CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from what is executed next."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def _words(arguments):
    return [str(argument) for argument in arguments]
