"""LaMa: large masks inpainted with Fourier convolutions."""
