"""The service: which address does what."""

import contextlib
import functools
import json
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from inpainting_zoo import presets
from inpainting_zoo.inpainting.picture import complete_bytes
from inpainting_zoo.options import ServeSettings
from inpainting_zoo.serving.form import completion, read_form
from inpainting_zoo.serving.guard import Guard
from inpainting_zoo.serving.held import Held
from inpainting_zoo.serving.line import Line
from inpainting_zoo.serving.openapi import description
from inpainting_zoo.serving.refusal import HANDLERS

STATIC = Path(__file__).with_name("static")
MEGABYTE = 1_000_000


def make_app(settings: ServeSettings, load: Callable = presets.load) -> Guard:
    """Returns the service as an ASGI application.

    Args:
        settings: its limits.
        load: takes a preset's name and returns its model.
    """
    return Guard(
        Service(settings, load).app,
        settings.host,
        max_bytes=2 * settings.max_megabytes * MEGABYTE + MEGABYTE,
        seconds=settings.body_seconds,
    )


class Service:
    """What requests share: the line, the models, the limits.

    Args:
        settings, load: see `make_app`.

    Attributes:
        app: the application, without its guard.
    """

    def __init__(self, settings: ServeSettings, load: Callable):
        self.max_bytes = settings.max_megabytes * MEGABYTE
        self.max_pixels = settings.max_pixels
        self.line = Line(settings.queue)
        self.held = Held(settings.model_megabytes * MEGABYTE, load)
        self.app = Starlette(
            routes=[
                Route("/", self.page),
                Route("/api/health", self.health),
                Route("/api/models", self.models),
                Route("/api/models/{name}", self.model),
                Route("/api/inpaint", self.inpaint, methods=["POST"]),
                Route("/api/openapi.json", self.openapi),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            exception_handlers=HANDLERS,
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app):
        yield
        self.line.close()

    async def page(self, request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def health(self, request: Request) -> Response:
        places = {"places": self.line.places, "taken": self.line.taken}
        limits = {"max_bytes": self.max_bytes, "max_pixels": self.max_pixels}
        return JSONResponse({"status": "ok"} | places | limits)

    async def models(self, request: Request) -> Response:
        found = [presets.about(n) for n, p in presets.PRESETS.items() if "weights" in p]
        found.sort(key=lambda model: not model["here"])
        return JSONResponse({"default": presets.DEFAULT, "models": found})

    async def model(self, request: Request) -> Response:
        return JSONResponse(declared(request.path_params["name"]))

    async def inpaint(self, request: Request) -> Response:
        with self.line.place():
            parts = await read_form(request, self.max_bytes)
            image, mask = parts.pop("image"), parts.pop("mask")
            preset, output, options, own = completion(parts)
            request.state.model = preset
            options |= {"suffix": f".{output}", "max_pixels": self.max_pixels}
            job = functools.partial(self.complete, preset, image, mask, own, options)
            found = await self.line.work(job, gone=_gone(request))
        if found is None:
            raise ClientDisconnect
        content, notes = found
        headers = {"x-seed": str(options.get("seed", 0)), "x-notes": json.dumps(notes)}
        return Response(content, media_type=f"image/{output}", headers=headers)

    def complete(self, preset, image, mask, own, options):
        """Completes a picture in the worker; see `complete_bytes`."""
        model = self.held.get(preset)
        model.chosen(own)  # which may be meant for another
        return complete_bytes(model, image, mask, **options, **own)

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(description())


def declared(name: str) -> dict:
    """Returns a preset's options, their defaults and types, and if a seed matters."""
    family = presets.family(name)
    return presets.about(name) | {
        "options": dict(family.options),
        "types": {k: type(value).__name__ for k, value in family.options.items()},
        "draws": family.draws is True,
    }


async def _gone(request):
    while (await request.receive())["type"] != "http.disconnect":
        pass
