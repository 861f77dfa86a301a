"""Stacks two inpainters: Y = FinalDenoiser(Combiner(Denoiser(A(X)), B(X))).

Reference: the ensemble report (003), 2024, of LaMa and MAT.
"""

import inspect

import numpy as np
from keras import ops

from inpainting_zoo.ensemble.members import Member
from inpainting_zoo.ensemble.networks import build_networks
from inpainting_zoo.ensemble.presets import FAMILY, ROLES
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.features.load import advising, perceptual_network
from inpainting_zoo.losses.edges import laplacian_edge_loss, sobel_edge_loss
from inpainting_zoo.losses.feature_distance import perceptual_loss
from inpainting_zoo.losses.mean_squared_error import mean_squared_error
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.losses.style import style_loss
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import Inpainter
from inpainting_zoo.models.pixels import as_colours, as_floats, paste
from inpainting_zoo.models.stage import Stage

TAPS = ("block1_conv2", "block2_conv2", "block3_conv3")
# Networks of the perceptual and style losses, and their layers; LPIPS has its own.
PERCEPTUAL = {
    "vgg16": ("vgg16", TAPS),
    "vgg19": ("vgg19", TAPS),
    "lpips": ("lpips_vgg16", ()),
}


class Ensemble(Inpainter):
    """Two members of the zoo, and what learns to join what they complete.

    Members stay as they are and are no parts; use loads them when it needs them. Each
    stage trains one network on what the members and the networks before it have made of
    the pictures; what a network predicts is put into the hole before the next sees it.

    Args:
        image_size: side in pixels of the training images; in use any from 8 up.
        first, second: the members; see `ensemble.members.Member`.
        mse_weight, edge_weight, perceptual_weight, style_weight: of the combiner's loss
            terms. The last two need the network of `perceptual` unless they are 0.
        edges: name in `EDGES`.
        perceptual: name in `PERCEPTUAL`.
        clip: largest norm of all gradients of a network together; those of HVI are
            large where pixels are grey.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
        seed: of everything random within a training step.
        **networks: arguments of `build_networks`; in bfloat16 the perceptual network
            computes in it, too.
    """

    STAGES = FAMILY.stages
    GENERATOR_OPTIONS = inspect.signature(build_networks).parameters

    def __init__(
        self,
        image_size: int = 256,
        first: str = "lama_big",
        second: str = "mat_512",
        mse_weight: float = 1.0,
        edge_weight: float = 1.0,
        perceptual_weight: float = 0.01,
        style_weight: float = 0.1,
        edges: str = "laplacian",
        perceptual: str = "vgg19",
        clip: float = 1.0,
        masks: str = "lama_training=1",
        seed: int = 0,
        **networks,
    ):
        super().__init__(image_size, FAMILY.sizes(), seed)
        self.members = {"first": Member(first), "second": Member(second)}
        self.lighter_features = networks.get("dtype") == "mixed_bfloat16"
        self.stacked = build_networks(**networks)
        self.reached = list(self.stacked)
        self.edges = choose("edges", edges, EDGES)
        self.perceptual = choose("perceptual", perceptual, PERCEPTUAL)
        self.clip, self.masks = clip, masks
        self.combiner_weights = {
            "mse": mse_weight,
            "edge": edge_weight,
            "perceptual": perceptual_weight,
            "style": style_weight,
        }
        self.loss_weights = {"mse": 1.0}
        self.features = self.heads = None

    @property
    def parts(self):
        """The networks, in their order, up to the one that a stage trains."""
        return {name: self.stacked[name] for name in self.reached}

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`; denoisers learn the mean squared error alone."""
        if name not in self.stacked:
            raise InputError(
                f"stage: {', '.join(self.stacked)} without denoisers, received {name!r}"
            )
        names = list(self.stacked)
        self.reached = names[: names.index(name) + 1]
        self.loss_weights = {"mse": 1.0}
        self.features = self.heads = None
        if name == "combiner":
            self.loss_weights = self.combiner_weights
            self.features, self.heads = self.load_features(features)
        return Stage(
            self.stacking_step,
            {name: self.stacked[name]},
            inputs=FAMILY.inputs[name],
            clip={name: self.clip},
        )

    def load_features(self, features):
        """Returns the network of the combiner's perceptual and style losses, if any.

        And the heads of LPIPS, if it is that; else None. See `features.load.loader`.
        """
        weights = self.combiner_weights
        if not (weights["perceptual"] or weights["style"]):
            return None, None
        load = advising(features, "it: -set perceptual_weight=0 style_weight=0")
        return perceptual_network(load, *self.perceptual, self.lighter_features)

    def as_inputs(self, batch):
        """See `Inpainter.as_inputs`; the mask is the hole that the members filled."""
        inputs = super().as_inputs(batch)
        hole = inputs.pop("hole", None)
        if hole is not None:  # a picture (B, H, W, 3) in [-1, 1], white in the hole
            inputs["mask"] = ops.cast(hole[..., :1] > 0, "float32")
        return inputs

    def stacking_step(self, batch, minimize):
        """Takes a step of the last network that is reached."""
        (name,) = self.stage.learns
        return minimize(name, lambda: self.stacking_loss(batch))

    def stacking_loss(self, batch):
        """Returns `(loss, logs)` of the stage's network."""
        prediction = self.call(batch)
        terms = self.terms(as_colours(prediction), as_colours(batch["image"]))
        if self.features is not None:
            terms |= self.feature_terms(prediction, batch["image"])
        return weighted_sum(terms, self.loss_weights, self.stage_name)

    def terms(self, prediction, image):
        """Returns the distances of images (B, H, W, 3) in [0, 1]."""
        terms = {"mse": mean_squared_error(prediction, image)}
        if self.loss_weights.get("edge"):
            terms["edge"] = self.edges(prediction, image)
        return terms

    def feature_terms(self, prediction, image):
        """Returns LPIPS or the distance of features, and that of their Gram matrices.

        For all but LPIPS features are divided by their root mean square first. What
        weighs nothing is left out.
        """
        generated, targets = self.features(prediction), self.features(image)
        scales = [ops.sqrt(ops.mean(ops.square(y)) + 1e-8) for y in targets]
        scaled = [
            [x / scale for x, scale in zip(maps, scales)]
            for maps in (generated, targets)
        ]
        terms = {}
        if self.loss_weights["perceptual"]:
            terms["perceptual"] = (
                perceptual_loss(*scaled)
                if self.heads is None
                else perceptual_similarity_loss(generated, targets, self.heads)
            )
        if self.loss_weights["style"]:
            terms["style"] = style_loss(*scaled)
        return terms

    def call(self, inputs):
        """See `Inpainter.call`; takes what members completed as "first" and "second".

        In training it goes as far as the network that the stage trains.
        """
        x = inputs["first"]
        for name, network in self.parts.items():
            further = [inputs["second"], inputs["mask"]] if name == "combiner" else []
            x = paste(network([x, *further]), inputs["image"], inputs["mask"])
        return x

    def predict_images(self, images, masks, seed: int = 0, **completed):
        """See `Inpainter.predict_images`.

        Args:
            images: uint8 (B, H, W, 3).
            masks: (B, H, W), nonzero in the hole.
            seed: of what members draw.
            **completed: what a member made of them, uint8 (B, H, W, 3), by "first" or
                "second". Other members are loaded: for a batch one after the other,
                so that only one is in memory, for one picture to stay.
        """
        self.chosen({k: v for k, v in completed.items() if k not in ROLES})
        for role in [role for role in ROLES if role not in completed]:
            completed[role] = self.members[role].inpaint_batch(images, masks, seed)
            if len(images) > 1:
                self.members[role].release()
        return super().predict_images(images, masks, seed, **completed)

    def predict_aligned(self, image, mask, aligned=None):
        """See `Inpainter.predict_aligned`; takes "first" and "second" from there."""
        pictures = {k: v[None] for k, v in (aligned or {}).items() if k in ROLES}
        return self.predict_images(image[None], mask[None], **pictures)[0]

    def further_inputs(self, shape, seed, **completed):
        """Fits what members completed as the images are fitted: (B, H, W, 3)."""
        return {
            role: as_floats(np.stack([self._fitted(x) for x in pictures]), 0)[0]
            for role, pictures in completed.items()
        }

    def _fitted(self, picture):
        return self.sizes.fit(picture, np.zeros(picture.shape[:2]))[0]

    @property
    def draws(self):
        """Whether another seed gives another picture: if it does of a member."""
        return any(member.draws for member in self.members.values())

    def validation_loss(self, prediction, image, mask):
        return self.terms(as_colours(prediction), as_colours(image))["mse"]


EDGES = {"laplacian": laplacian_edge_loss, "sobel": sobel_edge_loss}
