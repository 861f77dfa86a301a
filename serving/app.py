"""The service: which address does what."""

import asyncio
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
from inpainting_zoo.data.images import open_picture, to_rgb
from inpainting_zoo.engine.placement import placed, placements
from inpainting_zoo.options import ServeSettings
from inpainting_zoo.serving.catalogue import Catalogue
from inpainting_zoo.serving.form import FORMS, Form, completion, read_form
from inpainting_zoo.serving.guard import Guard
from inpainting_zoo.serving.held import Held
from inpainting_zoo.serving.line import Line
from inpainting_zoo.serving.openapi import description
from inpainting_zoo.serving.refusal import HANDLERS

STATIC = Path(__file__).with_name("static")
MEGABYTE = 1_000_000


def make_app(
    settings: ServeSettings,
    load: Callable = presets.load,
    own: tuple[dict, list] | None = None,
) -> Guard:
    """Returns the service as an ASGI application.

    Args:
        settings: its limits.
        load, own: see `Service`.
    """
    pictures = 2 + (own[1][0].most_references if own else 0)
    return Guard(
        Service(settings, load, own).app,
        settings.host,
        max_bytes=pictures * settings.max_megabytes * MEGABYTE + MEGABYTE,
        seconds=settings.body_seconds,
    )


class Service:
    """What requests share: the line with its workers, the models, the limits.

    Args:
        settings: see `make_app`.
        load: takes a preset's name and returns its model.
        own: `(about, models)` of the service's own model, see `Catalogue`: one for each
            of the engine's devices, or one that takes no engine.

    Attributes:
        app: the application, without its guard.
    """

    def __init__(self, settings: ServeSettings, load: Callable, own):
        self.max_bytes = settings.max_megabytes * MEGABYTE
        self.max_pixels = settings.max_pixels
        self.catalogue, self.line = Catalogue(own), Line(settings.queue)
        self._own = {self.catalogue.default: own[1]} if own else {}
        self._held = functools.partial(Held, settings.model_megabytes * MEGABYTE, load)
        self._hire(placements() or [None])
        self.app = Starlette(
            routes=[
                Route("/", self.page),
                Route("/api/health", self.health),
                Route("/api/models", self.models),
                Route("/api/models/{name}", self.model),
                *(
                    Route(
                        f"/api/{name}",
                        functools.partial(self.edited, form=form),
                        methods=["POST"],
                    )
                    for name, form in FORMS.items()
                ),
                Route("/api/openapi.json", self.openapi),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            exception_handlers=HANDLERS,
            lifespan=self._lifespan,
        )

    def _hire(self, devices):
        """Lets each of the engine's devices have a worker, whose models are there."""
        for i in range(len(self.line.workers), len(devices)):
            own = {
                k: models[min(i, len(models) - 1)] for k, models in self._own.items()
            }
            self.line.hire(self._held(own, devices[i] if i else None))

    @contextlib.asynccontextmanager
    async def _lifespan(self, app):
        self._loop = asyncio.get_running_loop()
        yield
        self.line.close()

    async def page(self, request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def health(self, request: Request) -> Response:
        places = {"places": self.line.places, "taken": self.line.taken}
        places["workers"] = len(self.line.workers)
        limits = {"max_bytes": self.max_bytes, "max_pixels": self.max_pixels}
        return JSONResponse({"status": "ok"} | places | limits)

    async def models(self, request: Request) -> Response:
        found = {"default": self.catalogue.default, "models": self.catalogue.about()}
        return JSONResponse(found)

    async def model(self, request: Request) -> Response:
        return JSONResponse(self.catalogue.declared(request.path_params["name"]))

    async def edited(self, request: Request, form: Form) -> Response:
        """Answers with what a form's work makes of the request's picture."""
        with self.line.place():
            parts = await read_form(request, self.max_bytes, form)
            image, mask = parts.pop("image"), parts.pop("mask")
            references = parts.pop("reference", [])
            preset, output, options, own = completion(parts, self.catalogue, form)
            request.state.model = preset
            options |= {"suffix": f".{output}", "max_pixels": self.max_pixels}
            arguments = form.work, preset, image, mask, references, own, options
            job = functools.partial(self.edit, *arguments)
            found = await self.line.work(job, gone=_gone(request))
        if found is None:
            raise ClientDisconnect
        content, notes = found
        headers = {"x-seed": str(options.get("seed", 0)), "x-notes": json.dumps(notes)}
        return Response(content, media_type=f"image/{output}", headers=headers)

    def edit(self, work, preset, image, mask, references, own, options, held):
        """Edits a picture in a worker, by the work of a form."""
        with placed(held.device):
            model = held.get(preset)
            # The first model that needs the engine is what has loaded it.
            self._loop.call_soon_threadsafe(self._hire, placements())
            model.chosen(own)  # which may be meant for another
            opened = (
                open_picture(x, self.max_pixels, argument="reference")
                for x in references
            )
            model.refer_to(*map(to_rgb, opened))
            try:
                return work(model, image, mask, **options, **own)
            finally:
                model.refer_to()

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(description(self.catalogue))


async def _gone(request):
    while (await request.receive())["type"] != "http.disconnect":
        pass
