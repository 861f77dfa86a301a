"""An ensemble of two inpainters: a combiner, between denoisers or alone."""
