"""Answers to requests that break a rule: JSON with the rule and what was received."""

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from inpainting_zoo.errors import ZooError

GONE = 499  # for the log: the client went away before there was an answer


class Refusal(Exception):
    """A request that is not served.

    Args:
        status: of HTTP, 400 to 599.
        message: "argument: rule, received value", as all errors of the library.
        **headers: further ones of the answer; `_` stands for the dash.
    """

    def __init__(self, status: int, message: str, **headers: str):
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}


def answer(status: int, message: str, headers: dict | None = None) -> JSONResponse:
    """Returns the answer to a request that is not served.

    Args:
        status: of HTTP.
        message: see `Refusal`; its parts become `argument`, `rule` and `received`.
        headers: further ones.
    """
    argument, _, rest = message.partition(": ")
    rule, _, received = rest.rpartition(", received ")
    error = {"error": message, "argument": argument, "rule": rule or rest}
    return JSONResponse(error | {"received": received if rule else ""}, status, headers)


def refused(request, error: Refusal) -> JSONResponse:
    """Returns the answer that a `Refusal` is."""
    return answer(error.status, str(error), error.headers)


def _broken_rule(request, error):
    return answer(400, str(error))


def _no_address(request, error):
    received = f"{request.method} {request.url.path!a}"
    text = f"address: {error.detail.lower()}, received {received}"
    return answer(error.status_code, text, error.headers)


def _gone(request, error):
    return Response(status_code=GONE)


def _failed(request, error):
    return answer(500, "service: must not fail, received an error that its log shows")


# What Starlette answers to an exception.
HANDLERS = {
    Refusal: refused,
    ZooError: _broken_rule,
    HTTPException: _no_address,
    ClientDisconnect: _gone,
    Exception: _failed,
}
