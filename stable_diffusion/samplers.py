"""Samplers: from noise to latents in a few steps, as tables of numbers.

Each of these methods is linear: what it knows next is a weighted sum of the latents and
of the noises that the network saw in them, of the last few steps. So a sampler is a
function that returns the weights, and one step of the model serves all of them.

References: Song et al., Denoising Diffusion Implicit Models, ICLR 2021; Karras et al.,
Elucidating the Design Space of Diffusion-Based Generative Models, NeurIPS 2022; Lu et
al., DPM-Solver++, 2022; Liu et al., Pseudo Numerical Methods for Diffusion Models on
Manifolds, ICLR 2022.
"""

import dataclasses
import functools

import numpy as np
from keras import ops

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.families import check_options
from inpainting_zoo.stable_diffusion.presets import FAMILY, SAMPLING

STEPS = 1000  # of the diffusion that the network was trained on
FIRST, LAST = 0.00085, 0.012  # variances of its first and last step
HISTORY = 5  # steps that a sampler remembers
RHO = 7  # of Karras et al.


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What a sampler does in N steps; float64 arrays.

    Args:
        timesteps: (N,) of the diffusion, that the network is told.
        alphas: (N,) shares of the signal in the variance of what the network sees.
        scales: (N,) factors of the latents before the network sees them.
        latents: (N, HISTORY) weights of the latents, newest first.
        noises: (N, HISTORY) weights of the noises, newest first.
        start: standard deviation of the latents that sampling starts from.
    """

    timesteps: np.ndarray
    alphas: np.ndarray
    scales: np.ndarray
    latents: np.ndarray
    noises: np.ndarray
    start: float = 1.0

    def rows(self):
        """Returns all numbers of the steps, float32 (N, 3 + 2 HISTORY)."""
        columns = [self.timesteps, self.alphas, self.scales, self.latents, self.noises]
        return np.column_stack(columns).astype("float32")


@functools.cache
def signal():
    """Returns the share of the signal in the variance at each time step, (STEPS,)."""
    betas = np.linspace(FIRST**0.5, LAST**0.5, STEPS) ** 2
    return np.cumprod(1 - betas)


def add_noise(latents, noise, alpha):
    """Returns latents with noise, of which `alpha` of the variance is signal."""
    return alpha**0.5 * latents + (1 - alpha) ** 0.5 * noise


def velocity(latents, noise, alpha):
    """Returns what a network of v-prediction predicts (Salimans and Ho, 2022)."""
    return alpha**0.5 * noise - (1 - alpha) ** 0.5 * latents


def schedule(name: str, num_steps: int, strength: float = 1.0) -> Schedule:
    """Returns what a sampler does.

    Args:
        name: in `SAMPLERS`.
        num_steps: from noise to a picture, 1 to 999.
        strength: share of the steps that are taken, the last ones; above 0, at most 1.

    Raises:
        InputError: if an argument breaks its rule, or no step is left.
    """
    given = {"num_steps": num_steps, "strength": strength, "sampler": name}
    check_options(given, FAMILY.options, SAMPLING)
    if not int(num_steps * strength):
        raise InputError(
            f"strength: must leave one of {num_steps} steps, received {strength!r}"
        )
    return SAMPLERS[name](num_steps, num_steps - int(num_steps * strength))


def ddim(num_steps: int, begin: int = 0, spacing: str = "leading") -> Schedule:
    """Denoising diffusion implicit models, without fresh noise (Equation 12).

    Args:
        num_steps: of a whole sampling.
        begin: the first of them that is taken.
        spacing: name in `SPACINGS`.
    """
    t = timesteps(spacing, num_steps)[begin:]
    latents, noises = _transfer(t, t - STEPS // num_steps)
    return _one_step(t, latents, noises)


def euler(num_steps: int, begin: int = 0, spacing: str = "leading") -> Schedule:
    """Euler's method for the ordinary differential equation of Karras et al.

    Latents are those of ddim divided by the square root of their signal's share.
    """
    t = timesteps(spacing, num_steps)
    sigmas = np.interp(t, np.arange(STEPS), _sigmas())
    start = np.hypot(sigmas[begin], 1) if spacing == "leading" else sigmas[begin]
    steps = np.diff(sigmas, append=0.0)[begin:]
    found = _one_step(t[begin:], np.ones_like(steps), steps)
    alphas = 1 / (sigmas[begin:] ** 2 + 1)
    return dataclasses.replace(
        found, alphas=alphas, scales=alphas**0.5, start=float(start)
    )


def dpm_solver(num_steps: int, begin: int = 0, spacing: str = "leading") -> Schedule:
    """DPM-Solver++ of second order, multistep (Algorithm 2), first order at both ends.

    Args:
        num_steps, begin: see `ddim`.
        spacing: "leading", "linspace", or "karras", by the noise rather than the time.

    Raises:
        InputError: if "leading" has no time step for so many.
    """
    if spacing == "karras":
        high, low = _sigmas()[[-1, 0]] ** (1 / RHO)
        sigmas = (high + np.linspace(0, 1, num_steps) * (low - high)) ** RHO
        t = np.rint(np.interp(np.log(sigmas), np.log(_sigmas()), np.arange(STEPS)))
    else:
        t = np.rint(timesteps(spacing, num_steps + 1)[:-1])
        if t[0] >= STEPS:
            raise InputError(
                f"num_steps: must be at most {STEPS - 2} with the sampler dpmpp, "
                f"received {num_steps}"
            )
        sigmas = _sigmas()[t.astype(int)]
    t, sigmas = t[begin:], np.append(sigmas, 0.0)[begin:]
    alpha = 1 / np.hypot(sigmas, 1)
    sigma = sigmas * alpha
    with np.errstate(divide="ignore"):
        logsnr = np.log(alpha) - np.log(sigma)  # lambda in the paper; infinite at last
    h = np.diff(logsnr)
    gain = -alpha[1:] * np.expm1(-h)
    found = _one_step(t, sigma[1:] / sigma[:-1], np.zeros_like(h))
    found = dataclasses.replace(found, alphas=alpha[:-1] ** 2)
    for i in range(len(t)):
        # Weights of the data that the last two steps predicted.
        weights = [gain[i]]
        if 0 < i < len(t) - 1:
            half = 0.5 * h[i] / h[i - 1]  # 1 / (2 r)
            weights = [gain[i] * (1 + half), -gain[i] * half]
        for j, weight in enumerate(weights):
            # The data is (latents - sigma noise) / alpha.
            found.latents[i, j] += weight / alpha[i - j]
            found.noises[i, j] -= weight * sigma[i - j] / alpha[i - j]
    return found


def pndm(num_steps: int, begin: int = 0) -> Schedule:
    """Pseudo linear multistep method, which sees its second time step twice.

    Its first step is repeated with the mean of the noises at both of its ends; from
    then on Adams and Bashforth's weights are those of noises that do not count that.
    """
    stride = STEPS // num_steps
    t = timesteps("leading", num_steps)[begin:]
    before = t - stride
    if len(t) > 1:
        t = np.insert(t, 1, t[1])
        before = np.insert(before, 1, t[1])
    noisy = t.copy()  # where each step starts from
    noisy[1:2] += stride
    latents, gains = _transfer(noisy, before)
    found = _one_step(t, latents, np.zeros_like(gains))
    for i, weights in enumerate(_adams_bashforth(len(t))):
        found.noises[i, : len(weights)] = gains[i] * np.array(weights)
    if len(t) > 1:
        found.latents[1, :2] = 0, latents[1]  # from where the first step started
    return found


def _adams_bashforth(count):
    """Weights of the noises of each call, newest first; that of call 1 is its own."""
    first = [[1], [1 / 2, 1 / 2], [3 / 2, 0, -1 / 2], [23 / 12, -16 / 12, 0, 5 / 12]]
    fourth = [55 / 24, -59 / 24, 37 / 24, -9 / 24]
    fifth = [*fourth[:3], 0, fourth[3]]
    return [*first, fifth, *[fourth] * count][:count]


def timesteps(spacing: str, count: int):
    """Returns the time steps of a sampling, latest first: float64 (count,)."""
    return choose("spacing", spacing, SPACINGS)(count)


def _leading(count):
    return np.arange(count)[::-1] * (STEPS // count) + 1.0


def _linspace(count):
    return np.linspace(0, STEPS - 1, count)[::-1]


def _trailing(count):
    return np.rint(np.arange(count, 0, -1) * (STEPS / count)) - 1


def _sigmas():
    """Noise by signal at each time step, (STEPS,)."""
    return np.sqrt(1 / signal() - 1)


def _alphas(t):
    """The signal at time steps; before the first there is that of the first."""
    return signal()[np.maximum(t, 0).astype(int)]


def _transfer(t, before):
    """Weights of latents and noise that lead from t to an earlier time (Equation 12).

    Equation 11 of PNDM is the same.
    """
    a, earlier = _alphas(t), _alphas(before)
    kept = np.sqrt(earlier / a)
    return kept, np.sqrt(1 - earlier) - kept * np.sqrt(1 - a)


def _one_step(t, latents, noises):
    """A schedule whose steps take the newest latents and noise alone."""
    weights = np.zeros((2, len(t), HISTORY))
    weights[:, :, 0] = latents, noises
    return Schedule(t, _alphas(t), np.ones(len(t)), *weights)


def aside(x):
    """Returns numbers of pictures (B,) as (B, 1, 1, 1)."""
    return ops.reshape(x, (-1, 1, 1, 1))


def _noise_of_velocity(predicted, shown, alpha):
    return ops.sqrt(alpha) * predicted + ops.sqrt(1 - alpha) * shown


SPACINGS = {"leading": _leading, "linspace": _linspace, "trailing": _trailing}
SAMPLERS = {
    "ddim": ddim,
    "euler": euler,
    "dpmpp": dpm_solver,
    "dpmpp_karras": functools.partial(dpm_solver, spacing="karras"),
    "pndm": pndm,
}
# What training compares with, of (latents, noise, alpha), and the noise that is meant,
# of (predicted, noisy latents, alpha).
PREDICTS = {
    "noise": (lambda latents, noise, alpha: noise, lambda found, shown, alpha: found),
    "velocity": (velocity, _noise_of_velocity),
}
