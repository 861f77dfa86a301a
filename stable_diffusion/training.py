"""How Stable Diffusion learns: its autoencoder, denoising, and prompts of tasks."""

import hashlib
import logging
from types import SimpleNamespace

import keras
import numpy as np
from keras import ops

from inpainting_zoo.engine.backend import BACKEND
from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.errors import InputError
from inpainting_zoo.features.lpips import PLANS, lpips_network
from inpainting_zoo.losses.kl_divergence import kl_divergence
from inpainting_zoo.losses.mean_squared_error import mean_squared_error
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.losses.reconstruction import absolute
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import Inpainter
from inpainting_zoo.models.pixels import as_floats
from inpainting_zoo.models.stage import Stage, named
from inpainting_zoo.stable_diffusion import samplers
from inpainting_zoo.stable_diffusion.presets import FAMILY
from inpainting_zoo.stable_diffusion.samplers import aside
from inpainting_zoo.stable_diffusion.tasks import LENGTH, REFER, TASKS
from inpainting_zoo.storage.vectors import remembered

log = logging.getLogger(__name__)
HELD_OUT = 8  # levels of noise at which a task's loss is measured


class LatentTraining(Inpainter):
    """The stages of `StableDiffusion`, which has the networks."""

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`.

        The autoencoder learns alone; denoising moves the U-Net, a small model's text
        encoder with it, or a LoRA alone; task inversion and reference a prompt,
        harmonization a prompt and the LoRA.
        """
        self.reconstructs, self.learned_task = name == "autoencoder", None
        if self.reconstructs:
            return self._autoencoder_stage()
        if name == "denoising":
            unet = [self.unet, self.text_encoder] if self.text_learns else self.unet
            learned = {"lora": self.lora} if self.lora else {"unet": unet}
            return Stage(self.denoising_step, learned, average=self.average)
        task = self.learned_task = self._task_of(name)
        if self.lora and not TASKS[task].lora_scale:
            raise InputError(
                f"lora_rank: must be 0 in the stage {name}, whose prompt is used "
                f"without LoRA, received {self.lora.rank}"
            )
        prompt, further = self._add_prompt(task), {}
        learned = [prompt]
        if name == "harmonization":
            if self.lora:
                learned.append(self.lora)
            else:
                log.warning("lora_rank: a prompt alone learns to copy; 24 is usual")
            further = {"truth": "target"}

        def initialize():
            begun = self._embedded(TASKS[task].text)[:LENGTH]
            prompt.embeddings.assign(np.tile(begun, (1 + TASKS[task].views, 1)))

        return Stage(
            lambda batch, minimize: self.task_step(task, batch, minimize),
            {task: learned},
            best=True,
            initialize=initialize,
            inputs=FAMILY.inputs.get(name, ()),
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
        tasks = {
            "task_inversion": self.task,
            "harmonization": "harmonize",
            "reference": REFER,
        }
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
        if TASKS[task].views:
            batch = {**batch, "mask": self._learned_masks(batch["mask"])}
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
        more than the noise, by x - x* from the target's latents (Equation 2). To which
        the noise is added is not written there; it is the target x*, since of x samples
        would end at x, however well the noise were predicted.
        Another view stands below the picture, and is known.
        """
        image = {"image": batch["image"], "mask": batch["mask"]}
        latents = batch["latents"] if "latents" in batch else self.encode(image)
        if TASKS[task].views:
            nothing = ops.zeros_like(batch["mask"])
            other = {"image": batch["reference"], "mask": nothing}
            known = below(map(self.encode_known, (image, other)))
            return {"latents": below([latents, self.encode(other)]), "known": known}
        if not TASKS[task].whole:
            return {"latents": latents, "known": self.encode_known(image)}
        known = self.encode_known({**image, "hidden": ops.zeros((1,))})
        target = self.encode({"image": batch["target"]})
        return {"latents": target, "known": known, "change": latents - target}

    def _prompts_of(self, task, batch_size):
        """Returns the prompt of a task for each picture, (B, n, C)."""
        return ops.repeat(self.prompts[task].embeddings[None], batch_size, axis=0)

    def denoising_loss(self, latents, noise, timestep, known, prompt, change=None):
        """Returns `(loss, logs)`: the mean squared error of what is predicted.

        With a change it is that of the noise that is meant, whatever is predicted.

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
        alpha = aside(ops.take(signal, timestep))
        shown = samplers.add_noise(latents, noise, alpha)
        seen = ops.concatenate([shown, known], axis=-1)
        timestep = ops.cast(timestep, "float32")
        given = [seen, timestep, prompt]
        if self.lora:
            given.append(ops.ones_like(timestep))
        predicted = self.denoise(given, training=True)
        if change is None:
            expected = self.target(latents, noise, alpha)
        else:
            predicted = self.noise_of(predicted, shown, alpha)
            expected = noise + change
        loss = mean_squared_error(predicted, expected)
        return loss, {"unet_loss": loss}

    def denoise(self, given, **options):
        """Returns what the U-Net predicts of [latents, time steps, texts, ...].

        Latents (B, V h, h, C) are of V views, one below the other, each of which sees
        its part of the texts (B, V n, D) alone.
        """
        _, height, width, _ = given[0].shape
        for layer in self.text_attention:
            layer.views = max(1, height // width)
        return self.unet(given, **options)

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

    def validation_number(self, prediction, image, mask, aligned=None):
        """Returns the loss of a task on one picture, always of the same noise."""
        task = self.learned_task
        if task is None:
            return super().validation_number(prediction, image, mask, aligned)
        if not {*self.stage.inputs} <= {*(aligned or ())}:
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
        inputs = {
            name: ops.repeat(x, HELD_OUT, axis=0)
            for name, x in self.task_inputs(task, batch).items()
        }
        shape = HELD_OUT, *inputs["latents"].shape[1:]
        noise = np.random.default_rng(0).standard_normal(shape, np.float32)
        levels = (np.arange(HELD_OUT) + 0.5) / HELD_OUT * samplers.STEPS
        prompt = self._prompts_of(task, HELD_OUT)
        inputs |= {"noise": noise, "timestep": levels.astype("int32"), "prompt": prompt}
        return self.denoising_loss(**inputs)[0]


def below(arrays):
    """Returns arrays (B, h, ...) one below the other, (B, n h, ...)."""
    arrays = [*arrays]
    return ops.concatenate(arrays, axis=1) if arrays[1:] else arrays[0]
