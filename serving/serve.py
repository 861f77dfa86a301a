"""The command that opens the page."""

import ipaddress
import logging
import socket

from inpainting_zoo.errors import InputError
from inpainting_zoo.options import ServeSettings

log = logging.getLogger(__name__)
IDLE_SECONDS = 5  # that a connection without a request is kept
CONNECTIONS = 200  # more get 503


def serve(settings: ServeSettings):
    """Serves the page until the program is interrupted.

    Raises:
        InputError: if the extra is not installed, or the address cannot be used.
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
    log.info("page: http://%s:%d; Ctrl-C ends it", host, listening.getsockname()[1])
    app = make_app(settings)
    with listening:
        make_server(app).run(sockets=[listening])


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
