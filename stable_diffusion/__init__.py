"""Stable Diffusion for inpainting: a latent diffusion model that a text guides."""
