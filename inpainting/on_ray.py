"""A folder's pictures completed by the workers of a Ray cluster."""

import contextlib
import json
import logging
import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from inpainting_zoo.errors import InputError, ZooError
from inpainting_zoo.inpainting.folder import FolderRun

log = logging.getLogger(__name__)
MOST = 32  # pictures of a part; those that a worker has when it dies are done again
SHARES = 8  # parts that each worker takes at least, so that none waits for another
RETRIES = 2  # of the pictures that a worker had when it died
SILENCE = 60  # seconds without a picture after which that is said
PATIENCE = 5  # seconds in which a cluster takes a connection
REFUSAL = 10  # seconds of Ray's tries to get in after which that is said
# What decides in a worker as it does here.
VARIABLES = ("KERAS_BACKEND", "INPAINTING_ZOO_HOME", "INPAINTING_ZOO_MIRRORS")


def library():
    """Returns Ray, which is an extra.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import ray.data
    except ImportError as error:
        raise InputError(
            'ray: needs what `pip install ".[ray]"` brings, received no '
            f"{error.name or 'ray'}"
        ) from error
    return ray


def rows_on_ray(
    address: str, load, run: FolderRun, attempts: list, gpus: bool = True
) -> Iterator[dict]:
    """Yields the rows of pictures as workers complete them, in no order.

    Every CPU of the cluster, or every GPU where it has any, is a worker with a model of
    its own. What a worker had when it died is done again by another; pictures by which
    workers die again and again fail, and stop nothing.

    Args:
        address: of a cluster, "auto" for the one of this machine, or "local" to start
            one here; a connection that the program has already is used and kept.
        load: takes nothing, returns the model and its recipe; called in each worker.
        run: how pictures are completed.
        attempts: name, mask and former row of each picture.
        gpus: False leaves GPUs alone.

    Raises:
        InputError: if there is no cluster at the address.
        ZooError: what `load` raised in a worker.
    """
    left = {name: [name, str(mask), former] for name, mask, former in attempts}
    if not left:
        return
    with _connected(address) as ray, _saying_silence(ray) as heard:
        _quieten(ray)
        resources = ray.cluster_resources()
        kind = "GPU" if gpus and resources.get("GPU", 0) >= 1 else "CPU"
        count = max(1, int(resources.get(kind, 0)))
        log.info("ray: %d workers, each with a %s", min(count, len(left)), kind)
        # A second part waits at each worker, so that it has no pause. One that dies
        # takes the tries of both: what is left is then done each alone.
        for most, held in ((MOST, 2), (1, 1)):
            parts = max(-(-len(left) // most), min(count * SHARES, len(left)))
            workers = ray.data.ActorPoolStrategy(
                size=min(count, parts), max_tasks_in_flight_per_actor=held
            )
            items = [*left.values()]
            for row in _completed(ray, load, run, items, parts, kind, workers):
                heard()
                left.pop(row["file"])
                yield row
            if not left:
                return
    reason = f"its worker died {RETRIES + 1} times, for want of memory, say"
    for name in left:
        yield run.failed(name, reason)


def _completed(ray, load, run, items, parts, kind, workers):
    """Yields the rows of items, cut into parts, but for those whose worker dies."""
    texts = [{"attempt": json.dumps(item)} for item in items]
    data = ray.data.from_items(texts, override_num_blocks=parts)
    with warnings.catch_warnings():
        # There is no other way to say how often a part is tried.
        warnings.filterwarnings("ignore", ".*ray_remote_args.*")
        data = data.map_batches(
            _Worker,
            fn_constructor_args=(load, run),
            batch_size=None,
            compute=workers,
            max_task_retries=RETRIES,
            **{f"num_{kind.lower()}s": 1},
        )
    error = None
    for found in data.iter_rows():  # to the end: Ray kills who leaves while it works
        row = json.loads(found["row"])
        if "error" in row:
            error = row
        elif not error:
            yield row
    if error:
        kind = next(k for k in _kinds() if k.__name__ == error["error"])
        raise kind(error["reason"])


def _kinds():
    return [ZooError, *ZooError.__subclasses__()]


class _Worker:
    """Completes parts of the pictures, in a process that Ray has started."""

    def __init__(self, load, run):
        self.run, self.error = run, None
        try:
            self.model, self.recipe = load()
        except ZooError as error:  # Ray would start worker after worker
            self.error = {"error": type(error).__name__, "reason": str(error)}

    def __call__(self, batch):
        if self.error:
            return {"row": [json.dumps(self.error)]}
        rows = []
        for name, mask, former in map(json.loads, batch["attempt"]):
            made = self.run.attempt(self.model, self.recipe, name, Path(mask), former)
            rows.append(json.dumps(made))
        return {"row": rows}


@contextlib.contextmanager
def _connected(address):
    """Connects to a cluster in a block, quietly; yields Ray."""
    ray = library()
    if ray.is_initialized():
        yield ray
        return
    variables = {k: os.environ[k] for k in VARIABLES if k in os.environ}
    options = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        options["include_dashboard"] = False
    slow = threading.Timer(REFUSAL, _say_slow, [address])
    try:
        if address != "local":
            _check_listens(address)
            slow.start()
        ray.init(address, runtime_env={"env_vars": variables}, **options)
    except Exception as error:  # of every kind, for clusters that do not answer
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(
            "ray: must be the address of a cluster, auto for the one that runs here, "
            f"or local to start one, received {address!r}: {reason}"
        ) from error
    finally:
        slow.cancel()
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_listens(address):
    """Refuses an address where nothing listens; Ray would go on trying for minutes."""
    from ray._private import services

    # As Ray finds it: that of "auto" may be of a cluster that has ended.
    host, _, port = services.canonicalize_bootstrap_address(address).rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()


def _say_slow(address):
    log.warning(
        "ray: not let in at %s for %d s, and Ray goes on trying; it must be the head's "
        "port, as `ray start --head` says it, and a token needs RAY_AUTH_MODE=token",
        *(address, REFUSAL),
    )


def _quieten(ray):
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # they are tried again
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _saying_silence(ray):
    """Warns once when nothing comes for long; yields what is called when it does."""
    last, ended = [time.monotonic()], threading.Event()

    def watch():
        while not ended.wait(1):
            if time.monotonic() - last[0] > SILENCE:
                free = ray.available_resources().get("CPU", 0)
                all_of_them = ray.cluster_resources().get("CPU", 0)
                log.warning(
                    "ray: no picture for %d s; %d of %d CPUs are free",
                    *(SILENCE, free, all_of_them),
                )
                return

    def heard():
        last[0] = time.monotonic()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        ended.set()
        thread.join()
