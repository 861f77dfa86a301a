"""What every request passes: whom it is from, how long it may be, one line of log."""

import asyncio
import ipaddress
import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from inpainting_zoo.serving.refusal import Refusal, refused

log = logging.getLogger(__name__)
SECONDS_TO_DISCARD = 5
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
SECURITY = {
    "content-security-policy": "; ".join(f"{k} {v}" for k, v in POLICY.items()),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """An ASGI application in front of another.

    Args:
        app: the other.
        host: that the service was told to listen on; requests may name it.
        max_bytes: the longest body of a request.
        seconds: within which a body must have arrived.
    """

    def __init__(self, app, host: str, max_bytes: int, seconds: float):
        self.app, self.host = app, host
        self.max_bytes, self.seconds = max_bytes, seconds

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, answered = time.perf_counter(), {"status": 0, "bytes": 0}
        scope.setdefault("state", {})
        headers = Headers(scope=scope)
        body = Body(receive, headers, self.max_bytes, self.seconds)

        async def guarded(message):
            if message["type"] == "http.response.start":
                await body.discard()
                answered["status"] = message["status"]
                MutableHeaders(scope=message).update(SECURITY)
            answered["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            await self._serve(scope, headers, body, guarded)
        finally:
            log.info(
                "%s %s %s %d, %d bytes in, %d out, model %s, %.2f s",
                time.strftime("%Y-%m-%d %H:%M:%S"),
                scope["method"],
                ascii(scope["path"])[1:-1],
                answered["status"],
                body.received,
                answered["bytes"],
                scope["state"].get("model", "-"),
                time.perf_counter() - start,
            )

    async def _serve(self, scope, headers, body, send):
        try:
            check_sender(headers, self.host)
        except Refusal as error:
            await refused(None, error)(scope, body, send)
            return
        try:
            await self.app(scope, body, send)
        except Exception:  # the client has been told
            log.exception("%s %s failed", scope["method"], ascii(scope["path"]))


class Body:
    """The body of a request, as ASGI's `receive`, cut at its limits.

    Args:
        receive: of the server.
        headers: of the request, which say whether there is a body.
        max_bytes: the longest that is let through.
        seconds: from now on, within which all of it must have arrived.

    Attributes:
        received: bytes so far.
        ended: whether all of it has arrived, or the client is gone.
    """

    def __init__(self, receive, headers, max_bytes: int, seconds: float):
        self._receive, self.max_bytes, self.seconds = receive, max_bytes, seconds
        self._end = time.monotonic() + seconds
        self.received = 0
        length = headers.get("content-length", "0")
        self.ended = length == "0" and "transfer-encoding" not in headers

    async def __call__(self):
        if self.ended:  # what still comes is that the client goes away
            return await self._receive()
        message = await self._next(self._end)
        if message is None:
            raise Refusal(
                408,
                f"body: must arrive within {self.seconds:g} s, received "
                f"{self.received} bytes without an end",
                connection="close",
            )
        if self.received > self.max_bytes:
            raise Refusal(
                413, f"body: at most {self.max_bytes} bytes, received more than that"
            )
        return message

    async def discard(self):
        """Reads on for a while, because a client that sends does not hear an answer."""
        end = min(self._end, time.monotonic() + SECONDS_TO_DISCARD)
        while not self.ended and await self._next(end) is not None:
            pass

    async def _next(self, end):
        """Returns the next message, or None if there was none until then."""
        try:
            message = await asyncio.wait_for(self._receive(), end - time.monotonic())
        except TimeoutError:
            return None
        self.received += len(message.get("body", b""))
        self.ended = not message.get("more_body", False)
        return message


def check_sender(headers: Headers, host: str):
    """Refuses requests that another site's page makes a browser send.

    A page can make its own name point to this machine (DNS rebinding), so names are
    refused but those that are ours; addresses are none.

    Args:
        headers: of the request.
        host: that the service was told to listen on.

    Raises:
        Refusal: if Host or Origin is another's.
    """
    named = headers.get("host", "")
    if not (_name(named) in ("localhost", host.lower()) or _is_address(_name(named))):
        raise Refusal(
            403, f"host: must be localhost, an address or -host, received {named!r}"
        )
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != named.lower():
        raise Refusal(403, f"origin: must be this page's own, received {origin!r}")


def _name(host):
    """The name in a Host header, without its port; empty if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
