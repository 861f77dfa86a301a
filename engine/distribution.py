"""Training on several devices and by several processes at once, on JAX.

`begin` comes before the engine is used, `spread` before anything is built; without them
there is one process, as ever.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import socket
import sys
import threading
import time

from inpainting_zoo.engine import choice
from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.shards import Shard, parse_shard

LOST = 6  # exit code where another process has ended
BYE = b"b"  # what a process sends that has come to its end
PATIENCE = 5  # seconds for what takes a moment
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
# Seconds after which JAX itself ends a process that has lost another, without a line.
HEARTBEAT = 45
# Seconds that the others wait for the first to save and to validate at the end.
END = 3600
# By which JAX finds the other processes: set by srun and by mpirun.
LAUNCHED = ("SLURM_STEP_NODELIST", "OMPI_MCA_orte_hnp_uri")


@dataclasses.dataclass
class _Together:
    """What this process is among those that train together."""

    process: Shard = dataclasses.field(default_factory=lambda: Shard(0, 1))
    spread: bool = False
    connections: list = dataclasses.field(default_factory=list)


_together = _Together()


def begin(address: str | bool, number: str | None):
    """Connects this process with those that train together.

    Args:
        address: HOST:PORT of the first process; True lets JAX find it where SLURM or
            Open MPI has started the processes, and is for one process elsewhere.
        number: "I/N" of this process, with an address.

    Raises:
        InputError: if the engine is not JAX, or the others cannot be reached.
    """
    engine, _ = choice.chosen_engine()
    if engine != "jax":
        raise InputError(
            "distributed: needs KERAS_BACKEND=jax, because on TensorFlow Keras's "
            f"distribution does nothing and says nothing, received {engine!r}"
        )
    _together.spread = True
    if address is True and not any(name in os.environ for name in LAUNCHED):
        return
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    options = {}
    if address is not True:
        one = parse_shard(number, "process")
        options = {"coordinator_address": address, "num_processes": one.count}
        options |= {"process_id": one.index, "cluster_detection_method": "deactivate"}
    try:
        jax.distributed.initialize(
            **options,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=END,
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"distributed: must reach the other processes, received {address!r}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    _together.process = Shard(jax.process_index(), jax.process_count())
    if process().count > 1:
        named = socket.gethostname() if address is True else address.rpartition(":")[0]
        _meet(named.strip("[]"))


def process() -> Shard:
    """Returns which process this is, of how many that train together."""
    return _together.process


def leads() -> bool:
    """Returns whether this process is the one that writes."""
    return process().index == 0


def spread(batch_size: int):
    """Lets what is built from now on be trained on all devices of all processes.

    Weights are on every device, each of which takes its rows of a batch.

    Args:
        batch_size: images in a batch of all devices together.

    Raises:
        InputError: if the rows cannot be shared evenly.
    """
    if not _together.spread:
        return
    import jax
    import keras

    devices = jax.devices()
    if batch_size % len(devices):
        raise InputError(
            f"batch_size: must be a multiple of the {len(devices)} devices of "
            f"-distributed, received {batch_size}"
        )
    parallel = keras.distribution.DataParallel(
        devices=devices, auto_shard_dataset=False
    )
    keras.distribution.set_distribution(parallel)


def rows(batch_size: int) -> range:
    """Returns which rows of a batch this process loads."""
    index, count = dataclasses.astuple(process())
    return range(batch_size * index // count, batch_size * (index + 1) // count)


def here(array):
    """Returns the copy of a weight that a device of this process has."""
    return array.addressable_data(0) if _together.spread else array


@contextlib.contextmanager
def together():
    """Lets the watch say in a block why a step failed, where another process ended."""
    if process().count == 1:
        yield
        return
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError:
        time.sleep(PATIENCE)
        raise


def leave(code: int):
    """Ends this process: with the others, or if it failed at once, so that they learn.

    Else it would wait for them at its end, and they for it in the step.

    Args:
        code: exit code.
    """
    if process().count == 1:
        return
    if code:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    for connection in _together.connections:
        with contextlib.suppress(OSError):
            connection.sendall(BYE)


def _meet(host):
    """Connects the first process with each of the others, to watch each other end."""
    import numpy as np
    from jax.experimental import multihost_utils

    server, told = None, ""
    if leads():
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        server = socket.create_server(("", 0), family=family, dualstack_ipv6=both)
        told = json.dumps([host, server.getsockname()[1], secrets.token_hex(16)])
    text = np.frombuffer(told.encode().ljust(400), np.uint8)
    text = np.asarray(multihost_utils.broadcast_one_to_all(text), np.uint8)
    host, port, token = json.loads(text.tobytes())
    if not server:
        connections = [socket.create_connection((host, port))]
        connections[0].sendall(token.encode())
    else:
        connections = []
        while len(connections) < process().count - 1:
            connection, _ = server.accept()
            connection.settimeout(PATIENCE)
            with contextlib.suppress(OSError):
                if connection.recv(len(token), socket.MSG_WAITALL) == token.encode():
                    connections.append(connection)
                    continue
            connection.close()  # a stranger's
    for connection in connections:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"):
            if hasattr(socket, name):  # after 20 s a host that is gone is known
                connection.setsockopt(
                    socket.IPPROTO_TCP, getattr(socket, name), KEEPALIVE[name]
                )
        threading.Thread(target=_watch, args=(connection,), daemon=True).start()
    _together.connections = connections


def _watch(connection):
    """Ends this process when the one at the other end ends without a word."""
    try:
        said = connection.recv(len(BYE))
    except OSError:
        said = b""
    if said != BYE:
        index, count = dataclasses.astuple(process())
        print(
            f"error: -distributed: process {index} of {count} has lost another, which "
            "has ended or cannot be reached; look at its last line, then -resume",
            file=sys.stderr,
            flush=True,
        )
        os._exit(LOST)
