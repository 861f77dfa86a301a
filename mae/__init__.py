"""A masked autoencoder as an inpainter: what it completes is stable, and blurred."""
