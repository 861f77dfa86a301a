"""What completes pictures: the half of a model that use sees; takes no engine."""

import logging
import os

import numpy as np

from inpainting_zoo.data.conversions import as_given, as_mask, as_picture
from inpainting_zoo.errors import InputError
from inpainting_zoo.families import check_options
from inpainting_zoo.models.pixels import blend, dilate
from inpainting_zoo.models.texture import texture_of
from inpainting_zoo.settings import check_value

log = logging.getLogger(__name__)


class Completer:
    """A model that completes pictures, of whatever it is made.

    Attributes:
        image_size: side in pixels of the square pictures that it is made for.
        context: how much of a large picture it is shown around holes, on each side, in
            parts of their longer side.
        largest: longest side in pixels that it is shown; larger crops are shrunk.
        STAGES: names of the ways of training, in their order; none cannot be trained.
        GENERATOR_OPTIONS: arguments of the constructor that its signature does not
            name and that decide what its parts are: name -> `inspect.Parameter`.
        OPTIONS: what `inpaint` takes beyond image, mask and seed: name -> default.
        RULES: of these options, see `families.check_options`.
        draws: whether another seed gives another picture.
        most_references: how many other pictures it looks at, see `refer_to`.
        members: models that complete a picture before it does, by name; no parts of it.
        tasks: what it has learned prompts of, which its option "task" names.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
        texture: name of a `models.texture.Texture` that its completions get where none
            is named, if any.
    """

    STAGES = ()
    GENERATOR_OPTIONS = {}  # noqa: RUF012
    OPTIONS = {}  # noqa: RUF012
    RULES = {}  # noqa: RUF012
    draws = False
    most_references = 0
    members = {}  # noqa: RUF012
    tasks = ()
    context = 0.5
    masks = "rectangle=1"
    texture = None

    @classmethod
    def create(cls, **config):
        """Returns a model of these arguments, whatever a program has set elsewhere."""
        return cls(**config)

    @property
    def largest(self) -> int:
        return self.image_size

    @property
    def whole(self) -> int:
        """Longest side in pixels of pictures that it is shown whole by default."""
        return 2 * self.image_size

    @property
    def parts(self) -> dict:
        """The networks that use needs, by name."""
        return {}

    def use_state(self, *parts: str) -> dict:
        """Returns the variables that use needs, by a stable name."""
        return {}

    def refer_to(self, *references):
        """Sets the pictures that are shown beside those to be completed.

        Args:
            *references: of any size, see `as_picture`; none forgets them.

        Raises:
            InputError: if the model looks at none, or at fewer.
        """
        if references:
            raise InputError(
                "reference: must be for a model that looks at others, received "
                f"{len(references)}"
            )

    def least_window(self, **options) -> int:
        """Returns the least side in pixels that it is shown of a larger picture.

        Args:
            **options: see `inpaint`.
        """
        return self.image_size

    def predict_images(self, images, masks, seed: int = 0, **options):
        """Returns the raw predictions of pictures of one size, uint8 (B, H, W, 3)."""
        raise NotImplementedError

    def remarks(self, hole, **options) -> list:
        """Returns what should be said of how a hole, (H, W), is completed."""
        return []

    def chosen(self, options: dict) -> dict:
        """Returns all `OPTIONS`, with those that are given.

        Raises:
            InputError: if one is unknown or breaks its rule.
        """
        check_options(options, self.OPTIONS, self.RULES)
        return self.OPTIONS | options

    def inpaint(
        self,
        image,
        mask,
        seed: int = 0,
        mask_dilation: float = 0,
        feathering: float = 0,
        texture: str | None = None,
        **options,
    ):
        """Completes one picture; its known pixels are returned bit for bit.

        Args:
            image: uint8 (H, W, 3) RGB of any size from 1x1 up, or what else
                `as_picture` takes.
            mask: (H, W), nonzero in the hole, or what else `as_mask` takes. Without a
                hole the image comes back.
            seed: of what the model draws; one that draws nothing ignores it.
            mask_dilation: pixels by which the hole is widened before.
            feathering: pixels over which the prediction fades in, within the ring by
                which the hole was widened; at most `mask_dilation`.
            texture: name of a `models.texture.Texture`, whose patches follow what is
                predicted, or "none"; by default the model's own, if it has one.
            **options: of the model; see `OPTIONS`.

        Returns:
            (H, W, 3), uint8, or uint16 or floats on [0, 1] if the image is an array of
            those. What `remarks` says is logged as a warning.

        Raises:
            InputError: if an option is unknown or breaks its rule, or image and mask
                are of another type or do not fit together.
        """
        batch, ring = ([image], [mask]), (mask_dilation, feathering)
        return self.inpaint_batch(*batch, seed, *ring, texture, **options)[0]

    def inpaint_batch(
        self,
        images,
        masks,
        seed: int = 0,
        mask_dilation: float = 0,
        feathering: float = 0,
        texture: str | None = None,
        **options,
    ):
        """Completes pictures of one size; each becomes what `inpaint` makes of it.

        Args:
            images: (B, H, W, 3), or a list of what `inpaint` takes.
            masks: (B, H, W), nonzero in the hole.
            seed, mask_dilation, feathering, texture, **options: see `inpaint`.

        Returns:
            (B, H, W, 3); see `inpaint`.
        """
        if isinstance(images, str | os.PathLike) or images is None:
            raise InputError(f"images: must be a list of pictures, received {images!r}")
        images, masks = list(images), list(masks)
        pictures = [as_picture(image) for image in images]
        shapes = sorted({picture.shape for picture in pictures})
        if len(shapes) != 1 or len(masks) != len(images):
            raise InputError(
                f"images: pictures of one size and a mask for each, received "
                f"{len(images)} of {', '.join(map(str, shapes)) or 'no size'} and "
                f"{len(masks)} masks"
            )
        check_seed(seed)
        completed = np.stack(pictures)
        masks = [as_mask(mask, completed.shape[1:3]) for mask in masks]
        holes = np.stack([dilate(mask, mask_dilation, feathering) for mask in masks])
        wanted = np.flatnonzero(holes.any(axis=(1, 2)))
        source = texture_of(self, texture)
        if kept := len(masks) - len(wanted):
            log.warning(
                "mask: %s no hole, the picture stays as it is",
                "has" if len(masks) == 1 else f"{kept} of {len(masks)} have",
            )
        if len(wanted):
            found = self.predict_images(
                completed[wanted], holes[wanted], seed, **options
            )
            said = [self.remarks(hole, **options) for hole in holes[wanted]]
            said += [source.remarks(hole) for hole in holes[wanted] if source]
            for remark in dict.fromkeys(r for remarks in said for r in remarks):
                log.warning(remark)
            for i, prediction in zip(wanted, found):
                if source:
                    prediction = blend(prediction, completed[i], holes[i], holes[i])
                    prediction = source.follow(prediction, holes[i], seed)
                completed[i] = blend(
                    prediction, completed[i], masks[i], holes[i], feathering
                )
        return np.stack([*map(as_given, completed, images, holes)])

    def predict_image(self, image, mask, seed: int = 0, **options):
        """Returns the raw prediction of one picture, in the hole and outside it.

        Args:
            image: uint8 (H, W, 3).
            mask: (H, W), nonzero in the hole.
            seed, **options: see `inpaint`.

        Returns:
            uint8 (H, W, 3).
        """
        batch = np.asarray(image)[None], np.asarray(mask)[None]
        return self.predict_images(*batch, seed, **options)[0]


def check_seed(seed):
    """Refuses what generators of random numbers do not take as a seed.

    Raises:
        InputError: if it is no whole number of 0 or more.
    """
    number = seed.item() if isinstance(seed, np.integer) else seed
    check_value("seed", int, number, {"least": 0})
