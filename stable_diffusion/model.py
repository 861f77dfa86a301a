"""Stable Diffusion for inpainting: latents are denoised step by step, beside a text.

Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models,
CVPR 2022.
"""

import hashlib
import inspect
import logging
from types import SimpleNamespace

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from inpainting_zoo.engine.backend import BACKEND
from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.engine.operations import fold
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.features.lpips import PLANS, lpips_network
from inpainting_zoo.layers.lora import LoRA
from inpainting_zoo.layers.prompt import Prompt
from inpainting_zoo.losses.kl_divergence import kl_divergence
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.losses.reconstruction import absolute
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.finite import check_finite
from inpainting_zoo.models.inpainter import Inpainter
from inpainting_zoo.models.pixels import as_floats
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.models.stage import Stage, named
from inpainting_zoo.stable_diffusion import samplers
from inpainting_zoo.stable_diffusion.autoencoder import build_decoder, build_encoder
from inpainting_zoo.stable_diffusion.presets import FAMILY
from inpainting_zoo.stable_diffusion.tasks import INVERTED, LENGTH, LORA, TASKS
from inpainting_zoo.stable_diffusion.text_encoder import build_text_encoder
from inpainting_zoo.stable_diffusion.tokenizer import END, clip_tokenizer
from inpainting_zoo.stable_diffusion.unet import build_unet
from inpainting_zoo.storage.vectors import remembered

log = logging.getLogger(__name__)
NO_ARGUMENTS = {}
NO_TASKS = ()
HELD_OUT = 8  # levels of noise at which a task's loss is measured
REMEMBERED_TEXTS = 16  # whose embeddings are not computed again


class StableDiffusion(Inpainter):
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

    STAGES, OPTIONS = FAMILY.stages, FAMILY.options
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
        self.shrinks = _halvings(encoder)
        multiple = self.shrinks * _halvings(unet)
        side = Sizes(multiple=multiple, least=multiple, side=image_size)
        super().__init__(image_size, side, seed)
        self.unet, self.text_encoder, self.lora = unet, text, lora
        self.text_learns = text_learns
        self.length = text.input.shape[1] if text else 0
        self._embeddings = {}  # of texts
        self.encoder, self.decoder = encoder, decoder
        self.latent_scale, self.pad_token = latent_scale or 1.0, pad_token
        self.target, self.noise_of = choose("predicts", predicts, PREDICTS)
        self.prompt, self.prompt_dropped = prompt, prompt_dropped
        self.all_hole, self.average, self.masks = all_hole, average or None, masks
        self.loss_weights = {"l1": 1.0, "kl": kl_weight, "lpips": perceptual_weight}
        self.reconstructs, self.lpips = False, None
        self.task = choose("task", task, dict.fromkeys(INVERTED, task))
        self.prompts, self._losses, self.policy = {}, {}, dtype
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

    def _add_prompt(self, task):
        choose("tasks", task, TASKS)
        if task not in self.prompts:
            width = self.text_encoder.output.shape[-1]
            new = Prompt(LENGTH, width, name=task, dtype=self.policy)
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

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`.

        The autoencoder learns alone; denoising moves the U-Net, a small model's text
        encoder with it, or a LoRA alone; task inversion a prompt of `LENGTH`
        embeddings, harmonization such a prompt and the LoRA.
        """
        self.reconstructs = name == "autoencoder"
        if self.reconstructs:
            return self._autoencoder_stage()
        if name == "denoising":
            unet = [self.unet, self.text_encoder] if self.text_learns else self.unet
            learned = {"lora": self.lora} if self.lora else {"unet": unet}
            return Stage(self.denoising_step, learned, average=self.average)
        task = self._task_of(name)
        if self.lora and not TASKS[task].lora_scale:
            raise InputError(
                f"lora_rank: must be 0 in the stage {name}, whose prompt is used "
                f"without LoRA, received {self.lora.rank}"
            )
        prompt, further = self._add_prompt(task), {}
        learned = [prompt]
        if name == "harmonization":
            if self.target is not PREDICTS["noise"][0]:
                raise InputError(
                    "predicts: must be noise in the stage harmonization, received "
                    "velocity"
                )
            if self.lora:
                learned.append(self.lora)
            else:
                log.warning("lora_rank: a prompt alone learns to copy; 24 is usual")
            further = {"inputs": ("target",), "truth": "target"}

        def initialize():
            prompt.embeddings.assign(self._embedded(TASKS[task].text)[:LENGTH])

        return Stage(
            lambda batch, minimize: self.task_step(task, batch, minimize),
            {task: learned},
            best=True,
            initialize=initialize,
            **further,
        )

    def _autoencoder_stage(self):
        if self.loss_weights["lpips"]:
            least = PLANS["alexnet"].least_side
            if self.image_size < least:
                raise InputError(
                    f"perceptual_weight: must be 0 below {least} px, received "
                    f"{self.loss_weights['lpips']} at {self.image_size} px"
                )
            self.lpips, self.lpips_heads = lpips_network("alexnet")
        learns = {"autoencoder": [self.encoder, self.decoder]}
        return Stage(self.autoencoder_step, learns, average=self.average)

    def autoencoder_step(self, batch, minimize):
        """Takes a step of the encoder and the decoder, together."""
        image, mask = batch["image"], self._learned_masks(batch["mask"])
        return minimize("autoencoder", lambda: self.autoencoder_loss(image, mask))

    def autoencoder_loss(self, image, mask):
        """Returns `(loss, logs)` of what is decoded of noisy latents.

        Args:
            image: (B, H, W, 3) in [-1, 1].
            mask: (B, H, W, 1), 1 where a conditional decoder does not see the image.

        References: Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014; for
        the distances Rombach et al., Appendix G, without its discriminator.
        """
        moments = self.encoder(image, training=True)
        mean, log_variance = ops.split(moments, 2, axis=-1)
        log_variance = ops.clip(log_variance, -30, 20)
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        latents = self.latent_scale * (mean + ops.exp(log_variance / 2) * noise)
        decoded = self.decode({"latents": latents, "image": image, "mask": mask})
        terms = {
            "l1": ops.mean(absolute(decoded - image)),
            "kl": kl_divergence(mean, log_variance),
        }
        if self.lpips is not None:
            features = self.lpips(decoded), self.lpips(image)
            terms["lpips"] = perceptual_similarity_loss(*features, self.lpips_heads)
        return weighted_sum(terms, self.loss_weights, "autoencoder")

    def validation_loss(self, prediction, image, mask):
        """See `Inpainter.validation_loss`; of an autoencoder the L1 that it learns."""
        return ops.mean(absolute(prediction - image)) if self.reconstructs else None

    def _task_of(self, stage):
        """Returns the task that a stage learns, or none."""
        tasks = {"task_inversion": self.task, "harmonization": "harmonize"}
        return tasks.get(stage)

    def stage_masks(self, stage):
        task = self._task_of(stage)
        return TASKS[task].masks if task else self.masks

    def _embedded(self, text):
        """Returns the embeddings (77, C) of a text as an array."""
        tokens = self.tokenizer(text, self.length)
        return ops.convert_to_numpy(self.text_encoder(tokens[None]))[0]

    def denoising_step(self, batch, minimize):
        """Takes a step of the U-Net, or its LoRA, on noise of random strength."""
        mask = self._learned_masks(batch["mask"])
        inputs = self.noised({**batch, "mask": mask})
        inputs = {name: ops.stop_gradient(x) for name, x in inputs.items()}

        def loss():
            prompt = self._learned_prompts(ops.shape(mask)[0], batch.get("tokens"))
            return self.denoising_loss(**inputs, prompt=prompt)

        (learned,) = self.stage.learns
        return minimize(learned, loss)

    def noised(self, batch):
        """Draws what `denoising_loss` takes of a batch, but for the prompt.

        Args:
            batch: "image" (B, H, W, 3) in [-1, 1], "mask" (B, H, W, 1), 1 in the hole,
                and perhaps "latents" (B, h, w, 4) of the image.
        """
        latents = batch.get("latents")
        if latents is None:
            latents = self.encode(batch)
        noise, known = self._draw_noise(latents), self.encode_known(batch)
        return {"latents": latents, **noise, "known": known}

    def _draw_noise(self, latents):
        """Draws noise and time steps, evenly, for latents (B, h, w, 4)."""
        shape, random = ops.shape(latents), {"seed": self.seed_generator}
        timestep = keras.random.randint((shape[0],), 0, samplers.STEPS, **random)
        return {"timestep": timestep, "noise": keras.random.normal(shape, **random)}

    def task_step(self, task, batch, minimize):
        """Takes a step of what tells a task; the networks stay as they are.

        Reference: Wang et al., Repositioning the Subject within Image, TMLR 2024.
        """
        inputs = self.task_inputs(task, batch)
        inputs |= self._draw_noise(inputs["latents"])
        inputs = {name: ops.stop_gradient(x) for name, x in inputs.items()}

        def loss():
            prompt = self._prompts_of(task, ops.shape(batch["image"])[0])
            return self.denoising_loss(**inputs, prompt=prompt)

        return minimize(task, loss)

    def task_inputs(self, task, batch):
        """Returns what `denoising_loss` takes beside noise and the prompt.

        Harmonization sees the composite x everywhere, and what should be predicted is
        more than the noise, by x - x* from the target's latents (Equation 2). That the
        noise is added to x itself is not written there, but makes samples turn to x*.
        """
        image = {"image": batch["image"], "mask": batch["mask"]}
        latents = batch["latents"] if "latents" in batch else self.encode(image)
        if not TASKS[task].whole:
            return {"latents": latents, "known": self.encode_known(image)}
        known = self.encode_known({**image, "hidden": ops.zeros((1,))})
        change = latents - self.encode({"image": batch["target"]})
        return {"latents": latents, "known": known, "change": change}

    def _prompts_of(self, task, batch_size):
        """Returns the prompt of a task for each picture, (B, LENGTH, C)."""
        return ops.repeat(self.prompts[task].embeddings[None], batch_size, axis=0)

    def denoising_loss(self, latents, noise, timestep, known, prompt, change=0.0):
        """Returns `(loss, logs)`: the mean squared error of what is predicted.

        Args:
            latents: (B, h, w, 4) of the whole picture.
            noise: (B, h, w, 4), normal.
            timestep: (B,), 0 to 999, strength of the noise that is added.
            known: see `encode_known`.
            prompt: embeddings (B, n, C).
            change: what is added to the noise that is asked for.

        Reference: Ho et al., Denoising Diffusion Probabilistic Models, NeurIPS 2020,
        Equation 14.
        """
        signal = ops.convert_to_tensor(samplers.signal().astype("float32"))
        alpha = _aside(ops.take(signal, timestep))
        shown = samplers.add_noise(latents, noise, alpha)
        seen = ops.concatenate([shown, known], axis=-1)
        timestep = ops.cast(timestep, "float32")
        given = [seen, timestep, prompt]
        if self.lora:
            given.append(ops.ones_like(timestep))
        predicted = self.unet(given, training=True)
        error = predicted - self.target(latents, noise, alpha) - change
        loss = ops.mean(ops.square(error))
        return loss, {"unet_loss": loss}

    def _learned_masks(self, mask):
        """Lets some of the masks (B, H, W, 1) hide everything."""
        everything = self._drawn(ops.shape(mask)[0], self.all_hole)
        return ops.where(everything, 1.0, mask)

    def _drawn(self, batch_size, share):
        """Draws (B, 1, 1, 1) of booleans, a share of which are true."""
        shape = (batch_size, 1, 1, 1)
        return keras.random.uniform(shape, seed=self.seed_generator) < share

    def _learned_prompts(self, batch_size, tokens=None):
        """Returns embeddings (B, 77, C): of the prompt, or of none where it is dropped.

        Args:
            batch_size: B.
            tokens: of a prompt for each picture (B, 77), instead of that for all.

        Reference: Ho and Salimans, Classifier-Free Diffusion Guidance, 2022.
        """
        if tokens is None:
            tokens = self._tokens([self.prompt])
        none = self.text_encoder(self._tokens([""]))
        given = self.text_encoder(tokens)
        dropped = self._drawn(batch_size, self.prompt_dropped)[:, 0]
        return ops.where(dropped, none, given)

    def _tokens(self, texts):
        """Returns the tokens of texts, int32 (B, 77)."""
        return np.stack([self.tokenizer(str(text), self.length) for text in texts])

    def preparing(self, repeated):
        """See `Inpainter.preparing`; captions become tokens.

        While the U-Net learns, the latents of repeated pictures are remembered by
        content.
        """
        latents_of = None if self.reconstructs or not repeated else self._recalling()

        def prepare(batch):
            batch = dict(batch)
            texts = batch.pop("caption", None)
            if texts is not None:
                batch["tokens"] = self._tokens(texts)
            if latents_of:
                batch["latents"] = np.stack([*map(latents_of, batch["image"])])
            return batch

        return prepare

    def _recalling(self):
        """Returns what finds the latents (h, w, 4) of a picture, uint8 (H, W, 3)."""
        variables = [*named({"encoder": self.encoder}).values()]
        arrays = [ops.convert_to_numpy(v) for v in variables]
        content = hashlib.sha256(b"".join(array.tobytes() for array in arrays))
        policy = self.encoder.layers[1].dtype_policy.name
        digest = content.hexdigest()[:16]
        key = f"latents-{BACKEND}-{policy}-{self.latent_scale}-{digest}"
        # Copies: JAX takes the values of a model's variables while it is trained.
        copies = [SimpleNamespace(value=ops.convert_to_tensor(x)) for x in arrays]
        encode = compiled(self.encode, variables, copies)

        def compute(image):
            found = encode({"image": as_floats(image[None], 0)[0]})
            return ops.convert_to_numpy(found)[0]

        return lambda image: remembered(key, image, compute)

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
        attention_slices=0,
    ):
        """Returns what the options mean to the networks.

        Args:
            prompt: what the hole should show.
            negative_prompt: what it should not.
            num_steps: of the sampler, 1 to 999.
            guidance_scale: how much the prompt counts, from 1, where the negative one
                does not count at all and steps take half of the time.
            sampler: name in `samplers.SAMPLERS`.
            strength: above 0, at most 1; below 1 sampling starts from what the picture
                has in the hole, with so much of the noise.
            task: name of a learned prompt, instead of a text; "" is that which is being
                learned, if any.
            lora_scale: factor of LoRA; of those tasks that are learned without, 0.
            attention_slices: see `predict_images`; it changes no number.

        Returns:
            "prompt" and, if it counts, "negative_prompt", int32 (1, 77); or "task"
            (1, LENGTH, C) instead of the first, with "hidden" (1,), 0 where the hole is
            seen as well; "lora_scale" (1,) where there is one; "rows"
            (1, N, 3 + 2 HISTORY), see `samplers.Schedule.rows`; "noise_weight" and, if
            the picture is seen, "picture_weight" (1,) at the start; "guidance" (1,).

        Raises:
            InputError: if an option breaks its rule.
        """
        arrays = self._schedule(num_steps, sampler, strength, attention_slices)
        number = isinstance(guidance_scale, int | float)
        if not number or isinstance(guidance_scale, bool) or not guidance_scale >= 1:
            raise InputError(
                f"guidance_scale: must be a number from 1, received {guidance_scale!r}"
            )
        texts = {"negative_prompt": negative_prompt, "prompt": prompt}
        for name, text in texts.items():
            if not isinstance(text, str):
                raise InputError(f"{name}: must be text, received {text!r}")
        if not isinstance(lora_scale, int | float) or not 0 <= lora_scale < np.inf:
            raise InputError(
                f"lora_scale: must be a number from 0, received {lora_scale!r}"
            )
        if not self.lora and lora_scale != 1:
            raise InputError(
                f"lora_scale: needs a model with LoRA, received {lora_scale!r} for one "
                "without"
            )
        task = task or (self._task_of(self.stage_name) if self.stage else None)
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
            arrays["task"] = learned[None]
            arrays["hidden"] = np.float32([not TASKS[task].whole])
        else:
            arrays["prompt"] = self._tokens([prompt])
        if self.lora:
            factor = TASKS[task].lora_scale if task else 1
            arrays["lora_scale"] = np.float32([factor * lora_scale])
        arrays["guidance"] = np.float32([guidance_scale])
        if guidance_scale > 1:
            arrays["negative_prompt"] = self._tokens([negative_prompt])
        return arrays

    def _schedule(self, num_steps, sampler, strength, attention_slices=0):
        """Returns what `condition` does of the sampler."""
        whole = isinstance(attention_slices, int) and attention_slices is not True
        if not whole or attention_slices < 0:
            raise InputError(
                "attention_slices: must be a whole number from 0, received "
                f"{attention_slices!r}"
            )
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
        chosen, remarks = self.chosen(options), []
        room = self.length - 2  # start and end
        for name in ("prompt", "negative_prompt"):
            count = len(self.tokenizer.ids(chosen[name])) - 2
            if count > room:
                remarks.append(
                    f"{name}: {room} tokens are read, {count - room} are not"
                )
        return remarks

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
                0 for those that it was built with.
        """
        chosen = self.chosen(options)
        self.condition(**chosen)  # checks them
        self._slice_attention(chosen["attention_slices"] or self.slices)
        return super().predict_images(images, masks, seed, **options)

    def _slice_attention(self, slices):
        """Cuts the U-Net's self-attention into parts; what was compiled is not so."""
        layers = [x for x in self.unet.layers if x.name.endswith(".attn1.heads")]
        if any(layer.slices != slices for layer in layers):
            self._compiled = {}
        for layer in layers:
            layer.slices = slices

    def _remembered(self, inputs):
        """Returns what `embed` does; each text is embedded once."""
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
            method = own.get(name) or self.compiled_method(name)

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
        latents = inputs["noise"] * _aside(inputs["noise_weight"])
        if "picture_weight" in inputs:
            encoded = run("encode")({"image": inputs["image"]})
            latents = latents + encoded * _aside(inputs["picture_weight"])
        unknown = ops.zeros_like(latents)
        older = [unknown] * (samplers.HISTORY - 1)
        history = [ops.stack([new, *older], axis=1) for new in (latents, unknown)]
        state = {
            "history": ops.stack(history, axis=1),
            "known": run("encode_known")(picture),
            **self._conditions(inputs, run),
        }
        history = steps(state, inputs["rows"])
        return run("decode")({"latents": history[:, 0, 0], **picture})

    def _conditions(self, inputs, run):
        """Returns what `predict_noise` takes beside the known; see `_sample`."""
        texts = {k: inputs[k] for k in ("prompt", "negative_prompt") if k in inputs}
        found = {k: run("embed")({"tokens": ids}) for k, ids in texts.items()}
        if "task" in inputs:
            found["prompt"] = inputs["task"]
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
        hole = mask * _aside(inputs["hidden"]) if "hidden" in inputs else mask
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
                `predict_noise` takes.
        """
        history, row = inputs["history"], inputs["row"]
        timestep, alpha, scale = (row[:, i] for i in range(3))
        shown = _aside(scale) * history[:, 0, 0]
        noise = self.predict_noise(shown, timestep, _aside(alpha), inputs)
        latents = history[:, 0]
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
            found = self.unet([seen, timestep, *texts, *scale])
            return self.noise_of(found, shown, alpha)
        if texts[0].shape[1] == texts[1].shape[1]:  # both at once
            both = [seen, timestep, *scale]
            seen, timestep, *scale = (ops.concatenate([x, x]) for x in both)
            found = self.unet([seen, timestep, ops.concatenate(texts), *scale])
            negative, positive = ops.split(found, 2)
        else:
            negative, positive = (
                self.unet([seen, timestep, text, *scale]) for text in texts
            )
        found = negative + _aside(inputs["guidance"]) * (positive - negative)
        return self.noise_of(found, shown, alpha)

    def validation_number(self, prediction, image, mask, aligned=None):
        """Returns the loss of a task on one picture, always of the same noise."""
        task = self._task_of(self.stage_name)
        if task is None:
            return super().validation_number(prediction, image, mask, aligned)
        if TASKS[task].whole and "target" not in (aligned or {}):
            return None
        pictures = {"image": image, "mask": mask[..., None], **(aligned or {})}
        batch = self.as_inputs({name: x[None] for name, x in pictures.items()})
        batch = {name: ops.convert_to_tensor(x) for name, x in batch.items()}
        if task not in self._losses:  # of the weights as they are, not the best ones
            self._losses[task] = compiled(
                lambda batch: self.held_out_loss(task, batch),
                [*named(self.parts).values()],
            )
        return float(ops.convert_to_numpy(self._losses[task](batch)))

    def held_out_loss(self, task, batch):
        """Returns the mean loss of one picture at `HELD_OUT` levels of fixed noise."""
        side, channels = self.image_size // self.shrinks, self.unet.output.shape[-1]
        shape = (HELD_OUT, side, side, channels)
        noise = np.random.default_rng(0).standard_normal(shape, np.float32)
        levels = (np.arange(HELD_OUT) + 0.5) / HELD_OUT * samplers.STEPS
        inputs = {
            name: ops.repeat(x, HELD_OUT, axis=0)
            for name, x in self.task_inputs(task, batch).items()
        }
        prompt = self._prompts_of(task, HELD_OUT)
        inputs |= {"noise": noise, "timestep": levels.astype("int32"), "prompt": prompt}
        return self.denoising_loss(**inputs)[0]

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


def _halvings(network):
    """Returns how many times wider what comes in is than what is narrowest."""
    return 2 ** sum(
        layer.name.endswith("downsamplers.0.conv") for layer in network.layers
    )


def _aside(x):
    """Numbers of pictures (B,) as (B, 1, 1, 1)."""
    return ops.reshape(x, (-1, 1, 1, 1))


def _noise_of_velocity(predicted, shown, alpha):
    return ops.sqrt(alpha) * predicted + ops.sqrt(1 - alpha) * shown


# The network that a method computes.
COMPUTED = {
    "encode": "encoder",
    "encode_known": "encoder",
    "embed": "text_encoder",
    "lead": "alignment",
    "advance": "unet",
    "decode": "decoder",
}
# What training compares with, of (latents, noise, alpha), and the noise that is meant,
# of (predicted, noisy latents, alpha).
PREDICTS = {
    "noise": (lambda latents, noise, alpha: noise, lambda found, shown, alpha: found),
    "velocity": (samplers.velocity, _noise_of_velocity),
}
