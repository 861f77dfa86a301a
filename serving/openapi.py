"""The description of the service for programs, made from the settings' own fields."""

import typing

from inpainting_zoo import __version__
from inpainting_zoo.serving.catalogue import Catalogue
from inpainting_zoo.serving.form import FILES, FORMATS, FORMS, Form
from inpainting_zoo.settings import found, kind_of

KINDS = {int: "integer", float: "number", bool: "boolean", str: "string"}
RULES = {
    "least": "minimum",
    "most": "maximum",
    "above": "exclusiveMinimum",
    "below": "exclusiveMaximum",
}
ABOUT = {
    "name": {"type": "string"},
    "description": {"type": "string"},
    "licence": {"type": "string"},
    "bytes": {"type": "integer", "description": "of its weights"},
    "here": {"type": "boolean", "description": "nothing has to be downloaded"},
}
WHOLE = {"type": "integer", "minimum": 0}
HEALTH = ("places", "taken", "workers", "max_bytes", "max_pixels")
REFUSALS = {
    400: "a rule is broken",
    403: "Host or Origin is another site's",
    408: "the body did not arrive in time",
    413: "the body or a picture is too long",
    415: "the body is no form",
    500: "the service failed",
    503: "the queue is full; Retry-After says when to try again",
}

TEXT = {"type": "string"}
ERROR = {
    "type": "object",
    "properties": dict.fromkeys(("error", "argument", "rule", "received"), TEXT),
    "required": ["error", "argument", "rule", "received"],
}

PICTURE = {"type": "string", "format": "binary"}


def description(catalogue: Catalogue) -> dict:
    """Returns the service of these models as OpenAPI 3.1 describes it."""
    name = {"type": "string", "enum": catalogue.names()}
    preset = name | {"default": catalogue.default}
    in_path = {"name": "name", "in": "path", "required": True, "schema": name}
    model = _object(
        {
            **ABOUT,
            "options": {"type": "object"},
            "types": {"type": "object"},
            "choices": {"type": "object"},
            "rules": {"type": "object"},
            "draws": {"type": "boolean"},
            "references": {"type": "integer"},
        }
    )
    models = {"default": {"type": "string"}}
    models["models"] = {"type": "array", "items": _object(ABOUT)}
    whole = dict.fromkeys(HEALTH, WHOLE)
    health = _object({"status": {"const": "ok"}, **whole})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Keras inpainting zoo", "version": __version__},
        "paths": {
            "/api/health": {"get": _operation("Limits and how many wait.", health)},
            "/api/models": {
                "get": _operation("The models that have weights.", _object(models))
            },
            "/api/models/{name}": {
                "get": _operation("What a model declares.", model, 400)
                | {"parameters": [in_path]}
            },
            **{
                f"/api/{name}": {"post": _post(form, preset)}
                for name, form in FORMS.items()
            },
        },
    }


def _post(form: Form, preset: dict):
    schema = _object(
        {
            **dict.fromkeys(FILES, PICTURE),
            **{name: {"type": "array", "items": PICTURE} for name in form.pictures},
            "preset": preset,
            "format": {"type": "string", "enum": list(FORMATS), "default": "png"},
            **{name: _field(field) for name, field in form.fields.items()},
        }
    )
    schema |= {"required": form.needed, "additionalProperties": False}
    operation = _operation(form.about, {}, 400, 408, 413, 415, 503)
    operation["requestBody"] = {
        "required": True,
        "content": {"multipart/form-data": {"schema": schema}},
    }
    operation["responses"]["200"] = {
        "description": "The picture, of the input's size.",
        "content": {f"image/{name}": {} for name in FORMATS},
        "headers": {
            "X-Seed": {"schema": WHOLE},
            "X-Notes": {"schema": {"type": "string", "description": "a JSON list"}},
        },
    }
    return operation


def _operation(summary, schema, *refusals):
    """An operation that answers in JSON, and what it may refuse."""
    responses = {"200": {"description": summary, "content": _json(schema)}}
    for status in sorted({403, 500, *refusals}):
        refused = {"description": REFUSALS[status], "content": _json(ERROR)}
        responses[str(status)] = refused
    return {"summary": summary, "responses": responses}


def _json(schema):
    return {"application/json": {"schema": schema}}


def _object(properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


def _field(field):
    kind = kind_of(field)
    schema = {"type": KINDS.get(kind, "object"), "description": field.metadata["help"]}
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        count = {"minItems": len(parts), "maxItems": len(parts)}
        schema |= {"type": "array", "items": {"type": KINDS[parts[0]]}, **count}
    schema |= {RULES[k]: v for k, v in field.metadata.items() if k in RULES}
    if "choices" in field.metadata:
        schema["enum"] = list(found(field.metadata["choices"]))
    return schema
