"""ASUKA: Stable Diffusion led by a masked autoencoder's prior instead of a text."""
