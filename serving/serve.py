"""The command that opens the page."""

import ipaddress
import logging
import signal
import socket
import sys
from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.chosen import chosen_model
from inpainting_zoo.engine.placement import placed, placements
from inpainting_zoo.errors import InputError
from inpainting_zoo.options import ServeSettings
from inpainting_zoo.weights.read_checkpoint import files_of

log = logging.getLogger(__name__)
IDLE_SECONDS = 5  # that a connection without a request is kept
CONNECTIONS = 200  # more get 503


def serve(settings: ServeSettings):
    """Serves the page until the program is interrupted, which ends it with code 0.

    Raises:
        InputError: if the extra is not installed, the address cannot be used, or a
            model that is named is not there.
        WeightsError: if that model's weights are damaged or do not fit.
    """
    try:
        import uvicorn  # noqa: F401

        from inpainting_zoo.serving.app import make_app
    except ModuleNotFoundError as error:
        raise InputError(
            'serve: needs what `pip install ".[serve]"` brings, received no '
            f"{error.name}"
        ) from error
    listening = listen(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if not is_loopback(settings.host):
        log.warning(
            "host: %s lets everyone in who can reach this machine: there are no "
            "accounts, and nothing is encrypted",
            settings.host,
        )
    with listening:
        app = make_app(settings, own=own_models(settings))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))  # uvicorn ends, then calls it
        log.info("page: http://%s:%d; Ctrl-C ends it", host, listening.getsockname()[1])
        make_server(app).run(sockets=[listening])


def own_models(settings: ServeSettings) -> tuple[dict, list] | None:
    """Returns the model that the command names, if it names one, as `Service` takes it.

    All devices have it from the start, so that files which change later do not count.
    """
    if not settings.names_a_model:
        return None
    name, model, _ = chosen_model(settings)
    models = [model]
    for device in placements()[1:]:
        with placed(device):
            models.append(chosen_model(settings)[1])
    if not (files := settings.files):
        return presets.about(name), models
    sizes = [path.stat().st_size for file in files for path in files_of(file)]
    names = ", ".join(Path(file).name for file in files)
    about = {"name": name, "description": f"your own weights, {names}", "licence": ""}
    if name in presets.PRESETS and not any(map(presets.is_ours, settings.files)):
        about["licence"] = presets.licence(name)  # official ones
    return about | {"bytes": sum(sizes), "here": True}, models


def make_server(app):
    """Returns a `uvicorn.Server` of an ASGI application."""
    import uvicorn  # of the extra

    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            http="h11",
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens.

    Raises:
        InputError: if that is not possible.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"port: must be free on -host {host}, received {port}: {error.strerror}"
        ) from error


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
