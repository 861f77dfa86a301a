"""Runs the command lines that come as JSON lines, and says how each one ended."""

import contextlib
import io
import json
import os
import sys
import time
import traceback
import urllib.request
from collections import Counter
from pathlib import Path

from keras import ops

from inpainting_zoo import cli as runner
from inpainting_zoo.context_encoder import model as context_encoder_model
from inpainting_zoo.context_encoder.model import ContextEncoder
from inpainting_zoo.gmcnn import model as gmcnn_model
from inpainting_zoo.gmcnn.model import GMCNN


def count(owner, name, calls):
    """Lets a method count its calls and otherwise do what it does."""
    method = getattr(owner, name)

    def counting(*arguments, **options):
        calls[name] += 1
        return method(*arguments, **options)

    setattr(owner, name, counting)


def poison(module, owner):
    """Lets the loss term TERM be NaN in step STEP where the variable NAN is TERM@STEP.

    It is so on every engine, eagerly and compiled, with everything else as it is.
    """
    training_step, weighted_sum = owner.training_step, module.weighted_sum

    def stepping(model, batch):
        stepping.model = model
        return training_step(model, batch)

    def poisoned(terms, *others):
        term, _, step = os.environ.get("NAN", "").partition("@")
        if term in terms:
            here = stepping.model.optimizer.iterations + 1 == int(step)
            terms = terms | {term: ops.where(here, float("nan"), terms[term])}
        return weighted_sum(terms, *others)

    owner.training_step, module.weighted_sum = stepping, poisoned


def memory(field):
    """A field of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(li.split()[1]) for li in lines if li.startswith(field)) * 1024


def run(argv, environment):
    """Runs one command line in this process, as `python runner.py` would."""
    former, out, err = dict(os.environ), io.StringIO(), io.StringIO()
    os.environ.update(environment)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    urllib.request.install_opener(None)  # it remembers a proxy
    calls.clear()
    before, start = memory("VmRSS"), time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = runner.main(argv)
        except SystemExit as error:
            code = error.code
        except BaseException:
            traceback.print_exc()
            code = 1
    os.environ.clear()
    os.environ.update(former)
    return {
        "code": code,
        "out": out.getvalue(),
        "err": err.getvalue(),
        "seconds": time.perf_counter() - start,
        "growth": memory("VmHWM") - before,
        "calls": calls,
    }


if __name__ == "__main__":
    calls = Counter()
    poison(gmcnn_model, GMCNN)
    poison(context_encoder_model, ContextEncoder)
    count(GMCNN, "predict_images", calls)
    count(GMCNN, "training_step", calls)  # once for each tracing, unless eager
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(run(*json.loads(line))) + "\n")
        answers.flush()
    os._exit(0)  # taking down what hundreds of models left takes long
