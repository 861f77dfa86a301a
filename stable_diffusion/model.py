"""Stable Diffusion for inpainting: latents are denoised step by step, beside a text.

Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models,
CVPR 2022.
"""

import inspect

import cv2
import numpy as np
from keras import ops
from tqdm import tqdm

from inpainting_zoo.data.conversions import as_picture
from inpainting_zoo.data.images import fit_image
from inpainting_zoo.engine.operations import fold
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.layers.lora import LoRA
from inpainting_zoo.layers.prompt import Prompt
from inpainting_zoo.models.finite import check_finite
from inpainting_zoo.models.pixels import as_floats
from inpainting_zoo.stable_diffusion import samplers
from inpainting_zoo.stable_diffusion.autoencoder import build_decoder, build_encoder
from inpainting_zoo.stable_diffusion.presets import FAMILY
from inpainting_zoo.stable_diffusion.samplers import PREDICTS, aside
from inpainting_zoo.stable_diffusion.tasks import (
    INVERTED,
    LENGTH,
    LORA,
    REFER,
    TASKS,
)
from inpainting_zoo.stable_diffusion.text_encoder import build_text_encoder
from inpainting_zoo.stable_diffusion.tokenizer import END, clip_tokenizer
from inpainting_zoo.stable_diffusion.training import LatentTraining, below
from inpainting_zoo.stable_diffusion.unet import build_unet

NO_ARGUMENTS = {}
NO_TASKS = ()
REMEMBERED_TEXTS = 16  # whose embeddings are not computed again
MIRRORED = (), 1, 2, (1, 2)  # axes of the noise of each view
MOST_REFERENCES = len(MIRRORED) - 1


class StableDiffusion(LatentTraining):
    """A text encoder, an autoencoder, and a U-Net that sees what is known.

    The U-Net takes noisy latents, the mask and the latents of the picture with an empty
    hole. It is shown squares of one size; see `models.sizes.Sizes`.

    Args:
        image_size: side of those squares in pixels.
        unet: arguments of `build_unet` that differ from its defaults; but for its
            context_channels, which are the text encoder's channels.
        autoencoder: those of `build_encoder` and `build_decoder`.
        decoder: those of `build_decoder` alone, such as "conditional".
        text_encoder: those of `build_text_encoder`; None where something else leads the
            U-Net.
        text_learns: whether the text encoder learns with the U-Net, from nothing.
        latent_scale: factor of the autoencoder's latents, whose variance is 1 then; 0
            lets the encoder bring them to that.
        predicts: name in `PREDICTS`, what the U-Net was trained to predict.
        pad_token: what fills short prompts; it is attended to.
        prompt: of all pictures in training.
        prompt_dropped: share of the pictures that are learned without it, so that use
            can be guided by the difference.
        all_hole: share of the pictures of which nothing is known.
        kl_weight: of the distance of latents from noise, where the autoencoder learns.
        perceptual_weight: there, of the distance in AlexNet's features (LPIPS).
        average: half-life, in images, of the average of weights that use takes; 0 takes
            the last ones.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
        lora_rank: of the LoRA on the U-Net's attention; 0 has none. Where there is one
            the stage of denoising moves it alone.
        task: name in `tasks.TASKS`, whose prompt the stage of task inversion learns.
        tasks: those of which there are prompts already.
        dtype: Keras dtype policy of the networks, such as "bfloat16".
        seed: of everything random within a training step.
    """

    STAGES, OPTIONS, RULES = FAMILY.stages, FAMILY.options, FAMILY.rules
    PRIOR = False  # whether something else than a text leads the U-Net
    file_names = {LORA: "unet."}  # noqa: RUF012

    def __init__(
        self,
        image_size: int = 512,
        unet: dict = NO_ARGUMENTS,
        autoencoder: dict = NO_ARGUMENTS,
        decoder: dict = NO_ARGUMENTS,
        text_encoder: dict | None = NO_ARGUMENTS,
        text_learns: bool = False,
        latent_scale: float = 0.18215,
        predicts: str = "noise",
        pad_token: str = END,
        prompt: str = "",
        prompt_dropped: float = 0.1,
        all_hole: float = 0.25,
        kl_weight: float = 1e-3,
        perceptual_weight: float = 0.1,
        average: float = 0.0,
        masks: str = "lama_training=1",
        lora_rank: int = 0,
        task: str = "remove",
        tasks: list | tuple = NO_TASKS,
        dtype: str = "float32",
        seed: int = 0,
    ):
        if text_encoder is None and not self.PRIOR:
            raise InputError("text_encoder: must be its arguments, received none")
        normalized = {"normalized": not latent_scale}
        sizes = FAMILY.sizes(image_size=image_size, unet=unet, autoencoder=autoencoder)
        encoder = made(
            "autoencoder", build_encoder, {**autoencoder, **normalized}, dtype
        )
        decoder = made("decoder", build_decoder, {**autoencoder, **decoder}, dtype)
        text, width = None, {"context_channels": unet.get("context_channels", 0)}
        if width["context_channels"] and not self.PRIOR:
            raise InputError(
                "unet: its context_channels are the text's, received "
                f"{width['context_channels']}"
            )
        if text_encoder is not None:
            text = made("text_encoder", build_text_encoder, text_encoder, dtype)
            width = {"context_channels": text.output.shape[-1]}
        self.slices = unet.get("slices", 1)
        lora = LoRA(lora_rank, dtype=dtype) if lora_rank else None
        unet = made("unet", build_unet, {**unet, **width}, dtype, lora=lora)
        self.shrinks = _halvings(encoder)  # from a pixel to a latent
        super().__init__(image_size, sizes, seed)
        self.unet, self.text_encoder, self.lora = unet, text, lora
        self.text_learns = text_learns
        self.text_attention = [
            layer for layer in unet.layers if layer.name.endswith(".attn2.heads")
        ]
        self.length = text.input.shape[1] if text else 0
        self._embeddings = {}  # of texts
        self.encoder, self.decoder = encoder, decoder
        self.latent_scale, self.pad_token = latent_scale or 1.0, pad_token
        self.target, self.noise_of = choose("predicts", predicts, PREDICTS)
        self.prompt, self.prompt_dropped = prompt, prompt_dropped
        self.all_hole, self.average, self.masks = all_hole, average or None, masks
        self.loss_weights = {"l1": 1.0, "kl": kl_weight, "lpips": perceptual_weight}
        self.reconstructs, self.learned_task, self.lpips = False, None, None
        self.task = choose("task", task, dict.fromkeys(INVERTED, task))
        self.prompts, self._losses, self.policy = {}, {}, dtype
        self.references = ()
        for name in tasks:
            self._add_prompt(name)

    @property
    def parts(self):
        """The networks; while the autoencoder learns, its two."""
        autoencoder = {"encoder": self.encoder, "decoder": self.decoder}
        if self.reconstructs:
            return autoencoder
        text = {"text_encoder": self.text_encoder} if self.text_encoder else {}
        lora = {"lora": self.lora} if self.lora else {}
        return {"unet": self.unet, **autoencoder, **text, **lora, **self.prompts}

    @property
    def added(self):
        return [name for name in self.parts if name == "lora" or name in TASKS]

    @property
    def tasks(self):
        return tuple(self.prompts)

    @property
    def most_references(self):
        return MOST_REFERENCES if REFER in self.prompts else 0

    def _add_prompt(self, task):
        choose("tasks", task, TASKS)
        if task not in self.prompts:
            width = self.text_encoder.output.shape[-1]
            new = Prompt(TASKS[task].length, width, name=task, dtype=self.policy)
            self.prompts = {**self.prompts, task: new}
        return self.prompts[task]

    @property
    def part_shapes(self):
        small = (self.image_size // self.shrinks,) * 2
        picture = (self.image_size,) * 2
        unet, decoder = self.unet.inputs, self.decoder.inputs
        shapes = {
            "unet": [(*small, unet[0].shape[-1]), ()],
            "encoder": [(*picture, 3)],
            "decoder": [
                (*(small if x.name == "latents" else picture), x.shape[-1])
                for x in decoder
            ],
        }
        if self.text_encoder:
            shapes["text_encoder"] = [self.text_encoder.input.shape[1:]]
            tokens = (*shapes["text_encoder"][0], unet[2].shape[-1])
            shapes["unet"].append(tokens)
        if self.lora:
            shapes["unet"].append(())
        return shapes

    def _tokens(self, texts):
        """Returns the tokens of texts, int32 (B, 77)."""
        return np.stack([self.tokenizer(str(text), self.length) for text in texts])

    def condition(
        self,
        prompt,
        negative_prompt,
        num_steps,
        guidance_scale,
        sampler,
        strength,
        task="",
        lora_scale=1.0,
        repaint=False,
        attention_slices=0,
    ):
        """Returns what the options mean to the networks.

        Args:
            prompt: what the hole should show.
            negative_prompt: what it should not.
            num_steps: of the sampler, 1 to 999.
            guidance_scale: how much the prompt counts, from 1, where the negative one
                does not count at all and steps take half of the time; so they do where
                both are the same.
            sampler: name in `samplers.SAMPLERS`.
            strength: above 0, at most 1; below 1 sampling starts from what the picture
                has in the hole, with so much of the noise.
            task: name of a learned prompt, instead of a text; "" is that which is being
                learned, or that of the references, if any.
            lora_scale: factor of LoRA; of those tasks that are learned without, 0.
            repaint: whether the U-Net is told that nothing is known, and what is known
                is put into the latents before each step, with that step's noise; by
                Lugmayr et al., RePaint, CVPR 2022 (Equation 8), without resampling.
            attention_slices: see `predict_images`; it changes no number.

        Returns:
            "prompt" and, if it counts, "negative_prompt", int32 (1, 77); or "task"
            (1, n, C) instead of the first, with "hidden" (1,), 0 where the hole is seen
            as well; "references" (1, N, S, S, 3); "lora_scale" (1,); "rows"
            (1, N, 3 + 2 HISTORY), see `samplers.Schedule.rows`; "noise_weight" and, if
            the picture is seen, "picture_weight" (1,) at the start; "guidance" (1,);
            "repaint" (1,) if so.

        Raises:
            InputError: if an option breaks its rule.
        """
        arrays = self._schedule(num_steps, sampler, strength)
        if not self.lora and lora_scale != 1:
            raise InputError(
                f"lora_scale: needs a model with LoRA, received {lora_scale!r} for one "
                "without"
            )
        task = task or self.learned_task or (REFER if self.references else "")
        held = self.prompts or {"(no prompt has been learned)": None}
        if task:
            choose("task", task, held)
        if task and prompt:
            raise InputError(
                f"prompt: must not be given with a task, whose prompt is learned, "
                f"received {prompt!r}"
            )
        if task:
            (learned,) = self.use_state(task).values()
            if self.references and not TASKS[task].views:
                raise InputError(
                    f"reference: must not be given with the task {task}, received "
                    f"{len(self.references)}"
                )
            if self.references:
                arrays["references"] = as_floats(np.stack(self.references)[None], 0)[0]
            arrays["task"] = learned[None]
            arrays["hidden"] = np.float32([not TASKS[task].whole])
        else:
            arrays["prompt"] = self._tokens([prompt])
        if self.lora:
            factor = TASKS[task].lora_scale if task else 1
            arrays["lora_scale"] = np.float32([factor * lora_scale])
        if task and TASKS[task].whole:
            guidance_scale = 1.0  # what it learned is a correction, not a likeness
        arrays["guidance"] = np.float32([guidance_scale])
        negative = self._tokens([negative_prompt])
        # Between the same texts there is nothing to be guided by.
        if guidance_scale > 1 and not np.array_equal(arrays.get("prompt"), negative):
            arrays["negative_prompt"] = negative
        if repaint:
            if task and TASKS[task].whole:
                raise InputError(
                    f"repaint: must be false with the task {task}, which sees the "
                    "hole, received true"
                )
            arrays["repaint"] = np.ones(1, "float32")
        return arrays

    def _schedule(self, num_steps, sampler, strength):
        """Returns what `condition` does of the sampler."""
        schedule = samplers.schedule(sampler, num_steps, strength)
        arrays = {
            "rows": schedule.rows(),
            "noise_weight": np.float32(schedule.start),
        }
        if strength < 1:
            weights = samplers.add_noise(*np.eye(2), schedule.alphas[0])
            weights = np.float32(weights / schedule.scales[0])
            arrays["picture_weight"], arrays["noise_weight"] = weights
        return {name: np.asarray(array)[None] for name, array in arrays.items()}

    @property
    def tokenizer(self):
        return clip_tokenizer(self.pad_token)

    def remarks(self, hole, **options):
        chosen = self.chosen(options)
        remarks = [] if chosen["repaint"] else self.remarks_on_mask(hole)
        room = self.length - 2  # start and end
        for name in ("prompt", "negative_prompt"):
            count = len(self.tokenizer.ids(chosen[name])) - 2
            if count > room:
                remarks.append(
                    f"{name}: {room} tokens are read, {count - room} are not"
                )
        return remarks

    def remarks_on_mask(self, hole) -> list:
        """Returns what should be said of a hole (H, W) of which latents show a pixel.

        A part is lost of which neither its own latents nor those beside them show any.
        """
        picture = np.broadcast_to(np.uint8(0), (*np.shape(hole), 3))
        _, shown, _ = self.sizes.fit(picture, hole)
        step, side = self.shrinks, self.image_size // self.shrinks
        cells = shown.reshape(side, step, side, step).max((1, 3))
        near = cv2.dilate(shown[::step, ::step], np.ones((3, 3), np.uint8))
        if (cells <= near).all():
            return []
        return [
            f"mask: has parts thinner than the {step} pixels of a latent, which the "
            f"network does not see as a hole; widen it, by -mask_dilation {step} or so"
        ]

    def draw(self, rng, height, width):
        shape = (1, height // self.shrinks, width // self.shrinks)
        channels = self.unet.output.shape[-1]
        return {"noise": rng.standard_normal((*shape, channels), np.float32)}

    def predict_images(self, images, masks, seed: int = 0, **options):
        """See `Inpainter.predict_images`; an option is of the memory that it takes.

        Args:
            images, masks, seed: see there.
            **options: see `condition`; "attention_slices" are the parts that the
                queries of the U-Net's self-attention are cut into, one after the other,
                0 for those that it was built with; from 2 both texts of guidance follow
                one another as well.
        """
        chosen = self.chosen(options)
        self.condition(**chosen)  # checks them
        if chosen.get("task") == REFER and not self.references:
            raise InputError(
                f"reference: is needed for the task {REFER}, received none"
            )
        self._slice_attention(chosen["attention_slices"] or self.slices)
        return super().predict_images(images, masks, seed, **options)

    def _slice_attention(self, slices):
        """Cuts the U-Net's self-attention into parts; what was compiled is not so."""
        layers = self._self_attention
        if any(layer.slices != slices for layer in layers):
            self._compiled = {}
        for layer in layers:
            layer.slices = slices

    @property
    def _self_attention(self):
        return [x for x in self.unet.layers if x.name.endswith(".attn1.heads")]

    def refer_to(self, *references):
        """See `Completer.refer_to`; there may be `MOST_REFERENCES`.

        Of each the largest square in its middle is shown.
        """
        references = [*map(as_picture, references)]
        if len(references) > MOST_REFERENCES:
            raise InputError(
                f"reference: must be at most {MOST_REFERENCES}, received "
                f"{len(references)}"
            )
        if references and REFER not in self.prompts:
            raise InputError(
                f"reference: needs a prompt of the task {REFER}, received none; give "
                "its file with the adapters"
            )
        self.references = [fit_image(x, self.image_size) for x in references]

    def predict_aligned(self, image, mask, aligned=None):
        """See `Inpainter.predict_aligned`; a "reference" is one."""
        if "reference" not in (aligned or {}):
            return super().predict_aligned(image, mask)
        self.refer_to(aligned["reference"])
        try:
            return self.predict_image(image, mask)
        finally:
            self.refer_to()

    def _remembered(self, inputs):
        """Returns what `embed` does; each text is embedded once.

        While the text encoder learns, nothing is remembered.
        """
        if "text_encoder" in self.trained_parts:
            self._embeddings = {}
        tokens = ops.convert_to_numpy(inputs["tokens"])
        return np.concatenate([self._embedding(row[None]) for row in tokens])

    def _embedding(self, tokens):
        """Returns the embeddings (1, 77, C) of the tokens of a text, (1, 77)."""
        key = tokens.tobytes()
        if key not in self._embeddings:
            found = self.compiled_method("embed")({"tokens": tokens})
            while len(self._embeddings) >= REMEMBERED_TEXTS:
                del self._embeddings[next(iter(self._embeddings))]
            self._embeddings[key] = ops.convert_to_numpy(found)
        return self._embeddings[key]

    def call(self, inputs):
        """See `Inpainter.call`; all steps are one graph.

        While the autoencoder learns, it is what the decoder makes of the picture.
        """
        if self.reconstructs:
            return self.reconstruct(inputs)

        def steps(state, rows):
            return fold(
                lambda history, row: self.advance(
                    {**state, "history": history, "row": row}
                ),
                state["history"],
                ops.swapaxes(rows, 0, 1),
            )

        return self._sample(inputs, lambda name: getattr(self, name), steps)

    def _run(self, inputs):
        """Predicts step by step, so that one can see it and stop it.

        Each network is compiled once, whatever the sampler and the number of steps.

        Raises:
            NumericError: if numbers are no longer finite; names the layer.
        """

        if self.reconstructs:
            return self.compiled_call(inputs)

        def steps(state, rows):
            bar = tqdm(range(rows.shape[1]), "sampling", disable=None, leave=False)
            for i in bar:
                state["history"] = run("advance")({**state, "row": rows[:, i]})
            return state["history"]

        def run(name):
            own = {"embed": self._remembered}
            # How many views there are must be known to the U-Net.
            variant = len(self.references) if name == "advance" else 0
            method = own.get(name) or self.compiled_method(name, variant)

            def checked(inputs):
                found = method(inputs)
                check_finite(found, self, COMPUTED[name], name, inputs)
                return found

            return checked

        return self._sample(inputs, run, steps)

    def _sample(self, inputs, run, steps):
        """Returns a prediction (B, H, W, 3) in [-1, 1].

        Args:
            inputs: of `call`.
            run: takes the name of a method and returns it, compiled or not.
            steps: takes the state of the first step and the rows of all (B, N, ...),
                returns the last history.
        """
        picture = {k: inputs[k] for k in ("image", "mask", "hidden") if k in inputs}
        pictures, noise = [picture, *_references(inputs)], inputs["noise"]
        # One below the other; noise that is mirrored is other noise.
        noise = below(ops.flip(noise, axis=MIRRORED[i]) for i in range(len(pictures)))
        latents = noise * aside(inputs["noise_weight"])
        if "picture_weight" in inputs:
            encoded = below(run("encode")({"image": x["image"]}) for x in pictures)
            latents = latents + encoded * aside(inputs["picture_weight"])
        seen, kept = pictures, {}
        if "repaint" in inputs:
            seen = [{**x, "mask": ops.ones_like(x["mask"])} for x in pictures]
            shown = [{"image": x["image"] * (1 - x["mask"])} for x in pictures]
            holes = [ops.max_pool(x["mask"], *[self.shrinks] * 2) for x in pictures]
            kept = {"kept": below(map(run("encode"), shown)), "unknown": below(holes)}
            kept["noise"] = noise
        unknown = ops.zeros_like(latents)
        older = [unknown] * (samplers.HISTORY - 1)
        history = [ops.stack([new, *older], axis=1) for new in (latents, unknown)]
        state = {
            "history": ops.stack(history, axis=1),
            "known": below(map(run("encode_known"), seen)),
            **kept,
            **self._conditions(inputs, run),
        }
        latents = steps(state, inputs["rows"])[:, 0, 0]
        if kept:
            latents = _put_back(latents, 1.0, kept)
        latents = latents[:, : inputs["noise"].shape[1]]
        return run("decode")({"latents": latents, **picture})

    def _conditions(self, inputs, run):
        """Returns what `predict_noise` takes beside the known; see `_sample`."""
        texts = {k: inputs[k] for k in ("prompt", "negative_prompt") if k in inputs}
        found = {k: run("embed")({"tokens": ids}) for k, ids in texts.items()}
        others = len(_references(inputs))
        if "task" in inputs:
            own, of_others = inputs["task"][:, :LENGTH], inputs["task"][:, LENGTH:]
            found["prompt"] = below([own, *[of_others] * others])
        if "negative_prompt" in found:
            found["negative_prompt"] = below([found["negative_prompt"]] * (1 + others))
        others = {k: inputs[k] for k in ("guidance", "lora_scale") if k in inputs}
        return found | others

    def reconstruct(self, inputs):
        """Returns what the decoder makes of an "image"; see `encode` and `decode`."""
        return self.decode({**inputs, "latents": self.encode(inputs)})

    def encode(self, inputs):
        """Returns the latents (B, h, w, 4) of an "image" (B, H, W, 3)."""
        moments = self.encoder(inputs["image"], training=False)
        mean = moments[..., : moments.shape[-1] // 2]
        return self.latent_scale * mean

    def encode_known(self, inputs):
        """Returns what the U-Net sees beside noise: the mask, latents of what is known.

        Args:
            inputs: "image" (B, H, W, 3), "mask" (B, H, W, 1) and perhaps "hidden" (B,)
                or (1,), 1 where the hole is empty, 0 where it is seen, too.
        """
        image, mask = inputs["image"], inputs["mask"]
        hole = mask * aside(inputs["hidden"]) if "hidden" in inputs else mask
        latents = self.encode({"image": image * (1 - hole)})
        step = self.shrinks  # the first pixel of each cell, as PyTorch takes it
        return ops.concatenate([mask[:, ::step, ::step], latents], axis=-1)

    def embed(self, inputs):
        """Returns the embeddings (B, 77, C) of "tokens" (B, 77)."""
        return self.text_encoder(inputs["tokens"])

    def advance(self, inputs):
        """Takes a step: returns the history with new latents and a new noise.

        Args:
            inputs: "history" (B, 2, HISTORY, h, w, 4), latents and noises, newest
                first; "row" (B, 3 + 2 HISTORY), see `samplers.Schedule.rows`; what
                `predict_noise` takes; and perhaps "kept", see `_put_back`.
        """
        history, row = inputs["history"], inputs["row"]
        timestep, alpha, scale = (row[:, i] for i in range(3))
        latents = history[:, 0]
        shown = aside(scale) * latents[:, 0]
        if "kept" in inputs:
            shown = _put_back(shown, aside(alpha), inputs)
            newest = shown / aside(scale)
            latents = ops.concatenate([newest[:, None], latents[:, 1:]], axis=1)
        noise = self.predict_noise(shown, timestep, aside(alpha), inputs)
        noises = ops.concatenate([noise[:, None], history[:, 1, :-1]], axis=1)
        remembered = ops.stack([latents, noises], axis=1)
        weights = ops.reshape(row[:, 3:], (-1, 2, samplers.HISTORY, 1, 1, 1))
        new = ops.sum(weights * remembered, axis=(1, 2))
        latents = ops.concatenate([new[:, None], latents[:, :-1]], axis=1)
        return ops.stack([latents, noises], axis=1)

    def predict_noise(self, shown, timestep, alpha, inputs):
        """Returns the noise (B, h, w, 4) in latents, by classifier-free guidance.

        Args:
            shown: the noisy latents (B, h, w, 4).
            timestep: (B,).
            alpha: (B, 1, 1, 1), share of the signal in their variance.
            inputs: "known" (B, h, w, 5); "prompt" and perhaps "negative_prompt",
                embeddings (B, n, C), and "guidance" (B,); "lora_scale" (B,) of a model
                with LoRA.

        Reference: Ho and Salimans, Classifier-Free Diffusion Guidance, 2022.
        """
        seen = ops.concatenate([shown, inputs["known"]], axis=-1)
        scale = [inputs["lora_scale"]] if self.lora else []
        texts = [inputs[k] for k in ("negative_prompt", "prompt") if k in inputs]
        if len(texts) < 2:
            found = self.denoise([seen, timestep, *texts, *scale])
            return self.noise_of(found, shown, alpha)
        sliced = any(layer.slices > 1 for layer in self._self_attention)
        if texts[0].shape[1] == texts[1].shape[1] and not sliced:
            both = [seen, timestep, *scale]
            seen, timestep, *scale = (ops.concatenate([x, x]) for x in both)
            found = self.denoise([seen, timestep, ops.concatenate(texts), *scale])
            negative, positive = ops.split(found, 2)
        else:
            negative, positive = (
                self.denoise([seen, timestep, text, *scale]) for text in texts
            )
        found = negative + aside(inputs["guidance"]) * (positive - negative)
        return self.noise_of(found, shown, alpha)

    def decode(self, inputs):
        """Returns the picture of "latents"; "image" and "mask" may be seen as well."""
        return self.decoder(self._decoder_inputs(inputs))

    def _decoder_inputs(self, inputs):
        latents = inputs["latents"] / self.latent_scale
        if len(self.decoder.inputs) == 1:
            return latents
        image, mask = inputs["image"], inputs["mask"]
        return [latents, image * (1 - mask), mask]


def made(name, build, options, dtype, **given):
    """Builds a network from a preset's arguments of it, and what is given beside."""
    known = [k for k in inspect.signature(build).parameters if k not in given]
    for option in options:
        choose(f"{name}, its argument", option, dict.fromkeys(known))
    return build(**{"dtype": dtype, **options, **given})


def _references(inputs):
    """Returns what is seen of other views: of use, or of a batch in training."""
    views = inputs.get("references")
    if "reference" in inputs:
        views = inputs["reference"][:, None]
    if views is None:
        return []
    known = ops.zeros_like(inputs["mask"])
    return [{"image": views[:, i], "mask": known} for i in range(views.shape[1])]


def _put_back(latents, alpha, inputs):
    """Returns latents (B, h, w, 4) that are those of the picture where it is known.

    Args:
        latents: noisy ones, of which `alpha` of the variance is signal.
        alpha: 1, or (B, 1, 1, 1).
        inputs: "kept", latents of the picture, and "noise", (B, h, w, 4); "unknown"
            (B, h, w, 1), 1 where a cell has any of the hole.
    """
    known = samplers.add_noise(inputs["kept"], inputs["noise"], alpha)
    return ops.where(inputs["unknown"] > 0, latents, known)


def _halvings(network):
    """Returns how many times wider what comes in is than what is narrowest."""
    return 2 ** sum(
        layer.name.endswith("downsamplers.0.conv") for layer in network.layers
    )


# The network that a method computes.
COMPUTED = {
    "encode": "encoder",
    "encode_known": "encoder",
    "embed": "text_encoder",
    "lead": "alignment",
    "advance": "unet",
    "decode": "decoder",
}
