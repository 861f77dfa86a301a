"""The form of a request: two pictures, and options under the command's own names."""

import dataclasses
import functools
import json
from collections.abc import Callable

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.inpainting.picture import complete_bytes
from inpainting_zoo.inpainting.reposition import reposition_bytes
from inpainting_zoo.options import InpaintSettings, RepositionSettings
from inpainting_zoo.serving.catalogue import Catalogue
from inpainting_zoo.serving.refusal import Refusal
from inpainting_zoo.settings import kind_of

FILES = ("image", "mask")
FORMATS = ("png", "jpeg", "webp", "tiff", "bmp")
MOST_TEXT = 2**16  # bytes of a field that is no file


@dataclasses.dataclass(frozen=True)
class Form:
    """What a request may hold beside its two pictures.

    Args:
        about: what is answered.
        work: makes it of a model, the pictures' bytes and the options.
        settings: of the command that does the same.
        names: of its options that name no file of this machine.
        pictures: names of further pictures, each of which there may be several of.
    """

    about: str
    work: Callable
    settings: type
    names: tuple
    pictures: tuple = ()

    @functools.cached_property
    def fields(self) -> dict:
        """The options' fields by the command's own names."""
        return {
            field.metadata.get("flag", field.name): field
            for field in self.settings.options()
            if field.name in self.names
        }

    @property
    def needed(self) -> list:
        """The names of all that a request cannot do without."""
        own = [name for name in self.settings.NEEDED if name in self.names]
        return [*FILES, *own]


FORMS = {
    "inpaint": Form(
        "Completes a picture.",
        complete_bytes,
        InpaintSettings,
        (
            *("seed", "mask_dilation", "feathering", "texture", "strategy"),
            *("invert_mask", "resize_mask", "mask_label", "mask_from", "fill_alpha"),
            "with_options",
        ),
        ("reference",),
    ),
    "reposition": Form(
        "Moves a subject within a picture.",
        reposition_bytes,
        RepositionSettings,
        (
            *("shift", "scale", "matting", "mask_dilation", "mask_label", "seed"),
            "with_options",
        ),
    ),
}


class _InMemory(MultiPartParser):
    spool_max_size = 2**40  # pictures of strangers are never written to a disk


async def read_form(request: Request, max_bytes: int, form: Form) -> dict:
    """Reads a request's form.

    Args:
        request: with a body of multipart/form-data.
        max_bytes: of each picture.
        form: one of `FORMS`.

    Returns:
        What `completion` takes, by name: the two pictures as bytes, lists of bytes of
        further ones, texts otherwise.

    Raises:
        Refusal: 413 or 415 if a picture is too large or the body is no form.
        InputError: if a field is unknown, missing or there twice.
    """
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Refusal(
            415, f"content-type: must be multipart/form-data, received {kind!r}"
        )
    files, parts = (*FILES, *form.pictures), {}
    known = dict.fromkeys([*files, "preset", "format", *form.fields])
    for name, value in await _parts(request, len(known)):
        choose("field", name, known)
        if name in parts and name not in form.pictures:
            raise InputError(f"{name}: must be given once, received it twice")
        if isinstance(value, UploadFile) != (name in files):
            what = "a file" if name in files else "text"
            other = "text" if name in files else "a file"
            raise InputError(f"{name}: must be {what}, received {other}")
        if name in files and value.size > max_bytes:
            raise Refusal(
                413, f"{name}: at most {max_bytes} bytes, received {value.size}"
            )
        found = await value.read() if name in files else value
        if name in form.pictures:
            parts.setdefault(name, []).append(found)
        else:
            parts[name] = found
    for name in form.needed:
        if name not in parts:
            raise InputError(f"{name}: is needed, received none")
    return parts


async def _parts(request, most):
    headers = Headers({"content-type": request.headers["content-type"]})
    limits = {"max_files": most, "max_fields": most, "max_part_size": MOST_TEXT}
    try:
        parser = _InMemory(headers, request.stream(), **limits)
        return (await parser.parse()).multi_items()
    except MultiPartException as error:
        reason = error.message.rstrip(".")
        raise InputError(
            f"body: must be a form of {', '.join(FILES)} and options, received one "
            f"that is not ({reason})"
        ) from error


def completion(
    parts: dict, catalogue: Catalogue, form: Form
) -> tuple[str, str, dict, dict]:
    """Checks the options of a form.

    Args:
        parts: texts by name; pictures among them are left out.
        catalogue: the models, of which it may name one.
        form: one of `FORMS`.

    Returns:
        The model's name, the output's format, options of `complete_bytes` or
        `reposition_bytes`, and the model's own.

    Raises:
        InputError: if one breaks its rule.
    """
    preset, output = parts.get("preset", catalogue.default), parts.get("format", "png")
    choose("preset", preset, dict.fromkeys(catalogue.names()))
    choose("format", output, dict.fromkeys(FORMATS))
    given = {
        field.name: value_of(field, parts[name])
        for name, field in form.fields.items()
        if name in parts
    }
    settings = form.settings(**given)
    options = {name: getattr(settings, name) for name in given}
    return preset, output, options, options.pop("with_options", {})


def value_of(field, text: str):
    """Returns the value that a text stands for: as it is, or as JSON.

    Args:
        field: of settings, which check the value.
        text: as it was sent.
    """
    if kind_of(field) is str:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
